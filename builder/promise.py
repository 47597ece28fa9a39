"""What a plan promises before anything is written: documents, words, the coverage of its briefs, and what it will cost."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from builder.buying import rendered
from builder.estimate import Estimate, Work, dollars, estimate
from builder.project import Project
from builder.records import ROLE_OF, Brief, Constitution, Request
from builder.rows import BuildRows
from builder.tokens import count_tokens

TOKENS_PER_WORD = 1.35  # measured on the embedded writer's English with cl100k
RENDERED = 40  # briefs whose prompts are rendered and counted; prompts of one recipe differ by little
# Tokens besides the text of a story, at best and as expected: faults listed before a rewrite, a verdict with its quotes.
NOTES = {"draft": (0, 0), "rewrite": (100, 300), "score": (100, 300), "plan": (100, 300)}


class Promise(NamedTuple):
    """Counts over the drawn briefs. ``pairs`` is the share of trait x form x setting x role level pairs met at least once."""

    documents: int
    briefs: int
    calls: int
    words_low: int
    words_high: int
    tokens_expected: int
    traits: int
    traits_planned: int
    principles: int
    principles_planned: int
    without_tension: float
    not_exercised: float
    everyday: float
    pairs: float
    cost: Estimate

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {**self._asdict(), "cost": self.cost.as_json()}

    def as_text(self) -> str:
        """For people."""
        return "\n".join(
            [
                f"{self.documents:,} documents from {self.briefs:,} briefs, {self.calls:,} calls",
                f"  about {self.tokens_expected:,} tokens ({self.words_low:,} to {self.words_high:,} words)"
                + (", cost $0.00: every model is free" if self.cost.free else ""),
                f"  traits {self.traits_planned} of {self.traits}, principles {self.principles_planned} of {self.principles}, "
                f"pairs of levels {self.pairs:.0%}",
                f"  without a tension {self.without_tension:.0%}, trait rightly idle {self.not_exercised:.0%}, "
                f"everyday stakes {self.everyday:.0%}",
                *(() if self.cost.free else ("cost in US dollars", self.cost.as_text())),
                "  nothing was written or spent",
            ]
        )


def promise(project: Project, constitutions: Sequence[Constitution], briefs: Sequence[Brief]) -> Promise:
    """Count what a plan promises."""
    recipe, library, total = project.recipe, project.library, len(briefs)
    low, high = sum(brief.min_words for brief in briefs), sum(brief.max_words for brief in briefs)
    normative = [p for constitution in constitutions for p in constitution.principles if p.kind in ("norm", "reason")]
    stories = [brief for brief in briefs if brief.recipe == "story"]
    cost = estimate(works(project, constitutions, briefs), recipe.size.documents)
    return Promise(
        documents=recipe.size.documents, briefs=total, calls=sum(role.work.calls for role in cost.roles), words_low=low, words_high=high,
        tokens_expected=round((low + high) / 2 * TOKENS_PER_WORD),
        traits=len(library.traits), traits_planned=len({brief.trait for brief in briefs}), principles=len(normative),
        principles_planned=len({name for brief in briefs for name in brief.principles}),
        without_tension=_share([brief.tension is None for brief in briefs]),
        not_exercised=_share([not brief.exercised for brief in briefs]),
        everyday=_share([brief.stakes == "everyday" for brief in briefs]), pairs=_pairs_met(stories), cost=cost,
    )  # fmt: skip


def works(project: Project, constitutions: Sequence[Constitution], briefs: Sequence[Brief]) -> tuple[Work, ...]:
    """The calls of a plan by role, counted from really rendered prompts of some briefs drawn evenly from it."""
    models = project.recipe.models
    named = [model for model in (models.writer, models.rewriter, models.judge) if model]
    if all(model.startswith("offline/") for model in named):
        low, expected, high = _lengths(briefs)
        return (Work("writer", models.writer, len(briefs), 0, 0, low, expected, high),)
    drawn = [briefs[at * len(briefs) // RENDERED] for at in range(RENDERED)] if len(briefs) > RENDERED else briefs
    found: dict[tuple[str, str], list[Request]] = {}
    for brief in drawn:
        for request in rendered(project, brief, constitutions):
            found.setdefault((request.step, request.model), []).append(request)
    return tuple(_work(requests, len(briefs) / len(drawn)) for requests in found.values())


def _work(requests: Sequence[Request], each: float) -> Work:
    """The calls of one step of one model; every request of the sample stands for ``each`` calls."""
    prefixes = ["".join(turn.content for turn in request.turns if turn.role == "system") for request in requests]
    others = ["".join(turn.content for turn in request.turns if turn.role != "system") for request in requests]
    step, calls = requests[0].step, round(each * len(requests))
    if step in ("draft", "rewrite"):
        low, expected, _ = _lengths([request.brief for request in requests if request.brief])
    else:
        low, expected = 0, 0
    notes_low, notes = NOTES[step]
    return Work(
        role=ROLE_OF[step], model=requests[0].model, calls=calls, stable=_mean(count_tokens(prefixes)), varying=_mean(count_tokens(others)),
        out_low=low + notes_low, out_expected=expected + notes, out_high=_mean([request.max_tokens for request in requests]),
        prefixes=len(set(prefixes)),
    )  # fmt: skip


def _lengths(briefs: Sequence[Brief]) -> tuple[int, int, int]:
    """Mean tokens at the short end, in the middle and at the long end of what briefs ask for."""
    low, high = (_mean([getattr(brief, name) for brief in briefs]) for name in ("min_words", "max_words"))
    return round(low * TOKENS_PER_WORD), round((low + high) / 2 * TOKENS_PER_WORD), round(high * TOKENS_PER_WORD)


def _mean(counts: Sequence[int]) -> int:
    return round(sum(counts) / len(counts)) if counts else 0


# Student's t for a 95 % interval, by degrees of freedom; beyond the last the last, which is on the safe side.
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)


def extrapolated(rows: BuildRows, documents: int) -> str:
    """From a sample's documents, what ``documents`` of them would cost and how long they would be; the sample's spread is said with it."""
    written = rows.documents
    if not written:
        return f"none of the {len(rows.briefs):,} sampled briefs gave a document: nothing can be said of {documents:,}"
    known = [[step.usage.cost for step in document.steps] for document in written]
    costs = [math.fsum(cost for cost in steps if cost is not None) for steps in known]
    unknown = sum(None in steps for steps in known)
    tokens = count_tokens([document.text for document in written])
    money = f"unknown: {unknown} of {len(written)} have no known price" if unknown else _spread(costs, documents, dollars)
    lines = [
        f"from {len(written):,} of {len(rows.briefs):,} sampled briefs, {len(rows.records):,} kept; {documents:,} like them would",
        f"  cost    {money}",
        f"  tokens  {_spread(tokens, documents, lambda count: f'{count:,.0f}')}",
    ]
    if rows.spent.cost > math.fsum(costs) * 1.01 and not unknown:
        lines.append(f"  refused, cut and older answers in the ledger cost {dollars(rows.spent.cost - math.fsum(costs))} besides")
    return "\n".join(lines)


def _spread(sample: Sequence[float], documents: int, told: Callable[[float], str]) -> str:
    """The mean times ``documents``, with its 95 % interval; none from a single document."""
    mean = statistics.fmean(sample)
    if len(sample) < 2:
        return f"about {told(mean * documents)}; one document says nothing of the spread"
    half = _T95[min(len(sample) - 2, len(_T95) - 1)] * statistics.stdev(sample) / math.sqrt(len(sample))
    low, high = max(mean - half, 0.0) * documents, (mean + half) * documents
    return f"about {told(mean * documents)}, between {told(low)} and {told(high)} with 95 % confidence"


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
