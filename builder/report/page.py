"""The shape of a section, and the Markdown it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_CELL = str.maketrans({"|": "\\|", "\n": " ", "\r": " ", "<": "&lt;", ">": "&gt;", "\u2028": " ", "\u2029": " ", "\x85": " "})
_FIGURE = re.compile(r"[-+$\u2013]?\d|\u2013?$")
_MARKUP = re.compile(r"([\\`*_\[\]])")


class Picture(NamedTuple):
    """An SVG under ``pictures/<name>.svg`` and the words that stand for it where it cannot be seen."""

    name: str
    alt: str
    svg: bytes


class Section(NamedTuple):
    """One section of the report.

    ``numbers`` goes to ``coverage.json`` under ``key``; ``findings`` are the sentences a reviewer must not miss and rise to the verdict.
    """

    key: str
    title: str
    body: Sequence[str]
    numbers: Mapping[str, Any]
    pictures: Sequence[Picture] = ()
    findings: Sequence[str] = ()

    def as_markdown(self) -> str:
        """The section with its heading."""
        return "\n\n".join((f"## {self.title}", *(part for part in self.body if part)))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; columns of figures are flush right, but never the first. Empty string without rows."""
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return ""
    figures = [at > 0 and all(_FIGURE.match(row[at]) for row in cells) for at in range(len(head))]
    marks = ["--:" if right else "---" for right in figures]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *cells))


def details(summary: str, *parts: str) -> str:
    """Parts folded away under one line; empty string where every part is empty."""
    body = "\n\n".join(part for part in parts if part)
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>" if body else ""


def quoted(text: str, limit: int = 160) -> str:
    """Text from a document, made safe for a table cell: one line, no markup, cut after ``limit`` characters."""
    folded = " ".join(text.split())
    cut = folded if len(folded) <= limit else folded[: limit - 1].rstrip() + "\u2026"
    visible = "".join(char if char.isprintable() else "\ufffd" for char in cut)
    return _MARKUP.sub(r"\\\1", visible).translate(_CELL)


def image(picture: Picture) -> str:
    """The picture as Markdown."""
    return f"![{picture.alt}](pictures/{picture.name}.svg)"


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage; a dash where it was not measured."""
    return "\u2013" if share is None else f"{100 * share:.{digits}f} %"


def points(share: float, digits: int = 1) -> str:
    """A difference of shares in percentage points, signed; never ``-0``."""
    return f"{round(100 * share, digits) + 0.0:+.{digits}f}"


def number(value: float | None, digits: int = 2) -> str:
    """A figure with ``digits`` decimals; a dash where it was not measured."""
    return "\u2013" if value is None else f"{value:,.{digits}f}"


def ratio(part: float, whole: float) -> float | None:
    """``part / whole`` rounded for ``coverage.json``; ``None`` where there is no whole."""
    return round(part / whole, 6) if whole else None
