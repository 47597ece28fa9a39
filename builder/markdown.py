"""Markdown with front matter, as people write it for this project: read once, refused early.

Front matter is YAML between two ``---`` lines. Anchors and aliases are refused: an alias bomb passes a safe loader and then
eats the memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from builder.errors import UsageError

MAX_BYTES = 2_000_000  # the largest file of ours is under 100 kB; a larger one is a mistake, not a bank


class _PlainLoader(yaml.SafeLoader):
    """YAML in which ``true``, ``no`` and ``2024-01-01`` are words: front matter here has no use for booleans or dates."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Page(NamedTuple):
    """A Markdown file: its front matter, its body, and the line on which the body starts (1-based)."""

    path: Path
    meta: dict[str, Any]
    body: str
    body_line: int


class Entry(NamedTuple):
    """One ``# heading`` of a bank: ``key: value`` attributes, and the variants under each ``## beat``."""

    id: str
    attributes: dict[str, str]
    beats: dict[str, tuple[str, ...]]


def read_text(path: Path) -> str:
    """The text of a UTF-8 file with ``\\n`` line ends; ``UsageError`` when it cannot be read as that."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror or error})", path) from error
    if len(raw) > MAX_BYTES:
        raise UsageError(f"is larger than {MAX_BYTES:,} bytes", path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UsageError("is not UTF-8; save it as UTF-8", path, line) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_page(path: Path) -> Page:
    """Read a Markdown file and its front matter."""
    text = read_text(path)
    if not text.startswith("---\n"):
        return Page(path, {}, text, 1)
    head, fence, body = text[4:].partition("\n---\n")
    if not fence:
        raise UsageError("front matter is opened with --- and never closed", path, 1)
    return Page(path, _parse_front_matter(head, path), body, head.count("\n") + 4)


def _parse_front_matter(head: str, path: Path) -> dict[str, Any]:
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(head)):
            raise UsageError("front matter may not use YAML aliases", path, 2)
        meta = yaml.load(head, Loader=_PlainLoader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise UsageError(f"front matter: {problem}", path, (mark.line + 2) if mark else 2) from error
    if meta is None:
        return {}
    if not isinstance(meta, dict):
        raise UsageError("front matter must be 'key: value' lines", path, 2)
    return meta


def parse_entries(page: Page) -> dict[str, Entry]:
    """The entries of a bank, in order. Sections before the first ``# heading`` belong to the entry named ``""``.

    Each top-level ``- `` is one variant; deeper indentation continues it.
    """
    entries: dict[str, Entry] = {}
    current, beat = Entry("", {}, {}), ""
    for number, line in enumerate(page.body.split("\n"), start=page.body_line):
        if line.startswith("# "):
            current, beat = Entry(line[2:].strip(), {}, {}), ""
            if current.id in entries:
                raise UsageError(f"the entry {current.id!r} stands twice", page.path, number)
            entries[current.id] = current
        elif line.startswith("## "):
            beat = line[3:].strip()
            current.beats.setdefault(beat, ())
            entries.setdefault(current.id, current)
        elif beat:
            current.beats[beat] = _with_line(current.beats[beat], line)
        elif ":" in line and not line.startswith(" "):
            key, _, value = line.partition(":")
            current.attributes[key.strip()] = value.partition("  #")[0].strip()
    return entries


def _with_line(variants: tuple[str, ...], line: str) -> tuple[str, ...]:
    """``variants`` with one more line read: a new ``- `` item, or the continuation of the last."""
    if line.startswith("- "):
        return (*variants, line[2:].strip().replace("\\n", "\n"))
    if line.startswith("  ") and line.strip() and variants:
        return (*variants[:-1], f"{variants[-1]} {line.strip()}")
    return variants


def sections(page: Page) -> dict[str, str]:
    """The text under each ``## heading``, keyed by the heading in lower case."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in page.body.split("\n"):
        if line.startswith("## "):
            lines = found.setdefault(line[3:].strip().lower(), [])
        else:
            lines.append(line)
    return {heading: "\n".join(text).strip() for heading, text in found.items()}


def bullets(text: str) -> tuple[str, ...]:
    """The top-level list items of a section, each on one line."""
    items: tuple[str, ...] = ()
    for line in text.split("\n"):
        items = _with_line(items, line)
    return items
