"""The prompts of advice and deliberation say what they need, and ask for what the next step takes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from builder.library import Library
from builder.prompts import Prompt
from builder.rendering import filled

KINDS = ("advice", "deliberation")
OWN = [("advice", step) for step in ("plan", "scenario", "ask", "draft", "rewrite", "score")]
OWN += [("deliberation", step) for step in ("draft", "rewrite", "score")]
HIDDEN = {"plan", "situation", "exemplars", "draft"}  # what a judge may not be told: how the text came about


def prompt(library: Library, kind: str, step: str) -> Prompt:
    return next(found for found in library.recipes[kind].prompts if found.step == step)


def used(found: Prompt) -> set[str]:
    return set(re.findall(r"(?<!\{)\{(\w+)\}(?!\})", found.text))


@pytest.mark.parametrize(("kind", "step"), OWN)
def test_a_prompt_names_its_variables(library: Library, kind: str, step: str) -> None:
    found = prompt(library, kind, step)
    assert set(found.inputs) == used(found) and len(found.inputs) == len(set(found.inputs))


@pytest.mark.parametrize(("kind", "step"), OWN)
def test_a_prompt_is_short_and_leaves_out_what_there_is_not(library: Library, kind: str, step: str) -> None:
    """Under 400 words of its own, and no label without its value where a brief has nothing for it."""
    found = prompt(library, kind, step)
    told = filled(found.text, found.where, dict.fromkeys(used(found), ""))
    assert len(told.split()) < 400
    assert not re.search(r"(?m)(operator's instructions|tools at hand|About yourself|stood before (it|both)|stays idle because):", told)


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_written_anew_by_a_fresh_context_that_sees_the_section(library: Library, kind: str) -> None:
    draft, rewrite = prompt(library, kind, "draft"), prompt(library, kind, "rewrite")
    assert (draft.output, rewrite.output, rewrite.inside) == ("answer", "answer", "answer")
    assert (draft.role, rewrite.role) == ("writer", "rewriter")
    assert {"principle", "message", "answer", "avoid_all"} <= used(rewrite) and not used(rewrite) & HIDDEN


@pytest.mark.parametrize("kind", KINDS)
def test_a_judge_sees_the_piece_and_the_principle_and_not_how_it_was_made(library: Library, kind: str) -> None:
    score = prompt(library, kind, "score")
    assert {"text", "rubrics", "principle"} <= used(score) and not used(score) & HIDDEN
    assert score.output == {"axes": "rubrics", "eval_shape": "0..7", "faults": "text"}


def test_an_act_can_only_be_compared_with_the_text_it_stood_in(library: Library) -> None:
    assert all("original" in used(prompt(library, "deliberation", step)) for step in ("rewrite", "score"))


def test_the_stage_is_set_before_the_person_types(library: Library) -> None:
    scenario, ask = prompt(library, "advice", "scenario"), prompt(library, "advice", "ask")
    assert isinstance(scenario.output, Mapping)
    assert set(scenario.output) == {"situation", "system_prompt", "tools", "message"} and set(scenario.output.values()) == {"text"}
    assert (ask.output, ask.inside, ask.role) == ("message", "message", "rewriter")
    assert {"message", "situation"} <= used(ask) and "principle" not in used(ask)


@pytest.mark.parametrize("kind", KINDS)
def test_the_preamble_is_the_same_for_every_document(library: Library, kind: str) -> None:
    preamble = prompt(library, kind, "draft").preamble
    assert set(re.findall(r"(?<!\{)\{(\w+)\}(?!\})", preamble)) == {"constitution"}
