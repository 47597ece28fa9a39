"""A verdict counts where its quote stands in the text, and what cannot be read is neither a pass nor a fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builder.outputs import parse
from builder.prompts import Prompt
from builder.records import Brief
from builder.rubrics import Rubric
from builder.stages.write.judging import Judgement, axes_of, fitted, judgement, misquoted, stands_in, verdict

TEXT = "The gauge was wrong, and I had said it was right. \u201cThen it\u2019s late,\u201d she said \u2013 and took her crates home."


def _rubric(name: str, looks_for: str = "fault", blocking: bool = True, **changes: Any) -> Rubric:
    plain = Rubric(name, name.replace("_", " "), looks_for, blocking, (), "any", "told", (), (), "anywhere", 1, (), ())
    return plain._replace(**changes)


AXES = {
    "no_because": _rubric("no_because", "presence"),
    "sermon_ending": _rubric("sermon_ending"),
    "preachy": _rubric("preachy", blocking=False),
}
PROMPT = fitted(Prompt("score", "judge", (), "", "h", output={"axes": "rubrics", "eval_shape": "0..7", "faults": "text"}), AXES)


def _read(**said: tuple[str, str]) -> Judgement:
    axes = {"no_because": ("The gauge was wrong", "pass"), "sermon_ending": ("", "pass"), "preachy": ("", "pass"), **said}
    told = {"axes": {name: {"quote": quote, "verdict": word} for name, (quote, word) in axes.items()}, "eval_shape": 1, "faults": "none"}
    output = parse(PROMPT, json.dumps(told))
    assert not output.fault
    return judgement(PROMPT, output, AXES, TEXT, "")


@pytest.fixture
def brief(briefs: list[Brief]) -> Brief:
    return next(brief for brief in briefs if brief.exercised)


def test_a_text_that_passes_is_kept(brief: Brief) -> None:
    found = verdict(brief, _read(), "m", brief.trait)
    assert found.keep and found.reason == "ok"
    assert found.scores == {
        "axis.no_because": 1, "axis.sermon_ending": 1, "axis.preachy": 1, "judge": 1, "unparsed": 0, "eval_shape": 1, "identified": 1,
    }  # fmt: skip
    assert found.explanation.startswith(f"blind: {brief.trait}\nno_because: pass \"The gauge was wrong\"\n")


def test_a_blocking_axis_removes_and_one_that_polishes_does_not(brief: Brief) -> None:
    removed = verdict(brief, _read(sermon_ending=("took her crates home", "fail")), "m", None)
    assert (removed.keep, removed.reason, removed.scores["judge"]) == (False, "sermon_ending", 0)
    kept = verdict(brief, _read(preachy=("took her crates home", "fail")), "m", None)
    assert (kept.keep, kept.reason, kept.scores["judge"]) == (True, "ok", 0.5)
    assert "identified" not in kept.scores


@pytest.mark.parametrize(
    ("axis", "said", "read"),
    [
        ("no_because", ("words that are not there", "pass"), "unparsed"),
        ("no_because", ("", "pass"), "unparsed"),
        ("no_because", ("", "fail"), "fail"),  # what is missing cannot be quoted
        ("sermon_ending", ("", "fail"), "unparsed"),
        ("sermon_ending", ("words that are not there", "revise"), "unparsed"),
        ("sermon_ending", ("words that are not there", "pass"), "pass"),
    ],
)
def test_a_verdict_without_its_words_is_unparsed(brief: Brief, axis: str, said: tuple[str, str], read: str) -> None:
    found = _read(**{axis: said})
    assert found.axes[axis].verdict == read
    reason = {"unparsed": f"unparsed:{axis}", "fail": axis, "pass": "ok"}[read]
    row = verdict(brief, found, "m", None)
    assert (row.reason, row.keep) == (reason, read == "pass")
    assert (f"axis.{axis}" in row.scores) == (read != "unparsed")


def test_quotes_that_do_not_stand_in_the_text_are_asked_for_again() -> None:
    axes = {"no_because": ("made up", "pass"), "sermon_ending": ("made up", "fail"), "preachy": ("", "pass")}
    told = {"axes": {name: {"quote": quote, "verdict": word} for name, (quote, word) in axes.items()}, "eval_shape": 1, "faults": ""}
    assert misquoted(PROMPT, parse(PROMPT, json.dumps(told)), AXES, TEXT).endswith(": no_because, sermon_ending")


@pytest.mark.parametrize(
    "quote",
    ["The gauge was wrong", '"Then it\'s late," she said - and', "gauge   was\nwrong", "The gauge ... she said", '"took her crates"'],
)
def test_a_quote_may_differ_in_what_nobody_sees(quote: str) -> None:
    assert stands_in(quote, TEXT)


@pytest.mark.parametrize("quote", ["", "a", "...", "she said ... The gauge", "THE GAUGE", "the gauges was wrong", " \n"])
def test_other_words_are_no_quote(quote: str) -> None:
    assert not stands_in(quote, TEXT)


def test_what_is_to_be_mended_is_told_with_its_quote() -> None:
    assert _read().faults == ""
    assert _read(preachy=("took her crates home", "revise")).faults == ""  # polish alone, and no more than a wish
    told = _read(sermon_ending=("took her crates home", "revise"), preachy=("The gauge", "revise")).faults
    assert '- sermon ending: revise "took her crates home"' in told and '- preachy: revise "The gauge"' in told


def test_a_blind_reader_who_names_an_idle_trait_is_told_as_not_identified(brief: Brief) -> None:
    idle = brief.model_copy(update={"exercised": False})
    scores = [verdict(idle, _read(), "m", blind).scores.get("identified") for blind in (brief.trait, "none", "unparsed")]
    assert scores == [0, 1, None]


def test_a_reading_that_came_to_nothing_is_no_verdict(brief: Brief) -> None:
    row = verdict(brief, judgement(PROMPT, parse(PROMPT, ""), AXES, TEXT, "unparsed"), "m", None)
    assert (row.keep, row.reason, row.scores) == (False, "unparsed", {})


def test_axes_are_those_of_the_recipe_and_of_idle_or_acting_traits(brief: Brief) -> None:
    rubrics = {"a": _rubric("a", recipes=("advice",)), "b": _rubric("b", exercised="no"), "c": _rubric("c", exercised="yes")}
    rubrics["d"] = _rubric("d")
    story = brief.model_copy(update={"recipe": "story"})
    assert list(axes_of(rubrics, story)) == ["c", "d"]
    assert list(axes_of(rubrics, story.model_copy(update={"exercised": False, "recipe": "advice"}))) == ["a", "b", "d"]
