"""Existing texts as people hand them over: what is read, what is mended, and one line for what cannot be used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from builder.errors import UsageError
from builder.records import Id
from builder.references import Source, read_sources

ASKED = {"role": "user", "content": "Is it lime?"}
SAID = {"role": "assistant", "content": "Three to one it is."}


def written(tmp_path: Path, *lines: str | Mapping[str, Any]) -> Path:
    path = tmp_path / "responses.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def fault(path: Path) -> str:
    with pytest.raises(UsageError) as raised:
        list(read_sources(path))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_text_and_a_conversation_are_read_in_order(tmp_path: Path) -> None:
    path = written(tmp_path, {"id": "a", "text": " One jar. ", "more": [1]}, {"id": "b", "messages": [ASKED, SAID], "trait": "owns-errors"})
    one, other = read_sources(path)
    assert (one.id, one.text, one.turns, one.trait) == ("a", "One jar.", (), "")
    assert (other.text, [turn.role for turn in other.turns], other.trait) == (SAID["content"], ["user", "assistant"], "owns-errors")


def test_turns_stand_for_messages_and_an_empty_list_of_them_for_none(tmp_path: Path) -> None:
    """Rows as this project exports them: a plain text has an empty list of messages."""
    rows = list(read_sources(written(tmp_path, {"id": "a", "turns": [ASKED, SAID]}, {"id": "b", "text": "One jar.", "messages": []})))
    assert [(row.text, len(row.turns)) for row in rows] == [(SAID["content"], 2), ("One jar.", 0)]


def test_a_byte_order_mark_crlf_and_empty_lines_are_read_over(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "a", "text": "One."}\r\n\r\n{"id": "b", "text": "Two."}')
    assert [row.text for row in read_sources(path)] == ["One.", "Two."]


def test_ids_that_cannot_be_file_names_become_slugs_that_stay_apart(tmp_path: Path) -> None:
    names = [7, "Row 1", "row/1", "x" * 400, "\N{SNOWMAN}", "\N{COMET}"]
    rows = [row.id for row in read_sources(written(tmp_path, *({"id": name, "text": "One."} for name in names)))]
    assert rows[0] == "7" and rows[1].startswith("row-1-") and len(set(rows)) == len(names)
    TypeAdapter(list[Id]).validate_python(rows)


def test_lone_surrogates_and_control_characters_are_mended(tmp_path: Path) -> None:
    said = {"role": "assistant", "content": "a\x00b \ud83d\r\nc"}
    first, second = read_sources(written(tmp_path, {"id": "a", "text": "a\ud83d b"}, {"id": "b", "messages": [ASKED, said]}))
    assert (first.text, second.text) == ("a\ufffd b", "ab \ufffd\nc")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"id": ' + "9" * 5_000 + "}", "is not JSON"),
        ("[]", "an object"),
        ({"text": "One."}, "no id"),
        ({"id": True, "text": "One."}, "no id"),
        ({"id": " ", "text": "One."}, "no id"),
        ({"id": "first", "text": "One."}, "'first' stands on line 1 already"),
        ({"id": "a"}, "neither a text nor messages"),
        ({"id": "a", "text": " \u200b "}, "neither a text nor messages"),
        ({"id": "a", "text": 3}, "neither a text nor messages"),
        ({"id": "a", "text": "One.", "trait": 3}, "trait is '3'"),
        ({"id": "a", "messages": "hello"}, "no list"),
        ({"id": "a", "messages": [ASKED]}, "the last message is the user's"),
        ({"id": "a", "messages": [SAID]}, "no user's message"),
        ({"id": "a", "messages": [ASKED, {"role": "tool", "content": "x"}, SAID]}, "message 2 has the role 'tool'"),
        ({"id": "a", "messages": [{"role": "user", "content": ""}, SAID]}, "message 1 has no content"),
        ({"id": "a", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}, SAID]}, "message 1 has no content"),
        ({"id": "a", "messages": ["x", SAID]}, "message 1 has the role 'None'"),
        ({"id": "a", "text": "word " * 250_000}, "1,000,000 bytes"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named_by_file_and_line(tmp_path: Path, row: str | Mapping[str, Any], said: str) -> None:
    told = fault(written(tmp_path, {"id": "first", "text": "One."}, row))
    assert told.startswith(f"{tmp_path / 'responses.jsonl'} line 2: ") and said in told and len(told) < 400


def test_latin_1_is_told_from_json(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_bytes('{"id": "a", "text": "café"}'.encode("latin-1"))
    assert "line 1: is not UTF-8" in fault(path)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "no file there" in fault(tmp_path / name)


def test_rows_come_one_by_one(tmp_path: Path) -> None:
    """A fault further down does not keep the rows above it from being read: the file is never held whole."""
    rows = read_sources(written(tmp_path, *({"id": number, "text": "One."} for number in range(1_000)), "{"))
    assert next(rows) == Source(id="0", text="One.")
    with pytest.raises(UsageError, match="line 1001"):
        list(rows)
