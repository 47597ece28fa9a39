"""How much what was met of the benchmarks says against one document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.stages.contamination.index import GRAM, Hits, Index
from builder.text import folded_words

_LEAST_CONTENT = 2  # words of an 8-gram that are neither grammar nor stock
_EXPLAINED = 60  # words
_CONTROL = re.compile("[\x00-\x1f\x7f]")  # blanks to the hashing of shingles, so blanks here; to ``words`` in ASCII texts only


class Seen(NamedTuple):
    """What one document holds of the benchmarks, without its text: each 8-gram's place and row, and whether its words tell anything.

    ``start`` and ``end`` are the first and the last place of the longest run, ``words`` what it says.
    """

    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    telling: NDArray[np.bool_]
    start: int
    end: int
    words: str


class Finding(NamedTuple):
    """The strongest evidence against one document: a benchmark text, its coverage, the longest run and its words."""

    question: str
    coverage: float
    run: int
    words: str


class Evidence:
    """Weighs the hits of one document: ``seen`` while its text is at hand, ``weighed`` when it is known which 8-grams are common."""

    def __init__(self, index: Index, grammar: Iterable[str], stock: Iterable[str], least_run: int) -> None:
        self._index = index
        self._grammar = frozenset(grammar)
        self._stock: dict[str, list[list[str]]] = {}
        for phrase in stock:
            words = _straight(folded_words(phrase))
            if words:
                self._stock.setdefault(words[0], []).append(words)
        self._margin = max((len(words) for phrases in self._stock.values() for words in phrases), default=1) - 1
        self._least_run = least_run

    def seen(self, text: str, hits: Hits) -> Seen | None:
        """What is worth keeping of the hits; ``None`` where every one is a stop-gram."""
        words = folded_words(text if text.isascii() else _CONTROL.sub(" ", text))
        ends = hits.at + self._index.widths(hits.rows)
        content = self._content(words, hits.at, ends)
        telling = content[np.minimum(ends, len(words))] - content[np.minimum(hits.at, len(words))] >= _LEAST_CONTENT
        if not telling.any():
            return None
        start, end = _longest_run(hits.at, telling)
        last = int(ends[hits.at == end].max())
        shown = " ".join(words[start : min(last, start + _EXPLAINED)]).encode("utf-8", "replace").decode()
        return Seen(hits.at, hits.rows, telling, start, end, shown)

    def weighed(self, seen: Seen, common: NDArray[np.bool_]) -> Finding:
        """The strongest finding."""
        holders, places, rows = self._index.holders(seen.rows), seen.places.tolist(), seen.rows.tolist()
        counted: dict[int, dict[int, int]] = {}  # benchmark text -> row -> first place, of what counts for coverage
        for hit in np.flatnonzero(seen.telling & ~common).tolist():
            for owner in holders[hit]:
                counted.setdefault(owner, {}).setdefault(rows[hit], places[hit])
        covers = {owner: self._coverage(owner, sorted(met.values())) for owner, met in counted.items()}
        best = max(covers, key=lambda owner: (covers[owner], -owner), default=holders[int(seen.telling.argmax())][0])
        inside = np.flatnonzero((seen.places >= seen.start) & (seen.places <= seen.end)).tolist()
        run = seen.end - seen.start + max(self._width(owner) for hit in inside if places[hit] == seen.end for owner in holders[hit])
        if run >= self._least_run or not covers:
            named = Counter(owner for hit in inside for owner in holders[hit])
            best = max(named, key=lambda owner: (named[owner], covers.get(owner, 0.0), -owner))
        return Finding(self._index.ids[best], covers.get(best, 0.0), run, seen.words)

    def _width(self, owner: int) -> int:
        return min(self._index.lengths[owner], GRAM)

    def _coverage(self, owner: int, starts: list[int]) -> float:
        return min(1.0, _covered(starts, self._width(owner)) / self._index.lengths[owner])

    def _content(self, words: list[str], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many words before each place are neither grammar nor part of a stock phrase; words under no gram count as none."""
        told = np.zeros(len(words) + 1, np.int64)
        new = np.flatnonzero(starts[1:] > np.maximum.accumulate(ends)[:-1]) + 1
        borders = [0, *new.tolist(), len(starts)]
        for first, last in pairwise(borders):
            start, end = int(starts[first]), min(int(ends[first:last].max()), len(words))
            before = max(0, start - self._margin)
            some = self._plain(_straight(words[before : end + self._margin]))
            told[start + 1 : end + 1] = some[start - before : end - before]
        return np.cumsum(told)

    def _plain(self, words: list[str]) -> list[bool]:
        plain = [word not in self._grammar for word in words]
        for at, word in enumerate(words):
            for phrase in self._stock.get(word, ()):
                if words[at : at + len(phrase)] == phrase:
                    plain[at : at + len(phrase)] = [False] * len(phrase)
        return plain


def _straight(words: list[str]) -> list[str]:
    return [word.replace("\u2019", "'") for word in words]


def _longest_run(places: NDArray[np.int64], telling: NDArray[np.bool_]) -> tuple[int, int]:
    """First and last place of the longest stretch of neighbouring places that holds a telling one; of two, the first."""
    borders = np.concatenate(([0], np.flatnonzero(places[1:] > places[:-1] + 1) + 1, [len(places)]))
    starts, ends = places[borders[:-1]], places[borders[1:] - 1]
    best = int(np.where(np.logical_or.reduceat(telling, borders[:-1]), ends - starts, -1).argmax())
    return int(starts[best]), int(ends[best])


def _covered(starts: list[int], width: int) -> int:
    """Words under grams that start at these places."""
    total, end = 0, -1
    for at in starts:
        total += at + width - max(at, end)
        end = at + width
    return total
