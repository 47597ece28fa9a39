"""Texts that stand beside a corpus: hand-written references, labelled passages, and existing texts to be rewritten.

    corpus/<name>/reference/*.md            one document each, with labels in its front matter
    corpus/<name>/reference/passages.toml   short texts, each with the trait it shows, names or only resembles
    a JSONL of id and text or messages      what the recipe ``deliberation`` rewrites
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from builder.errors import UsageError
from builder.markdown import named, read_page, read_tables, record
from builder.records import Id, Record, Turn

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
