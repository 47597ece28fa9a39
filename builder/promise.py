"""What a plan promises before anything is written: documents, words, and the coverage of its briefs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Constitution

TOKENS_PER_WORD = 1.35  # measured on the embedded writer's English with cl100k


class Promise(NamedTuple):
    """Counts over the drawn briefs. ``pairs`` is the share of trait x form x setting x role level pairs met at least once."""

    documents: int
    briefs: int
    calls: int
    words_low: int
    words_high: int
    tokens_expected: int
    cost: str
    traits: int
    traits_planned: int
    principles: int
    principles_planned: int
    without_tension: float
    not_exercised: float
    everyday: float
    pairs: float

    def as_text(self) -> str:
        """For people."""
        return "\n".join(
            [
                f"{self.documents:,} documents from {self.briefs:,} briefs, {self.calls:,} calls",
                f"  about {self.tokens_expected:,} tokens ({self.words_low:,} to {self.words_high:,} words), cost {self.cost}",
                f"  traits {self.traits_planned} of {self.traits}, principles {self.principles_planned} of {self.principles}, "
                f"pairs of levels {self.pairs:.0%}",
                f"  without a tension {self.without_tension:.0%}, trait rightly idle {self.not_exercised:.0%}, "
                f"everyday stakes {self.everyday:.0%}",
                "  nothing was written or spent",
            ]
        )


def promise(recipe: BuildRecipe, library: Library, constitutions: Sequence[Constitution], briefs: Sequence[Brief]) -> Promise:
    """Count what a plan promises."""
    total = len(briefs)
    low, high = sum(brief.min_words for brief in briefs), sum(brief.max_words for brief in briefs)
    free = recipe.models.writer.startswith("offline/")
    normative = [p for constitution in constitutions for p in constitution.principles if p.kind in ("norm", "reason")]
    stories = [brief for brief in briefs if brief.recipe == "story"]
    return Promise(
        documents=recipe.size.documents, briefs=total, calls=total, words_low=low, words_high=high,
        tokens_expected=round((low + high) / 2 * TOKENS_PER_WORD), cost="$0.00 (embedded writer)" if free else "unknown",
        traits=len(library.traits), traits_planned=len({brief.trait for brief in briefs}), principles=len(normative),
        principles_planned=len({name for brief in briefs for name in brief.principles}),
        without_tension=_share([brief.tension is None for brief in briefs]),
        not_exercised=_share([not brief.exercised for brief in briefs]),
        everyday=_share([brief.stakes == "everyday" for brief in briefs]), pairs=_pairs_met(stories),
    )  # fmt: skip


def _share(met: Sequence[bool]) -> float:
    return sum(met) / len(met) if met else 0.0


_PAIRED = ("trait", "form", "role", "setting", "stakes", "deliberation", "outcome", "tone", "opening", "ending", "identity", "length")


def _pairs_met(briefs: Sequence[Brief]) -> float:
    """Of all pairs of levels that occur anywhere, the share met together (simple pairwise coverage; infeasible pairs count as unmet)."""
    rows = [tuple(str(getattr(brief, name)) for name in _PAIRED) for brief in briefs]
    levels = [Counter(column) for column in zip(*rows, strict=True)] if rows else []
    possible = sum(len(one) * len(two) for one, two in itertools.combinations(levels, 2))
    met = sum(len({(row[a], row[b]) for row in rows}) for a, b in itertools.combinations(range(len(_PAIRED)), 2))
    return met / possible if possible else 0.0
