"""Traits, axes, interactions and gaps: what was asked, what is there, what is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.measures import evenness
from builder.report.counted import FACTORS, Counted
from builder.report.page import Picture, Section, details, image, number, percent, points, ratio, table
from builder.report.pictures import bars_against, heat_map, holes
from builder.report.tway import DEPTHS, TWay, t_way

_CROSSED = ("form", "deliberation")
_UNEVEN = 2.0  # the fullest level over the emptiest; free writers reach 22.6, deficit briefs 1.9
_FAR = 0.1  # of the documents: a level so far over its target crowds out the others
_SHOWN_GAPS = 12
_MOST_GAPS = 500
_LEAST_RATE = 0.05  # a trait that hardly ever passes asks for better prompts, not for twenty times the briefs


def traits(counted: Counted) -> Section:
    """Each trait: asked, written, kept, what the patterns see, and how full its share is."""
    targets = counted.targets["trait"]
    levels = {name: _trait(counted, name) for name in counted.rows.library.traits}
    balance = evenness([counted.levels["trait"][name] for name in targets], list(targets.values()))
    body = [
        f"Evenness (Pielou's J) **{number(balance.evenness)}**, fullest to emptiest trait **{number(balance.ratio)}** to 1"
        f"{f', {balance.empty} traits without a document' if balance.empty else ''}. *Shown*, *named* and *counter* are documents with at"
        " least one such quote for the trait they were asked for; patterns find what is said outright and miss what is only shown, so a"
        " low number is no proof of absence. *Idle* are documents in which the trait rightly is not exercised.",
        _trait_table(levels),
    ]  # fmt: skip
    drawn = [name for name in levels if name in targets]
    picture = Picture(
        "traits",
        f"Bar chart: share of kept documents for each of {len(drawn)} traits, a mark at the target; the table holds the same numbers.",
        bars_against(
            drawn, [100 * (levels[name]["share"] or 0) for name in drawn], [100 * targets[name] for name in drawn], "% of kept documents"
        ),
    )  # fmt: skip
    findings = []
    if balance.ratio is None or balance.ratio > _UNEVEN:
        findings.append(f"traits are uneven: fullest to emptiest {number(balance.ratio)} to 1")
    preachy = [name for name, row in levels.items() if row["named_quotes"] > row["shown_quotes"]]
    if preachy:
        findings.append(f"named more often than shown: {', '.join(preachy[:4])}{' ...' if len(preachy) > 4 else ''}")
    numbers = {
        "evenness": round(balance.evenness, 6), "max_to_min": balance.ratio and round(balance.ratio, 6), "empty": balance.empty,
        "covered": sum(row["kept"] > 0 for row in levels.values()), "levels": levels,
    }  # fmt: skip
    return Section("traits", "Traits", [*body, image(picture)], numbers, (picture,), findings)


def _trait(counted: Counted, name: str) -> dict[str, Any]:
    kept = counted.by_trait.get(name, ())
    quotes = {kind: counted.evidence.get((name, kind), ()) for kind in ("shown", "named", "counter")}
    target = counted.targets["trait"].get(name, 0.0)
    share = ratio(len(kept), len(counted.kept))
    return {
        "asked": sum(brief.trait == name for brief in counted.rows.briefs),
        "written": sum(document.brief.trait == name for document in counted.rows.documents),
        "kept": len(kept),
        "idle": sum(not document.brief.exercised for document in kept),
        **{kind: len({quote.document_id for quote in found}) for kind, found in quotes.items()},
        **{f"{kind}_quotes": len(found) for kind, found in quotes.items()},
        "named_to_shown": ratio(len(quotes["named"]), len(quotes["shown"])),
        "share": share,
        "target": round(target, 6),
        "fill": ratio(share or 0.0, target),
    }


def _trait_table(levels: Mapping[str, Mapping[str, Any]]) -> str:
    head = ("trait", "asked", "written", "kept", "idle", "shown", "named", "counter", "named : shown", "share", "target", "fill")
    return table(
        head,
        (
            (name, *(row[key] for key in ("asked", "written", "kept", "idle", "shown", "named", "counter")), number(row["named_to_shown"]),
             percent(row["share"], 1), percent(row["target"], 1), percent(row["fill"]))
            for name, row in levels.items()
        ),
    )  # fmt: skip


def axes(counted: Counted) -> Section:
    """Each level of each axis against its target share."""
    numbers: dict[str, Any] = {}
    summary, tables, far = [], [], []
    for factor in FACTORS[1:]:
        targets, counts = counted.targets[factor], counted.levels[factor]
        total = sum(counts.values())
        levels = {level: _level(counts[level], total, targets.get(level, 0.0)) for level in (*targets, *sorted(set(counts) - set(targets)))}
        if not levels:
            continue
        balance = evenness([counts[level] for level in targets], list(targets.values()))
        worst = max(levels, key=lambda level: abs(levels[level]["kept_share"] - levels[level]["target"]))
        numbers[factor] = {"evenness": round(balance.evenness, 6), "empty": balance.empty, "levels": levels}
        gap = levels[worst]["kept_share"] - levels[worst]["target"]
        summary.append((factor, len(levels), number(balance.evenness), balance.empty, f"{worst} ({points(gap)} points)"))
        far.append((factor, f"{worst} {points(gap, 0)} points", abs(gap)))
        tables.append(details(f"{factor}: {len(levels)} levels", _level_table(levels)))
    empty = {factor: row["empty"] for factor, row in numbers.items() if row["empty"]}
    findings = [f"axis levels without a document: {', '.join(f'{factor} {count}' for factor, count in empty.items())}"] if empty else []
    findings += [f"{factor} is far from its targets: {worst}" for factor, worst, gap in far if gap > _FAR]
    body = [
        "Counted over the documents whose recipe varies the axis; evenness 1 is exactly the target shares.",
        table(("axis", "levels", "evenness", "empty", "furthest from its target"), summary),
        *tables,
    ]
    return Section("axes", "Axes", body, numbers, (), findings)


def _level(kept: int, total: int, target: float) -> dict[str, Any]:
    return {"kept": kept, "kept_share": ratio(kept, total) or 0.0, "target": round(target, 6)}


def _level_table(levels: Mapping[str, Mapping[str, Any]]) -> str:
    rows = (
        (level, percent(row["target"], 1), percent(row["kept_share"], 1), row["kept"], points(row["kept_share"] - row["target"]))
        for level, row in levels.items()
    )
    return table(("level", "target", "share", "kept", "deviation, points"), rows)


def interactions(counted: Counted) -> Section:
    """Trait x form and trait x deliberation, and 2-way and 3-way coverage of the plan's factors."""
    pictures, body = [], []
    names = list(counted.targets["trait"])
    for factor in _CROSSED:
        columns = list(counted.targets[factor])
        counts, wanted = _crossed(counted, factor, columns, names)
        cells = f"{len(columns)} {factor} levels by {len(names)} traits"
        empty, due = int(holes(counts, wanted).sum()), int((np.nan_to_num(wanted) >= 1).sum())
        alt = f"Heat map of kept documents, {cells}: of {due} cells that should hold one or more, {empty} are empty."
        pictures.append(Picture(f"trait_{factor}", alt, heat_map(columns, names, counts, wanted)))
        body += [image(pictures[-1]), details(f"trait x {factor} as a table", _cross_table(factor, columns, names, counts))]
    found = {kind: [t_way(*_story_rows(counted, kind), strength) for strength in (2, 3)] for kind in _first_kind(counted)}
    numbers = {f"{row.strength}_way": _t_way_numbers(row) for rows in found.values() for row in rows}
    tables = [_t_way_table(kind, rows) for kind, rows in found.items()]
    return Section("interactions", "Interactions", [*tables, *body], numbers, pictures)


def _crossed(counted: Counted, factor: str, levels: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Documents, and documents wanted, for each level (row) and trait (column); not a number where no recipe may draw the two together."""
    total, traits, shares = len(counted.varying(factor)), counted.targets["trait"], counted.targets[factor]
    counts = [[counted.cells[factor][name, level] for name in names] for level in levels]
    wanted = [
        [total * traits[name] * shares[level] if counted.feasible(factor, name, level) else np.nan for name in names] for level in levels
    ]
    shape = (len(levels), len(names))
    return np.array(counts, np.int64).reshape(shape), np.array(wanted, np.float64).reshape(shape)


def _first_kind(counted: Counted) -> Sequence[str]:
    """The recipe with the most documents: the others have other factors, and their holes would be counted as its."""
    kinds = Counter(document.brief.recipe for document in counted.kept if document.brief.recipe in counted.spaces)
    return [kind for kind, _ in kinds.most_common(1)]


def _story_rows(counted: Counted, kind: str) -> tuple[list[dict[str, str]], Any, Sequence[str]]:
    briefs = [document.brief for document in counted.kept if document.brief.recipe == kind]
    return [{factor: getattr(brief, factor) for factor in FACTORS} for brief in briefs], counted.spaces[kind], FACTORS


def _t_way_numbers(row: TWay) -> dict[str, Any]:
    covered = {f"at_least_{depth}": round(share, 6) for depth, share in zip(DEPTHS, row.covered, strict=True)}
    return {
        "possible": row.possible,
        **covered,
        **{f"reachable_{depth}": round(share, 6) for depth, share in zip(DEPTHS, row.reachable, strict=True)},
    }


def _t_way_table(kind: str, rows: Sequence[TWay]) -> str:
    head = (f"combinations in `{kind}`", "possible", *(f"in {depth}+ documents" for depth in DEPTHS))
    lines = (
        (f"{row.strength} levels", f"{row.possible:,}",
         *(f"{percent(share, 1)} (of {percent(most, 1)})" for share, most in zip(row.covered, row.reachable, strict=True)))
        for row in rows
    )  # fmt: skip
    caveat = (
        "Share of the level combinations that the plan's own rules allow (NIST combinatorial coverage); in brackets the most that so many"
        " documents could reach. Some of the possible ones make no sense on the page, and nobody has ruled them out: 100 % is not the aim."
    )
    return f"{table(head, lines)}\n\n{caveat}"


def _cross_table(factor: str, rows: Sequence[str], names: Sequence[str], counts: NDArray[np.int64]) -> str:
    key = ", ".join(f"{at} {name}" for at, name in enumerate(names, start=1))
    lines = [(level, *line, sum(line)) for level, line in zip(rows, counts.tolist(), strict=True)]
    return f"{table((factor, *(str(at) for at in range(1, len(names) + 1)), 'all'), lines)}\n\nTraits: {key}."


class Gap(NamedTuple):
    """A cell of trait x axis that lies under its target, and the briefs that would fill it."""

    trait: str
    axis: str
    level: str
    kept: int
    target: float
    briefs: int


def gaps(counted: Counted) -> Section:
    """The emptiest trait x axis cells, and the briefs to ask for next."""
    found = sorted(_gaps(counted), key=lambda gap: (gap.kept / gap.target, -gap.target, gap.trait, gap.axis, gap.level))
    missing = sum(gap.briefs for gap in found)
    rows = ((gap.trait, f"{gap.axis} = {gap.level}", gap.kept, number(gap.target, 1), gap.briefs) for gap in found[:_SHOWN_GAPS])
    body = [
        "Cells of trait x one axis, emptiest first; only cells that should hold at least one document are listed. *Briefs* is what it"
        " takes to fill the cell at the share of that trait's briefs that passed the gates so far.",
        table(("trait", "level", "kept", "target", "briefs"), rows) or "No cell lies more than one document under its target.",
    ]
    if len(found) > _SHOWN_GAPS:
        body.append(f"{len(found) - _SHOWN_GAPS} more, with these, under `gaps.next` in `coverage.json` (at most {_MOST_GAPS}).")
    numbers = {
        "cells": len(found),
        "briefs": missing,
        "next": [gap._asdict() | {"target": round(gap.target, 3)} for gap in found[:_MOST_GAPS]],
    }
    return Section("gaps", "Gaps and the next briefs", body, numbers)


def _gaps(counted: Counted) -> list[Gap]:
    found = []
    for factor, cells in counted.cells.items():
        total = len(counted.varying(factor))
        for name, weight in counted.targets["trait"].items():
            rate = max(counted.compliance.get(name, 1.0), _LEAST_RATE)
            for level, share in counted.targets[factor].items():
                target, kept = total * weight * share, cells[name, level]
                if target >= 1 and target - kept >= 1 and counted.feasible(factor, name, level):
                    found.append(Gap(name, factor, level, kept, target, math.ceil((target - kept) / rate)))
    return found
