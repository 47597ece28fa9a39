"""The inner loops for numba: the same bits as ``shingles.py`` and ``signatures.py``, in about half the time.

Compiled once for each installation and kept by numba beside this file, or in its cache folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from builder.dedup import shingles as plain
from builder.dedup.shingles import Hashes, Numbers, Shingled
from builder.dedup.signatures import SEED, Rows, mixed, permutations

_WORDS = plain.SHINGLE_WORDS
_BLANK, _APOSTROPHE, _LONG = plain.BLANK, plain.APOSTROPHE, plain.LONG
_ODD, _PLACE, _MIX = plain.ODD, plain.ODD_TOO, plain.MIX
_NONE, _BYTE, _FULL = np.uint64(0), np.uint64(8), np.uint64(64)


def shingled(texts: Sequence[str]) -> Shingled:
    """The shingles of every text: ``shingles.shingled``."""
    cleaned = plain.cleaned(texts)
    blob = plain.joined(cleaned)
    raw = np.frombuffer(blob, np.uint8)
    sizes = np.fromiter(map(len, cleaned), np.int64, len(cleaned))
    words, first, long = _scan(raw, sizes)
    for place, start, end in long:
        words[place] = plain.long_word_hash(blob[start:end])
    hashes, after = _windows(words, first)
    return Shingled(hashes, after, plain.digests(hashes, after))


def signatures(batch: Shingled, size: int, seed: int = SEED) -> Rows:
    """The signatures of a batch: ``signatures.signatures``."""
    multipliers, addends = permutations(size, seed)
    found: Rows = _least(mixed(batch.hashes), batch.first, multipliers, addends)
    return found


def jaccard(left: Hashes, right: Hashes) -> float:
    """Shared shingles over all shingles of two sorted sets: ``shingles.jaccard``."""
    shared = _shared(left, right)
    return float(shared / (len(left) + len(right) - shared))


def _scan_words(raw: NDArray[np.uint8], sizes: Numbers) -> tuple[Hashes, Numbers, Any]:
    """The hash of each word, where each text's words begin, and the words that are too long to be hashed here."""
    words = np.empty(len(raw) // 2 + 1, np.uint64)
    first = np.zeros(len(sizes) + 1, np.int64)
    long = [(0, 0, 0)]
    count, at = 0, 1
    for text in range(len(sizes)):
        end = at + sizes[text]
        while at < end:
            if raw[at] == _BLANK or raw[at] == _APOSTROPHE:
                at += 1
                continue
            start, value, chunk, shift = at, _NONE, _NONE, _NONE
            while raw[at] != _BLANK and (raw[at] != _APOSTROPHE or (raw[at + 1] != _BLANK and raw[at + 1] != _APOSTROPHE)):
                if shift == _FULL:
                    value = (value ^ chunk) * _ODD
                    value ^= value >> np.uint64(32)
                    chunk, shift = _NONE, _NONE
                chunk |= np.uint64(raw[at]) << shift
                shift += _BYTE
                at += 1
            if shift:
                value = (value ^ chunk) * _ODD
                value ^= value >> np.uint64(32)
            if at - start > _LONG:
                long.append((count, start, at))
            words[count] = value
            count += 1
        at = end + 1
        first[text + 1] = count
    return words[:count], first, long[1:]


def _all_windows(words: Hashes, first: Numbers) -> tuple[Hashes, Numbers]:
    """One hash for every five words in a row of one text, with blanks where a text is shorter."""
    hashes = np.empty(len(words) + len(first), np.uint64)
    after = np.zeros(len(first), np.int64)
    count = 0
    for text in range(len(first) - 1):
        size = first[text + 1] - first[text]
        for at in range(max(1, size - _WORDS + 1)):
            total = np.uint64(0)
            for shift in range(_WORDS):
                total = total * _PLACE + (words[first[text] + at + shift] if at + shift < size else np.uint64(0))
            total ^= total >> np.uint64(30)
            total *= _MIX
            hashes[count] = total ^ (total >> np.uint64(31))
            count += 1
        after[text + 1] = count
    return hashes[:count], after


def _least_of_each(values: Rows, first: Numbers, multipliers: Rows, addends: Rows) -> Rows:
    """For each permutation and text the least permuted value."""
    found = np.empty((len(first) - 1, len(multipliers)), np.uint32)
    for text in range(len(first) - 1):
        least = np.full(len(multipliers), 2**32 - 1, np.uint32)
        for value in values[first[text] : first[text + 1]]:
            for row in range(len(multipliers)):
                permuted = np.uint32(value * multipliers[row] + addends[row])
                least[row] = permuted if permuted < least[row] else least[row]
        found[text] = least
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


_scan = numba.njit(cache=True)(_scan_words)
_windows = numba.njit(cache=True)(_all_windows)
_least = numba.njit(cache=True)(_least_of_each)
_shared = numba.njit(cache=True)(_shared_of_sorted)
