"""Every 8-gram of the benchmark texts as a 64-bit hash, sorted, each with the texts that hold it.

12 bytes an 8-gram, and one or two of a table that tells at once nearly all that the index does not hold. While it is made, the 8-grams
lie in 64 heaps by the first bits of their hashes; each is sorted by itself and given up for its part of the index. Measured, the process
grew by 183 MiB at most for 5 million 8-grams and by 406 MiB (21 bytes each) for 20 million, with the ids of the benchmark texts.

Of the texts that hold the same 8-gram the first 16 are remembered, and the others thrown out while the index is made, so that a question
which is asked a million times takes the room of sixteen.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from builder.benchmarks import Question
from builder.dedup.shingles import SHINGLE_WORDS, shingled
from builder.text import Hashes

GRAM = 8
POSTINGS = 16  # benchmark texts remembered for one 8-gram: a shared preamble names the first few

_BATCH = 1 << 17  # characters: the hashes of fifty stories stay in the processor's cache
_TEXTS = 1 << 11  # texts, where they are short
_HEAPS = 64
_HEAP_SHIFT = np.uint64(58)
_UNSORTED = 1 << 14  # 8-grams of a heap that wait at least, before those that nobody asks for are thrown out
_TABLE_BITS = 16  # a gram, or down to 8: of unknown grams one in 30 to 190 passes the table
_ONE, _WORD = np.uint64(1), np.uint64(63)  # a word of the table has 64 bits: six bits of a hash name one
_SIXES = np.array([6, 12, 18], np.uint64)
_CHUNK = 1 << 20
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: multiplying by it is a bijection
_LAST = GRAM - SHINGLE_WORDS

Ints = NDArray[np.int64]
Owners = NDArray[np.uint32]
Row = TypeVar("Row")


class Hits(NamedTuple):
    """8-grams of a document that a benchmark holds: where in the document, and which of the index (its first row)."""

    at: Ints
    rows: Ints


class Index:
    """The index of some benchmark texts: ``ids`` and ``lengths`` (words) by their number, and who holds an 8-gram."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self.ids: list[str] = []
        self.lengths = array("I")
        heaps, short = _Heaps(), _Heaps()
        for batch in batches(questions, lambda question: 6 * len(question.words)):
            found = shingled([" ".join(question.words) for question in batch])
            first = len(self.ids)
            self.ids.extend(question.id for question in batch)
            lengths = np.diff(found.first) + SHINGLE_WORDS - 1
            self.lengths.frombytes(lengths.astype(np.uint32).tobytes())
            owners = np.repeat(np.arange(first, len(self.ids), dtype=np.uint32), np.diff(found.first))
            for width in range(SHINGLE_WORDS, GRAM + 1):
                at = _starts(found.first, lengths >= GRAM if width == GRAM else lengths == width, width)
                heaps.add(_wide(found.hashes, at, width), owners[at])
                if width < GRAM:
                    short.add(found.hashes[at], owners[at])
        self._grams, self._owners = heaps.sorted()
        self._table = _Table(self._grams)
        self._short = _Table(short.sorted()[0])
        self._widths = sorted({min(length, GRAM) for length in set(self.lengths)} - {GRAM})

    def __len__(self) -> int:
        return len(self._grams)

    @property
    def bytes_held(self) -> int:
        """Memory of the arrays."""
        return int(self._grams.nbytes + self._owners.nbytes + self._table.bits.nbytes + self._short.bits.nbytes)

    def hits(self, texts: Sequence[str]) -> dict[int, Hits]:
        """Where 8-grams of the texts, and runs as long as a shorter benchmark text, stand in the index; by the number of the text."""
        if not len(self):
            return {}
        found = shingled(texts)
        every = _wide(found.hashes, slice(0, max(0, len(found.hashes) - _LAST)), GRAM)
        at = self._table.maybe(every)
        tried = [(at, every[at], GRAM)]
        if self._widths:
            at = self._short.maybe(found.hashes)
            for width in self._widths if len(at) else ():
                inside = at[at + width - SHINGLE_WORDS < len(found.hashes)]
                tried.append((inside, _wide(found.hashes, inside, width), width))
        met = [self._known(*some, found.first) for some in tried]
        places, rows, owners = (np.concatenate(some) for some in zip(*met, strict=True))
        order = np.lexsort((rows, places))
        places, rows, owners = places[order] - found.first[owners[order]], rows[order], owners[order]
        numbers, starts = np.unique(owners, return_index=True)
        borders = [*starts.tolist(), len(owners)]
        return {number: Hits(places[a:b], rows[a:b]) for number, a, b in zip(numbers.tolist(), borders, borders[1:], strict=False)}

    def _known(self, at: Ints, hashes: Hashes, width: int, first: Ints) -> tuple[Ints, Ints, Ints]:
        """Which of the hashes are in the index and reach into no other text: their places, first rows and texts."""
        order = np.argsort(hashes)  # in their order the searches share what they read
        at, hashes = at[order], hashes[order]
        rows = np.searchsorted(self._grams, hashes)
        known = self._grams[np.minimum(rows, len(self) - 1)] == hashes
        at, rows = at[known], rows[known]
        texts = np.searchsorted(first, at, "right") - 1
        inside = at + width - SHINGLE_WORDS < first[texts + 1]
        return at[inside], rows[inside], texts[inside]

    def widths(self, rows: Ints) -> Ints:
        """How many words the grams of these rows have."""
        lengths: Ints = np.frombuffer(self.lengths, np.uint32)[self._owners[rows]].astype(np.int64)
        return np.minimum(lengths, GRAM)

    def holders(self, rows: Ints) -> list[list[int]]:
        """For each 8-gram, named by its first row, the benchmark texts that hold it."""
        grams = self._grams[rows]
        found = [[owner] for owner in self._owners[rows].tolist()]
        more = np.arange(len(rows))
        for step in range(1, POSTINGS):
            more = more[rows[more] + step < len(self)]
            more = more[self._grams[rows[more] + step] == grams[more]]
            if not len(more):
                break
            for at, owner in zip(more.tolist(), self._owners[rows[more] + step].tolist(), strict=True):
                found[at].append(owner)
        return found


def _starts(first: Ints, wanted: NDArray[np.bool_], width: int) -> Ints:
    """Where in a batch the grams of the wanted texts start."""
    counts = np.where(wanted, np.diff(first) - (width - SHINGLE_WORDS), 0)
    ends = np.cumsum(counts)
    starts: Ints = np.arange(ends[-1]) + np.repeat(first[:-1] - (ends - counts), counts)
    return starts


def _wide(fives: Hashes, at: Ints | slice, width: int) -> Hashes:
    """Hashes of ``width`` words from some places on: the first five and the last five say which words they are."""
    more = width - SHINGLE_WORDS
    last = fives[more:][at] if isinstance(at, slice) else fives[at + more]
    if not more:
        return last
    wide = fives[at] * _ODD
    wide += last
    wide ^= wide >> np.uint64(32)
    wide *= _ODD
    return wide


class _Heaps:
    """Hashes with their owners, by their first bits."""

    def __init__(self) -> None:
        self._grams = [array("Q") for _ in range(_HEAPS)]
        self._owners = [array("I") for _ in range(_HEAPS)]
        self._full = [_UNSORTED] * _HEAPS

    def add(self, grams: Hashes, owners: Owners) -> None:
        """Put in hashes in the order of their owners."""
        if not len(grams):
            return
        order = np.argsort((grams >> _HEAP_SHIFT).astype(np.uint8), kind="stable")
        grams, owners = grams[order], owners[order]
        cuts = np.searchsorted(grams >> _HEAP_SHIFT, np.arange(_HEAPS + 1, dtype=np.uint64)).tolist()
        for heap, (start, end) in enumerate(zip(cuts, cuts[1:], strict=False)):
            self._grams[heap].frombytes(grams[start:end].tobytes())
            self._owners[heap].frombytes(owners[start:end].tobytes())
            if len(self._grams[heap]) > self._full[heap]:
                self._settle(heap)
                self._full[heap] = max(_UNSORTED, 2 * len(self._grams[heap]))

    def _settle(self, heap: int) -> None:
        """Sort by hash, then owner; keep each pair once, and of one hash the first owners."""
        grams, owners = np.frombuffer(self._grams[heap], np.uint64), np.frombuffer(self._owners[heap], np.uint32)
        order = np.argsort(grams, kind="stable")
        grams, owners = grams[order], owners[order]
        new = np.ones(len(grams), bool)
        new[1:] = (grams[1:] != grams[:-1]) | (owners[1:] != owners[:-1])
        grams, owners = grams[new], owners[new]
        few = np.ones(len(grams), bool)
        few[POSTINGS:] = grams[POSTINGS:] != grams[:-POSTINGS]
        self._grams[heap], self._owners[heap] = array("Q", grams[few].tobytes()), array("I", owners[few].tobytes())

    def sorted(self) -> tuple[Hashes, Owners]:
        """All hashes in order with their owners; the heaps are emptied."""
        for heap in range(_HEAPS):
            self._settle(heap)
        total = sum(map(len, self._grams))
        grams, owners = np.empty(total, np.uint64), np.empty(total, np.uint32)
        end = total
        while self._grams:
            start = end - len(self._grams[-1])
            grams[start:end], owners[start:end] = self._grams.pop(), self._owners.pop()
            end = start
        return grams, owners


class _Table:
    """A Bloom filter of four bits for each hash, all in one word of 64: one place in memory tells whether a hash is unknown."""

    def __init__(self, hashes: Hashes) -> None:
        words = max(10, (_TABLE_BITS * len(hashes)).bit_length() - 7)  # as a power of two
        self._shift = np.uint64(64 - words)
        self.bits = np.zeros(1 << words, np.uint64)
        for start in range(0, len(hashes), _CHUNK):
            some = hashes[start : start + _CHUNK]
            slots = some >> self._shift
            firsts = np.flatnonzero(np.concatenate(([True], slots[1:] != slots[:-1])))
            self.bits[slots[firsts]] |= np.bitwise_or.reduceat(_ONE << (some & _WORD) | _more_bits(some), firsts)

    def maybe(self, hashes: Hashes) -> Ints:
        """Which of the hashes may be among those."""
        held = self.bits.take(hashes >> self._shift, mode="clip")  # no hash is out of range; "clip" is faster than to check it
        at = np.flatnonzero(held & _ONE << (hashes & _WORD))
        some = hashes[at]
        masks = _more_bits(some)
        kept: Ints = at[held[at] & masks == masks]
        return kept


def _more_bits(hashes: Hashes) -> Hashes:
    """The second to the fourth bit of each hash in its word of the table."""
    second, third, fourth = (hashes >> shift & _WORD for shift in _SIXES)
    bits: Hashes = _ONE << second | _ONE << third | _ONE << fourth
    return bits


def batches(rows: Iterable[Row], size: Callable[[Row], int]) -> Iterator[list[Row]]:
    """Rows in lists of about as many characters as are best hashed at once."""
    held: list[Row] = []
    characters = 0
    for row in rows:
        held.append(row)
        characters += size(row)
        if characters >= _BATCH or len(held) >= _TEXTS:
            yield held
            held, characters = [], 0
    if held:
        yield held
