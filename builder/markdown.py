"""Markdown with front matter and TOML tables, as people write them for this project: read once, refused early.

Front matter is YAML between two ``---`` lines. Anchors and aliases are refused: an alias bomb passes a safe loader and then
eats the memory.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from builder.errors import UsageError, no_such, plainly

MAX_NUMBER = 1e9  # of a share or of words: beyond it sums of shares lose the small ones
_ID = re.compile(r"[a-z0-9_-]{1,120}")
_FENCE = re.compile(r"^---[ \t]*(?:\n|\Z)", re.MULTILINE)
RecordType = TypeVar("RecordType", bound=BaseModel)
MAX_BYTES = 2_000_000  # the largest file of ours is under 100 kB; a larger one is a mistake, not a bank


# libyaml is six times as fast; it comes with every wheel of PyYAML, but not with every build of it.
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_SafeLoader):  # type: ignore[misc, valid-type]
    """YAML in which ``true``, ``no`` and ``2024-01-01`` are words: front matter here has no use for booleans or dates.

    A key that stands twice is refused: one of the two would be lost.
    """

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for at, key in enumerate(keys):
            if key in keys[:at]:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=node.value[at][0].start_mark)
        return dict(super().construct_mapping(node, deep))


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
        if path.exists() and not path.is_file():
            raise UsageError("is not a file", path)  # to read a pipe would be to wait for ever
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be read ({getattr(error, 'strerror', None) or error})", path) from error
    if len(raw) > MAX_BYTES:
        raise UsageError(f"is larger than {MAX_BYTES:,} bytes", path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UsageError("is not UTF-8; save it as UTF-8", path, line) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """The tables of a TOML file; ``UsageError`` also for nesting and numbers that are too long for Python's reader."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError is a ValueError
        raise UsageError(f"is not valid TOML: {error}", path) from error


def read_page(path: Path) -> Page:
    """Read a Markdown file and its front matter."""
    text = read_text(path)
    if not _FENCE.match(text):
        return Page(path, {}, text, 1)
    _, head, body = _FENCE.split(text, maxsplit=2) if len(_FENCE.findall(text)) > 1 else ("", None, "")
    if head is None:
        raise UsageError("front matter is opened with --- and never closed", path, 1)
    return Page(path, _parse_front_matter(head, path), body, head.count("\n") + 3)


def _parse_front_matter(head: str, path: Path) -> dict[str, Any]:
    try:
        for event in yaml.parse(head, Loader=_PlainLoader):
            _refuse_clever(event, path)
        meta = yaml.load(head, Loader=_PlainLoader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise UsageError(f"front matter: {problem}", path, (mark.line + 2) if mark else 2) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a list 1,000 levels deep
        raise UsageError(f"front matter: {error}", path, 2) from error
    if meta is None:
        return {}
    if not isinstance(meta, dict) or not all(isinstance(key, str) for key in meta):
        raise UsageError("front matter must be 'key: value' lines", path, 2)
    return meta


def _refuse_clever(event: yaml.Event, path: Path) -> None:
    """Words, numbers and lists are all that front matter needs."""
    line = event.start_mark.line + 2 if event.start_mark else 2
    if isinstance(event, yaml.AliasEvent):
        raise UsageError("front matter may not use YAML aliases", path, line)
    if getattr(event, "tag", None):
        raise UsageError("front matter may not use YAML tags (!)", path, line)
    if isinstance(event, yaml.ScalarEvent) and any("\ud800" <= character <= "\udfff" for character in event.value):
        raise UsageError("front matter holds a lone surrogate, which is no character", path, line)


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


def as_id(text: str, path: Path) -> str:
    """``text`` where it may be an id, which is a file name and a part of an address too."""
    if not _ID.fullmatch(text):
        raise UsageError(f"the id {text[:60]!r} may hold lower-case letters, digits, - and _ only, and 120 of them at most", path)
    return text


def named(path: Path) -> Path:
    """``path`` where the file's name may be an id."""
    as_id(path.stem, path)
    return path


def read_tables(path: Path, name: str) -> list[dict[str, Any]]:
    """The ``[[name]]`` tables of a TOML file that holds nothing else."""
    found = parse_toml(read_text(path), path)
    for key in found:
        if key != name:
            raise UsageError(no_such("table", f"[[{key}]]", [f"[[{name}]]"]), path)
    rows = found.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{name} is not a list of tables; write [[{name}]]", path)
    return rows


def by_id(rows: Sequence[Any], path: Path) -> dict[str, Any]:
    """Rows by their id, which none may share."""
    for row in rows:
        as_id(row.id, path)
    found: dict[str, Any] = {}
    for row in rows:
        if row.id in found:
            raise UsageError(f"the id {row.id!r} stands twice", path)
        found[row.id] = row
    return found


def checked(values: Mapping[str, Any], known: dict[str, Any], path: Path, line: int | None = None) -> dict[str, Any]:
    """``known`` with ``values`` in it, each of the kind of the value that ``known`` has there."""
    for key, value in values.items():
        if key not in known:
            raise UsageError(no_such("key", key, known), path, line)
        wanted = _misfit(value, known[key])
        if wanted:
            raise UsageError(f"{key} must be {wanted}, and is {str(value)[:60]!r}", path, line)
    return {**known, **values}


def _misfit(value: Any, default: Any) -> str:
    """What a value had to be, where it is not that; empty where it fits."""
    if isinstance(default, list):
        return "" if isinstance(value, list) and all(isinstance(item, str) for item in value) else "a list of words"
    if isinstance(default, str):
        return "" if isinstance(value, str) else "text, in quotes where it looks like a number"
    whole = isinstance(default, int)
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER
    return "" if fits else f"a {'whole ' if whole else ''}number from 0 to {MAX_NUMBER:,.0f}"


def record(kind: type[RecordType], values: dict[str, Any], path: Path) -> RecordType:
    """A record of some kind from values that somebody wrote."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UsageError(no_such("key", where, kind.model_fields), path) from error
        raise UsageError(f"{where}: {plainly(first['msg'])}", path) from error
