"""Texts that stand beside a corpus: hand-written references, labelled passages, and existing texts to be rewritten.

    corpus/<name>/reference/*.md            one document each, with labels in its front matter
    corpus/<name>/reference/passages.toml   short texts, each with the trait it shows, names or only resembles
    a JSONL of id and text or messages      what the recipe ``deliberation`` rewrites
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Literal

from builder.door import mended
from builder.errors import UsageError
from builder.markdown import named, read_page, read_tables, record
from builder.records import Id, Record, Turn, digest, slugify

_LONGEST_ROW = 1_000_000  # bytes: some 170,000 words, more than any model writes in one answer
_IS_ID = re.compile(r"[a-z0-9_-]{1,120}")
_FIELDS = ("recipe", "form", "trait", "exercised", "opening", "deliberation", "eval_shape", "shown", "named", "violated")


class Reference(Record):
    """A document written by hand, with what it shows: an example for writers, and a measure for checks and judges."""

    id: Id
    recipe: str
    form: str
    trait: Id
    exercised: bool
    opening: str
    deliberation: str
    eval_shape: int
    shown: tuple[Id, ...]
    named: tuple[Id, ...]
    violated: tuple[Id, ...]
    text: str


class Passage(Record):
    """A short labelled text: its trait is shown, only named, or neither though it looks so (``near_miss``)."""

    id: Id
    trait: Id
    label: Literal["shown", "named", "near_miss"]
    text: str
    why: str = ""


class Source(Record):
    """An existing text or conversation whose response is to be rewritten; ``turns`` is empty for a plain text."""

    id: str
    text: str
    turns: tuple[Turn, ...] = ()
    trait: str = ""


def read_references(folder: Path) -> tuple[Reference, ...]:
    """The references of a corpus, by file name; none where there is no such folder."""
    return tuple(_reference(named(path)) for path in sorted(folder.glob("*.md")) if path.name != "README.md")


def _reference(path: Path) -> Reference:
    page = read_page(path)
    missing = [name for name in _FIELDS if name not in page.meta]
    if missing:
        raise UsageError(f"the front matter lacks {missing[0]}", path, 2)
    values: dict[str, Any] = {name: page.meta[name] for name in _FIELDS}
    return record(Reference, {**values, "id": path.stem, "text": page.body.strip()}, path)


def read_passages(path: Path) -> tuple[Passage, ...]:
    """The labelled passages of one file; none where there is no such file."""
    return tuple(record(Passage, row, path) for row in read_tables(path, "passage")) if path.is_file() else ()


def read_sources(path: Path) -> Iterator[Source]:
    """The existing texts of a JSONL file, one row at a time; ``UsageError`` with the line of the first row that cannot be used.

    {"id": "a-1", "text": "..."}                                                 a plain text: all of it is rewritten
    {"id": 17, "messages": [{"role": "user", "content": "..."}, ...]}            the last message, the assistant's, is rewritten

    ``turns`` may stand for ``messages``, and a ``trait`` beside them; whatever else a row holds is not read. Of a conversation ``text`` is
    the response. An id that cannot be a file name becomes its slug and a short hash. Lone surrogates and control characters are mended as
    those of a model's answer are (``builder/door.py``). A byte order mark and CRLF line ends are read over.
    """
    seen: dict[str, int] = {}
    for number, line in _lines(path):
        source = _source(_row(line, path, number), path, number)
        if source.id in seen:
            raise UsageError(f"the id {source.id!r} stands on line {seen[source.id]} already; give every row its own", path, number)
        seen[source.id] = number
        yield source


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    if not path.is_file():
        raise UsageError("no file there; name a JSONL file in [deliberation] input", path)
    try:
        with path.open("rb") as file:
            for number in count(1):
                line = file.readline(_LONGEST_ROW + 1)
                if len(line) > _LONGEST_ROW:
                    raise UsageError(f"the row is over {_LONGEST_ROW:,} bytes, more than any model rewrites; leave it out", path, number)
                if not line:
                    return
                if line.strip(b"\xef\xbb\xbf \t\r\n"):
                    yield number, line
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror or error})", path) from error


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError("is not UTF-8; save it as UTF-8", path, number) from error
    except (ValueError, RecursionError) as error:  # a JSONDecodeError, or a number of 5,000 digits
        raise UsageError(f"is not JSON ({getattr(error, 'msg', error)}); write one object a line", path, number) from error
    if not isinstance(row, dict):
        raise UsageError("a row is an object with an id, and text or messages", path, number)
    return row


def _source(row: dict[str, Any], path: Path, number: int) -> Source:
    given, trait, text = row.get("id"), row.get("trait") or "", row.get("text")
    if isinstance(given, bool) or not isinstance(given, str | int) or not str(given).strip():
        raise UsageError("the row has no id; give it one, text or a whole number", path, number)
    if not isinstance(trait, str):
        raise UsageError(f"trait is {str(trait)[:60]!r}; write the id of a trait, or leave it out", path, number)
    name = str(given)
    known = name if _IS_ID.fullmatch(name) else f"{slugify(name)}-{digest(name, 8)}"
    messages = row.get("messages") or row.get("turns")
    if messages:
        turns = _conversation(messages, path, number)
        return Source(id=known, text=turns[-1].content, turns=turns, trait=trait)
    if not (whole := _words_of(text)):
        raise UsageError("the row has neither a text nor messages, or an empty one", path, number)
    return Source(id=known, text=whole, trait=trait)


def _conversation(messages: object, path: Path, number: int) -> tuple[Turn, ...]:
    if not isinstance(messages, list):
        raise UsageError("messages is no list of {role, content}", path, number)
    turns = tuple(_turn(message, f"message {at}", path, number) for at, message in enumerate(messages, start=1))
    if turns[-1].role != "assistant":
        raise UsageError(f"the last message is the {turns[-1].role}'s; a row ends with the assistant's response", path, number)
    if all(turn.role != "user" for turn in turns):
        raise UsageError("no user's message stands before the response; a text without one is a row with text", path, number)
    return turns


def _turn(message: object, where: str, path: Path, number: int) -> Turn:
    row: dict[str, Any] = message if isinstance(message, dict) else {}
    role, content = row.get("role"), row.get("content")
    if role not in ("system", "user", "assistant"):
        raise UsageError(f"{where} has the role {str(role)[:60]!r}; it must be system, user or assistant", path, number)
    if not (said := _words_of(content)):
        raise UsageError(f"{where} has no content; it must be text", path, number)
    return Turn(role=role, content=said)


def _words_of(value: object) -> str:
    """A text as it may be carried; empty where it is none, or holds not one letter or digit."""
    return mended(value)[0].strip() if isinstance(value, str) and any(map(str.isalnum, value)) else ""
