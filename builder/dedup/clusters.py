"""Candidate pairs become components, by the exact Jaccard similarity of every pair that is not joined or refused already.

Texts are known by their *place*: 0 is the best, so that the first of a component is the copy to keep. The result depends on the texts
alone: neither on the order of the input nor on how many processes or machines there are. A removed text that is not near the kept one
itself was joined through others; of those it was compared with, its partner is the best one that is near enough.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


def distinct(codes: Hashes) -> Hashes:
    """The codes, each once, sorted; ``np.unique`` goes through a hash table, which takes twice as long."""
    codes = np.sort(codes)
    found: Hashes = codes[np.concatenate((np.ones(min(1, len(codes)), bool), codes[1:] != codes[:-1]))]
    return found


def split(codes: Hashes) -> Iterator[tuple[int, int]]:
    """Pairs from ``left << 32 | right``; a list of all of them at once would take ten times the memory of the codes."""
    for at in range(0, len(codes), _STEP):
        for code in codes[at : at + _STEP].tolist():
            yield code >> 32, code & 0xFFFFFFFF


def promising(block: Pairs, texts: Texts, threshold: float) -> Hashes:
    """The pairs whose sketches agree often enough, each once, as ``left << 32 | right``, sorted."""
    least = least_agreement(threshold)
    codes = distinct(block.left.astype(np.uint64) << _HALF | block.right.astype(np.uint64))
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
        codes = np.empty(0, np.uint64)
        for band in bands:
            codes = distinct(np.concatenate((codes, *(self._with(wanted, roots, block) for block in band))))
        for place, other in split(codes):
            if wanted[place] and self.near(other, place):
                wanted[place] = False

    def _with(self, wanted: NDArray[np.bool_], roots: Numbers, block: Pairs) -> Hashes:
        """The promising pairs of wanted texts and others of their component, as ``wanted << 32 | other``."""
        left, right = block
        ours = (roots[left] == roots[right]) & (wanted[left] | wanted[right])
        found = self.promising(Pairs(left[ours], right[ours]))
        found = found[~self._is_refused(found)]
        both = np.concatenate((found, found << _HALF | found >> _HALF))
        place, other = (both >> _HALF).astype(np.int64), (both & _LOW).astype(np.int64)
        known = self.partners[place]  # near enough, so that only better ones are worth a comparison
        worth: Hashes = both[wanted[place] & ((known == _NOBODY) | (other < known))]
        return worth

    def _compare(self, block: Pairs) -> Hashes:
        """Decide on a block of pairs; the refused ones come back."""
        apart = self._roots(block.left) != self._roots(block.right)
        codes = self.promising(Pairs(block.left[apart], block.right[apart]))
        refused = array("Q")
        for left, right in split(codes[~self._is_refused(codes)]):
            if self._root(left) == self._root(right):
                continue
            exact = self._texts.exact(left, right)
            if exact >= self._threshold:
                self._join(left, right, exact)
            else:
                refused.append(left << 32 | right)
        return np.frombuffer(refused, np.uint64) if refused else np.empty(0, np.uint64)

    def _is_refused(self, codes: Hashes) -> NDArray[np.bool_]:
        if not len(self._refused):
            return np.zeros(len(codes), bool)
        at = np.minimum(np.searchsorted(self._refused, codes), len(self._refused) - 1)
        return np.asarray(self._refused[at] == codes)

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
