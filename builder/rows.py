"""Everything one build knows, as rows: what the report counts and the exporters write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Constitution, CorpusRecord, Document, Evidence, Principle, Verdict, digest


class Spent(NamedTuple):
    """What this corpus has cost: answers bought, tokens written, US dollars, answers of unknown price."""

    answers: int
    tokens_out: int
    cost: float
    unpriced: int


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


class BuildRows(_Rows):
    """Rows of one build. ``verdicts`` maps gate name -> its verdicts, in the order the gates ran; each gate saw what the earlier kept.

    ``documents`` is everything written; ``records`` what every gate kept, in export order.
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
