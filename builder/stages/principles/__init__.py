"""Markdown constitution -> principles: verbatim text, exact line cites, the reasons the document gives, stable ids.

    decode      bytes to lines, refused early            source.py
    blocks      lines to paragraphs, items, rows         blocks.py (parsing.py, wording.py)
    units       blocks joined and cut into units         units.py
    kind, why   what a unit is for, and its reasons      reasons.py

Every line with a letter or a digit in it ends in exactly one of three places: a principle, a heading, or ``left_out``
with the reason. A physical line that is cut between two sentences is cited by both pieces; the text is never shared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from builder.errors import UsageError
from builder.records import Constitution, LeftOut, Principle, PrincipleKind, digest, slugify
from builder.stages.principles.blocks import Gap, Heading, read_blocks
from builder.stages.principles.reasons import is_lendable, kind_of, reasons
from builder.stages.principles.source import Source, decode
from builder.stages.principles.units import Piece, build_units, folded
from builder.stages.principles.wording import has_words

REACH = 3  # units; a reason further away is seldom about the same thing
NEAR = 2  # reasons borrowed from the nearest unit of a section: more reads as an essay, not as a cause


class _Read(NamedTuple):
    """A unit with its place and its own reasons, before ids and borrowed reasons."""

    path: tuple[str, ...]
    slug: str
    piece: Piece
    kind: PrincipleKind
    why: tuple[str, ...]


def read_constitution(source: str, data: bytes) -> Constitution:
    """The principles of one Markdown file, in source order, and what was left out.

    ``source`` is the name to cite, ``data`` the file as stored (UTF-8, with or without a BOM, any line ends; text is
    given back with ``\\n``). Lines are 1-based and inclusive. No principle is above 250 words. The same bytes give the
    same ids; re-wrapping, or a change in another section, leaves an id as it is. Where a unit gives no reason, ``why``
    holds those of a near unit of its section: such a reason is no substring of ``text``.

    Raises ``UsageError`` (one line; with the line number where there is one) for a file that is empty, holds no prose,
    is not UTF-8, holds a NUL, is larger than 20 MB, or opens a code fence or an HTML comment that it never closes.
    """
    read = decode(source, data)
    principles: list[Principle] = []
    left_out: list[LeftOut] = []
    reads: list[_Read] = []
    gaps: list[Gap] = []
    blocks, headings = read_blocks(read)
    for entry in build_units(read.lines, blocks):
        if isinstance(entry, Gap):
            gaps.append(entry)
        else:
            reads.append(_judged(entry))
    if not reads:
        raise UsageError("holds no prose: write what the character values, and why", source)
    principles.extend(_principles(read.name, reads))
    gaps.extend(_bare_headings(headings, reads))
    left_out.extend(_left_out(read, gaps, headings, reads))
    return Constitution(read.name, read.sha256, tuple(principles), tuple(left_out))


def _judged(piece: Piece) -> _Read:
    heading = piece.heading
    path, slug = (heading.path, heading.slug) if heading else ((), "preamble")
    why = reasons(piece.text)
    return _Read(path, slug, piece, piece.kind or kind_of(piece.text, path), why)


def _principles(source: str, reads: Sequence[_Read]) -> Iterator[Principle]:
    seen: Counter[str] = Counter()
    for read, why in zip(reads, _lent_reasons(reads), strict=True):
        base = f"{read.slug}-{_fingerprint(read)}"
        seen[base] += 1
        yield Principle(
            id=base if seen[base] == 1 else f"{base}-{seen[base]}",
            source=source,
            heading_path=read.path,
            text=read.piece.text,
            line_start=read.piece.line_start,
            line_end=read.piece.line_end,
            sha256=digest(read.piece.text),
            kind=read.kind,
            why=why,
        )


def _fingerprint(read: _Read) -> str:
    """Eight hex digits over the heading path and the folded text.

    The path is in the hash so that the same sentence under two headings of the same name ("Examples") needs no suffix
    that would depend on which section comes first.
    """
    return digest("\x1f".join((*map(slugify, read.path), folded(read.piece.text))), 8)


def _lent_reasons(reads: Sequence[_Read]) -> list[tuple[str, ...]]:
    """Each unit's own reasons, or else those of the nearest unit of its section (the earlier of two as near)."""
    lendable = [tuple(filter(is_lendable, read.why)) if read.kind != "example" else () for read in reads]
    lent: list[tuple[str, ...]] = []
    for place, read in enumerate(reads):
        near = range(max(0, place - REACH), min(len(reads), place + REACH + 1))
        lenders = [n for n in near if lendable[n] and reads[n].piece.heading is read.piece.heading]
        if read.why or read.kind == "commentary" or not lenders:
            lent.append(read.why)
            continue
        closest = min(lenders, key=lambda other: (abs(other - place), other))
        lent.append(lendable[closest][:NEAR])
    return lent


def _bare_headings(headings: Sequence[Heading], reads: Sequence[_Read]) -> Iterator[Gap]:
    """Headings that lead no principle, of their own or of a heading below them."""
    bearing = {id(read.piece.heading) for read in reads}
    above: dict[int, bool] = {}
    for heading in reversed(headings):
        bears = id(heading) in bearing or any(flag for level, flag in above.items() if level > heading.level)
        above = {level: flag for level, flag in above.items() if level <= heading.level}
        above[heading.level] = above.get(heading.level, False) or bears
        if not bears:
            yield Gap(heading.start, heading.end, "heading_only")


def _left_out(
    read: Source, gaps: Sequence[Gap], headings: Sequence[Heading], reads: Sequence[_Read]
) -> Iterator[LeftOut]:
    """Gaps that hold words, neighbours with one reason as one row.

    Lines that no block covers (a quote two hundred levels deep) are ``not_parsed``.
    """
    spoken = [has_words(line) for line in read.lines]
    covered = bytearray(len(read.lines))
    for start, end in _spans(gaps, headings, reads):
        covered[start:end] = b"\1" * (end - start)
    lost = [Gap(n, n + 1, "not_parsed") for n, said in enumerate(spoken) if said and not covered[n]]
    row: Gap | None = None
    for gap in sorted([*gaps, *lost]):
        if not any(spoken[gap.start : gap.end]):
            continue
        if row and row.reason == gap.reason and not any(spoken[row.end : gap.start]):
            row = Gap(row.start, max(row.end, gap.end), row.reason)
            continue
        if row:
            yield _row(read, row)
        row = gap
    if row:
        yield _row(read, row)


def _spans(gaps: Sequence[Gap], headings: Sequence[Heading], reads: Sequence[_Read]) -> Iterator[tuple[int, int]]:
    yield from ((gap.start, gap.end) for gap in gaps)
    yield from ((heading.start, heading.end) for heading in headings)
    yield from ((read.piece.line_start - 1, read.piece.line_end) for read in reads)


def _row(read: Source, gap: Gap) -> LeftOut:
    said = [n for n in range(gap.start, gap.end) if read.lines[n].strip()]
    return LeftOut(source=read.name, line_start=said[0] + 1, line_end=said[-1] + 1, reason=gap.reason)
