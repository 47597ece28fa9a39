"""Gate ``dedup``: of texts that say nearly the same in the same words, the best copy stays.

The engine is ``builder.dedup``: word 5-grams, MinHash bands for candidates, the **exact** Jaccard similarity of the two texts for every
decision. Every removal names the copy that stays and says how near the removed text is to it, or through whom it was joined to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from builder.dedup import Entry, Ruling, Settings, rulings
from builder.dedup.stages import stages
from builder.gates import Gate, GateContext
from builder.recipe import GatesSection
from builder.records import Candidate, Verdict

NAME = "dedup"


def open_gate(context: GateContext) -> Gate:
    """The gate at the thresholds of ``[gates]``."""
    asked = context.recipe.gates
    finished = tuple(context.finished)
    settings = Settings(asked.near_duplicate, asked.dedup_policy, asked.dedup_engine, context.workers, finished, context.index_folder)

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        for ruling in rulings(map(_entry, candidates), settings):
            yield _verdict(ruling, asked)

    return judge


def _entry(row: Candidate) -> Entry:
    return Entry(row.id, row.text, row.score, "" if row.brief is None else f"{row.brief.recipe}/{row.brief.form}")


def _verdict(ruling: Ruling, asked: GatesSection) -> Verdict:
    if not ruling.removed:
        return Verdict(document_id=ruling.id, gate=NAME, keep=True)
    much = {"removed_share": ruling.removed_share} if ruling.removed_share > asked.dedup_removed else {}
    through = f"joined to {ruling.kept} through {ruling.partner}, near it at {ruling.jaccard:.3f}"
    return Verdict(
        document_id=ruling.id,
        gate=NAME,
        keep=False,
        reason=f"near_duplicate_of:{ruling.kept}",
        scores={"jaccard": ruling.jaccard} | much,
        explanation="" if ruling.partner == ruling.kept else through,
    )


STAGES = stages(_verdict)  # the same, in ranks of several machines
