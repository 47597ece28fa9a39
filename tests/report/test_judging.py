"""The sections on judge and calibration over verdicts made by hand: every count, every share, and what is said where nothing is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rows_by_hand import assemble, document

from builder.calibration import Blind, Tried
from builder.library import Library
from builder.records import Document, Verdict
from builder.report import write_report
from builder.report.calibration import calibration
from builder.report.counted import Counted
from builder.report.judging import judge
from builder.report.making import limits
from builder.rows import BuildRows

COUNT = 30


def verdict(found: Document, number: int) -> Verdict:
    """Of ten documents one fails ``preachy``, in one an axis is unread, in one everything; blind, one more is misread and one unread."""
    explanation = f"blind: {found.brief.trait if found.brief.exercised else 'none'}\npreachy: pass"
    scores = {"judge": 1.0, "axis.preachy": 1.0, "axis.ai_tropes": 0.5, "unparsed": 0.0, "eval_shape": 0.0, "identified": 1.0}
    reason = "ok"
    if number % 10 == 1:
        scores, reason = {**scores, "judge": 0.0, "axis.preachy": 0.0}, "preachy"
    elif number % 10 == 2:
        scores, reason = {**scores, "unparsed": 1.0}, "unparsed:preachy"
        del scores["axis.preachy"]
    elif number % 10 == 3:
        scores, reason, explanation = {}, "unparsed", "blind: unparsed"
    elif number % 10 == 4:
        scores, explanation = {**scores, "identified": 0.0}, "blind: near-by\npreachy: pass"
    elif number % 10 == 6:
        explanation = "blind: unparsed\npreachy: pass"
        del scores["identified"]
    return Verdict(
        document_id=found.id, gate="judge", keep=reason == "ok", reason=reason, scores=scores, explanation=explanation, model="x/y"
    )


def judged(library: Library, blind: Sequence[Blind] = (), tried: Sequence[Tried] = (), models: Mapping[str, str] = {}) -> BuildRows:
    """Thirty stories with a verdict each; those it keeps are kept."""
    documents = [document(library, number) for number in range(COUNT)]
    verdicts = {"judge": [verdict(found, number) for number, found in enumerate(documents)]}
    kept = [found for found, said in zip(documents, verdicts["judge"], strict=True) if said.keep]
    made = assemble(library, documents, verdicts, [], kept)
    recipe = made.recipe.model_copy(update={"models": made.recipe.models.model_copy(update={"judge": "x/y", **models})})
    return BuildRows(*made._replace(recipe=recipe, blind=blind, tried=tried))


def reader(hits: int, false_alarms: int) -> list[Blind]:
    """A blind reader that names the trait of ``hits`` in 100 passages that show it and of ``false_alarms`` in 150 that do not."""
    shown = [Blind(f"s{number}", "kind", "shown", "kind" if number < hits else "none") for number in range(100)]
    return shown + [Blind(f"n{number}", "kind", "near_miss", "kind" if number < false_alarms else "brave") for number in range(150)]


def numbers_of(rows: BuildRows) -> Any:
    return judge(Counted(rows)).numbers


def told(rows: BuildRows) -> str:
    return judge(Counted(rows)).as_markdown()


def test_axes_are_counted_and_an_unread_one_is_no_pass(library: Library) -> None:
    found = numbers_of(judged(library))
    assert (found["read"], found["kept_share"], found["unparsed"]) == (30, 0.7, 6)
    assert found["kept_share_low"] == pytest.approx(0.5212, abs=1e-4)
    preachy = found["axes"]["preachy"]
    assert [preachy[name] for name in ("asked", "pass", "revise", "fail", "unparsed")] == [30, 21, 0, 3, 6]
    assert preachy["pass_share"] == 0.7 and preachy["fail_share_high"] == pytest.approx(0.2562, abs=1e-4)
    assert found["axes"]["ai_tropes"]["revise"] == 27


def test_an_axis_that_did_not_apply_was_not_asked(library: Library) -> None:
    """Every document that could not be read has a trait that acts; an axis for idle traits only was asked of none of them."""
    applies = {name for name, rubric in library.rubrics.items() if rubric.applies("story", True)}
    assert applies < {name for name, rubric in library.rubrics.items() if rubric.applies("story", False)} | applies
    assert set(numbers_of(judged(library))["axes"]) == applies


def test_exercised_and_idle_are_told_apart(library: Library) -> None:
    found = numbers_of(judged(library))["blind"]
    # Every fifth is idle; of the 24 others 9 are not kept, 3 not read, 3 read wrongly.
    assert (found["exercised"]["asked"], found["exercised"]["named"]) == (12, 9)
    assert (found["idle"]["asked"], found["idle"]["named"]) == (6, 0)
    assert found["unparsed"] == 3
    assert sum(row["exercised"]["asked"] for row in found["traits"].values()) == 12
    assert sum(row["idle"]["identified"] for row in found["traits"].values()) == 6


def test_confused_traits_are_named(library: Library) -> None:
    pairs = [line.split(" | ") for line in told(judged(library)).split("\n") if "| near-by |" in line]
    assert sum(int(times.strip(" |")) for *_, times in pairs) == 3
    assert {asked.strip("| ") for asked, *_ in pairs} == {document(library, number).brief.trait for number in (4, 14, 24)}


def test_a_trait_that_is_mostly_missed_is_a_finding(library: Library) -> None:
    missed = [document(library, number) for number in range(60) if number % 5]
    chosen = missed[0].brief.trait
    verdicts = {"judge": [
        Verdict(document_id=found.id, gate="judge", keep=True, scores={"judge": 1.0, "identified": float(found.brief.trait != chosen)},
                explanation="blind: x") for found in missed
    ] * 2}  # fmt: skip
    assert judge(Counted(assemble(library, missed, verdicts, [], missed))).findings == [
        f"a blind reader misses the trait more often than not: {chosen}"
    ]


def test_the_rate_of_a_reader_that_misses_much_is_raised(library: Library) -> None:
    rows = judged(library, reader(60, 0))
    found = numbers_of(rows)["blind"]["exercised"]
    assert found["named_share"] == 0.75 and found["corrected_share"] == 1.0
    assert "in 60 of 100 that show it and in 0 of 150 that do not" in told(rows)


def test_the_rate_of_a_reader_that_sees_it_everywhere_is_lowered(library: Library) -> None:
    found = numbers_of(judged(library, reader(100, 90)))["blind"]["exercised"]
    assert found["corrected_share"] == pytest.approx((0.75 - 0.6) / 0.4)
    assert found["corrected_share_low"] < found["corrected_share"] < found["corrected_share_high"]


def test_a_reader_no_better_than_chance_is_not_corrected(library: Library) -> None:
    rows = judged(library, reader(50, 90))
    assert numbers_of(rows)["blind"]["exercised"]["corrected_share"] is None
    assert "no better than chance" in told(rows)


def test_without_labelled_passages_the_raw_rate_is_said_to_be_biased(library: Library) -> None:
    rows = judged(library)
    assert numbers_of(rows)["blind"]["exercised"]["corrected_share"] is None
    assert "no labelled passages" in told(rows)


@pytest.mark.parametrize(
    ("models", "finding"),
    [
        ({"judge": "anthropic/claude-a", "writer": "anthropic-batch/claude-b"}, "judge and writer are of one family"),
        ({"judge": "openai/gpt-5", "writer": "anthropic/claude-b", "rewriter": "openai/gpt-5"}, "the judge is the rewriter itself"),
        ({"judge": "openai/gpt-5", "writer": "anthropic/claude-b", "rewriter": "anthropic/claude-b"}, ""),
    ],
)
def test_a_judge_of_the_writers_family_is_a_finding(library: Library, models: dict[str, str], finding: str) -> None:
    section = judge(Counted(judged(library, models=models)))
    assert [line for line in section.findings if "famil" in line or "itself" in line] == [finding] * bool(finding)
    assert ("Models favour texts of their own family" in section.as_markdown()) is bool(finding)
    assert section.numbers["same_family"] is bool(finding)


def test_a_judge_that_cannot_be_read_is_a_finding(library: Library) -> None:
    assert "the judge could not be read in 20 % of the documents" in judge(Counted(judged(library))).findings


def test_each_check_has_its_line_and_chance_is_a_finding(library: Library) -> None:
    tried = [Tried("shown", f"p{number}", number < 50, number % 2 == 0) for number in range(100)]
    tried += [Tried("named", f"p{number}", number < 50, number < 45) for number in range(100)]
    tried += [Tried("mechanical_keeps_references", f"r{number}", False, number == 0) for number in range(20)]
    section = calibration(Counted(judged(library, reader(90, 10), tried)))
    report, numbers = section.as_markdown(), section.numbers
    assert section.findings == ["no better than chance on hand-labelled texts: shown"]
    assert "| 100 | 25 of 50: 50 % (37 to 63) | 25 of 50: 50 % (37 to 63) | 0.00 (-0.20 to 0.20) |" in report
    assert "refuses it; none should be | 20 | \u2013 | 19 of 20: 95 % (76 to 99) | \u2013 |" in report
    assert numbers["texts"] == 370 and numbers["shown"]["kappa"] == 0.0 and numbers["named"]["kappa"] == pytest.approx(0.9)
    assert numbers["mechanical_keeps_references"]["sensitivity"] is None
    rare = calibration(Counted(judged(library, tried=[Tried("named", f"p{number}", number < 2, False) for number in range(50)])))
    assert (
        "| 0 of 2: 0 % (0 to 66) | 48 of 48: 100 % (93 to 100) | 0.00 (too few labelled yes) |" in rare.as_markdown() and not rare.findings
    )
    assert numbers["blind_reader"]["sensitivity"] == 0.9 and numbers["blind_reader"]["unparsed"] == 0
    assert "labels are one author's" in report and "no coverage number" in report


def test_without_labelled_texts_nothing_is_measured(library: Library) -> None:
    section = calibration(Counted(judged(library)))
    assert section.numbers == {"texts": 0} and "Not measured: `corpus/example/reference`" in section.as_markdown()


def test_the_limits_say_what_is_corrected(library: Library) -> None:
    corrected, raw = (limits(Counted(judged(library, blind))).as_markdown() for blind in (reader(80, 20), ()))
    assert "only the blind reader is corrected" in corrected and "nothing corrects their rates" in raw


def test_the_whole_report_bears_any_judge(library: Library, tmp_path: Path) -> None:
    documents = [document(library, 0), document(library, 1)]
    verdicts = [
        Verdict(document_id=documents[0].id, gate="judge", keep=True, scores={"axis.no_such_axis": 0.3}, explanation="blind: |x|"),
        Verdict(document_id="nobody", gate="judge", keep=False, reason="refused", scores={"identified": 1.0}),
    ]  # fmt: skip
    write_report(assemble(library, documents, {"judge": verdicts}, [], documents), tmp_path, {})
    found = json.loads((tmp_path / "coverage.json").read_text(encoding="utf-8"))["judge"]
    assert found["axes"] == {"no_such_axis": {"asked": 1, **found["axes"]["no_such_axis"]}} and "blind" not in found
