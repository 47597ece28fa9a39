"""The pattern language of traits and rubrics.

A pattern is read inside one sentence, over the lower-case tokens of spaCy's English tokenizer; contractions are two tokens (``did n't``),
a hyphenated word is several, marks are tokens of their own.

    told|tells|wrote     one of several words; parts of a pattern stand apart by blanks and follow each other at once
    ~3                   up to three tokens between the part before and the part after
    mistak*              every word that begins so
    {AI}                 the character: i, it, a word of its own given name; without a brief, or without a name, also
                         assistant, ai, system

    "{AI} ~3 told|tells|wrote ~8 mistake|wrong"     Aule told the harbourmaster that the sailing had been her mistake.

Every pattern needs a word of four or more letters. A part of a pattern that sees a fault (of kind ``counter`` or ``fault``) does not
count where one of the three tokens before it denies or merely supposes it (not, never, refused, could, if ...), unless the pattern
itself says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import spacy

from builder.errors import UsageError
from builder.records import Brief
from builder.text import lowered

Kind = Literal["shown", "named", "counter", "fault"]
_ASSERTED = ("counter", "fault")

NEGATION_REACH = 3  # tokens before a part of a pattern for a fault in which a negation, or a mere possibility, voids it
_DENIALS = "not n't never no nobody nothing none neither nor without hardly rather instead"
_REFUSALS = "refuse refuses refused declines declined"
_SUPPOSITIONS = "could might would should if tempted"
NEGATIONS = frozenset(f"{_DENIALS} {_REFUSALS} {_SUPPOSITIONS}".split())

_LEAST_LITERAL = 4
_GAP = re.compile(r"~(\d{1,2})")
_CHARACTER = "{ai}"
_SPEAKERS = frozenset({"i", "it"})
_NAMELESS = frozenset({"assistant", "ai", "system"})


class Sentence:
    """The lower-case tokens of one sentence, and where each stands."""

    def __init__(self, sentence: Sequence[str]) -> None:
        self.tokens = sentence
        self.places: dict[str, list[int]] = {}
        for at, token in enumerate(sentence):
            self.places.setdefault(token, []).append(at)
        self.words = frozenset(self.places)

    def denied(self, at: int) -> bool:
        """Whether one of the tokens shortly before denies, or merely supposes, what is said here."""
        return not NEGATIONS.isdisjoint(self.tokens[max(0, at - NEGATION_REACH) : at])


class Place(NamedTuple):
    """Tokens ``start`` to ``end`` (exclusive) of a sentence."""

    start: int
    end: int


class Part(NamedTuple):
    """One part of a pattern: any of its alternatives, at most ``gap`` tokens after the part before it."""

    gap: int
    character: bool
    words: frozenset[str]
    prefixes: tuple[str, ...]
    runs: tuple[tuple[str, ...], ...]

    def keys(self) -> tuple[str, ...]:
        """Strings of which at least one is in every text that has this part, unless the part is the character."""
        return (*sorted(self.words), *self.prefixes, *(max(run, key=len) for run in self.runs))

    def follows(self, place: Place, ends: set[int]) -> bool:
        """Whether ``place`` comes soon enough after one of the ends of the part before."""
        return any(end <= place.start <= end + self.gap for end in ends)

    def may_be_in(self, sentence: Sentence, names: frozenset[str]) -> bool:
        """A quick look, never wrong when it says no."""
        if self.prefixes or self.runs or not self.words.isdisjoint(sentence.words):
            return True
        return self.character and not names.isdisjoint(sentence.words)

    def places(self, sentence: Sentence, names: frozenset[str]) -> Iterator[Place]:
        """Everywhere this part stands in a sentence."""
        for word in (self.words | names if self.character else self.words) & sentence.words:
            yield from (Place(at, at + 1) for at in sentence.places[word])
        for word in sentence.words if self.prefixes else ():
            if word.startswith(self.prefixes):
                yield from (Place(at, at + 1) for at in sentence.places[word])
        for run in self.runs:
            for at in sentence.places.get(run[0], ()):
                if tuple(sentence.tokens[at : at + len(run)]) == run:
                    yield Place(at, at + len(run))


class Pattern(NamedTuple):
    """One compiled pattern of a trait or rubric (its ``owner``)."""

    owner: str
    kind: Kind
    source: str
    parts: tuple[Part, ...]

    def matches(self, sentence: Sentence, names: frozenset[str]) -> bool:
        """Whether the pattern holds in one sentence, with ``names`` standing for ``{AI}``.

        The ends that each part can reach are carried forward as a set. spaCy's ``Matcher`` finds the same, but tries
        every way to fill a gap: one ``~14`` took it 16 ms a sentence, where this takes some microseconds.
        """
        if not all(part.may_be_in(sentence, names) for part in self.parts):
            return False
        asserted = self.kind in _ASSERTED
        reached: set[int] | None = None
        for part in self.parts:
            places: Iterable[Place] = part.places(sentence, names)
            if asserted and not part.character:
                asserted = part.words.isdisjoint(NEGATIONS)  # what follows the pattern's own negation is meant so
                places = [place for place in places if not sentence.denied(place.start)]
            if reached is None:
                reached = {place.end for place in places}
            else:
                reached = {place.end for place in places if part.follows(place, reached)}
            if not reached:
                return False
        return True


def tokens(text: str) -> list[str]:
    """spaCy's English tokens of a text, in lower case, without blanks: ``didn't`` is ``did`` and ``n't``."""
    return [token.lower_ for token in _tokenizer()(text.replace("\u2019", "'")) if not token.is_space]


def compiled(owner: str, kind: Kind, sources: Iterable[str], place: str) -> list[Pattern]:
    """Patterns read, in order; ``UsageError`` names the one that cannot be read, and ``place``, the file it stands in."""
    return [Pattern(owner, kind, source, _parts(source, place)) for source in sources]


def character_names(brief: Brief | None) -> frozenset[str]:
    """What stands for ``{AI}`` in a document of this brief, or of none."""
    given = frozenset(tokens(brief.character.given)) if brief else frozenset[str]()
    return _SPEAKERS | (given or _NAMELESS)


def _parts(source: str, place: str) -> tuple[Part, ...]:
    """The parts of one pattern."""
    parts: list[Part] = []
    gap: int | None = None
    for piece in source.split():
        found = _GAP.fullmatch(piece)
        if found and (gap is not None or not parts):
            raise _bad(source, place, f"{piece} needs a part before it and one after it")
        if found:
            gap = int(found[1])
            continue
        parts.append(_part(source, place, piece, gap or 0))
        gap = None
    if gap is not None:
        raise _bad(source, place, "it ends in a gap")
    literals = (word for part in parts for word in (*part.keys(), *part.words))
    if not any(len(word) >= _LEAST_LITERAL for word in literals):
        raise _bad(source, place, f"it needs at least one word of {_LEAST_LITERAL} or more letters")
    return tuple(parts)


def _part(source: str, place: str, piece: str, gap: int) -> Part:
    """One part: alternatives between ``|``."""
    alternatives = lowered(piece).split("|")
    words, prefixes, runs = set(), [], []
    for alternative in alternatives:
        if alternative == _CHARACTER:
            continue
        if not alternative or re.search(r"[{}~]|\*.", alternative) or alternative == "*":
            raise _bad(source, place, f"{piece!r} is not a|b, word*, {{AI}} or ~k")
        if alternative.endswith("*"):
            prefixes.append(alternative[:-1])
            continue
        run = tuple(tokens(alternative))
        if len(run) == 1:
            words.add(run[0])
        else:
            runs.append(run)
    return Part(gap, _CHARACTER in alternatives, frozenset(words), tuple(prefixes), tuple(runs))


def _bad(source: str, place: str, problem: str) -> UsageError:
    return UsageError(f"pattern {source!r}: {problem}", place)


@cache
def _tokenizer() -> Any:
    return spacy.blank("en").tokenizer
