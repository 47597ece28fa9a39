"""What is let in at the door, and what is not."""

from __future__ import annotations

import time

import pytest

from builder.door import mended


@pytest.mark.parametrize(
    ("text", "clean", "changes"),
    [
        ("plain, with é, 文 and \U0001f600\n\ttabbed", "plain, with é, 文 and \U0001f600\n\ttabbed", 0),
        ("half \ud83d gone \udc00", "half \ufffd gone \ufffd", 2),
        ("nul\x00 bell\x07 escape\x1b[0m del\x7f next\x85", "nul bell escape[0m del next", 5),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree\n", 2),
        ("", "", 0),
    ],
)
def test_what_comes_in_can_be_written_anywhere(text: str, clean: str, changes: int) -> None:
    assert mended(text) == (clean, changes)
    assert mended(clean) == (clean, 0)
    clean.encode("utf-8")


def test_clean_text_passes_quickly() -> None:
    text = "A sentence of ordinary words, and another one. " * 20_000
    began = time.perf_counter()
    assert mended(text)[0] is text
    assert time.perf_counter() - began < 0.5
