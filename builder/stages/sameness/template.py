"""How much of a document is template: the share of its 5-grams that stand in many documents.

The counts of all 5-grams live in one table of ``2**24`` slots. Two 5-grams in one slot are counted as one, which can only matter
where the sum of their documents reaches the limit; the limit grows with the corpus, so at 100,000 documents of 550 words (some three
5-grams a slot, most of them in one document) it is a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from builder.dedup.shingles import shingled
from builder.measures import TEMPLATE_DOCUMENTS

SLOT_BITS = 24
_BATCH = 256
_COMMON_SHARE = 0.001  # of the documents: in a large corpus an idiom stands in five of them by itself

Slots = NDArray[np.uint32]


def common(documents: int) -> int:
    """In how many documents a 5-gram belongs to a template: five, and a thousandth of a corpus of more than 5,000."""
    return max(TEMPLATE_DOCUMENTS, math.ceil(_COMMON_SHARE * documents))


class Templates:
    """Document counts of all 5-grams of a corpus."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = np.zeros(1 << SLOT_BITS, np.uint32)
        self._common = common(len(texts))
        for slots in _each(texts):
            self._counts[slots] += 1

    def shares(self, texts: Iterable[str]) -> Iterator[float]:
        """Of each text's different 5-grams, the share that is template."""
        for slots in _each(texts):
            yield self._share(slots)

    def thinned(self, texts: Sequence[str], most: float) -> list[bool]:
        """Take texts out one by one, the first first, while they are more than ``most`` template: whether each went.

        A text that goes takes its 5-grams with it, so that the last copies of a template stay.
        """
        gone = []
        for slots in _each(texts):
            gone.append(self._share(slots) > most)
            if gone[-1]:
                self._counts[slots] -= 1
        return gone

    def _share(self, slots: Slots) -> float:
        return float(np.count_nonzero(self._counts[slots] >= self._common) / len(slots)) if len(slots) else 0.0


def _each(texts: Iterable[str]) -> Iterator[Slots]:
    """The different slots of each text, a batch of texts at a time."""
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            yield from _slots(batch)
            batch.clear()
    if batch:
        yield from _slots(batch)


def _slots(batch: Sequence[str]) -> Iterator[Slots]:
    found = shingled(batch)
    slots = (found.hashes >> np.uint64(64 - SLOT_BITS)).astype(np.uint32)
    for start, end in zip(found.first[:-1], found.first[1:], strict=True):
        own = np.sort(slots[start:end])
        yield own[np.concatenate(([True], own[1:] != own[:-1]))] if len(own) else own
