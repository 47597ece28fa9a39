"""Gate ``contamination``: text of a benchmark inside a document, and how much a document looks like an evaluation.

Benchmark texts come from ``--against FILES`` or ``[gates] contamination_against``. Both sides are read as folded Unicode words; every
8-gram of a benchmark is remembered as a 64-bit hash (13-grams, the usual choice, miss whatever is edited or short). A text of 5 to 7 words
is remembered whole. A document is refused where

    a run       of [gates] contaminated_run or more words stands in the benchmark, or
    coverage    8-grams of one benchmark text that stand in the document cover [gates] contaminated_coverage of its words.

Stop-grams are no evidence: fewer than two words that are neither function words nor in a stock phrase (``lists/function_words.txt``,
``lists/stop_phrases.txt``). An 8-gram that more than 1 % of the candidates hold (20 at least) counts for no coverage, but still for a run.

    contaminated:ID          the benchmark text; the explanation is the longest run
    eval_traits:NAMES        [gates] eval_traits or more of seven evaluation traits (``lists/eval_traits.txt``, arXiv 2605.28591)

Scores: ``eval_shape`` (how many of the seven), ``coverage`` and ``longest_run`` (words) where any 8-gram was met. The index keeps 12 bytes
for an 8-gram, and one or two bytes of a table that tells at once most of what it does not hold.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from builder.benchmarks import Question
from builder.dedup.shingles import SHINGLE_WORDS, shingled
from builder.gates import Gate, GateContext
from builder.records import Candidate, Verdict
from builder.shapes import Motifs, shapes
from builder.text import Hashes, Phrases, folded_words, lowered

NAME = "contamination"
GRAM = 8

_LEAST_CONTENT = 2  # words of an 8-gram that are neither grammar nor stock
_COMMON_SHARE = 0.01
_COMMON_LEAST = 20
_POSTINGS = 16  # benchmark texts remembered for one 8-gram: a shared preamble names the first few
_TABLE_BITS = 16  # a gram, or down to 8: of unknown grams one in 8 to 16 passes the table
_EXPLAINED = 60  # words
_BATCH = 256  # texts hashed at once
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: multiplying by it is a bijection
_CONTROL = re.compile("[\x00-\x1f\x7f]")  # blanks to the hashing of shingles, so blanks here

Ints = NDArray[np.int64]


class _Hits(NamedTuple):
    """8-grams of a document that a benchmark holds: where in the document, and which of the index (its first row)."""

    at: Ints
    rows: Ints


_NO_HITS = _Hits(np.empty(0, np.int64), np.empty(0, np.int64))


class _Finding(NamedTuple):
    """The strongest evidence against one document: a benchmark text, its coverage, the longest run and its words."""

    question: str
    coverage: float
    run: int
    words: str


def open_gate(context: GateContext) -> Gate:
    """The gate with the recipe's thresholds, the library's lists and the benchmark texts of ``context.against``."""
    gates, library = context.recipe.gates, context.library
    traits = _Traits(library.words("eval_traits"))
    index = Index(question for benchmark in context.against for question in benchmark.questions())
    evidence = _Evidence(index, library.words("function_words"), library.words("stop_phrases"), gates.contaminated_run)

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        met: list[tuple[str, tuple[str, ...], str, _Hits]] = []
        documents_with: Counter[int] = Counter()
        for batch in _batches(candidates):
            for candidate, hits in zip(batch, index.hits([row.text for row in batch]), strict=True):
                documents_with.update(set(hits.rows.tolist()))
                met.append((candidate.id, traits.of(candidate.text), candidate.text if len(hits.at) else "", hits))
        most = max(_COMMON_LEAST, _COMMON_SHARE * len(met))
        common = {row for row, count in documents_with.items() if count > most}
        for identifier, shown, text, hits in met:
            finding = evidence.against(folded_words(_CONTROL.sub(" ", text)), hits, common) if text else None
            yield _verdict(identifier, shown, finding, gates.contaminated_run, gates.contaminated_coverage, gates.eval_traits)

    return judge


def _verdict(identifier: str, shown: Sequence[str], finding: _Finding | None, run: int, coverage: float, traits: int) -> Verdict:
    scores = {"eval_shape": float(len(shown))}
    reason, explanation = "ok", ""
    if finding:
        scores |= {"coverage": round(finding.coverage, 4), "longest_run": float(finding.run)}
        explanation = finding.words
        if finding.run >= run or finding.coverage >= coverage:
            reason = f"contaminated:{finding.question}"
    if reason == "ok" and len(shown) >= traits:
        reason, explanation = f"eval_traits:{'+'.join(shown)}", ""
    return Verdict(document_id=identifier, gate=NAME, keep=reason == "ok", reason=reason, scores=scores, explanation=explanation)


class _Traits:
    """Reads ``trait: motif|motif + motif`` lines, of which a trait may have several, and tells which traits a text has."""

    def __init__(self, lines: Sequence[str]) -> None:
        named = [line.partition(":") for line in lines]
        self._names = [name.strip() for name, _, _ in named]
        self._motifs = Motifs(shapes([motifs.strip() for _, _, motifs in named]))

    def of(self, text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._names[at] for at in self._motifs.met(text)))


class Index:
    """Every 8-gram of the benchmark texts, sorted by hash, each with the texts that hold it."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self.ids: list[str] = []
        self.lengths = array("I")  # words
        grams, counts = array("Q"), array("I")
        for batch in _batches(questions):
            found = shingled([" ".join(question.words) for question in batch])
            for question, start, end in zip(batch, found.first[:-1], found.first[1:], strict=True):
                words = int(end - start) + SHINGLE_WORDS - 1
                own = np.unique(_wide(found.hashes[start:end], min(words, GRAM)))
                grams.frombytes(own.tobytes())
                counts.append(len(own))
                self.ids.append(question.id)
                self.lengths.append(words)
        joined = np.frombuffer(grams, np.uint64)
        owned = np.repeat(np.arange(len(counts), dtype=np.uint32), np.frombuffer(counts, np.uint32))
        order = np.argsort(joined, kind="stable")
        self._grams, self._owners = joined[order], owned[order]
        del joined, grams
        self._widths = sorted({min(length, GRAM) for length in set(self.lengths)})
        bits = max(16, int(_TABLE_BITS * len(self._grams)).bit_length() - 1)
        self._shift = np.uint64(64 - bits)
        table = np.zeros(1 << bits, bool)
        table[(self._grams >> self._shift).astype(np.int64)] = True
        self._table = np.packbits(table, bitorder="little")

    def __len__(self) -> int:
        return len(self._grams)

    @property
    def bytes_held(self) -> int:
        """Memory of the arrays."""
        return int(self._grams.nbytes + self._owners.nbytes + self._table.nbytes)

    def hits(self, texts: Sequence[str]) -> list[_Hits]:
        """Where each text's 8-grams, and its runs as long as a shorter benchmark text, stand in the index."""
        if not len(self):
            return [_NO_HITS] * len(texts)
        found = shingled(texts)
        owner = np.repeat(np.arange(len(texts)), np.diff(found.first))
        places, rows = [], []
        for width in self._widths:
            at, row = self._known(_wide(found.hashes, width))
            inside = owner[at] == owner[at + width - SHINGLE_WORDS]  # no gram reaches into the next text
            places.append(at[inside])
            rows.append(row[inside])
        at, row = np.concatenate(places), np.concatenate(rows)
        order = np.argsort(at, kind="stable")
        at, row = at[order], row[order]
        cuts = np.searchsorted(at, found.first)
        return [_Hits(at[low:high] - first, row[low:high]) for first, low, high in zip(found.first, cuts, cuts[1:], strict=False)]

    def _known(self, hashes: Hashes) -> tuple[Ints, Ints]:
        """Which of the hashes are in the index, and their first rows."""
        slots = hashes >> self._shift
        maybe = np.flatnonzero((self._table[slots >> np.uint64(3)] >> (slots & np.uint64(7)).astype(np.uint8)) & 1)
        maybe = maybe[np.argsort(hashes[maybe])]  # in their order the searches share what they read
        rows = np.searchsorted(self._grams, hashes[maybe])
        known = self._grams[np.minimum(rows, len(self) - 1)] == hashes[maybe]
        return maybe[known], rows[known]

    def owners(self, row: int) -> list[int]:
        """The benchmark texts, at most ``_POSTINGS``, that hold the 8-gram whose first row this is."""
        end = row + int(np.searchsorted(self._grams[row : row + _POSTINGS], self._grams[row], side="right"))
        return [int(owner) for owner in self._owners[row:end]]


def _wide(fives: Hashes, width: int) -> Hashes:
    """Hashes of ``width`` words in a row from those of five in a row: the first five and the last five say which words they are."""
    if width == SHINGLE_WORDS:
        return fives
    wide = fives[: -(width - SHINGLE_WORDS)] * _ODD + fives[width - SHINGLE_WORDS :]
    wide ^= wide >> np.uint64(32)
    return wide * _ODD


Row = TypeVar("Row")


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        yield batch


class _Evidence:
    """Weighs the hits of one document."""

    def __init__(self, index: Index, grammar: Iterable[str], stock: Iterable[str], least_run: int) -> None:
        self._index = index
        self._grammar = frozenset(grammar)
        self._stock = Phrases(stock)
        self._least_run = least_run

    def against(self, words: list[str], hits: _Hits, common: set[int]) -> _Finding | None:
        """The strongest finding; ``None`` where every hit is a stop-gram."""
        content = self._content(words)
        owners: dict[int, list[int]] = {}  # position -> benchmark texts
        telling: set[int] = set()
        counted: dict[int, dict[int, int]] = {}  # benchmark text -> row -> first position, of what counts for coverage
        for at, row in sorted(zip(hits.at.tolist(), hits.rows.tolist(), strict=True)):
            held = self._index.owners(row)
            owners.setdefault(at, []).extend(held)
            if content[min(at + self._width(held[0]), len(words))] - content[min(at, len(words))] >= _LEAST_CONTENT:
                telling.add(at)
                for owner in held if row not in common else ():
                    counted.setdefault(owner, {}).setdefault(row, at)
        if not telling:
            return None
        covers = {owner: self._coverage(owner, sorted(met.values())) for owner, met in counted.items()}
        best = max(covers, key=lambda owner: (covers[owner], -owner), default=owners[min(telling)][0])
        start, end = _longest_run(owners, telling)
        run = end - start + max(self._width(owner) for owner in owners[end])
        if run >= self._least_run or not covers:
            named = Counter(owner for at in range(start, end + 1) for owner in owners[at])
            best = max(named, key=lambda owner: (named[owner], covers.get(owner, 0.0), -owner))
        shown = " ".join(words[start : start + min(run, _EXPLAINED)])
        return _Finding(self._index.ids[best], covers.get(best, 0.0), run, shown)

    def _width(self, owner: int) -> int:
        return min(self._index.lengths[owner], GRAM)

    def _coverage(self, owner: int, starts: list[int]) -> float:
        return min(1.0, _covered(starts, self._width(owner)) / self._index.lengths[owner])

    def _content(self, words: list[str]) -> list[int]:
        """How many words before each position are neither grammar nor part of a stock phrase."""
        text = " ".join(words)
        plain = [word.replace("\u2019", "'") not in self._grammar for word in words]
        ends = np.cumsum([len(word) + 1 for word in words])
        for start, end, _ in self._stock.found(lowered(text)):
            first, last = np.searchsorted(ends, [start, end - 1], side="right")
            plain[first : last + 1] = [False] * (last + 1 - first)
        return [0, *np.cumsum(plain).tolist()]


def _longest_run(positions: Iterable[int], telling: set[int]) -> tuple[int, int]:
    """First and last gram of the longest stretch of neighbouring grams that holds at least one telling one."""
    found: list[tuple[int, int]] = []
    start = end = -2
    for at in sorted(positions):
        start, end = (start if at == end + 1 else at), at
        if found and found[-1][0] == start:
            found[-1] = (start, end)
        else:
            found.append((start, end))
    return max((run for run in found if any(at in telling for at in range(run[0], run[1] + 1))), key=lambda run: (run[1] - run[0], -run[0]))


def _covered(starts: list[int], width: int) -> int:
    """Words under grams that start at these positions."""
    total, end = 0, -1
    for at in starts:
        total += at + width - max(at, end)
        end = at + width
    return total
