"""Blocks to units a writer can use: what is short is joined, what is long is cut at sentence ends.

Whether two neighbours are joined depends on these two and on their place in the list or section, never on running
totals: an edit of one paragraph changes the unit it is in, and no other. Where the edit makes a short paragraph long,
or a long one short, the units next to it may change as well, and none beyond these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from builder.records import PrincipleKind
from builder.stages.principles.blocks import Block, Gap, Heading
from builder.stages.principles.reasons import VERDICT_MARK, Span, sentences, words_of
from builder.stages.principles.wording import is_example_lead

MOST_WORDS = 250  # a longer unit holds several thoughts, and a writer picks one of them anyway
PIECE_WORDS = 170  # aim when cutting: two or three pieces of about one paragraph's length
SHORT_WORDS = 30  # a list item or paragraph up to this length is joined with a short neighbour
TINY_WORDS = 12  # a label or a fragment: joined with whatever follows or precedes
GROUP = 6  # short items of one list in one unit, at most; 6 x 30 words stay under MOST_WORDS
LED_GROUP = 8  # the same under a lead-in ("never:"): its items say little, or the opposite, without it
LETTERS_A_WORD = 10  # counts a script without spaces as words of this length; English has six

_QUOTE_MARK = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)
_LABEL = re.compile(r"^(?:\*\*|__)[^*_]+(?:\*\*|__)[ \t]*:?$")
_LEAD = re.compile(r":[*_\"”]*\s*$")
_NEVER = re.compile(
    r"\b(?:never|not(?! limited)|avoid|without|refuses?|nor|cannot|\w+n[’']t)\b[^.!?]*:[*_\"”]*\s*$", re.IGNORECASE
)
_CLAUSE_END = re.compile(r"[,;:—–]$")


class Piece(NamedTuple):
    """A unit of text: verbatim, on lines ``line_start`` to ``line_end`` (1-based, inclusive)."""

    text: str
    line_start: int
    line_end: int
    heading: Heading | None
    kind: PrincipleKind | None


class _Seen(NamedTuple):
    """A block as the joining rules see it. ``lead`` is the paragraph its list hangs on, if one does."""

    block: Block
    text: str
    lead: str
    run_ends: bool


class _Unit(NamedTuple):
    first: Block
    last: _Seen
    kind: PrincipleKind | None
    marks: frozenset[str]


class _Atom(NamedTuple):
    """A sentence, or a run of words of one that is too long by itself."""

    span: Span
    size: int


def folded(text: str) -> str:
    """Text with white space and quote marks folded: what stays the same when lines are re-wrapped.

    >>> folded("> be kind,\\n>  and say so")
    'be kind, and say so'
    """
    return " ".join(_QUOTE_MARK.sub("", text).split())


def size(text: str) -> int:
    """Words, or what a script without spaces would make in words."""
    return max(len(text.split()), len(text) // LETTERS_A_WORD)


def build_units(lines: Sequence[str], entries: Sequence[Block | Gap]) -> Iterator[Piece | Gap]:
    """Units in source order, and the gaps between them."""
    unit: _Unit | None = None
    for entry in _seen(lines, entries):
        if unit and isinstance(entry, _Seen) and _joins(unit, entry):
            unit = _Unit(unit.first, entry, unit.kind or entry.block.hint, unit.marks | _marks(entry.text))
            continue
        yield from _finished(lines, unit)
        unit = _Unit(entry.block, entry, entry.block.hint, _marks(entry.text)) if isinstance(entry, _Seen) else None
        if isinstance(entry, Gap) and entry.reason:
            yield entry
    yield from _finished(lines, unit)


def _seen(lines: Sequence[str], entries: Sequence[Block | Gap]) -> Iterator[_Seen | Gap]:
    """Each block with its text, a paragraph with its place in its section, a list item with the lead-in of its list."""
    place, before, lead = 0, "", ""
    for entry, after in zip(entries, [*entries[1:], None], strict=False):
        if isinstance(entry, Gap):
            place, before = (0, "") if not entry.reason else (place, "")
            yield entry
            continue
        text = "\n".join(lines[entry.start : entry.end])
        if entry.role == "paragraph":
            entry, place = entry._replace(place=place), place + 1
        elif entry.place == 0:
            lead = before if _LEAD.search(before) else ""
        before = text if entry.role == "paragraph" else ""
        run_ends = not (isinstance(after, Block) and after.role == "paragraph")
        yield _Seen(entry, text, lead if entry.role == "item" else "", run_ends)


def _joins(unit: _Unit, new: _Seen) -> bool:
    """Whether ``new`` continues the unit: a rule over the last block, this one, and their places."""
    last, before, block = unit.last.block, unit.last.text, new.block
    if block.role == "fence":
        return last.role == "paragraph" and (bool(_LEAD.search(before)) or is_example_lead(before))
    if last.hint != block.hint or "footnote" in (last.role, block.role) or last.role == "fence":
        return False
    if last.role == "paragraph":
        if _LEAD.search(before) or _LABEL.match(before.strip()):
            return True
        return _paragraphs_join(unit, new) if block.role == "paragraph" else size(before) <= TINY_WORDS
    if (block.role, block.group) != (last.role, last.group) or _slot(unit.last) != _slot(new):
        return False
    return (
        bool(_NEVER.search(new.lead))
        or size(new.text) <= TINY_WORDS
        or max(map(size, (before, new.text))) <= SHORT_WORDS
    )


def _paragraphs_join(unit: _Unit, new: _Seen) -> bool:
    last, before = unit.last.block, unit.last.text
    mark = _marks(new.text)
    if mark:
        return not mark & unit.marks and (bool(unit.marks) or is_example_lead(before))
    if size(before) <= SHORT_WORDS:
        return size(new.text) > SHORT_WORDS or new.run_ends or last.place // 4 == new.block.place // 4
    ends_section = new.run_ends and not _LEAD.search(new.text) and not is_example_lead(new.text)
    return ends_section and size(new.text) <= SHORT_WORDS


def _slot(seen: _Seen) -> int:
    """Which of the even groups of its list a block is in: by place alone."""
    groups = -(-seen.block.places // (LED_GROUP if seen.lead else GROUP))
    return seen.block.place * groups // seen.block.places


def _marks(text: str) -> frozenset[str]:
    """The good / bad mark a paragraph opens with, if any."""
    found = VERDICT_MARK.match(text)
    return frozenset((found[1] or found[2]).lower().split()) if found else frozenset()


def _finished(lines: Sequence[str], unit: _Unit | None) -> Iterator[Piece | Gap]:
    if unit is None:
        return
    first, last = unit.first, unit.last.block
    text = "\n".join(lines[first.start : last.end])
    if _is_bare_label(text):
        yield Gap(first.start, last.end, "heading_only")
        return
    line, counted = first.start + 1, 0
    for span in _cut(text):
        line += text.count("\n", counted, span.start)
        end = line + text.count("\n", span.start, span.end)
        yield Piece(text[span.start : span.end], line, end, first.heading, unit.kind)
        line, counted = end, span.end


def _is_bare_label(text: str) -> bool:
    """A bold line that leads nothing and says nothing: ``**Honesty**``, but not ``**Never deceive.**``."""
    words = text.strip()
    return bool(_LABEL.match(words)) and len(words.split()) <= 8 and not re.search(r"[.!?][*_]*$", words)


def _cut(text: str) -> list[Span]:
    """The text as one span, or as pieces of even size cut at sentence ends; white space around a piece falls away."""
    whole = Span(len(text) - len(text.lstrip()), len(text.rstrip()))
    total = size(text)
    if total <= MOST_WORDS:
        return [whole]
    atoms = [atom for span in sentences(text) for atom in _atoms(text, span)]
    total = sum(atom.size for atom in atoms)
    return _packed(atoms, total / max(1, round(total / PIECE_WORDS)))


def _packed(atoms: Sequence[_Atom], aim: float) -> list[Span]:
    """Neighbouring atoms in pieces: a cut falls where the running size is nearest to a multiple of ``aim``."""
    spans: list[Span] = []
    start, held, done, cuts = atoms[0].span.start, 0, 0, 1
    for atom, after in zip(atoms, [*atoms[1:], None], strict=True):
        held += atom.size
        done += atom.size
        if after is None:
            spans.append(Span(start, atom.span.end))
        elif held + after.size > MOST_WORDS or done + after.size / 2 >= aim * cuts:
            spans.append(Span(start, atom.span.end))
            start, held, cuts = after.span.start, 0, int(done // aim) + 1 + (done % aim > aim / 2)
    return spans


def _atoms(text: str, span: Span) -> Iterator[_Atom]:
    """A sentence; one above the limit is cut after a comma or a dash, or else between two words."""
    whole = _Atom(span, size(text[span.start : span.end]))
    if whole.size <= MOST_WORDS:
        yield whole
        return
    words = words_of(text, span.start, span.end)
    first, held = 0, 0
    for place, (start, end) in enumerate(words):
        held += max(1, (end - start) // LETTERS_A_WORD)
        full = held >= PIECE_WORDS and (held >= MOST_WORDS - 50 or _CLAUSE_END.search(text[start:end]))
        if full or place == len(words) - 1:
            yield _Atom(Span(words[first].start, end), held)
            first, held = place + 1, 0
