"""Counts that several sections share, each made once."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from builder.measures import SAMPLE_TEXTS, first_words
from builder.records import Document, Evidence, Verdict
from builder.rows import BuildRows
from builder.stages.plan.factors import AXES, Space, space
from builder.tokens import count_tokens

SCANNED = 20_000  # documents read for repeated wordings: enough to see a template, and memory stays flat beyond
OVER_TARGET = "over_target"  # the reason of ``select``: more good documents than were asked for
FACTORS = ("trait", "form", "role", "setting", "identity", *AXES)


class Counted:
    """The rows of one build with the counts made from them."""

    def __init__(self, rows: BuildRows) -> None:
        self.rows = rows

    @cached_property
    def kept(self) -> Sequence[Document]:
        """The exported documents, in plan order."""
        return self.rows.kept_documents

    @cached_property
    def tokens(self) -> Sequence[int]:
        """cl100k tokens of each kept document."""
        return count_tokens([document.text for document in self.kept])

    @cached_property
    def words(self) -> Sequence[int]:
        """Blank-separated words of each kept document."""
        return [len(document.text.split()) for document in self.kept]

    @cached_property
    def sample(self) -> Sequence[str]:
        """The first 600 words of up to 140 kept documents, drawn by the corpus seed."""
        drawn = self._drawn("diversity", SAMPLE_TEXTS)
        return [first_words(document.text) for document in drawn]

    @cached_property
    def scanned(self) -> Sequence[Document]:
        """Up to 20,000 kept documents for the search for repeated wordings."""
        return self._drawn("scanned", SCANNED)

    @cached_property
    def by_trait(self) -> Mapping[str, Sequence[Document]]:
        """Trait -> kept documents whose brief asked for it."""
        found: dict[str, list[Document]] = defaultdict(list)
        for document in self.kept:
            found[document.brief.trait].append(document)
        return found

    @cached_property
    def evidence(self) -> Mapping[tuple[str, str], Sequence[Evidence]]:
        """(trait, kind) -> quotes in kept documents whose brief asked for that trait."""
        asked = {document.id: document.brief.trait for document in self.kept}
        found: dict[tuple[str, str], list[Evidence]] = defaultdict(list)
        for row in self.rows.evidence:
            if asked.get(row.document_id) == row.trait:
                found[row.trait, row.kind].append(row)
        return found

    @cached_property
    def removed(self) -> Mapping[str, Verdict]:
        """Document id -> the verdict that removed it."""
        return {verdict.document_id: verdict for judged in self.rows.verdicts.values() for verdict in judged if not verdict.keep}

    @cached_property
    def compliance(self) -> Mapping[str, float]:
        """Trait -> share of its briefs whose document no gate found fault with; being over the target is no fault."""
        asked, good = Counter[str](), Counter[str]()
        for brief in self.rows.briefs:
            asked[brief.trait] += 1
            verdict = self.removed.get(brief.id)
            good[brief.trait] += verdict is None or verdict.reason.partition(":")[0] == OVER_TARGET
        return {trait: good[trait] / count for trait, count in asked.items()}

    @cached_property
    def spaces(self) -> Mapping[str, Space]:
        """Recipe -> the levels it draws from, with weights and constraints."""
        recipe = self.rows.recipe
        return {kind: space(recipe, self.rows.library, kind) for kind, share in sorted(recipe.mix.items()) if share > 0}

    @cached_property
    def targets(self) -> Mapping[str, Mapping[str, float]]:
        """Factor -> level -> the share wanted of the documents whose recipe varies that factor."""
        mix = self.rows.recipe.mix
        found: dict[str, dict[str, float]] = {}
        for factor in FACTORS:
            weights: Counter[str] = Counter()
            for kind, drawn in self.spaces.items():
                levels = drawn.factors.get(factor, {})
                whole = sum(levels.values())
                weights.update({level: mix[kind] * weight / whole for level, weight in levels.items()})
            total = sum(weights.values())
            found[factor] = {level: weight / total for level, weight in weights.items()} if total else {}
        return found

    @cached_property
    def levels(self) -> Mapping[str, Counter[str]]:
        """Factor -> level -> kept documents, over the recipes that vary the factor."""
        return {factor: Counter(getattr(document.brief, factor) for document in self.varying(factor)) for factor in FACTORS}

    @cached_property
    def cells(self) -> Mapping[str, Counter[tuple[str, str]]]:
        """Factor -> (trait, level) -> kept documents."""
        return {
            factor: Counter((document.brief.trait, getattr(document.brief, factor)) for document in self.varying(factor))
            for factor in FACTORS
            if factor != "trait"
        }

    def varying(self, factor: str) -> Sequence[Document]:
        """The kept documents whose recipe varies a factor: advice has no narrator, an explainer no opening of a story."""
        kinds = {kind for kind, drawn in self.spaces.items() if factor in drawn.factors}
        return [document for document in self.kept if document.brief.recipe in kinds or document.brief.recipe not in self.spaces]

    def feasible(self, factor: str, trait: str, level: str) -> bool:
        """Whether some recipe may draw a trait together with a level."""
        return any(level in drawn.factors.get(factor, {}) and drawn.fits({"trait": trait}, factor, level) for drawn in self.spaces.values())

    def _drawn(self, purpose: str, most: int) -> Sequence[Document]:
        if len(self.kept) <= most:
            return self.kept
        rng = random.Random(f"{self.rows.recipe.corpus.seed}:{purpose}")
        chosen = sorted(rng.sample(range(len(self.kept)), most))
        return [self.kept[at] for at in chosen]
