"""Candidate pairs become components, by the exact Jaccard similarity of every pair that is not joined or refused already.

Texts are known by their *place*: 0 is the best, so that the first of a component is the copy to keep. The result depends on the texts
alone: neither on the order of the input nor on how many processes or machines there are. A removed text that is not near the kept one
itself was joined through others; of those it was compared with, its partner is the best one that is near enough.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from builder.dedup.buckets import Pairs, Places
from builder.dedup.shingles import Hashes, Numbers
from builder.dedup.signatures import Sketches, least_agreement

_REMEMBERED_SETS = 8_192  # about 3 kB each: 25 MB
_REMEMBERED_REFUSALS = 1 << 23  # 64 MB; beyond, a pair that meets again in another band is compared again
_ALIKE = 1.0
_NOBODY = -1
_STEP = 1 << 14  # pairs whose sketches are compared at once: 2 MB
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


class Texts(NamedTuple):
    """What is known of texts by their places: sketches, sets of shingles, and how two sets compare."""

    size: int
    sketches: Callable[[Places], Sketches]
    shingles: Callable[[int], Hashes]
    jaccard: Callable[[Hashes, Hashes], float]

    def remembering(self) -> Texts:
        """The same; sets that were read last are not read again."""
        return self._replace(shingles=lru_cache(_REMEMBERED_SETS)(self.shingles))

    def exact(self, left: int, right: int) -> float:
        """The Jaccard similarity of two texts."""
        return self.jaccard(self.shingles(left), self.shingles(right))


def promising(block: Pairs, texts: Texts, threshold: float) -> Hashes:
    """The pairs whose sketches agree often enough, each once, as ``left << 32 | right``, sorted."""
    least = least_agreement(threshold)
    codes = np.unique(block.left.astype(np.uint64) << _HALF | block.right.astype(np.uint64))
    kept = []
    for at in range(0, len(codes), _STEP):
        some = codes[at : at + _STEP]
        left, right = (texts.sketches(side.astype(np.int32)) for side in (some >> _HALF, some & _LOW))
        kept.append(some[np.count_nonzero(left == right, axis=1) >= least])
    return np.concatenate(kept) if kept else codes


class Clusters:
    """Components of near-duplicates over places ``0..texts.size - 1``."""

    def __init__(self, threshold: float, texts: Texts) -> None:
        self._threshold = threshold
        self._texts = texts.remembering()
        self._parents = array("i", range(texts.size))
        self.partners = np.full(texts.size, _NOBODY, np.int32)
        self.nearest = np.zeros(texts.size)
        self._refused: Hashes = np.empty(0, np.uint64)

    def join_equal(self, places: Numbers, firsts: Numbers) -> None:
        """Texts with the same shingles, each joined to the first of them."""
        self._view()[places] = firsts
        self.partners[places] = firsts
        self.nearest[places] = _ALIKE

    def join_band(self, blocks: Iterable[Pairs]) -> None:
        """Compare the candidates of one band, and join those that are near enough."""
        fresh = [self._compare(block) for block in blocks]
        self._refused = np.concatenate((*fresh, self._refused))[:_REMEMBERED_REFUSALS]
        self._refused.sort()
        self._flatten()

    def roots(self) -> Numbers:
        """The best text of each text's component."""
        return self._roots(np.arange(len(self._parents), dtype=np.int32)).astype(np.int64)

    def promising(self, block: Pairs) -> Hashes:
        """``promising`` at this threshold."""
        return promising(block, self._texts, self._threshold)

    def near(self, left: int, right: int) -> bool:
        """Whether two texts are near enough; the right one remembers by how much."""
        exact = self._texts.exact(left, right)
        if exact >= self._threshold:
            self.partners[right], self.nearest[right] = left, exact
        return exact >= self._threshold

    def settle(self, kept: Numbers, bands: Iterable[Iterable[Pairs]]) -> None:
        """Give every removed text its partner: the kept text where those two are near enough, else the best one that it is near."""
        through = []
        for place in np.flatnonzero((kept != np.arange(len(kept))) & (self.partners != kept)).tolist():
            direct = self._texts.exact(int(kept[place]), place)
            if direct >= self._threshold:
                self.partners[place], self.nearest[place] = kept[place], direct
            elif self.nearest[place] < _ALIKE:
                through.append(place)
        if through:
            self._settle_through(np.array(through), bands)

    def _settle_through(self, places: Numbers, bands: Iterable[Iterable[Pairs]]) -> None:
        wanted, roots = np.zeros(len(self._parents), bool), self.roots()
        wanted[places] = True
        self.partners[places] = _NOBODY
        codes = [np.empty(0, np.uint64)]
        for block in (block for band in bands for block in band):
            left, right = block
            ours = (roots[left] == roots[right]) & (wanted[left] | wanted[right])
            found = self.promising(Pairs(left[ours], right[ours]))
            turned = found << _HALF | found >> _HALF
            codes += [some[wanted[(some >> _HALF).astype(np.int64)]] for some in (found, turned)]
        for code in np.unique(np.concatenate(codes)).tolist():
            place, other = code >> 32, code & 0xFFFFFFFF
            if self.partners[place] == _NOBODY:
                self.near(other, place)

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
            exact = self._texts.exact(left, right)
            if exact >= self._threshold:
                self._join(left, right, exact)
            else:
                refused.append(code)
        return np.frombuffer(refused, np.uint64) if refused else np.empty(0, np.uint64)

    def _join(self, left: int, right: int, exact: float) -> None:
        if not 0 <= self.partners[right] <= left:
            self.partners[right], self.nearest[right] = left, exact
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

    def _flatten(self) -> None:
        parents = self._view()
        while not np.array_equal(above := parents[parents], parents):
            parents[:] = above

    def _view(self) -> Places:
        return np.frombuffer(self._parents, np.int32) if self._parents else np.empty(0, np.int32)
