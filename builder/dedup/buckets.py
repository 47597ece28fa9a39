"""Texts that agree in a band make a bucket; buckets make candidate pairs, never more than a fixed number a text.

    keys of a band --sort--> runs of equal keys = buckets --> pairs, in blocks

In a bucket of up to 32 all pairs are candidates. In a larger one each text meets the 8 best, the 16 most widely shared (those that agree
with the most texts over all bands: the hub of a star is among them) and its neighbour. So no bucket costs its square. True copies seldom
need more: they share other bands, which a template does not fill. Measured at .8, with copies at .85 among 3,000 texts of one template:
where that makes them alike at .67 all copies are found, where it does at .76 one in thirty is not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.dedup.shingles import Hashes, Numbers

Places = NDArray[np.int32]

_ALL_PAIRS = 32  # 16 comparisons a text on average, which is what a larger bucket costs, too
_BEST, _SHARED = 8, 16
_HALF, _LOW = 32, 0xFFFFFFFF
_BLOCK = 1 << 18  # pairs handed on at once: 2 MB in each of a few arrays


class Buckets(NamedTuple):
    """The buckets of one band: bucket ``i`` is ``members[first[i]:first[i + 1]]``, ascending."""

    members: Places
    first: Numbers


class Pairs(NamedTuple):
    """Candidate pairs, ``left < right`` place by place."""

    left: Places
    right: Places


def buckets(keys: Hashes, places: Places) -> Buckets:
    """Runs of two or more equal keys; ``places`` says whose they are."""
    order = np.argsort(keys)
    ordered = keys[order]
    borders = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, [len(ordered)]))
    lengths = np.diff(borders)
    shared = lengths > 1
    sizes = lengths[shared]
    members = places[order[np.repeat(shared, lengths)]].astype(np.int64)
    members |= np.repeat(np.arange(len(sizes)), sizes) << _HALF  # sorts them inside their buckets
    members.sort()
    return Buckets((members & _LOW).astype(np.int32), np.concatenate(([0], np.cumsum(sizes))))


def share(shared: Numbers, band: Buckets) -> None:
    """Count, for every text, with how many others it shares a bucket of this band."""
    lengths = np.diff(band.first)
    shared[band.members] += np.repeat(lengths - 1, lengths)  # a text stands in one bucket of a band at most


class BucketFile:
    """The buckets of every band in one temporary file, and how widely each text is shared. A context manager."""

    def __init__(self, texts: int) -> None:
        self.shared = np.zeros(texts, np.int64)
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._sizes: list[tuple[int, int]] = []

    def __enter__(self) -> BucketFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, band: Buckets) -> None:
        """Append the buckets of a band."""
        share(self.shared, band)
        band.members.tofile(self._file)
        band.first.tofile(self._file)
        self._sizes.append((len(band.members), len(band.first)))

    def __iter__(self) -> Iterator[Buckets]:
        self._file.flush()
        self._file.seek(0)
        for members, first in self._sizes:
            yield Buckets(np.fromfile(self._file, np.int32, members), np.fromfile(self._file, np.int64, first))


def pairs(band: Buckets, shared: Numbers) -> Iterator[Pairs]:
    """The candidate pairs of a band in blocks, small buckets first."""
    yield from _blocks(_pairs(band, shared))


def _pairs(band: Buckets, shared: Numbers) -> Iterator[Pairs]:
    lengths = np.diff(band.first)
    for length in np.unique(lengths[lengths <= _ALL_PAIRS]).tolist():
        starts = band.first[:-1][lengths == length]
        left, right = np.triu_indices(length, 1)
        step = max(1, _BLOCK // len(left))
        for at in range(0, len(starts), step):
            members = band.members[starts[at : at + step, None] + np.arange(length)]
            yield Pairs(members[:, left].ravel(), members[:, right].ravel())
    for at in np.flatnonzero(lengths > _ALL_PAIRS).tolist():
        yield from _of_large(band.members[band.first[at] : band.first[at + 1]], shared)


def _of_large(members: Places, shared: Numbers) -> Iterator[Pairs]:
    widest = np.lexsort((members, -shared[members]))[:_SHARED]
    for head in dict.fromkeys((*members[:_BEST].tolist(), *members[widest].tolist())):
        others = members[members != head]
        yield Pairs(np.minimum(others, np.int32(head)), np.maximum(others, np.int32(head)))
    yield Pairs(members[:-1], members[1:])


def _blocks(found: Iterable[Pairs]) -> Iterator[Pairs]:
    held: list[Pairs] = []
    size = 0
    for some in found:
        held.append(some)
        size += len(some.left)
        if size >= _BLOCK:
            yield _joined(held)
            held, size = [], 0
    if held:
        yield _joined(held)


def _joined(held: Sequence[Pairs]) -> Pairs:
    return Pairs(np.concatenate([one.left for one in held]), np.concatenate([one.right for one in held]))
