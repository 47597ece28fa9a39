"""The policy ``leader``: a text goes only where a text that stays is near enough itself.

    candidate pairs of all bands --by their worse text, in temporary files--> from the best text to the worst:
        it stays, unless one that stays is near enough; the first such one is its partner

In a chain of near-duplicates more stay than one, and none of the removed is left without a kept text at the threshold.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack

import numpy as np

from builder.dedup.buckets import BucketFile, pairs
from builder.dedup.clusters import Clusters
from builder.dedup.shingles import Hashes, Numbers

_HALF = np.uint64(32)
_PARTS = 64  # files: one part of the pairs is in memory at a time


def leaders(clusters: Clusters, found: BucketFile, copies: Numbers, firsts: Numbers) -> Numbers:
    """The place that stays, for every place; ``copies`` have the shingles of ``firsts``."""
    count = len(found.shared)
    kept = np.arange(count)
    width = count // _PARTS + 1
    with ExitStack() as opened:
        files = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(_PARTS)]
        for band in found:
            for block in pairs(band, found.shared):
                codes = clusters.promising(block)
                codes = np.sort(codes << _HALF | codes >> _HALF)
                cuts = np.searchsorted(codes, np.arange(_PARTS + 1, dtype=np.uint64) * np.uint64(width) << _HALF)
                for file, start, end in zip(files, cuts[:-1], cuts[1:], strict=True):
                    codes[start:end].tofile(file)
        for file in files:
            file.seek(0)
            _choose(clusters, kept, np.unique(np.fromfile(file, np.uint64)))
    kept[copies] = kept[firsts]
    return kept


def _choose(clusters: Clusters, kept: Numbers, codes: Hashes) -> None:
    """Go through pairs by their worse text, for each from the best partner to the worst."""
    for code in codes.tolist():
        place, other = code >> 32, code & 0xFFFFFFFF
        if kept[place] == place and kept[other] == other and clusters.near(other, place):
            kept[place] = other
