"""A corpus with planted near-duplicates whose exact clusters are known, for measuring tools that look for them.

Stories of about 350 words over a vocabulary with Zipf's law. More than half open with one of a few templates, which makes them alike, but
never near-duplicates. Planted are:

    star        a text and edits of it; those under the threshold stay apart
    chain       windows that move along one text: neighbours are near, the ends are not
    renamed     a story and the same story with other names
    copy        the same words in other capitals
    giant       one cluster of a hundredth of the corpus, all edits of one text

The exact Jaccard similarity over word 5-grams is computed inside every family, word for word, with Python sets; texts of different families
share a template at most. So the components are exact for the threshold that was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

WORDS = 350  # a story
SHINGLE = 5

_VOCABULARY = 40_000
_TEMPLATES = 300
_SHARED_WORDS = 150  # of a template: Jaccard about .27
_TEMPLATED = 0.55
_BLOCK = 20_000  # documents that are shuffled together
_FAMILIES = 0.15  # of the draws; a family has five documents on average
_GIANT = 0.01
_LETTERS = np.array(list("eeeettaaoinshrdlucmfwypvbgk"))

Tokens = list[str]


class Planted(NamedTuple):
    """A corpus on disk: rows of JSON lines, and for each row its exact component and its score."""

    path: Path
    components: list[int]
    scores: list[float]


def plant(path: Path, documents: int, threshold: float, seed: int = 1) -> Planted:
    """Write a corpus of ``documents`` rows; the same arguments give the same bytes."""
    rng = np.random.default_rng(seed)
    garden = _Garden(rng, threshold)
    components: list[int] = []
    scores: list[float] = []
    first = 0
    with path.open("w", encoding="utf-8") as out:
        for block in _blocks(garden, documents):
            for place in rng.permutation(len(block)).tolist():
                component, text = block[place]
                components.append(component)
                scores.append(round(float(rng.random()), 6))
                out.write(json.dumps({"id": f"d{first:08}", "text": text, "score": scores[-1]}) + "\n")
                first += 1
    return Planted(path, components, scores)


def exact(left: Tokens, right: Tokens) -> float:
    """Jaccard similarity over runs of five words."""
    one, other = _runs(left), _runs(right)
    return len(one & other) / len(one | other)


def _runs(tokens: Tokens) -> set[tuple[str, ...]]:
    words = [token.strip(".,\n").lower() for token in tokens]
    return set(zip(*(words[at:] for at in range(SHINGLE)), strict=False))


def _blocks(garden: _Garden, documents: int) -> Iterator[list[tuple[int, str]]]:
    held = [(0, " ".join(garden.heart))]
    made = 1
    while made < documents:
        for component, tokens in garden.family():
            if made < documents:
                held.append((component, " ".join(tokens)))
                made += 1
        if len(held) >= _BLOCK or made == documents:
            yield held
            held = []


class _Garden:
    """Draws families: documents with their components."""

    def __init__(self, rng: np.random.Generator, threshold: float) -> None:
        self._rng, self._threshold = rng, threshold
        lengths = rng.integers(1, 11, _VOCABULARY)
        self._words = ["".join(rng.choice(_LETTERS, length)) for length in lengths.tolist()]
        self._odds = np.cumsum(1 / np.arange(1, _VOCABULARY + 1))
        self._kinds: tuple[Callable[[], list[Tokens]], ...] = (self._star, self._chain, self._renamed, self._copy)
        self._next = 1  # 0 is the giant
        self.heart = self._tokens(WORDS)
        self._templates = [self._tokens(_SHARED_WORDS) for _ in range(_TEMPLATES)]

    def family(self) -> list[tuple[int, Tokens]]:
        """Some documents, each with its component; of most families one."""
        drawn = float(self._rng.random())
        if drawn < _GIANT * 1.6:  # families have more than one document; this makes it about a hundredth
            return [(0, self._near(self.heart))]
        if drawn > _FAMILIES * 0.45:
            return self._components([self._story()])
        return self._components(self._kinds[int(self._rng.integers(len(self._kinds)))]())

    def _tokens(self, count: int) -> Tokens:
        found = np.searchsorted(self._odds, self._rng.random(count) * self._odds[-1]).tolist()
        tokens = [self._words[at] for at in found]
        for at in range(0, count, 13):
            tokens[at] = tokens[at].capitalize()
            tokens[at - 1] += ".\n" if at % 5 == 0 else "."
        return tokens

    def _story(self) -> Tokens:
        if self._rng.random() > _TEMPLATED:
            return self._tokens(WORDS)
        return self._templates[int(self._rng.integers(_TEMPLATES))] + self._tokens(WORDS - _SHARED_WORDS)

    def _edited(self, tokens: Tokens, edits: int) -> Tokens:
        changed = list(tokens)
        for at in self._rng.integers(0, len(tokens), edits).tolist():
            changed[at] = f"edit{self._rng.integers(10**9)}"
        return changed

    def _near(self, tokens: Tokens) -> Tokens:
        while exact(tokens, found := self._edited(tokens, int(self._rng.integers(1, 9)))) < self._threshold:
            pass
        return found

    def _star(self) -> list[Tokens]:
        hub = self._story()
        return [hub, *(self._edited(hub, int(self._rng.integers(0, 13))) for _ in range(int(self._rng.integers(1, 9))))]

    def _chain(self) -> list[Tokens]:
        long, step = self._tokens(2 * WORDS), int(self._rng.integers(15, 45))
        return [long[at : at + WORDS] for at in range(0, 8 * step, step)]

    def _renamed(self) -> list[Tokens]:
        story = self._story()
        names = set(self._rng.integers(0, WORDS, int(self._rng.integers(4, 16))).tolist())
        return [[name if at in names else token for at, token in enumerate(story)] for name in ("Tavi", "Orsolya")]

    def _copy(self) -> list[Tokens]:
        story = self._story()
        return [story, [token.upper() for token in story]]

    def _components(self, family: list[Tokens]) -> list[tuple[int, Tokens]]:
        """Number the exact components of a family: every pair is compared."""
        runs = [_runs(tokens) for tokens in family]
        labels = list(range(len(family)))
        for at, one in enumerate(runs):
            for before in range(at):
                if labels[before] != labels[at] and len(one & runs[before]) >= self._threshold * len(one | runs[before]):
                    labels = [labels[at] if label == labels[before] else label for label in labels]
        first, self._next = self._next, self._next + len(family)
        return [(first + label, tokens) for label, tokens in zip(labels, family, strict=True)]
