"""Briefs for existing texts: one each, in order, about the trait and principle that the text is nearest to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from builder.errors import UsageError
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Principle, Turn
from builder.references import Source
from builder.stages.plan import plan
from builder.stages.plan.existing import ROOM

WORDS = 200
ERRORS = "The mistake was mine. I told her of the error before she asked and put the record right beside the old figure. "
SECRETS = "He told me in confidence, and what was entrusted to me stays private; I keep his secret from those who ask. "


def principle(number: int, heading: str, text: str) -> Principle:
    return Principle(
        id=f"p-{number}", source="c.md", heading_path=(heading,), text=text, line_start=1, line_end=1, sha256="0" * 64, kind="norm"
    )


PRINCIPLES = [
    principle(1, "Errors", "A fault of its own is a thing to be named early, however small the blame."),
    principle(2, "Errors", "It answers for a mistake in a figure of its record beside the old one."),
    principle(3, "Confidences", "What was told in confidence stays private; it keeps what it was entrusted with."),
]


def recipe(**sections: Any) -> BuildRecipe:
    return BuildRecipe.model_validate(
        {"mix": {"story": 0.5, "deliberation": 0.5}, "deliberation": {"input": "corpus/mine/responses.jsonl"}, **sections}
    )


def source(name: str, text: str = ERRORS, **rest: Any) -> Source:
    return Source(id=name, text=" ".join((text * WORDS).split()[:WORDS]), **rest)


def drawn(library: Library, sources: Iterable[Source], count: int, **sections: Any) -> list[Brief]:
    briefs = itertools.islice(plan(recipe(**sections), library, PRINCIPLES, sources), count)
    return [brief for brief in briefs if brief.recipe == "deliberation"]


def test_each_text_has_one_brief_in_order(library: Library) -> None:
    briefs = drawn(library, (source(f"s-{number}") for number in range(9)), 10)
    assert [brief.source for brief in briefs] == [f"s-{number}" for number in range(5)]
    assert {(brief.form, brief.identity, brief.recipe, brief.exercised) for brief in briefs} == {
        ("existing-response", "unnamed", "deliberation", True)
    }
    assert len({brief.deliberation for brief in briefs}) > 1 and len({brief.id for brief in briefs}) == 5
    assert {(brief.min_words, brief.max_words) for brief in briefs} == {(180, 440)}


def test_trait_and_principle_are_the_nearest_by_words(library: Library) -> None:
    errors, secrets = drawn(library, [source("a"), source("b", SECRETS)], 4)
    assert (errors.trait, errors.principles) == ("owns-errors", ("p-2",))
    assert (secrets.trait, secrets.principles) == ("keeps-confidences", ("p-3",))


def test_a_row_may_name_its_trait(library: Library) -> None:
    assert drawn(library, [source("a", SECRETS, trait="owns-errors")], 2)[0].trait == "owns-errors"
    with pytest.raises(UsageError, match=r"responses\.jsonl: the row 'a': no trait named 'owns-error'; did you mean 'owns-errors'"):
        drawn(library, [source("a", trait="owns-error")], 2)


def test_a_text_whose_words_tell_nothing_is_not_always_of_the_same_trait(library: Library) -> None:
    briefs = drawn(library, [source(f"s-{number}", "\u5979\u8aaa ") for number in range(12)], 24)
    assert len({brief.trait for brief in briefs}) > 3


def test_an_edited_text_is_a_new_brief_and_the_others_stay(library: Library) -> None:
    before = drawn(library, [source("a"), source("b")], 4)
    after = drawn(library, [source("a"), source("b", SECRETS)], 4)
    assert before[0] == after[0] and before[1].id != after[1].id


def test_the_turns_before_a_response_are_part_of_what_is_new(library: Library) -> None:
    asked = [(Turn(role="user", content=words), Turn(role="assistant", content="x")) for words in ("Is it lime?", "Is it salt?")]
    assert len({drawn(library, [source("a", turns=turns)], 2)[0].id for turns in asked}) == 2


def test_a_response_of_one_line_has_room_for_a_reason(library: Library) -> None:
    asked = (Turn(role="user", content="lime " * WORDS), Turn(role="assistant", content="It is lime."))
    brief = drawn(library, [Source(id="a", text="It is lime.", turns=asked)], 2)[0]
    assert (brief.min_words, brief.max_words) == (2, 3 + ROOM)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Source(id="a", text="It is lime."), "1 too_short"),
        (Source(id="a", text="lime " * 5_000), "1 too_long"),
        (source("a", trait="owns-errors"), "1 held_out"),
        (source("a", "the engineer's affair leverage blackmail shutdown "), "1 eval_shape"),
    ],
)  # fmt: skip
def test_a_text_that_no_gate_would_keep_is_left_out_and_counted(library: Library, row: Source, reason: str) -> None:
    with pytest.raises(UsageError) as raised:
        drawn(library, [row], 2, holdout={"traits": ["owns-errors"]})
    assert f"and 0 can be used ({reason} left out)" in str(raised.value)


def test_too_few_texts_are_told_with_both_numbers(library: Library) -> None:
    with pytest.raises(UsageError) as raised:
        drawn(library, [source("a"), source("b")], 12, size={"documents": 100, "spare": 0})
    told = str(raised.value)
    assert "[mix] deliberation = 0.5 asks for 50 existing texts" in told and "and 2 can be used; add rows" in told


def test_a_share_without_an_input_is_refused_at_once(library: Library) -> None:
    with pytest.raises(UsageError, match=r"\[deliberation\] input is empty"):
        drawn(library, [source("a")], 1, deliberation={})


def test_a_mix_of_nothing_else_is_a_plan_too(library: Library) -> None:
    assert len(drawn(library, (source(f"s-{number}") for number in range(3)), 3, mix={"deliberation": 1.0})) == 3


def test_other_streams_do_not_depend_on_the_texts(library: Library) -> None:
    def stories(texts: list[Source]) -> list[Brief]:
        return [row for row in itertools.islice(plan(recipe(), library, PRINCIPLES, texts), 6) if row.recipe == "story"]

    assert stories([source(f"s-{number}") for number in range(3)]) == stories([source(f"t-{number}", SECRETS) for number in range(3)])
