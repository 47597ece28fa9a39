"""Lines to blocks: every paragraph, list item and table row keeps the source lines it stands on.

Lines are 0-based and half-open here; the records are 1-based.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from markdown_it.token import Token

from builder.errors import UsageError
from builder.records import PrincipleKind, slugify
from builder.stages.principles.parsing import closing_places, is_leaf, parser
from builder.stages.principles.source import Source
from builder.stages.principles.wording import (
    container_hint,
    html_reason,
    is_example,
    link_list_reason,
    paragraph_reason,
    title_and_id,
)

Role = Literal["paragraph", "item", "row", "footnote", "fence"]

SETEXT_WORDS = 12  # a longer "heading" over a --- line is a paragraph whose author forgot a blank line
LONGEST_WORD = 2000  # characters; beyond it is an embedded picture or a key, not a word
_CONTENTS = frozenset(["table of contents", "contents", "toc"])


class Heading(NamedTuple):
    """A heading with the titles above it; ``slug`` is the given ``#id`` or made of the title."""

    start: int
    end: int
    level: int
    path: tuple[str, ...]
    slug: str


class Gap(NamedTuple):
    """Lines that become no principle, and why."""

    start: int
    end: int
    reason: str


class Block(NamedTuple):
    """Lines that stand together.

    ``group`` tells lists apart; ``place`` of ``places`` is the position in the list. ``hint`` is the kind that a
    container lends.
    """

    start: int
    end: int
    role: Role
    heading: Heading | None
    hint: PrincipleKind | None
    group: int
    place: int
    places: int


class _Part(NamedTuple):
    """A leaf of the parse tree: prose, or lines left out for a reason."""

    start: int
    end: int
    role: Role
    left_out: str | None
    hint: PrincipleKind | None = None


class _Place(NamedTuple):
    """Where the walk is: the token range, and the kind a container lends its content."""

    first: int
    last: int
    hint: PrincipleKind | None


def read_blocks(source: Source) -> tuple[list[Block | Gap], list[Heading]]:
    """The blocks and gaps of a source in order, and its headings."""
    body = _front_matter(source.lines)
    walk = _Walk(source, body)
    entries = list(walk.run())
    front = [Gap(0, body, "front_matter")] if body else []
    return [*front, *entries], walk.headings


def _front_matter(lines: Sequence[str]) -> int:
    """The number of lines of YAML or TOML front matter; a rule above prose is not front matter."""
    closers = {"---": ("---", "..."), "+++": ("+++",)}.get(lines[0].rstrip())
    if closers is None:
        return 0
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in closers), 0)
    first = next((line for line in lines[1:end] if line.strip()), "")
    return end + 1 if end and re.match(r"[\w\"'.-]+\s*[:=]|#", first) else 0


class _Walk:
    """One pass over the tokens of a source, with the heading that is current."""

    def __init__(self, source: Source, body: int) -> None:
        self.source = source
        self.lines = source.lines
        self.offset = body
        self.tokens = parser().parse("\n".join(source.lines[body:]))
        self.closes = closing_places(self.tokens)
        self.headings: list[Heading] = []
        self.open: list[Heading] = []
        self.groups = 0
        self.lead = ""

    def run(self) -> Iterator[Block | Gap]:
        yield from self._within(_Place(0, len(self.tokens), None))

    def _within(self, place: _Place) -> Iterator[Block | Gap]:
        at = place.first
        while at < place.last:
            token = self.tokens[at]
            inner = _Place(at + 1, self.closes[at], place.hint)
            if token.type in ("bullet_list_open", "ordered_list_open"):
                yield from self._list(at, inner)
            elif token.type == "table_open":
                yield from self._table(at, inner)
            elif token.type in ("blockquote_open", "admonition_open"):
                yield from self._container(at, inner)
            elif token.type == "heading_open" and not token.level and not self._is_prose(at):
                yield self._head(at)
            elif token.map:
                yield from self._blocks([self._part(at)], place.hint, 0, 1)
            at = self.closes[at] + 1

    def _span(self, at: int) -> tuple[int, int]:
        start, end = self.tokens[at].map or (0, 0)
        return start + self.offset, end + self.offset

    def _text(self, start: int, end: int) -> str:
        return "\n".join(self.lines[start:end])

    def _is_prose(self, at: int) -> bool:
        """Whether a setext "heading" is a paragraph that stands directly on a rule."""
        if self.tokens[at].markup not in ("-", "="):
            return False
        words = self.tokens[at + 1].content.split()
        return len(words) > SETEXT_WORDS or (len(words) > 3 and words[-1].endswith((".", ";", ",")))

    def _head(self, at: int) -> Gap:
        start, end = self._span(at)
        level = int(self.tokens[at].tag[1:])
        title, given = title_and_id(self.tokens[at + 1].content)
        while self.open and self.open[-1].level >= level:
            self.open.pop()
        above = self.open[-1].path if self.open else ()
        self.open.append(Heading(start, end, level, (*above, title) if title else above, given or slugify(title)))
        self.headings.append(self.open[-1])
        self.lead = title
        return Gap(start, end, "")

    @property
    def heading(self) -> Heading | None:
        return self.open[-1] if self.open else None

    def _container(self, at: int, inner: _Place) -> Iterator[Block | Gap]:
        """Blocks of a quote or an admonition; the opening line goes with the first of them."""
        start, end = self._span(at)
        hint = inner.hint or container_hint(self.lines[start])
        admonition = self.tokens[at].type == "admonition_open"
        apart = admonition or hint != inner.hint
        opened = False
        if apart:
            yield Gap(start, start, "")
        for entry in self._within(inner._replace(hint=hint)):
            if not opened and isinstance(entry, Block):
                entry, opened = entry._replace(start=start), True
            yield entry
        if admonition and not opened:
            yield Gap(start, start + 1, "empty_admonition")
        if apart:
            yield Gap(end, end, "")

    def _list(self, at: int, inner: _Place) -> Iterator[Block | Gap]:
        start, end = self._span(at)
        in_contents = self.lead.strip(" :*_").lower() in _CONTENTS
        reason = "table_of_contents" if in_contents else link_list_reason(self._text(start, end))
        if reason:
            yield Gap(start, end, reason)
            return
        self.groups += 1
        items = list(self._children(inner))
        for place, item in enumerate(items):
            yield from self._blocks(self._item(item), inner.hint, place, len(items))

    def _item(self, at: int) -> list[_Part]:
        """The leaves of a list item at any depth; links are prose here, since the whole list is no list of links."""
        start, end = self._span(at)
        parts: list[_Part] = []
        for leaf in range(at + 1, self.closes[at]):
            if not is_leaf(self.tokens[leaf]):
                continue
            part = self._part(leaf)
            if part.left_out in ("link_list", "table_of_contents"):
                part = part._replace(left_out=None)
            parts.append(part._replace(start=start, role="item"))
            start = part.end
        if parts and parts[-1].left_out is None:
            parts[-1] = parts[-1]._replace(end=end)
        return parts

    def _table(self, at: int, inner: _Place) -> Iterator[Block | Gap]:
        """Rows as blocks; the head and its rule go with the first row."""
        start, end = self._span(at)
        self.groups += 1
        first = min(start + 3, end)
        parts = [_Part(start, first, "row", None), *(_Part(n, n + 1, "row", None) for n in range(first, end))]
        for place, part in enumerate(parts):
            yield from self._blocks([part], inner.hint, place, len(parts))

    def _children(self, inner: _Place) -> Iterator[int]:
        at = inner.first
        while at < inner.last:
            yield at
            at = self.closes[at] + 1

    def _part(self, at: int) -> _Part:
        start, end = self._span(at)
        token = self.tokens[at]
        text = self._text(start, end)
        if len(text) > LONGEST_WORD and any(len(word) > LONGEST_WORD for word in text.split()):
            return _Part(start, end, "paragraph", "unbroken_text")
        if token.type in ("fence", "code_block"):
            self._refuse_open_fence(token, start, end)
            example = token.type == "fence" and is_example(token.info, token.content, self.lead)
            return _Part(start, end, "fence", None if example else "code", "example" if example else None)
        if token.type == "html_block":
            self._refuse_open_comment(text, start)
            return _Part(start, end, "paragraph", html_reason(text))
        if token.type == "footnote":
            return _Part(start, end, "footnote", None, "commentary")
        self.lead = text
        return _Part(start, end, "paragraph", paragraph_reason(text))

    def _blocks(
        self, parts: Sequence[_Part], hint: PrincipleKind | None, place: int, places: int
    ) -> Iterator[Block | Gap]:
        """Parts of one element as blocks, cut where a part is left out."""
        held: Block | None = None
        for part in parts:
            if part.left_out is not None:
                yield from [held] if held else []
                yield Gap(part.start, part.end, part.left_out)
                held = None
            elif held:
                held = held._replace(end=part.end)
            else:
                kind = hint or part.hint
                held = Block(part.start, part.end, part.role, self.heading, kind, self.groups, place, places)
        yield from [held] if held else []

    def _refuse_open_fence(self, token: Token, start: int, end: int) -> None:
        if token.type != "fence" or token.level:
            return
        closer = self.lines[end - 1].strip()
        if end - start < 2 or len(closer) < len(token.markup) or closer.strip(token.markup[0]):
            raise UsageError(f"a code fence ({token.markup}) is opened and never closed", self.source.name, start + 1)

    def _refuse_open_comment(self, text: str, start: int) -> None:
        if text.lstrip(" >").startswith("<!--") and "-->" not in text:
            raise UsageError("a comment (<!--) is opened and never closed", self.source.name, start + 1)
