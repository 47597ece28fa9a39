"""Shingles become MinHash signatures, bit for bit those of datasketch 2, and signatures become band keys.

    hashes of a text --120 permutations, the least of each--> signature --6 rows together--> 20 band keys

Two texts are a candidate pair when one band key agrees. The chance of that for a pair of Jaccard similarity *j* is
``1 - (1 - j**rows) ** bands``. Every candidate is checked exactly afterwards, so the bands are laid out for recall:

    threshold   bands x rows   j = threshold   threshold + .05   threshold - .2
    >= .90         16 x 8          .9999           1.0000             .613
    >= .80         24 x 5          .9999           1.0000             .857
    >= .70         30 x 4          .9997           1.0000             .856
    >= .50         40 x 3          .9952           .9993              .665
    below          60 x 2  (at .3:) .9965          .9996              .453

Before the exact check a candidate must agree in its *sketch*, one byte of 64 rows of the signature, as often as all but about one in a
million pairs at the threshold do: that spares most of the pairs that share no more than a template.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.dedup.shingles import Hashes, Shingled

SEED = 1  # datasketch's own default, so that a signature can be compared with one made elsewhere
SCHEME = "affine32"
SKETCH = 64  # bytes a text in memory; at .8 their agreement has a standard deviation of .05

_LAYOUTS = ((0.9, 16, 8), (0.8, 24, 5), (0.7, 30, 4), (0.5, 40, 3), (0.0, 60, 2))
_CACHED = 1 << 17  # permuted values at once: they stay in the processor's cache
_BYTE = np.uint32(0xFF)
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: multiplying by it is a bijection

Rows = NDArray[np.uint32]
Sketches = NDArray[np.uint8]


class Layout(NamedTuple):
    """How a signature is cut: two texts are a candidate pair when all rows of one band agree."""

    bands: int
    rows: int

    @property
    def size(self) -> int:
        """How many permutations a signature has."""
        return self.bands * self.rows


def layout(threshold: float) -> Layout:
    """The bands for a threshold, as in the table above."""
    return next(Layout(bands, rows) for least, bands, rows in _LAYOUTS if threshold >= least)


def catch_probability(jaccard: float, bands: Layout) -> float:
    """The chance that a pair of this similarity becomes a candidate: ``1 - (1 - j**rows) ** bands``."""
    return float(1 - (1 - jaccard**bands.rows) ** bands.bands)


def stated(threshold: float) -> str:
    """The layout of a threshold, and what it lets through to be compared, in one sentence.

    >>> stated(0.8)
    '24 bands of 5 rows: of pairs alike at 0.8, 99.99% are compared, at 0.85 100.00%, at 0.6 85.67%'
    """
    bands = layout(threshold)
    likely = [(at, f"{catch_probability(at, bands):.2%}") for at in (threshold, min(1, threshold + 0.05), max(0, threshold - 0.2))]
    (first, most), *others = likely
    told = "".join(f", at {at:.3g} {share}" for at, share in others)
    return f"{bands.bands} bands of {bands.rows} rows: of pairs alike at {first:.3g}, {most} are compared{told}"


def signatures(batch: Shingled, size: int, seed: int = SEED) -> Rows:
    """The signatures of a batch in columns: each is ``MinHash(size, seed).hashvalues`` over the low halves of a text's hashes."""
    multipliers, addends = permutations(size, seed)
    values = mixed(batch.hashes)
    found = np.empty((size, len(batch.first) - 1), np.uint32)
    together = min(size, 1 + _CACHED // (1 + len(values)))
    permuted = np.empty((together, len(values)), np.uint32)
    for row in range(0, size, together):
        some = slice(row, row + together)
        here = permuted[: size - row]
        np.multiply(values, multipliers[some, None], out=here)
        np.add(here, addends[some, None], out=here)
        np.minimum.reduceat(here, batch.first[:-1], axis=1, out=found[some])
    return found


def sketches(found: Rows) -> Sketches:
    """The low bytes of some rows, evenly chosen, of signatures in columns: ``[texts, SKETCH]``."""
    chosen = np.arange(SKETCH) * len(found) // SKETCH
    return np.ascontiguousarray((found[chosen] & _BYTE).astype(np.uint8).T)


def least_agreement(threshold: float) -> float:
    """How many bytes of two sketches must agree: the mean at the threshold less five standard deviations of the binomial."""
    return SKETCH * threshold - 5 * math.sqrt(SKETCH * threshold * (1 - threshold))


def band_keys(found: Rows, bands: Layout) -> Hashes:
    """One 64-bit key for each band and text, from signatures in columns: ``[bands, texts]``."""
    rows = found.reshape(bands.bands, bands.rows, -1)
    keys = np.zeros((bands.bands, found.shape[1]), np.uint64)
    for row in range(bands.rows):
        keys ^= rows[:, row]
        keys *= _ODD
        keys ^= keys >> np.uint64(32)
    return keys


@cache
def permutations(size: int, seed: int) -> tuple[Rows, Rows]:
    """The multipliers, all odd, and the addends of datasketch: its own, so that its signatures and these cannot part ways."""
    from datasketch import MinHash

    multipliers, addends = MinHash(num_perm=size, seed=seed, scheme=SCHEME).permutations
    return multipliers, addends


def mixed(hashes: Hashes) -> Rows:
    """The low halves through the 32-bit finaliser of MurmurHash3, with which the scheme begins."""
    low = hashes.astype(np.uint32)
    low ^= low >> np.uint32(16)
    low *= np.uint32(0x85EBCA6B)
    low ^= low >> np.uint32(13)
    low *= np.uint32(0xC2B2AE35)
    low ^= low >> np.uint32(16)
    return low
