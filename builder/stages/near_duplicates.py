"""Gate ``near_duplicates``: of texts that say nearly the same in the same words, the best copy stays.

Texts are compared as sets of word 5-grams, case folded (a text of fewer words is one short shingle; where there are
no spaces every character is a word). Candidates come from datasketch's MinHash LSH; every one of them is then checked
against the **exact** Jaccard similarity of the two texts, so that no text is removed on an estimate. Because checking
restores precision, the bands are laid out for recall. The chance that LSH shows a pair of Jaccard similarity *j* is
``1 - (1 - j**rows) ** bands``:

    near_duplicate   bands x rows   j = threshold   threshold + .05   threshold - .1
    >= .90            16 x 8             .9999           1.0000             .947
    >= .80            20 x 6             .9977           .9999              .918
    >= .70            25 x 5             .9899           .9989              .868
    >= .50            40 x 3             .9952           .9993              .929
    below             60 x 2   (at .3:)  .9965           .9996              .914

Pairs join into connected components; the copy with the highest score is kept, the first by id on a tie. Nothing
depends on the order of the input. Texts with the same words are found by hash first and cost one comparison each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from datasketch import MinHash, MinHashLSH

from builder.gates import Gate, GateContext
from builder.records import Candidate, Verdict, digest
from builder.text import Hashes, folded_words, gram_hashes

NAME = "near_duplicates"
SHINGLE_WORDS = 5

_SEED = 1
_LAYOUTS = ((0.9, 16, 8), (0.8, 20, 6), (0.7, 25, 5), (0.5, 40, 3), (0.0, 60, 2))
_ALL_PAIRS = 40  # in a larger bucket a text meets the first of 40 groups and its neighbour: no bucket costs its square
_REMEMBERED_SETS = 8_192  # about 4 kB each


class Layout(NamedTuple):
    """How a signature is cut: two texts are a candidate pair when all rows of one band agree."""

    bands: int
    rows: int


class _Match(NamedTuple):
    """The nearest text that a text was compared with, and their exact Jaccard similarity."""

    partner: int
    jaccard: float


class _Ruling(NamedTuple):
    """The kept text of a component, and the match that removes another one (``None`` for the kept one itself)."""

    kept: int
    match: _Match | None


def layout(threshold: float) -> Layout:
    """The bands for a threshold, as in the table above."""
    return next(Layout(bands, rows) for least, bands, rows in _LAYOUTS if threshold >= least)


def catch_probability(jaccard: float, bands: Layout) -> float:
    """The chance that LSH shows a pair of this similarity: ``1 - (1 - j**rows) ** bands``."""
    return float(1 - (1 - jaccard**bands.rows) ** bands.bands)


def shingles(text: str) -> Hashes:
    """The set of word 5-grams of a text, case folded, as sorted 64-bit hashes."""
    return np.unique(gram_hashes(folded_words(text), SHINGLE_WORDS))


def jaccard(left: Hashes, right: Hashes) -> float:
    """Shared shingles over all shingles; two texts without words are the same."""
    shared = len(np.intersect1d(left, right, assume_unique=True))
    union = len(left) + len(right) - shared
    return shared / union if union else 1.0


def open_gate(context: GateContext) -> Gate:
    """The gate at the threshold ``[gates] near_duplicate``."""
    threshold = context.recipe.gates.near_duplicate

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        rows = list(candidates)
        best_first = sorted(range(len(rows)), key=lambda at: (-rows[at].score, rows[at].id, at))
        clusters = _Clusters([rows[at].text for at in best_first], threshold)
        clusters.join_all()
        ids = [rows[at].id for at in best_first]
        place_of = {at: place for place, at in enumerate(best_first)}
        for at, row in enumerate(rows):
            yield _verdict(row.id, clusters.ruling(place_of[at]), ids)

    return judge


def _verdict(document_id: str, ruling: _Ruling, ids: Sequence[str]) -> Verdict:
    if ruling.match is None:
        return Verdict(document_id=document_id, gate=NAME, keep=True)
    kept, (partner, exact) = ruling.kept, ruling.match
    through = "" if partner == kept else f"joined to {ids[kept]} through {ids[partner]}, near it at {exact:.3f}"
    return Verdict(
        document_id=document_id,
        gate=NAME,
        keep=False,
        reason=f"near_duplicate_of:{ids[kept]}",
        scores={"jaccard": exact},
        explanation=through,
    )


class _Clusters:
    """Texts in order of preference, joined into components; the first of a component is its best."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._texts = texts
        self._threshold = threshold
        self._parents = list(range(len(texts)))
        self._matches: dict[int, _Match] = {}
        self._refused: set[tuple[int, int]] = set()
        self._shingles: Callable[[int], Hashes] = lru_cache(_REMEMBERED_SETS)(lambda place: shingles(texts[place]))

    def join_all(self) -> None:
        """Join the same words by hash, then every candidate pair that proves near enough."""
        distinct = self._join_equals()
        for bucket in self._buckets(distinct):
            self._join_bucket(bucket)

    def ruling(self, place: int) -> _Ruling:
        """What becomes of one text: its partner is the kept text wherever the two are near enough themselves."""
        kept = self._root(place)
        if kept == place:
            return _Ruling(kept, None)
        match = self._matches[place]
        if match.partner != kept:
            direct = jaccard(self._shingles(kept), self._shingles(place))
            match = _Match(kept, direct) if direct >= self._threshold else match
        return _Ruling(kept, match)

    def _join_equals(self) -> list[int]:
        first: dict[str, int] = {}
        distinct = []
        for place, text in enumerate(self._texts):
            earlier = first.setdefault(digest("\0".join(folded_words(text)), 32), place)
            if earlier == place:
                distinct.append(place)
            else:
                self._join(earlier, place, 1.0)
        return distinct

    def _buckets(self, places: Sequence[int]) -> Iterator[list[int]]:
        """Groups of texts that agree in one band, small groups first, in an order that depends on the texts alone."""
        bands = layout(self._threshold)
        size = bands.bands * bands.rows
        index = MinHashLSH(num_perm=size, params=(bands.bands, bands.rows))
        low_halves = ((shingles(self._texts[place]) & np.uint64(0xFFFFFFFF)).tolist() for place in places)
        signatures = MinHash.generator(low_halves, num_perm=size, seed=_SEED, hashfunc=_itself)
        for place, signature in zip(places, signatures, strict=True):
            index.insert(place, signature, check_duplication=False)
        buckets = (table.get(key) for table in index.hashtables for key in table.keys())  # noqa: SIM118 - no mapping
        found = {tuple(sorted(bucket)) for bucket in buckets if len(bucket) > 1}
        yield from sorted(map(list, found), key=lambda bucket: (len(bucket), bucket))

    def _join_bucket(self, bucket: list[int]) -> None:
        if len(bucket) <= _ALL_PAIRS:
            for left, right in combinations(bucket, 2):
                self._compare(left, right)
            return
        leaders: list[int] = []
        for earlier, place in pairwise((bucket[0], *bucket)):
            for other in (*leaders[:_ALL_PAIRS], earlier):
                if other != place:
                    self._compare(other, place)
            if all(self._root(leader) != self._root(place) for leader in leaders[:_ALL_PAIRS]):
                leaders.append(place)

    def _compare(self, left: int, right: int) -> None:
        """Join two texts that are near enough; skip those already joined or already refused."""
        if self._root(left) == self._root(right) or (left, right) in self._refused:
            return
        exact = jaccard(self._shingles(left), self._shingles(right))
        if exact >= self._threshold:
            self._join(left, right, exact)
        else:
            self._refused.add((left, right))

    def _join(self, left: int, right: int, exact: float) -> None:
        for place, partner in ((left, right), (right, left)):
            if place not in self._matches or exact > self._matches[place].jaccard:
                self._matches[place] = _Match(partner, exact)
        first, second = sorted((self._root(left), self._root(right)))
        self._parents[second] = first

    def _root(self, place: int) -> int:
        while self._parents[place] != place:
            self._parents[place] = self._parents[self._parents[place]]
            place = self._parents[place]
        return place


def _itself(value: int) -> int:
    """The hash function of the signatures: shingles are hashes already, and the permutations mix them again."""
    return value
