"""The inner loops for numba: the same bits as ``shingles.py`` and ``signatures.py``, in about half the time.

Compiled once for each installation and kept by numba beside this file, or in its cache folder.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from builder.dedup import shingles as plain
from builder.dedup.shingles import Hashes, Numbers, Shingled
from builder.dedup.signatures import SEED, Rows, mixed, permutations

_WORDS, _STEP, _MASKS = plain.SHINGLE_WORDS, plain.STEP, plain.MASKS
_ODD, _PLACE, _MIX = plain.ODD, plain.ODD_TOO, plain.MIX
_NONE = np.uint64(0)


def shingled(texts: Sequence[str]) -> Shingled:
    """The shingles of every text: ``shingles.shingled``."""
    found = plain.batch_words(texts)
    words = _hashes(plain.eights(found.blob), found.starts, found.lengths)
    plain.hash_long_words(found, words)
    hashes, first, digests = _windows(words, found.first)
    return Shingled(hashes, first, digests.tobytes())


def signatures(batch: Shingled, size: int, seed: int = SEED) -> Rows:
    """The signatures of a batch: ``signatures.signatures``."""
    multipliers, addends = permutations(size, seed)
    found: Rows = _least(mixed(batch.hashes), batch.first, multipliers, addends)
    return found


def jaccard(left: Hashes, right: Hashes) -> float:
    """Shared shingles over all shingles of two sorted sets: ``shingles.jaccard``."""
    shared = _shared(left, right)
    return float(shared / (len(left) + len(right) - shared))


def _word_hashes(steps: Hashes, starts: Numbers, lengths: Numbers) -> Hashes:
    """One hash a word."""
    hashes = np.empty(len(starts), np.uint64)
    for word in range(len(starts)):
        at, left, value = starts[word], lengths[word], _NONE
        while left > 0:
            value = (value ^ (steps[at] & _MASKS[min(left, _STEP)])) * _ODD
            value ^= value >> np.uint64(32)
            at += _STEP
            left -= _STEP
        hashes[word] = value
    return hashes


def _all_windows(words: Hashes, first: Numbers) -> tuple[Hashes, Numbers, Hashes]:
    """One hash for every five words in a row of one text, with blanks where a text is shorter; where each text's begin; the digests."""
    hashes = np.empty(len(words) + len(first), np.uint64)
    after = np.zeros(len(first), np.int64)
    digests = np.zeros((len(first) - 1, 2), np.uint64)
    padded = np.zeros(_WORDS, np.uint64)
    count = 0
    for text in range(len(first) - 1):
        some = words[first[text] : first[text + 1]]
        if len(some) < _WORDS:
            padded[: len(some)] = some
            padded[len(some) :] = 0
            some = padded
        one, other = _NONE, _NONE
        for at in range(len(some) - _WORDS + 1):
            total = _NONE
            for shift in range(_WORDS):
                total = total * _PLACE + some[at + shift]
            total ^= total >> np.uint64(30)
            total *= _MIX
            total ^= total >> np.uint64(31)
            hashes[count + at] = total
            one += total
            other += (total ^ (total >> np.uint64(29))) * _ODD
        count += len(some) - _WORDS + 1
        after[text + 1] = count
        digests[text, 0], digests[text, 1] = one, other
    return hashes[:count], after, digests


def _least_of_each(values: Rows, first: Numbers, multipliers: Rows, addends: Rows) -> Rows:
    """For each permutation and text the least permuted value; four values at a time, the last one again where there are fewer."""
    found = np.empty((len(first) - 1, len(multipliers)), np.uint32)
    for text in range(len(first) - 1):
        least, last = found[text], first[text + 1] - 1
        least[:] = 2**32 - 1
        for at in range(first[text], last + 1, 4):
            one, two = values[at], values[min(at + 1, last)]
            three, four = values[min(at + 2, last)], values[min(at + 3, last)]
            for row in range(len(multipliers)):
                by, plus = multipliers[row], addends[row]
                low = min(np.uint32(one * by + plus), np.uint32(two * by + plus))
                lower = min(np.uint32(three * by + plus), np.uint32(four * by + plus))
                least[row] = min(least[row], min(low, lower))
    return found.T


def _shared_of_sorted(left: Hashes, right: Hashes) -> int:
    """How many numbers two sorted sets share."""
    at, other, shared = 0, 0, 0
    while at < len(left) and other < len(right):
        one, two = left[at], right[other]
        shared += one == two
        at += one <= two
        other += two <= one
    return shared


_hashes = numba.njit(cache=True)(_word_hashes)
_windows = numba.njit(cache=True)(_all_windows)
_least = numba.njit(cache=True)(_least_of_each)
_shared = numba.njit(cache=True)(_shared_of_sorted)
