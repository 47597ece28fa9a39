"""How one document comes about: what is asked, in what order, and what every kind of answer leads to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from builder.errors import UsageError
from builder.records import Answer, Brief, Principle, Request
from builder.stages.write import Made, making, preflight, rendered
from buying.scripted import PIECE, QUOTE, Script, ended, good, kitchen, text_of


def brief_of(request: Request) -> Brief:
    assert request.brief
    return request.brief


def drive(kitchen: Any, brief: Brief, script: Script = good) -> tuple[Made, list[Request]]:
    """Run one document's generator against a script."""
    asked: list[Request] = []
    job = making(kitchen, brief)
    request = next(job)
    while True:
        asked.append(request)
        answer = script(request, sum(row.hash == request.hash for row in asked))
        assert isinstance(answer, Answer)
        try:
            request = job.send(answer)
        except StopIteration as end:
            return end.value, asked


WHOLE = ["draft", "rewrite", "score", "identify"]


def steps_of(asked: list[Request]) -> list[str]:
    return [request.step for request in asked]


@pytest.fixture
def story(briefs: list[Brief]) -> Brief:
    return next(brief for brief in briefs if brief.recipe == "story")


@pytest.fixture
def cook(library: Any, principles: tuple[Principle, ...]) -> Any:
    return kitchen(library, principles)


def test_draft_rewrite_score_each_by_its_role(cook: Any, story: Brief) -> None:
    made, asked = drive(cook, story)
    assert steps_of(asked) == WHOLE
    assert [request.model for request in asked] == ["scripted/writer", "scripted/rewriter", "scripted/judge", "scripted/judge"]
    assert all(PIECE in request.turns[-1].content for request in asked[1:])
    assert made.document and made.document.text == PIECE
    assert [step.name for step in made.document.steps] == WHOLE
    assert made.judged and made.judged.keep and made.judged.scores["judge"] == 1 and made.judged.scores["eval_shape"] == 1
    axes = {name.removeprefix("axis.") for name in made.judged.scores if name.startswith("axis.")}
    assert axes == {name for name, rubric in cook.library.rubrics.items() if rubric.applies("story", story.exercised)}


def test_a_role_without_a_model_has_its_steps_left_out(library: Any, principles: tuple[Principle, ...], story: Brief) -> None:
    made, asked = drive(kitchen(library, principles, ("writer",)), story)
    assert steps_of(asked) == ["draft"] and made.document and made.judged is None


def test_every_recipe_is_made(cook: Any, briefs: list[Brief]) -> None:
    for kind in ("story", "document", "advice"):
        brief = next(brief for brief in briefs if brief.recipe == kind)
        made, asked = drive(cook, brief)
        assert steps_of(asked) == (["scenario", "ask", *WHOLE] if kind == "advice" else WHOLE)
        assert made.document and PIECE in made.document.text
        assert [turn.role for turn in made.document.turns] == (["user", "assistant"] if kind == "advice" else [])


def test_the_preamble_is_the_same_for_all_and_comes_first(cook: Any, briefs: list[Brief]) -> None:
    stories = [brief for brief in briefs if brief.recipe == "story"]
    heads = {request.turns[0] for brief in stories for request in rendered(cook, brief) if request.step != "identify"}
    assert len(heads) == 1 and next(iter(heads)).role == "system" and "# All of it" in next(iter(heads)).content


def test_a_refusal_is_told_elsewhere_twice_then_given_up(cook: Any, story: Brief) -> None:
    made, asked = drive(cook, story, ended("refusal", detail="frontier_llm"))
    assert steps_of(asked) == ["draft"] * 3
    assert len({(brief_of(request).setting, brief_of(request).form) for request in asked}) == 3
    assert len({brief_of(request).trait for request in asked}) == 1 and len({request.hash for request in asked}) == 3
    assert made.document is None and made.unwritten and made.unwritten.reason == "refused:frontier_llm"


def test_a_refusal_that_another_setting_mends_gives_the_document_told_there(cook: Any, story: Brief) -> None:
    made, asked = drive(cook, story, lambda request, n: good(request) if brief_of(request).id != story.id else ended("refusal")(request, n))
    assert made.document and made.document.id != story.id and made.document.brief.position == story.position
    assert made.document.brief.form != story.form


def test_an_empty_answer_is_asked_again_as_another_sample(cook: Any, story: Brief) -> None:
    made, asked = drive(cook, story, lambda request, n: good(request) if request.sample == 1 else ended("end_turn")(request, n))
    assert [request.sample for request in asked][:2] == [0, 1] and made.document
    made, asked = drive(cook, story, ended("end_turn", text=" \n"))
    assert [request.sample for request in asked] == [0, 1, 2]
    assert made.unwritten and made.unwritten.reason == "empty_answer"


def test_a_cut_text_is_continued_once(cook: Any, story: Brief) -> None:
    def script(request: Request, asked: int) -> Answer:
        if request.step == "draft" and request.turns[-2].role != "assistant":
            return good(request).model_copy(update={"text": "She counted the sa", "stop_reason": "max_tokens"})
        return good(request).model_copy(update={"text": "cks again."}) if request.step == "draft" else good(request)

    made, asked = drive(cook, story, script)
    assert steps_of(asked) == ["draft", *WHOLE]
    assert "She counted the sacks again." in asked[2].turns[-1].content
    made, asked = drive(cook, story, ended("max_tokens", text="She counted"))
    assert steps_of(asked) == ["draft", "draft"]
    assert made.unwritten and made.unwritten.reason == "stopped:max_tokens"


def test_a_malformed_rewrite_is_repaired_once_and_then_unparsed(cook: Any, story: Brief) -> None:
    def forgetful(request: Request, asked: int) -> Answer:
        repaired = len(request.turns) > 2
        return good(request) if request.step != "rewrite" or repaired else good(request).model_copy(update={"text": PIECE})

    made, asked = drive(cook, story, forgetful)
    assert steps_of(asked) == ["draft", "rewrite", "rewrite", "score", "identify"] and made.document
    assert "<piece>" in asked[2].turns[-1].content
    made, asked = drive(
        cook, story, lambda request, n: good(request) if request.step == "draft" else good(request).model_copy(update={"text": PIECE})
    )
    assert steps_of(asked) == ["draft", "rewrite", "rewrite"] and made.unwritten and made.unwritten.reason == "unparsed"


AXIS = '"no_because": {"quote": "' + QUOTE + '", "verdict": "pass"}'


@pytest.mark.parametrize(
    ("change", "reason", "asked_for"),
    [
        (lambda said: said, "ok", ["score"]),
        (lambda said: said.replace(AXIS, AXIS.replace("pass", "fail")), "no_because", ["score", "revise", "score"]),
        (lambda said: said.replace(AXIS, AXIS.replace("pass", "revise")), "ok", ["score", "revise", "score"]),
        (lambda said: said.replace(AXIS, AXIS.replace(QUOTE, "made up")), "unparsed:no_because", ["score", "score"]),
        (lambda said: said.replace(AXIS, AXIS.replace("pass", "excellent")), "unparsed", ["score", "score"]),
        (lambda said: said.replace('"eval_shape": 1', '"eval_shape": 9'), "unparsed", ["score", "score"]),
        (lambda said: "I would pass this.", "unparsed", ["score", "score"]),
        (lambda said: '{"verdict": "pass"}', "unparsed", ["score", "score"]),
        (lambda said: "[" * 100_000, "unparsed", ["score", "score"]),
    ],
)
def test_only_a_whole_verdict_counts(
    cook: Any, story: Brief, change: Callable[[str], str], reason: str, asked_for: list[str]
) -> None:
    def script(request: Request, asked: int) -> Answer:
        said = text_of(request)
        return good(request).model_copy(update={"text": change(said) if request.step == "score" else said})

    made, asked = drive(cook, story, script)
    assert made.document and made.judged and (made.judged.reason, made.judged.keep) == (reason, reason == "ok")
    assert [step for step in steps_of(asked) if step in ("score", "revise")] == asked_for


def test_a_revised_text_is_judged_anew_and_is_the_document(cook: Any, story: Brief) -> None:
    better = f"{PIECE} It rained."

    def script(request: Request, asked: int) -> Answer:
        said = text_of(request)
        if request.step == "score" and better not in request.turns[-1].content:
            said = said.replace(AXIS, AXIS.replace("pass", "revise"))
        return good(request).model_copy(update={"text": said.replace(PIECE, better) if request.step == "revise" else said})

    made, asked = drive(cook, story, script)
    assert steps_of(asked) == ["draft", "rewrite", "score", "revise", "score", "identify"]
    assert QUOTE in asked[3].turns[-1].content and asked[3].model == "scripted/rewriter"
    assert made.document and made.document.text == better and made.judged and made.judged.scores["judge"] == 1
    assert better in asked[-1].turns[-1].content


def test_an_offence_is_named_to_a_rewriter_once(cook: Any, story: Brief) -> None:
    told = cook._replace(offences=lambda brief, text: "- banned_name:elara" if "Elara" in text else "")

    def worn(request: Request, asked: int = 1) -> Answer:
        return good(request).model_copy(update={"text": text_of(request).replace("She", "Elara")})

    def script(request: Request, asked: int) -> Answer:
        return worn(request) if request.step == "rewrite" else good(request)

    def short(request: Request, asked: int) -> Answer:
        return good(request).model_copy(update={"text": "<piece>No.</piece>"}) if request.step == "amend" else script(request, asked)

    made, asked = drive(told, story, script)
    assert steps_of(asked) == ["draft", "rewrite", "amend", "score", "identify"]
    assert "banned_name:elara" in asked[2].turns[-1].content and "Elara counted" in asked[2].turns[-1].content
    assert made.document and made.document.text == PIECE
    stubborn, asked = drive(told, story, worn)
    assert steps_of(asked).count("amend") == 1 and stubborn.document and "Elara" in stubborn.document.text  # for the gate to refuse
    cut, _ = drive(told, story, short)
    assert cut.document and "Elara" in cut.document.text  # an amendment that cuts the text away is none


def test_the_blind_reader_is_told_nothing_of_what_was_meant(cook: Any, story: Brief) -> None:
    _, asked = drive(cook, story)
    told = asked[-1].turns[-1].content
    assert [turn.role for turn in asked[-1].turns] == ["user"] and PIECE in told
    assert story.what not in told and cook.principles[story.principles[0]].text not in told
    assert cook.library.traits[story.trait].description in told and told.count("\nA. ") == told.count("\nG. ") == told.count("\nH. ") == 1


def test_the_options_of_the_blind_reader_stand_in_another_order_each_time(cook: Any, briefs: list[Brief]) -> None:
    places = set()
    for brief in (brief for brief in briefs if brief.recipe == "story"):
        told = rendered(cook, brief)[-1].turns[-1].content
        places.add(next(line[0] for line in told.split("\n") if line[1:2] == "." and cook.library.traits[brief.trait].description in line))
    assert len(places) >= 5


def test_a_judge_that_is_not_there_leaves_no_verdict(library: Any, principles: tuple[Principle, ...], story: Brief) -> None:
    made, asked = drive(kitchen(library, principles, ("writer", "rewriter")), story)
    assert steps_of(asked) == ["draft", "rewrite"] and made.judged is None


def test_a_planner_thinks_the_piece_through_first(library: Any, principles: tuple[Principle, ...], story: Brief) -> None:
    cook = kitchen(library, principles, ("planner", "writer"))

    def script(request: Request, asked: int) -> Answer:
        return good(request).model_copy(update={"text": text_of(request).replace('"none"', '"the seed drawer"', 1)})

    made, asked = drive(cook, story, script)
    assert steps_of(asked) == ["plan", "draft"] and made.document
    assert "the seed drawer" in asked[1].turns[-1].content
    assert "the seed drawer" not in rendered(kitchen(library, principles, ("writer",)), story)[0].turns[-1].content
    empty = ended("end_turn", "I will not.")
    made, asked = drive(cook, story, lambda request, n: good(request) if request.step == "draft" else empty(request, n))
    assert steps_of(asked) == ["plan", "plan", "draft"] and made.document  # written from the brief alone


def test_an_invalid_request_is_the_end_of_its_document_alone(cook: Any, story: Brief) -> None:
    made, asked = drive(cook, story, ended("invalid_request", detail="prompt is too long"))
    assert len(asked) == 1 and made.unwritten and made.unwritten.reason == "stopped:invalid_request"


def test_the_hash_knows_content_and_not_transport(library: Any, principles: tuple[Principle, ...], story: Brief) -> None:
    live = kitchen(library, principles, ("writer",))
    batch = live._replace(models={"writer": "anthropic-batch/m"}, fingerprints={"writer": "anthropic/m"})
    live = live._replace(models={"writer": "anthropic/m"}, fingerprints={"writer": "anthropic/m"})
    other = live._replace(fingerprints={"writer": "anthropic/n"})
    one, two, three = (rendered(found, story)[0].hash for found in (live, batch, other))
    assert one == two != three


def test_braces_in_content_are_content(cook: Any, story: Brief) -> None:
    brief = story.model_copy(update={"what": "writes {principle} and {nobody} and }{"})
    assert "writes {principle} and {nobody} and }{" in rendered(cook, brief)[0].turns[-1].content


def test_a_brief_that_gave_nothing_is_told_under_the_id_that_the_plan_knows(cook: Any, story: Brief) -> None:
    def script(request: Request, asked: int) -> Answer:
        return ended("refusal" if brief_of(request).id == story.id else "end_turn")(request, asked)  # type: ignore[return-value]

    for made, _ in (drive(cook, story, ended("refusal")), drive(cook, story, script)):
        assert made.unwritten and made.unwritten.document_id == story.id


@pytest.mark.parametrize("text", ["\u200b\ufeff\u2060", "\u202e \u200f", "\u00ad"])
def test_what_nobody_can_read_is_no_text(cook: Any, story: Brief, text: str) -> None:
    made, asked = drive(cook, story, ended("end_turn", text=text))
    assert steps_of(asked) == ["draft"] * 3 and made.unwritten and made.unwritten.reason == "empty_answer"
    empty = ended("end_turn", text=f"<piece>{text}</piece>")
    made, asked = drive(cook, story, lambda request, n: good(request) if request.step == "draft" else empty(request, n))
    assert made.unwritten and made.unwritten.reason in ("unparsed", "empty_answer")


@pytest.mark.parametrize(("stop", "text"), [("max_tokens", ""), ("max_tokens", " \n"), ("model_context_window_exceeded", "She counted")])
def test_what_cannot_be_continued_is_not_asked_for(cook: Any, story: Brief, stop: str, text: str) -> None:
    """A provider refuses a turn without text, and a full context has no room for more."""
    made, asked = drive(cook, story, ended(stop, text=text))
    assert steps_of(asked) == ["draft"] and made.unwritten and made.unwritten.reason == f"stopped:{stop}"


@pytest.mark.parametrize(
    "said",
    [
        f"I will use <piece> and </piece>.\n<piece>{PIECE}</piece>",
        f"<piece>{PIECE}</piece>\nIt stands between <piece> and </piece>, as asked.",
        f"The draft was:\n<piece>{PIECE} {PIECE[:50]}</piece>\nBetter:\n<piece>{PIECE}</piece>",
        f"<piece></piece><piece>{PIECE}</piece><piece></piece>",
        f"<piece>I begin. <piece>\n{PIECE}\n</piece>",
    ],
)
def test_the_document_is_what_was_written_last_and_not_a_remark_on_tags(cook: Any, story: Brief, said: str) -> None:
    def script(request: Request, asked: int) -> Answer:
        return good(request).model_copy(update={"text": said}) if request.step == "rewrite" else good(request)

    made, _ = drive(cook, story, script)
    assert made.document and made.document.text == PIECE


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.replace('"verdict": "pass"', '"verdict": "fail", "verdict": "pass"', 1),
        lambda said: said.replace('"eval_shape": 1', '"eval_shape": NaN'),
        lambda said: said.replace('"eval_shape": 1', f'"eval_shape": {"9" * 5000}'),
        lambda said: said.replace('"eval_shape": 1', '"eval_shape": true'),
    ],
)
def test_a_verdict_that_can_be_read_two_ways_is_none(cook: Any, story: Brief, change: Callable[[str], str]) -> None:
    def script(request: Request, asked: int) -> Answer:
        return good(request).model_copy(update={"text": change(text_of(request)) if request.step == "score" else text_of(request)})

    made, _ = drive(cook, story, script)
    assert made.judged and made.judged.reason == "unparsed"


def test_the_last_of_several_verdicts_counts(cook: Any, story: Brief) -> None:
    def script(request: Request, asked: int) -> Answer:
        said = text_of(request)
        return good(request).model_copy(update={"text": f"{said.replace('pass', 'fail')} no: {said}." if request.step == "score" else said})

    made, _ = drive(cook, story, script)
    assert made.judged and made.judged.reason == "ok"


def test_escaped_halves_of_characters_in_a_verdict_are_mended(cook: Any, story: Brief) -> None:
    """JSON may hold them, and no file can."""

    def script(request: Request, asked: int) -> Answer:
        said = text_of(request).replace('"faults": "none"', r'"faults": "\ud83d and \u0000"')
        return good(request).model_copy(update={"text": said})

    made, _ = drive(cook, story, script)
    assert made.judged and made.judged.keep and "\ufffd and " in made.judged.explanation
    assert made.judged.model_dump_json().encode()


@pytest.mark.parametrize("text", ["{nobody}", "{what:d}", "{}", "{what.__class__}", "{"])
def test_a_fault_in_any_prompt_shows_before_anything_is_bought(
    library: Any, principles: tuple[Principle, ...], story: Brief, text: str
) -> None:
    cook = kitchen(library, principles, ("planner", "writer", "rewriter", "judge"))
    recipe = cook.library.recipes["story"]
    for number, step in enumerate(recipe.prompts):
        prompts = (*recipe.prompts[:number], step._replace(text=text), *recipe.prompts[number + 1 :])
        with pytest.raises(UsageError, match=f"the prompt {step.where}"):
            recipes = {"story": recipe._replace(prompts=prompts)}
            preflight(cook._replace(library=_library(cook.library, recipes, cook.library.shared)), [story])
    for name in ("continue", "repair", "amend", "revise", "plan"):
        broken = {**cook.library.shared, name: cook.library.shared[name]._replace(text=text)}
        with pytest.raises(UsageError, match=f"the prompt shared/{name}.md"):
            preflight(cook._replace(library=_library(cook.library, cook.library.recipes, broken)), [story])
    preflight(cook, [story])


def _library(library: Any, recipes: Any, shared: Any) -> Any:
    return Other(library, recipes, shared)


class Other:
    """A library with other recipes."""

    def __init__(self, library: Any, recipes: Any, shared: Any) -> None:
        self._library, self.recipes, self.shared = library, recipes, shared

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)


def test_a_text_of_five_megabytes_is_read_at_once(cook: Any, story: Brief) -> None:
    long = "<piece>" * 100_000 + PIECE * 50_000 + "</piece>" + "<piece>" * 100_000 + "\nUser:" * 100_000

    def script(request: Request, asked: int) -> Answer:
        return good(request).model_copy(update={"text": long}) if request.step == "rewrite" else good(request)

    since = time.monotonic()
    made, _ = drive(cook, story, script)
    assert made.document and len(made.document.text) == 50_000 * len(PIECE) and time.monotonic() - since < 10
