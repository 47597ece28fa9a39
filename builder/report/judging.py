"""What a model said of the documents: the judge axis by axis, and the blind reader with its rate corrected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from builder.calibration import Counts, Estimate, corrected, count_blind, same_family, wilson
from builder.records import Brief, Verdict
from builder.report.calibration import interval, shares
from builder.report.counted import Counted
from builder.report.page import Section, details, percent, quoted, table

_AXIS = "axis."
_WORTH = {1.0: "pass", 0.5: "revise", 0.0: "fail"}
_ANSWERS = (*_WORTH.values(), "unparsed")
_SHOWN_PAIRS = 5
_UNREADABLE = 0.05  # of the documents; a judge that cannot be read so often is misprompted or too small


class Reading(NamedTuple):
    """What the blind reader chose for one document, a trait or ``none``, and whether that is right."""

    brief: Brief
    right: bool
    chosen: str


def judge(counted: Counted) -> Section:
    """What a judge and a blind reader say, or that there was none."""
    verdicts = counted.rows.verdicts.get("judge", ())
    if not verdicts:
        return _not_run(counted)
    kept = wilson(sum(verdict.keep for verdict in verdicts), len(verdicts))
    model = counted.rows.recipe.models.judge
    unread = sum(map(_unread, verdicts))
    kin = _kin(counted)
    axes = _axes(counted, verdicts)
    told, numbers, findings = _blind(counted, verdicts)
    body = [
        f"`{model}` read {len(verdicts):,} documents and kept **{interval(kept)}**. In brackets the 95 % interval. In {unread:,} of them"
        " something it said could not be read; that counts as `unparsed`, never as a pass or a fail. No human labels correct its verdicts.",
        kin and f"**{kin[0].upper()}{kin[1:]}.** Models favour texts of their own family (arXiv 2404.13076): take every share here as too"
        " kind, and name a judge of another family.",
        table(("axis", "asked", "pass", "revise", "fail", "unparsed"), _axis_lines(counted, axes)),
        *told,
    ]  # fmt: skip
    findings = [kin] * bool(kin) + findings
    if unread > _UNREADABLE * len(verdicts):
        findings.append(f"the judge could not be read in {percent(unread / len(verdicts))} of the documents")
    numbers = {
        "run": True, "read": len(verdicts), **shares(kept, "kept_share"), "unparsed": unread, "same_family": bool(kin),
        "axes": {name: _axis_numbers(answers) for name, answers in axes.items()}, **numbers,
    }  # fmt: skip
    return Section("judge", "Judge", [part for part in body if part], numbers, (), findings)


def _not_run(counted: Counted) -> Section:
    model = counted.rows.recipe.models.judge
    reason = f"`{model}` is named and no judge gate ran" if model else "no judge model is named"
    body = [
        f"**Not run: {reason}.** The coverage number of a blind reader (\"which of these traits does the character show?\") is missing from"
        " this report. The lexical counts above see what is named, not what is shown: they are evidence to read, not a coverage number."
    ]  # fmt: skip
    return Section("judge", "Judge", body, {"run": False, "read": 0, "kept_share": None}, (), [f"no blind reader: {reason}"])


def _kin(counted: Counted) -> str:
    """What to say where the judge reads texts of its own kind; empty where it does not."""
    models = counted.rows.recipe.models
    kin = [role for role, model in (("writer", models.writer), ("rewriter", models.rewriter)) if same_family(models.judge, model)]
    same = [role for role in kin if getattr(models, role) == models.judge]
    if not kin:
        return ""
    return f"the judge is the {' and the '.join(same)} itself" if same else f"judge and {' and '.join(kin)} are of one family"


def _axes(counted: Counted, verdicts: Sequence[Verdict]) -> Mapping[str, Counter[str]]:
    """Axis -> answer -> documents. An axis without a score is unparsed where it was asked for and something could not be read."""
    briefs = {document.id: document.brief for document in counted.rows.documents}
    rubrics = counted.rows.library.rubrics
    scored = {key.removeprefix(_AXIS) for verdict in verdicts for key in verdict.scores if key.startswith(_AXIS)}
    found: dict[str, Counter[str]] = {name: Counter() for name in (*rubrics, *sorted(scored - set(rubrics)))}
    for verdict in verdicts:
        brief, unread = briefs.get(verdict.document_id), _unread(verdict)
        for name, answers in found.items():
            score = verdict.scores.get(_AXIS + name)
            if score is not None:
                answers[_WORTH.get(score, "unparsed")] += 1
            elif unread and brief and name in rubrics and rubrics[name].applies(brief.recipe, brief.exercised):
                answers["unparsed"] += 1
    return {name: answers for name, answers in found.items() if answers}


def _unread(verdict: Verdict) -> bool:
    """Whether some axis, or the whole judgement, could not be read."""
    return verdict.scores.get("unparsed", 0.0) > 0 or ("judge" not in verdict.scores and not verdict.keep)


def _axis_lines(counted: Counted, axes: Mapping[str, Counter[str]]) -> Iterator[tuple[object, ...]]:
    blocking = {name for name, rubric in counted.rows.library.rubrics.items() if rubric.blocking}
    for name, answers in axes.items():
        asked = answers.total()
        yield (
            f"`{name}`{', blocking' * (name in blocking)}",
            asked,
            *(f"{answers[answer]}: {interval(wilson(answers[answer], asked))}" for answer in _ANSWERS),
        )


def _axis_numbers(answers: Counter[str]) -> dict[str, Any]:
    asked = answers.total()
    found: dict[str, Any] = {"asked": asked}
    for answer in _ANSWERS:
        found |= {answer: answers[answer], **shares(wilson(answers[answer], asked), f"{answer}_share")}
    return found


def _blind(counted: Counted, verdicts: Sequence[Verdict]) -> tuple[list[str], dict[str, Any], list[str]]:
    """The blind reader on the kept documents: body, numbers and findings; nothing where it was not asked."""
    kept = {document.id: document.brief for document in counted.kept}
    asked_of = [verdict for verdict in verdicts if verdict.document_id in kept and _chosen(verdict)]
    rows = [Reading(kept[row.document_id], row.scores["identified"] > 0, _chosen(row)) for row in asked_of if "identified" in row.scores]
    unread = len(asked_of) - len(rows)
    if not rows:
        return ["**No blind reading:** which trait it shows is known of no kept document."], {}, []
    passages = count_blind(counted.rows.blind)
    acting, idle = ([row for row in rows if row.brief.exercised is wanted] for wanted in (True, False))
    named = {"exercised": sum(row.right for row in acting), "idle": sum(not row.right for row in idle)}
    asked = {"exercised": len(acting), "idle": len(idle)}
    true = {kind: corrected(named[kind], asked[kind], passages) for kind in asked}
    lines = [(kind, asked[kind], f"{named[kind]}: {interval(wilson(named[kind], asked[kind]))}", interval(true[kind])) for kind in asked]
    traits = {name: _by_trait(name, acting, idle) for name in counted.rows.library.traits}
    body = [
        f"**Blind reader.** Of {len(asked_of):,} kept documents it said which of several traits the character shows, not knowing which was"
        f" asked for; {unread:,} answers could not be read. *Exercised*: the trait should act; *idle*: it rightly does not.",
        table(("trait of the brief", "documents", "reader names it", "shows it, corrected"), lines),
        _meaning(passages, true["exercised"], named["exercised"], asked["exercised"]),
        details("each trait: identified of asked", table(("trait", "exercised, named", "idle, left unnamed"), _trait_lines(traits))),
        _pairs(acting),
    ]  # fmt: skip
    numbers = {
        "blind": {kind: {"asked": asked[kind], "named": named[kind], **shares(wilson(named[kind], asked[kind]), "named_share"),
                         **shares(true[kind], "corrected_share")} for kind in asked} | {"unparsed": unread, "traits": traits},
    }  # fmt: skip
    missed = [name for name, row in traits.items() if (high := row["exercised"]["share_high"]) is not None and high < 0.5]
    return body, numbers, [f"a blind reader misses the trait more often than not: {', '.join(missed)}"] if missed else []


def _chosen(verdict: Verdict) -> str:
    """The first line of the explanation says ``blind: <trait, none or unparsed>`` where the reader was asked."""
    first = verdict.explanation.partition("\n")[0]
    return first.removeprefix("blind: ") if first.startswith("blind: ") else ""


def _by_trait(name: str, acting: Sequence[Reading], idle: Sequence[Reading]) -> dict[str, dict[str, Any]]:
    found = {}
    for kind, rows in (("exercised", acting), ("idle", idle)):
        own = [row.right for row in rows if row.brief.trait == name]
        found[kind] = {"asked": len(own), "identified": sum(own), **shares(wilson(sum(own), len(own)), "share")}
    return found


def _trait_lines(traits: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[tuple[str, ...]]:
    for name, row in traits.items():
        cells = []
        for part in row.values():
            estimate = wilson(part["identified"], part["asked"])
            cells.append(f"{part['identified']} of {part['asked']}: {interval(estimate)}" if estimate else "\u2013")
        yield (name, *cells)


def _meaning(passages: Counts, true: Estimate | None, named: int, asked: int) -> str:
    """One sentence on the corrected rate."""
    if not passages.total:
        return "What the reader misses and what it imagines biases this rate, and no labelled passages were read that could correct it."
    tried = (
        f"On labelled passages this reader names the trait in {passages.hits} of {passages.hits + passages.misses} that show it and in"
        f" {passages.false_alarms} of {passages.false_alarms + passages.rejections} that do not"
    )
    if true is None:
        return f"{tried}: that is no better than chance, or too little to tell, and no rate of it can be corrected."
    return (
        f"{tried}; so of the {asked:,} kept documents whose trait should act about **{interval(true)}** show it, where the raw rate says"
        f" {percent(named / asked)}. That holds as far as documents are read as well as short passages are, and as far as the labels hold."
    )


def _pairs(acting: Sequence[Reading]) -> str:
    pairs = Counter((row.brief.trait, row.chosen) for row in acting if not row.right)
    lines = [(asked, quoted(chosen), times) for (asked, chosen), times in pairs.most_common(_SHOWN_PAIRS)]
    return table(("asked for", "read as", "documents"), lines)
