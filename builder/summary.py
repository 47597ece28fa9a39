"""The few lines on the screen after a build: what was made, what was removed and why, where it lies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from builder.rows import BuildRows
from builder.tokens import count_tokens


class Summary(NamedTuple):
    """Counts of one build; ``tokens`` are cl100k tokens of the exported texts, ``cost`` is that of everything in the ledger."""

    written: int
    kept: int
    words: int
    tokens: int
    removed: dict[str, int]
    traits_covered: int
    traits: int
    principles_covered: int
    principles: int
    training_grade: bool
    cost: float
    unpriced: int
    cost_by_role: dict[str, float]
    maybe_billed: int
    report: Path
    data: Path

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        units = {"cost_per_kept_document": self._per(1, self.kept), "cost_per_million_kept_tokens": self._per(1e6, self.tokens)}
        return {**self._asdict(), **units, "report": str(self.report), "data": str(self.data)}

    def as_text(self) -> str:
        """For people."""
        removed = ", ".join(f"{count} {reason}" for reason, count in self.removed.items()) or "none"
        lines = [
            f"{self.kept:,} documents, {self.tokens:,} tokens, {self.words:,} words",
            f"  written {self.written:,}, removed {self.written - self.kept:,}: {removed}",
            f"  traits {self.traits_covered} of {self.traits}, principles {self.principles_covered} of {self.principles}",
            f"  cost    {self._cost()}",
            f"  report  {self.report}",
            f"  corpus  {self.data}",
        ]
        if not self.training_grade:
            lines.append("  training_grade: false. The embedded writer rehearses the line; name a model to write a corpus to train on.")
        return "\n".join(lines)

    def _cost(self) -> str:
        """The bill in one line."""
        known = f"${self.cost:,.2f}"
        if self.unpriced:
            known = f"at least {known}" if self.cost else "unknown"
            known += f" ({self.unpriced:,} answers of unknown price)"
        each, million = self._per(1, self.kept), self._per(1e6, self.tokens)
        parts = [f"${each:,.4f} a kept document, ${million:,.2f} a million kept tokens"] if each and million else []
        roles = [f"{role} ${cost:,.2f}" for role, cost in self.cost_by_role.items() if cost]
        parts += [", ".join(roles)] if len(roles) > 1 else []
        parts += [f"{self.maybe_billed:,} calls without an answer may have been billed too"] if self.maybe_billed else []
        return "; ".join((known, *parts))

    def _per(self, unit: float, whole: int) -> float | None:
        """What ``unit`` of ``whole`` cost; ``None`` where something has no known price or nothing was kept."""
        return None if self.unpriced or not whole else self.cost * unit / whole


def summary(rows: BuildRows, output: Path) -> Summary:
    """Count one build."""
    kept = rows.kept_documents
    normative = [principle for principle in rows.principles.values() if principle.kind in ("norm", "reason")]
    reasons = Counter(verdict.reason.partition(":")[0] for judged in rows.verdicts.values() for verdict in judged if not verdict.keep)
    return Summary(
        written=len(rows.documents), kept=len(kept), words=sum(len(document.text.split()) for document in kept),
        tokens=sum(count_tokens([document.text for document in kept])), removed=dict(reasons.most_common()),
        traits_covered=len({document.brief.trait for document in kept}), traits=len(rows.library.traits),
        principles_covered=len({name for document in kept for name in document.brief.principles}), principles=len(normative),
        training_grade=rows.training_grade, cost=rows.spent.cost, unpriced=rows.spent.unpriced,
        cost_by_role=rows.spent.by_role, maybe_billed=rows.spent.maybe_billed,
        report=_shown(output / "report.md"), data=_shown(output / "data"),
    )  # fmt: skip


def _shown(path: Path) -> Path:
    """Relative to the working folder where it lies below it."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
