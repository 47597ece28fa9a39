"""Which principles a trait stands for.

A trait names its principles by globs over ``heading path / id``. Every principle that no glob reaches goes to the trait whose words it
shares most (cosine of inverse-frequency weighted word counts), so that a constitution nobody here has read is planned in full. No trait
takes much more than its share: a long section about one thing would otherwise wait for one trait's turns.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch

from builder.records import Principle, Trait

Weights = dict[str, float]
_WORD = re.compile(r"[a-z]{4,}")
_CROWDING = 1.5  # a trait takes principles up to this many times an even share; named ones up to twice that
_FALLBACK = 3  # principles lent to a trait that no principle is nearest to


def held_out(principle: Principle, globs: Iterable[str]) -> bool:
    """Whether a glob of the recipe's holdout names this principle."""
    return any(fnmatch(_address(principle), glob.lower()) or principle.id == glob for glob in globs)


def match(principles: Sequence[Principle], traits: Mapping[str, Trait]) -> dict[str, tuple[Principle, ...]]:
    """Trait id -> its principles, in source order. Every normative principle belongs to at least one trait."""
    normative = [principle for principle in principles if principle.kind in ("norm", "reason")]
    found: dict[str, list[Principle]] = {name: [] for name in traits}
    weights = Similarity(traits, normative)
    room = math.ceil(_CROWDING * len(normative) / len(traits))
    for principle in normative:
        named = [name for name, trait in traits.items() if held_out(principle, trait.principles) and len(found[name]) < 2 * room]
        for name in named or [weights.nearest(principle, [name for name in traits if len(found[name]) < room])]:
            found[name].append(principle)
    for name in found:
        if not found[name]:
            found[name] = sorted(normative, key=lambda principle: -weights.score(principle, name))[:_FALLBACK]
    return {name: tuple(matched) for name, matched in found.items()}


def _address(principle: Principle) -> str:
    return " / ".join((*principle.heading_path, principle.id)).lower()


class Similarity:
    """Cosine between a principle and a trait's own words; keywords count three times."""

    def __init__(self, traits: Mapping[str, Trait], principles: Sequence[Principle]) -> None:
        bags = {name: _trait_bag(trait) for name, trait in traits.items()}
        texts = [Counter(_WORD.findall(principle.text.lower())) for principle in principles]
        seen = Counter(word for bag in (*bags.values(), *texts) for word in bag)
        total = len(bags) + len(texts)
        self._rarity = {word: math.log(total / count) for word, count in seen.items()}
        self._traits = {name: self._unit(bag) for name, bag in bags.items()}
        self._principles = {principle.id: self._unit(bag) for principle, bag in zip(principles, texts, strict=True)}

    def _unit(self, bag: Mapping[str, int]) -> Weights:
        weights = {word: math.sqrt(count) * self._rarity[word] for word, count in bag.items()}
        norm = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
        return {word: weight / norm for word, weight in weights.items()}

    def score(self, principle: Principle, trait: str) -> float:
        """Cosine similarity, 0 to 1."""
        return _product(self._principles[principle.id], self._traits[trait])

    def nearest(self, principle: Principle, open_to: Sequence[str]) -> str:
        """The trait with the highest score among those with room; the first by id on a tie."""
        return min(open_to or self._traits, key=lambda name: (-self.score(principle, name), name))

    def trait_of(self, text: str) -> str:
        """The trait whose words a text shares most; empty where it shares none."""
        read = self._read(text)
        best, name = min((-_product(read, words), name) for name, words in self._traits.items())
        return name if best < 0 else ""

    def principle_of(self, text: str, among: Sequence[Principle]) -> Principle:
        """The principle whose words a text shares most; the first on a tie."""
        read = self._read(text)
        return max(among, key=lambda principle: _product(read, self._principles[principle.id]))

    def _read(self, text: str) -> Weights:
        return self._unit(Counter(word for word in _WORD.findall(text.lower()) if word in self._rarity))


def _product(one: Weights, other: Weights) -> float:
    return math.fsum(one[word] * other[word] for word in one.keys() & other.keys())  # exact: a set has no order to rely on


def _trait_bag(trait: Trait) -> Counter[str]:
    prose = " ".join((trait.name, trait.description, trait.why, *trait.shown_by, *trait.violated_by))
    return Counter(_WORD.findall(prose.lower())) + Counter(word for word in trait.keywords for _ in range(3))
