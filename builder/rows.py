"""Everything one build knows, as rows: what the report counts and the exporters write."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from builder.calibration import Blind, Tried
from builder.ledger import PaidRow
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Constitution, CorpusRecord, Document, Evidence, Principle, Verdict, digest


class Spent(NamedTuple):
    """What this corpus has cost so far, refused and cut answers too; and the tries that gave no answer, by kind of failure.

    ``maybe_billed`` counts those of them that the provider may have answered and billed all the same.
    """

    rows: tuple[PaidRow, ...] = ()
    failed: Mapping[str, int] = {}
    maybe_billed: int = 0

    @property
    def answers(self) -> int:
        """Answers bought."""
        return sum(row.answers for row in self.rows)

    @property
    def tokens_in(self) -> int:
        """Tokens read, from a cache or not."""
        return sum(row.tokens_in for row in self.rows)

    @property
    def tokens_out(self) -> int:
        """Tokens written."""
        return sum(row.tokens_out for row in self.rows)

    @property
    def tokens_cached(self) -> int:
        """Tokens read from a cache."""
        return sum(row.tokens_cached for row in self.rows)

    @property
    def cost(self) -> float:
        """US dollars, known prices only."""
        return math.fsum(row.cost for row in self.rows)

    @property
    def unpriced(self) -> int:
        """Answers of unknown price."""
        return sum(row.unpriced for row in self.rows)

    @property
    def by_role(self) -> dict[str, float]:
        """Role -> US dollars, known prices only, in the order of the rows."""
        found: dict[str, float] = {}
        for row in self.rows:
            found[row.role] = found.get(row.role, 0.0) + row.cost
        return found


class LayerCount(NamedTuple):
    """What became of one layer of a fan-out: calls, entries kept, entries dropped by reason, calls that gave nothing by reason."""

    calls: int
    kept: int
    dropped: Mapping[str, int]
    failed: Mapping[str, int]


class PlannedIdeas(NamedTuple):
    """What a planner's fan-out came to. ``taken`` briefs have an idea; ``reached`` normative principles have one, ``unreached`` none."""

    layers: Mapping[str, LayerCount]
    ideas: int
    taken: int
    reached: tuple[str, ...]
    unreached: tuple[str, ...]


class Quote(NamedTuple):
    """Words of a document, as they stand there but for line breaks."""

    document_id: str
    text: str


class AuditedPattern(NamedTuple):
    """What a judge's model named, in its words, and the counted documents in which it then showed it, broadly and strictly."""

    name: str
    kind: str
    broadly: str
    strictly: str
    broad: int
    strict: int
    examples: tuple[Quote, ...]


class PatternAudit(NamedTuple):
    """What a judge's model says that documents repeat, the commonest first.

    ``scanned`` documents were read for patterns and ``counted`` ones answered for, ``in_both`` for want of others; ``cut`` of them were
    longer than ``characters`` and shown without their middle.
    ``rounds`` says by round (scan, merge, count) what became of its calls and entries. ``merged_by`` is ``judge``, or ``overlap`` where its
    merging could not be read, or empty where there was nothing to merge. ``unanswered`` calls are asked again by the next build, and
    rounds that follow from them have not begun.
    """

    scanned: int
    counted: int
    in_both: int
    cut: int
    characters: int
    patterns: tuple[AuditedPattern, ...]
    rounds: Mapping[str, LayerCount]
    merged_by: str = ""
    unanswered: int = 0


class _Rows(NamedTuple):
    recipe: BuildRecipe
    library: Library
    constitutions: Sequence[Constitution]
    briefs: Sequence[Brief]
    documents: Sequence[Document]
    verdicts: Mapping[str, Sequence[Verdict]]
    evidence: Sequence[Evidence]
    records: Sequence[CorpusRecord]
    training_grade: bool
    spent: Spent
    tried: Sequence[Tried] = ()
    blind: Sequence[Blind] = ()
    planned: PlannedIdeas | None = None
    audited: PatternAudit | None = None


class BuildRows(_Rows):
    """Rows of one build. ``verdicts`` maps gate name -> its verdicts, in the order the gates ran; each gate saw what the earlier kept.

    ``documents`` is everything written; ``records`` what every gate kept, in export order. ``tried`` is what the offline checks say of the
    hand-labelled texts beside the corpus, ``blind`` what the blind reader says of the labelled passages.
    ``planned`` is what a planner's model gave; ``None`` where no planner is named. ``audited`` is what a judge's model says that documents
    repeat; ``None`` where none is named or it was not asked.
    """

    @cached_property
    def kept(self) -> frozenset[str]:
        """The ids of the exported documents."""
        return frozenset(record.id for record in self.records)

    @cached_property
    def corpus_hash(self) -> str:
        """SHA-256 over the exported ids and texts, in export order: the same corpus has the same hash, whatever it cost."""
        return digest("\0".join(record.id + record.text for record in self.records))

    @cached_property
    def principles(self) -> dict[str, Principle]:
        """Every principle of every constitution, by id."""
        return {principle.id: principle for constitution in self.constitutions for principle in constitution.principles}

    @cached_property
    def kept_documents(self) -> tuple[Document, ...]:
        """The exported documents, in plan order."""
        return tuple(document for document in self.documents if document.id in self.kept)
