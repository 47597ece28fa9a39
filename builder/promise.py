"""What a plan promises before anything is written: documents, words, the coverage of its briefs, and what it will cost."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from builder.buying import cautions, passages_of, rendered_each
from builder.buying.auditing import audit_work
from builder.buying.planning import planning_work
from builder.estimate import WAYS, WORDS, Estimate, Work, columns, dollars, estimate
from builder.project import Project
from builder.records import ROLE_OF, Brief, Constitution, Request
from builder.rows import BuildRows, PlannedIdeas
from builder.tokens import count_tokens

TOKENS_PER_WORD = 1.35  # measured on the embedded writer's English with cl100k
RENDERED = 40  # briefs whose prompts are rendered and counted; prompts of one recipe differ by little
# Tokens besides the text of a document, at best and as expected: a plan, a scene, faults listed before a rewrite, a verdict with quotes.
NOTES = {
    "fanout": (300, 1_000), "plan": (200, 400), "scenario": (200, 450), "ask": (60, 150), "draft": (0, 0), "rewrite": (100, 300),
    "amend": (0, 0), "revise": (0, 0), "identify": (20, 50), "score": (500, 900),
}  # fmt: skip
TEXTS = frozenset({"draft", "rewrite", "amend", "revise"})  # steps that write the document itself
# Of the documents; assumed until a sample has shown how a writer does. A revised one is judged again.
OCCASIONAL = {"amend": 0.1, "revise": 0.25}
# Two ends of what Claude costs, for a plan that buys nothing: the cheapest by the price list, and a strong one.
COMPARED = ("anthropic/claude-haiku-5-5", "anthropic/claude-opus-5-5")


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
    compared: tuple[tuple[str, Estimate], ...] = ()
    cautions: tuple[str, ...] = ()
    planner: str = ""
    planned: PlannedIdeas | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        compared = {model: {way: found.per_1000(way)._asdict() for way in WAYS} for model, found in self.compared}
        planned = self.planned and {**self.planned._asdict(), "layers": {name: row._asdict() for name, row in self.planned.layers.items()}}
        return {**self._asdict(), "cost": self.cost.as_json(), "compared": compared, "planned": planned}

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
                *self._ideas(),
                *(() if self.cost.free else ("cost in US dollars", self.cost.as_text())),
                *self._comparison(),
                *(f"  warning: {line}" for line in self.cautions),
                "  nothing was written or spent",
            ]
        )

    def _ideas(self) -> tuple[str, ...]:
        """What the ledger holds of a planner's ideas, and which principles they reach; nothing where no planner is named."""
        if not self.planner:
            return ()
        if self.planned is None:
            return ("  the planner's ideas are not bought yet: the briefs are those of the library",)
        reached, missing = len(self.planned.reached), self.planned.unreached
        told = (
            f"  planner's ideas {self.planned.ideas:,}, for {self.planned.taken:,} briefs;"
            f" they reach {reached} of {reached + len(missing)} principles",
        )
        return (*told, f"  not reached: {', '.join(missing)}") if missing else told

    def _comparison(self) -> tuple[str, ...]:
        """What 1,000 kept documents would cost with one model in every role, by way of buying; the expected figure."""
        if not self.compared:
            return ()
        rows: list[tuple[str, ...]] = [("", "", *(WORDS[way] for way in WAYS))]
        for model, found in self.compared:
            told = ("unknown",) * len(WAYS) if found.unknown else tuple(dollars(found.per_1000(way).expected) for way in WAYS)
            rows.append((model, "", *told))
        assumed = " and ".join(f"{share:.0%} {step}" for step, share in OCCASIONAL.items())
        notes = (
            "every step bought from one model; the constitution leads each prompt, so that a cache makes the difference",
            f"of the documents {assumed} is assumed; 'build --sample 5' measures it",
        )
        title = "1,000 kept documents with one model in every role, expected, in US dollars"
        return (title, "\n".join(columns(rows)), *(f"  {note}" for note in notes))


def promise(
    project: Project, constitutions: Sequence[Constitution], briefs: Sequence[Brief], compare: Sequence[str] = (),
    planned: PlannedIdeas | None = None,
) -> Promise:  # fmt: skip
    """Count what a plan promises. ``compare`` names models whose price for the same plan, every role theirs, is told beside it.

    ``planned`` is what the ledger holds of a planner's ideas.
    """
    recipe, library, total = project.recipe, project.library, len(briefs)
    low, high = sum(brief.min_words for brief in briefs), sum(brief.max_words for brief in briefs)
    normative = [p for constitution in constitutions for p in constitution.principles if p.kind in ("norm", "reason")]
    stories = [brief for brief in briefs if brief.recipe == "story"]
    cost = estimate(works(project, constitutions, briefs), recipe.size.documents)
    others = {model: works(_all_by(project, model), constitutions, briefs) for model in compare}
    return Promise(
        documents=recipe.size.documents, briefs=total, calls=sum(role.work.calls for role in cost.roles), words_low=low, words_high=high,
        tokens_expected=round((low + high) / 2 * TOKENS_PER_WORD),
        traits=len(library.traits), traits_planned=len({brief.trait for brief in briefs}), principles=len(normative),
        principles_planned=len({name for brief in briefs for name in brief.principles}),
        without_tension=_share([brief.tension is None for brief in briefs]),
        not_exercised=_share([not brief.exercised for brief in briefs]),
        everyday=_share([brief.stakes == "everyday" for brief in briefs]), pairs=_pairs_met(stories), cost=cost,
        compared=tuple((model, estimate(work, recipe.size.documents)) for model, work in others.items()),
        cautions=cautions(recipe.models), planner=recipe.models.planner, planned=planned,
    )  # fmt: skip


def _all_by(project: Project, model: str) -> Project:
    """The project with one model in every role that makes documents."""
    models = project.recipe.models.model_copy(update=dict.fromkeys(("writer", "rewriter", "judge"), model))
    return project._replace(recipe=project.recipe.model_copy(update={"models": models}))


def works(project: Project, constitutions: Sequence[Constitution], briefs: Sequence[Brief]) -> tuple[Work, ...]:
    """The calls of a plan by step, counted from really rendered prompts of some briefs drawn evenly from it."""
    models, planner = project.recipe.models, planning_work(project, constitutions, briefs)
    named = [model for model in (models.planner, models.writer, models.rewriter, models.judge) if model]
    if all(model.startswith("offline/") for model in named):
        low, expected, high = _lengths(briefs)
        return (Work("writer", models.writer, len(briefs), 0, 0, low, expected, high),)
    drawn = [briefs[at * len(briefs) // RENDERED] for at in range(RENDERED)] if len(briefs) > RENDERED else briefs
    found: dict[tuple[str, str], list[Request]] = {}
    for requests in rendered_each(project, drawn, constitutions):
        for request in requests:
            found.setdefault((request.step, request.model), []).append(request)
    sampled = [_work(requests, len(briefs) / len(drawn)) for requests in found.values()]
    read = len(passages_of(project))  # by the blind reader, to know how far it can be believed
    sampled = [work._replace(calls=work.calls + read) if work.step == "identify" else work for work in sampled]
    again = [work for work in sampled if work.step == "score"]
    revised = (_sometimes(work._replace(step="score again"), OCCASIONAL["revise"]) for work in again)
    return (*planner, *sampled, *revised, *audit_work(project, briefs))


def _sometimes(work: Work, share: float) -> Work:
    return work._replace(calls=round(work.calls * share), most=work.calls)


def _work(requests: Sequence[Request], each: float) -> Work:
    """The calls of one step of one model; every request of the sample stands for ``each`` calls."""
    prefixes = ["".join(turn.content for turn in request.turns if turn.role == "system") for request in requests]
    others = ["".join(turn.content for turn in request.turns if turn.role != "system") for request in requests]
    step, calls = requests[0].step, round(each * len(requests))
    low, expected, _ = _lengths([request.brief for request in requests if request.brief and step in TEXTS])
    notes_low, notes = NOTES[step]
    different = set(prefixes)
    stable = sum(count * prefixes.count(prefix) for prefix, count in zip(different, count_tokens(list(different)), strict=True))
    most = _mean([request.max_tokens for request in requests])
    work = Work(
        role=ROLE_OF[step], model=requests[0].model, calls=calls, stable=round(stable / len(requests)), varying=_mean(count_tokens(others)),
        out_low=min(low + notes_low, most), out_expected=min(expected + notes, most), out_high=most,
        prefixes=len(different), step=step,
    )  # fmt: skip
    return _sometimes(work, OCCASIONAL[step]) if step in OCCASIONAL else work


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
