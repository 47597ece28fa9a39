"""Rows are read as ``json`` reads them, whichever decoder was the quicker."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.candidates import _parsed, read_candidates
from builder.errors import UsageError

TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)  # halves of surrogate pairs, too
NUMBERS = st.integers() | st.integers(2**60, 2**70) | st.floats()
VALUES = st.none() | st.booleans() | NUMBERS | TEXTS | st.lists(TEXTS, max_size=2)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans(), ENCODINGS)
def test_a_row_is_what_json_says(row: dict[str, Any], ascii_only: bool, encoding: str) -> None:
    line = json.dumps(row, ensure_ascii=ascii_only).encode(encoding, "surrogatepass")
    if any(isinstance(value, float) and not math.isfinite(value) for value in row.values()):
        with pytest.raises(UsageError, match="is no number"):
            _parsed(line, Path("rows.jsonl"), 1)
    else:
        assert repr(_parsed(line, Path("rows.jsonl"), 1)) == repr(json.loads(line))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**30])
def test_a_large_number_is_an_id_to_its_last_digit(tmp_path: Path, number: int) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"id": {number}, "text": "words", "score": 1e300}}\n')
    assert [(row.id, row.score) for row in read_candidates([path])] == [(str(number), 1e300)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"id": 1, "text": "a", "score": NaN}', "is not JSON (NaN is no number)"),
        (b'{"id": 1, "text": "a"} b', "is not JSON (Extra data: line 1 column 24 (char 23))"),
        (b'{"id": 1, "text": "a\tb"}', "is not JSON (Invalid control character at: line 1 column 21 (char 20))"),
        (b'{"id": "\\ud800", "text": "a"}', "an id is Unicode text, and a score a finite number"),
        (b'{"id": 1.5, "text": "a"}', "a row needs a text and an id"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_json(tmp_path: Path, line: bytes, says: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\n \t\n{"id": "a", "text": "b"}\n' + line + b"\n")
    with pytest.raises(UsageError) as caught:
        list(read_candidates([path]))
    assert str(caught.value) == f"{path} line 4: {says}"
