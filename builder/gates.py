"""What every gate is: candidates in, one verdict each out, in the same order.

A gate is a module of ``builder.stages`` with ``open_gate(context) -> Gate``; ``bildung gate NAME`` opens it by the module's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from builder.benchmarks import Benchmark
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Candidate, Principle, Verdict
from builder.references import Reference

Gate = Callable[[Iterable[Candidate]], Iterator[Verdict]]


class GateContext(NamedTuple):
    """What a gate may read: thresholds and targets from the recipe, people's lists from the library, principles, references.

    ``against`` is what a corpus may not hold: benchmark files, read when a gate is opened. ``finished`` is a corpus that new documents may
    not repeat, in files or an index folder; ``index_folder`` is where one is kept; ``workers`` is how many processes may share the work.
    """

    recipe: BuildRecipe
    library: Library
    principles: Sequence[Principle] = ()
    references: Sequence[Reference] = ()
    against: Sequence[Benchmark] = ()
    finished: Sequence[Path] = ()
    index_folder: Path | None = None
    workers: int = 1



class Tally:
    """Verdicts on their way to a file: one line of JSON each, counted as they pass."""

    def __init__(self, reasons: Mapping[str, int] | None = None, removed_share: float = 0.0) -> None:
        self.reasons = Counter(reasons or {})
        self.removed_share = removed_share  # the largest that the gate dedup warned of

    def lines(self, verdicts: Iterable[Verdict]) -> Iterator[str]:
        """What ``bildung gate`` writes, in the same order; the explanation where there is one."""
        for verdict in verdicts:
            self.reasons[verdict.reason.partition(":")[0]] += 1
            self.removed_share = max(self.removed_share, verdict.scores.get("removed_share", 0.0))
            said = {"explanation"} if verdict.explanation else set()
            yield verdict.model_dump_json(include={"document_id", "gate", "keep", "reason", "scores"} | said)

    def add(self, other: Tally) -> None:
        """Count what another has counted."""
        self.reasons += other.reasons
        self.removed_share = max(self.removed_share, other.removed_share)
