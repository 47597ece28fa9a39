"""Candidate pairs become components, by the exact Jaccard similarity of every pair that is not joined or refused already.

Texts are known by their *place*: 0 is the best, so that the first of a component is the copy to keep. The result depends on the texts
alone: neither on the order of the input nor on how many processes there are.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np

from builder.dedup.buckets import Pairs, Places
from builder.dedup.shingles import Hashes, Numbers
from builder.dedup.signatures import Sketches, least_agreement

_REMEMBERED_SETS = 8_192  # about 3 kB each: 25 MB
_REMEMBERED_REFUSALS = 1 << 23  # 64 MB; beyond, a pair that meets again in another band is compared again
_ALIKE = 1.0
_STEP = 1 << 14  # pairs whose sketches are compared at once: 2 MB
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)

ReadSet = Callable[[int], Hashes]
Jaccard = Callable[[Hashes, Hashes], float]


class Clusters:
    """Components of near-duplicates over places ``0..count - 1``."""

    def __init__(self, threshold: float, order: Numbers, sketches: Sketches, read_set: ReadSet, jaccard: Jaccard) -> None:
        """``order[place]`` is the row of a text in ``sketches``; ``read_set`` gives the shingles of a place."""
        count = len(order)
        self._threshold = threshold
        self._jaccard = jaccard
        self._shingles: ReadSet = lru_cache(_REMEMBERED_SETS)(read_set)
        self._sketches, self._order, self._least = sketches, order, least_agreement(threshold)
        self._parents = array("i", range(count))
        self._partners = np.full(count, -1, np.int32)
        self._nearest = np.zeros(count)
        self._refused: Hashes = np.empty(0, np.uint64)

    def join_equal(self, places: Numbers, firsts: Numbers) -> None:
        """Texts with the same shingles, each joined to the first of them."""
        self._view()[places] = firsts
        self._partners[places] = firsts
        self._nearest[places] = _ALIKE

    def join_band(self, blocks: Iterable[Pairs]) -> None:
        """Compare the candidates of one band, and join those that are near enough."""
        fresh = [self._compare(block) for block in blocks]
        self._refused = np.concatenate((*fresh, self._refused))[:_REMEMBERED_REFUSALS]
        self._refused.sort()
        parents = self._view()
        while not np.array_equal(above := parents[parents], parents):
            parents[:] = above

    def roots(self) -> Numbers:
        """The best text of each text's component."""
        return self._roots(np.arange(len(self._parents), dtype=np.int32)).astype(np.int64)

    def match(self, place: int, kept: int) -> tuple[int, float]:
        """Whom a removed text is near, and how near: the kept text itself wherever those two are near enough."""
        partner, exact = int(self._partners[place]), float(self._nearest[place])
        if partner != kept:
            direct = self._exact(kept, place)
            if direct >= self._threshold:
                return kept, direct
        return partner, exact

    def promising(self, block: Pairs) -> Hashes:
        """The pairs whose sketches agree often enough, each once, as ``left << 32 | right``, sorted."""
        codes = np.unique(block.left.astype(np.uint64) << _HALF | block.right.astype(np.uint64))
        kept = []
        for at in range(0, len(codes), _STEP):
            some = codes[at : at + _STEP]
            left, right = (self._sketches[self._order[side.astype(np.int64)]] for side in (some >> _HALF, some & _LOW))
            kept.append(some[np.count_nonzero(left == right, axis=1) >= self._least])
        return np.concatenate(kept) if kept else codes

    def near(self, left: int, right: int) -> bool:
        """Whether two texts are near enough; the right one remembers by how much."""
        exact = self._exact(left, right)
        if exact >= self._threshold:
            self._partners[right], self._nearest[right] = left, exact
        return exact >= self._threshold

    def _exact(self, left: int, right: int) -> float:
        return self._jaccard(self._shingles(left), self._shingles(right))

    def _compare(self, block: Pairs) -> Hashes:
        """Decide on a block of pairs; the refused ones come back."""
        apart = self._roots(block.left) != self._roots(block.right)
        codes = self.promising(Pairs(block.left[apart], block.right[apart]))
        if len(self._refused) and len(codes):
            at = np.minimum(np.searchsorted(self._refused, codes), len(self._refused) - 1)
            codes = codes[self._refused[at] != codes]
        refused = array("Q")
        for code in codes.tolist():
            left, right = code >> 32, code & 0xFFFFFFFF
            if self._root(left) == self._root(right):
                continue
            exact = self._exact(left, right)
            if exact >= self._threshold:
                self._join(left, right, exact)
            else:
                refused.append(code)
        return np.frombuffer(refused, np.uint64) if refused else np.empty(0, np.uint64)

    def _join(self, left: int, right: int, exact: float) -> None:
        for place, partner in ((left, right), (right, left)):
            if exact > self._nearest[place]:
                self._partners[place], self._nearest[place] = partner, exact
        first, second = sorted((self._root(left), self._root(right)))
        self._parents[second] = first

    def _root(self, place: int) -> int:
        parents = self._parents
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    def _roots(self, places: Places) -> Places:
        parents = self._view()
        while not np.array_equal(above := parents[places], places):
            places = above
        return places

    def _view(self) -> Places:
        return np.frombuffer(self._parents, np.int32) if self._parents else np.empty(0, np.int32)
