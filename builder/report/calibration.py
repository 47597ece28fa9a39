"""How far the checks of this report can be believed: what they said of texts whose labels are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.calibration import Counts, Estimate, count, count_blind
from builder.report.counted import Counted
from builder.report.page import Section, number, percent, table

BLIND = "blind_reader"
_ASKED = {
    "shown": "passage: a `shown` pattern of its trait hits; the label is *shown*",
    "named": "passage: a `named` pattern of its trait hits; the label is *named*",
    "trait_evidence": "passage: the gate refuses it; the label is *named*",
    BLIND: "passage: the blind reader names its trait; the label is *shown*",
    "shown_in_references": "reference x trait: a `shown` pattern hits; the trait is listed as shown",
    "named_in_references": "reference x trait: a `named` pattern hits; the trait is listed as named",
    "counter_in_references": "reference x trait: a `counter` pattern hits; the trait is listed as violated",
    "eval_shape": "reference: the gate finds an evaluation; labelled with more than 3 of its 7 features",
}
_KEEPS = "_keeps_references"
_FEW = 10  # texts labelled yes; with fewer the large-sample error of kappa means nothing
_LABELS = (
    "**The labels are one author's.** No second person has labelled these texts, so nothing here says how far two readers agree, and no"
    " figure can be better than the labels. A reference counts once for each trait, and those counts are not independent: the intervals"
    " are too narrow. In a build the patterns know the name of the character; here they do not. The references that come with bildung are"
    " in its tests, which hold the gates to keeping them: for those that is no independent finding."
)  # fmt: skip


def calibration(counted: Counted) -> Section:
    """Sensitivity, specificity and kappa of every check that was tried on labelled texts, whatever they are."""
    found = _counts(counted)
    if not found:
        folder = f"corpus/{counted.rows.recipe.corpus.name}/reference"
        body = [
            f"**Not measured: `{folder}` holds no labelled texts.** How far the checks of this report can be believed is not known for this"
            " corpus. Lexical hits are no coverage number."
        ]  # fmt: skip
        return Section("calibration", "Calibration", body, {"texts": 0})
    texts = {row.text.partition(":")[0] for row in counted.rows.tried} | {row.id for row in counted.rows.blind}
    body = [
        f"What the checks said of {len(texts):,} hand-labelled texts. *Sensitivity*: of the texts whose label says yes, the share that the"
        " check finds; *specificity*: of the others, the share that it leaves alone; *kappa*: agreement beyond chance (1 all, 0 none). In"
        " brackets the 95 % interval; a dash where no label asks for the answer.",
        table(("check", "yes of the check; yes of the label", "n", "sensitivity", "specificity", "kappa"), _lines(found)),
        _forbidden(found), _LABELS,
    ]  # fmt: skip
    chance = [name for name, counts in found.items() if counts.hits + counts.misses >= _FEW and counts.kappa and counts.kappa.low <= 0]
    findings = [f"no better than chance on hand-labelled texts: {', '.join(chance)}"] if chance else []
    return Section("calibration", "Calibration", body, {"texts": len(texts), **_numbers(found, counted)}, (), findings)


def shares(estimate: Estimate | None, key: str) -> dict[str, float | None]:
    """An estimate as three numbers of ``coverage.json``."""
    names = (key, f"{key}_low", f"{key}_high")
    return dict(zip(names, (round(part, 6) for part in estimate), strict=True)) if estimate else dict.fromkeys(names)


def interval(estimate: Estimate | None) -> str:
    """An estimated share with its interval, for a table cell."""
    return f"{percent(estimate.value)} ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})" if estimate else percent(None)


def _counts(counted: Counted) -> Mapping[str, Counts]:
    pairs: dict[str, list[tuple[bool, bool]]] = {}
    for row in counted.rows.tried:
        pairs.setdefault(row.check, []).append((row.truth, row.said))
    found = {name: count(answers) for name, answers in pairs.items()}
    return {**found, BLIND: count_blind(counted.rows.blind)} if counted.rows.blind else found


def _lines(found: Mapping[str, Counts]) -> list[tuple[object, ...]]:
    return [
        (f"`{name}`", _asked(name), counts.total, f"{_found(counts)}: {interval(counts.sensitivity)}" if counts.sensitivity else "\u2013",
         f"{_left_alone(counts)}: {interval(counts.specificity)}" if counts.specificity else "\u2013", _kappa(counts))
        for name, counts in found.items()
    ]  # fmt: skip


def _asked(name: str) -> str:
    if name.endswith(_KEEPS):
        return f"reference: the gate `{name.removesuffix(_KEEPS)}` refuses it; none should be"
    return _ASKED.get(name, "")


def _kappa(counts: Counts) -> str:
    if not counts.kappa:
        return number(None)
    value, low, high = (number(round(part, 2) + 0.0) for part in counts.kappa)  # never -0.00
    return f"{value} ({low} to {high})" if counts.hits + counts.misses >= _FEW else f"{value} (too few labelled yes)"


def _forbidden(found: Mapping[str, Counts]) -> str:
    """What nobody may read out of the other sections, in the figures of this one."""
    told = ["**What this forbids.**"]
    if shown := found.get("shown"):
        told.append(
            f"`shown` patterns find {_found(shown)} passages that show their trait, and leave alone {_left_alone(shown)} that do not."
        )
    if named := found.get("named"):
        told.append(f"`named` patterns find {_found(named)} passages that only name it: few such hits do not mean that little is preached.")
    told.append("Lexical hits are no coverage number, high or low: they are quotes to read.")
    return " ".join(told)


def _found(counts: Counts) -> str:
    return f"{counts.hits} of {counts.hits + counts.misses}"


def _left_alone(counts: Counts) -> str:
    return f"{counts.rejections} of {counts.rejections + counts.false_alarms}"


def _numbers(found: Mapping[str, Counts], counted: Counted) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        name: {
            "n": counts.total, **counts._asdict(), **shares(counts.sensitivity, "sensitivity"), **shares(counts.specificity, "specificity"),
            **shares(counts.precision, "precision"), **shares(counts.kappa, "kappa"),
        }
        for name, counts in found.items()
    }  # fmt: skip
    if BLIND in numbers:
        numbers[BLIND]["unparsed"] = sum(row.chosen is None for row in counted.rows.blind)
    return numbers
