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

Scores: ``eval_shape`` (how many of the seven), ``coverage`` and ``longest_run`` (words) where any 8-gram was met.

Memory: the index (``index.py``), 4 bytes an 8-gram that count the candidates which hold it, one batch of candidates, and 16 MiB of what
is known about those before. Which 8-grams are common is known at the end only; so what was met waits in a temporary file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from builder.gates import Gate, GateContext
from builder.records import Candidate, Verdict
from builder.shapes import Motifs, shapes
from builder.stages.contamination.evidence import Evidence, Finding
from builder.stages.contamination.index import Index, batches
from builder.stages.contamination.waiting import Waiting

NAME = "contamination"

_COMMON_SHARE = 0.01
_COMMON_LEAST = 20

__all__ = ["NAME", "Index", "open_gate"]


def open_gate(context: GateContext) -> Gate:
    """The gate with the recipe's thresholds, the library's lists and the benchmark texts of ``context.against``."""
    gates, library = context.recipe.gates, context.library
    traits = _Traits(library.words("eval_traits"))
    index = Index(question for benchmark in context.against for question in benchmark.questions())
    evidence = Evidence(index, library.words("function_words"), library.words("stop_phrases"), gates.contaminated_run)

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        holders = np.zeros(len(index), np.uint32)  # candidates with the 8-gram of a row; pages that are never met cost no memory
        count = 0
        with Waiting() as waiting:
            for batch in batches(candidates, lambda candidate: len(candidate.text)):
                texts = [candidate.text for candidate in batch]
                met = index.hits(texts)
                for hits in met.values():
                    holders[np.unique(hits.rows)] += 1
                seen = {at: evidence.seen(texts[at], hits) for at, hits in met.items()}
                waiting.add([(row.id, shown, seen.get(at)) for at, (row, shown) in enumerate(zip(batch, traits.of(texts), strict=True))])
                count += len(batch)
            common = max(_COMMON_LEAST, _COMMON_SHARE * count)
            for identifier, shown, some in waiting.all():
                finding = evidence.weighed(some, holders[some.rows] > common) if some else None
                yield _verdict(identifier, shown, finding, gates.contaminated_run, gates.contaminated_coverage, gates.eval_traits)

    return judge


def _verdict(identifier: str, shown: Sequence[str], finding: Finding | None, run: int, coverage: float, traits: int) -> Verdict:
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

    def of(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        return [tuple(dict.fromkeys(self._names[at] for at in met)) for met in self._motifs.met(texts)]
