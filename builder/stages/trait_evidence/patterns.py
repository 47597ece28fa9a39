"""The pattern language of trait files, compiled: parts of a pattern, what may stand for them, and how they follow each other."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import spacy

from builder.errors import UsageError
from builder.records import Trait
from builder.text import lowered

Kind = Literal["shown", "named", "counter"]
KINDS: tuple[Kind, ...] = ("shown", "named", "counter")

NEGATION_REACH = 3  # tokens before a part of a counter pattern in which a negation, or a mere possibility, voids it
_DENIALS = "not n't never no nobody nothing none neither nor without cannot hardly rather instead refused refuses refuse declined declines"
_SUPPOSITIONS = "could might would should if tempted"
NEGATIONS = frozenset(f"{_DENIALS} {_SUPPOSITIONS}".split())

_LEAST_LITERAL = 4
_GAP = re.compile(r"~(\d{1,2})")
_CHARACTER = "{ai}"

Tokens = Sequence[str]


class Part(NamedTuple):
    """One part of a pattern: any of its alternatives, at most ``gap`` tokens after the part before it."""

    gap: int
    character: bool
    words: frozenset[str]
    prefixes: tuple[str, ...]
    runs: tuple[tuple[str, ...], ...]

    def keys(self) -> tuple[str, ...]:
        """Strings of which at least one is in every text that has this part; none where the part may be the character."""
        if self.character:
            return ()
        return (*sorted(self.words), *self.prefixes, *(max(run, key=len) for run in self.runs))


class Place(NamedTuple):
    """Tokens ``start`` to ``end`` (exclusive) of a sentence."""

    start: int
    end: int


class Pattern(NamedTuple):
    """One compiled pattern of a trait."""

    trait: str
    kind: Kind
    source: str
    parts: tuple[Part, ...]

    def matches(self, tokens: Tokens, names: Collection[str]) -> bool:
        """Whether the pattern holds in one sentence of lower-case tokens, with ``names`` standing for ``{AI}``.

        The ends that each part can reach are carried forward as a set: linear in the gaps, where spaCy's ``Matcher`` tries every way to
        fill them (one ``~14`` took it 16 ms a sentence; this takes a thousandth of that and finds the same).
        """
        asserted = self.kind == "counter"
        reached: set[int] | None = None
        for part in self.parts:
            places = _places(part, tokens, names)
            if asserted and not part.character:
                asserted = not part.words & NEGATIONS  # what follows its own negation is meant to be negated
                places = [place for place in places if not _negated(tokens, place.start)]
            if reached is not None:
                places = [place for place in places if any(end <= place.start <= end + part.gap for end in reached)]
            reached = {place.end for place in places}
            if not reached:
                return False
        return True


def tokens(text: str) -> list[str]:
    """spaCy's English tokens of a text, in lower case, without blanks: ``didn't`` is ``did`` and ``n't``."""
    return [token.lower_ for token in _tokenizer()(text.replace("\u2019", "'")) if not token.is_space]


def compile_patterns(traits: Sequence[Trait]) -> list[Pattern]:
    """All patterns of all traits, in order; ``UsageError`` names the trait and the pattern that cannot be read."""
    return [
        Pattern(trait.id, kind, source, _parts(trait, source)) for trait in traits for kind in KINDS for source in getattr(trait, kind)
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
    if not any(len(word) >= _LEAST_LITERAL for part in parts for word in (*part.words, *part.prefixes, *sum(part.runs, ()))):
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


def _places(part: Part, sentence: Tokens, names: Collection[str]) -> list[Place]:
    """Where a part stands in a sentence."""
    places = [
        Place(at, at + 1)
        for at, token in enumerate(sentence)
        if token in part.words or (part.character and token in names) or (part.prefixes and token.startswith(part.prefixes))
    ]
    return [*places, *_run_places(part, sentence)] if part.runs else places


def _run_places(part: Part, sentence: Tokens) -> Iterator[Place]:
    for run in part.runs:
        for at in range(len(sentence) - len(run) + 1):
            if tuple(sentence[at : at + len(run)]) == run:
                yield Place(at, at + len(run))


def _negated(sentence: Tokens, start: int) -> bool:
    return not NEGATIONS.isdisjoint(sentence[max(0, start - NEGATION_REACH) : start])


@cache
def _tokenizer() -> Any:
    return spacy.blank("en").tokenizer
