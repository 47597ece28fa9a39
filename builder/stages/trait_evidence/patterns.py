"""The pattern language of trait files, compiled: parts of a pattern, what may stand for them, and how they follow
each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import spacy

from builder.errors import UsageError
from builder.records import Trait
from builder.text import lowered

Kind = Literal["shown", "named", "counter"]
KINDS: tuple[Kind, ...] = ("shown", "named", "counter")

NEGATION_REACH = 3  # tokens before a part of a counter pattern in which a negation, or a mere possibility, voids it
_DENIALS = "not n't never no nobody nothing none neither nor without hardly rather instead"
_REFUSALS = "refuse refuses refused declines declined"
_SUPPOSITIONS = "could might would should if tempted"
NEGATIONS = frozenset(f"{_DENIALS} {_REFUSALS} {_SUPPOSITIONS}".split())

_LEAST_LITERAL = 4
_GAP = re.compile(r"~(\d{1,2})")
_CHARACTER = "{ai}"


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
    """One compiled pattern of a trait."""

    trait: str
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
        asserted = self.kind == "counter"
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


def compile_patterns(traits: Sequence[Trait]) -> list[Pattern]:
    """All patterns of all traits, in order; ``UsageError`` names the trait and the pattern that cannot be read."""
    return [
        Pattern(trait.id, kind, source, _parts(trait, source))
        for trait in traits
        for kind in KINDS
        for source in getattr(trait, kind)
    ]


def _parts(trait: Trait, source: str) -> tuple[Part, ...]:
    """The parts of one pattern."""
    parts: list[Part] = []
    gap: int | None = None
    for piece in source.split():
        found = _GAP.fullmatch(piece)
        if found and (gap is not None or not parts):
            raise _bad(trait, source, f"{piece} needs a part before it and one after it")
        if found:
            gap = int(found[1])
            continue
        parts.append(_part(trait, source, piece, gap or 0))
        gap = None
    if gap is not None:
        raise _bad(trait, source, "it ends in a gap")
    literals = (word for part in parts for word in (*part.keys(), *part.words))
    if not any(len(word) >= _LEAST_LITERAL for word in literals):
        raise _bad(trait, source, f"it needs at least one word of {_LEAST_LITERAL} or more letters")
    return tuple(parts)


def _part(trait: Trait, source: str, piece: str, gap: int) -> Part:
    """One part: alternatives between ``|``."""
    alternatives = lowered(piece).split("|")
    words, prefixes, runs = set(), [], []
    for alternative in alternatives:
        if alternative == _CHARACTER:
            continue
        if not alternative or re.search(r"[{}~]|\*.", alternative) or alternative == "*":
            raise _bad(trait, source, f"{piece!r} is not a|b, word*, {{AI}} or ~k")
        if alternative.endswith("*"):
            prefixes.append(alternative[:-1])
            continue
        run = tuple(tokens(alternative))
        if len(run) == 1:
            words.add(run[0])
        else:
            runs.append(run)
    return Part(gap, _CHARACTER in alternatives, frozenset(words), tuple(prefixes), tuple(runs))


def _bad(trait: Trait, source: str, problem: str) -> UsageError:
    return UsageError(f"pattern {source!r}: {problem}", f"constitution/traits/{trait.id}.md")


@cache
def _tokenizer() -> Any:
    return spacy.blank("en").tokenizer
