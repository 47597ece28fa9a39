"""Texts that a corpus may not hold: the questions of benchmarks, read from JSONL (plain, .gz, .zst), Parquet or plain text.

A row's text is its first field of ``FIELDS``, its id the first of ``id``, ``task_id``, ``question_id``, ``qid``, else the file's name and
the row's number. A plain text file (.txt, .md) is one text a paragraph, or one a line where it has no blank line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from builder.candidates import read_rows
from builder.errors import UsageError
from builder.markdown import read_text
from builder.text import folded_words

FIELDS = ("text", "question", "prompt", "input", "problem", "instruction")
LEAST_WORDS = 5  # "What is two plus two?" stands in honest texts too

_IDS = ("id", "task_id", "question_id", "qid")
_PLAIN = (".txt", ".md")
_LONGEST_ID = 80  # characters; an id ends up in the reason of a verdict


class Question(NamedTuple):
    """One text of a benchmark: its id and its words, case folded."""

    id: str
    words: list[str]


class Benchmark:
    """One file of benchmark texts. Reading it counts what was read, for ``told``."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UsageError("there is no such file of benchmark texts", path)
        self.path = path
        self._fields: Counter[str] = Counter()
        self._short = 0

    def questions(self) -> Iterator[Question]:
        """Its texts of at least ``LEAST_WORDS`` words, in order."""
        self._fields.clear()
        self._short = 0
        for identifier, text in self._plain() if self.path.suffix in _PLAIN else self._rows():
            words = folded_words(text)
            if len(words) >= LEAST_WORDS:
                yield Question(identifier[:_LONGEST_ID].encode("utf-8", "replace").decode(), words)
            else:
                self._short += 1

    def told(self) -> str:
        """What was read, from which field, and what was left out, in one line."""
        fields = ", ".join(f"{count:,} from {field}" for field, count in self._fields.most_common()) or "no text"
        short = f"; {self._short:,} of fewer than {LEAST_WORDS} words are not looked for" if self._short else ""
        return f"{self.path}: {fields}{short}"

    def _plain(self) -> Iterator[tuple[str, str]]:
        lines = [line.strip() for line in read_text(self.path).split("\n")]
        numbered = list(enumerate(lines, start=1))
        by_line = "" not in lines[:-1]
        for _, group in groupby(numbered, key=lambda row: row[0] if by_line else row[1] != ""):
            block = list(group)
            if block[0][1]:
                self._fields["lines" if by_line else "paragraphs"] += 1
                yield f"{self.path.name}:{block[0][0]}", " ".join(line for _, line in block)

    def _rows(self) -> Iterator[tuple[str, str]]:
        for number, row in read_rows(self.path, (*_IDS, *FIELDS)):
            field = next((name for name in FIELDS if isinstance(row, dict) and _text(row.get(name))), None)
            if field is None:
                raise UsageError(f"a row needs one of the fields {', '.join(FIELDS)}", self.path, number)
            self._fields[field] += 1
            known = next((row[name] for name in _IDS if isinstance(row.get(name), str | int) and row[name] != ""), None)
            yield f"{self.path.name}:{number}" if known is None else str(known), _text(row[field])


def _text(value: Any) -> str:
    """A text, or the messages of a conversation one after the other; empty where it is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        contents = (turn.get("content") for turn in value if isinstance(turn, dict))
        return "\n".join(content for content in contents if isinstance(content, str))
    return ""
