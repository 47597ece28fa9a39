"""How one document comes about: what is asked, in what order, and what every kind of answer leads to."""

from __future__ import annotations

import time
from typing import Any

import pytest

from builder.errors import UsageError
from builder.records import Answer, Brief, Principle, Request
from builder.stages.write import Made, making, preflight, rendered
from buying.scripted import JUDGED, PIECE, Script, ended, good, kitchen, text_of


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
    assert steps_of(asked) == ["draft", "rewrite", "score"]
    assert [request.model for request in asked] == ["scripted/writer", "scripted/rewriter", "scripted/judge"]
    assert PIECE in asked[1].turns[-1].content and PIECE in asked[2].turns[-1].content
    assert made.document and made.document.text == PIECE
    assert [step.name for step in made.document.steps] == ["draft", "rewrite", "score"]
    assert made.judged and made.judged.keep and made.judged.scores == {"judge": 1.0, "eval_shape": 1.0}


def test_a_role_without_a_model_has_its_steps_left_out(library: Any, principles: tuple[Principle, ...], story: Brief) -> None:
    made, asked = drive(kitchen(library, principles, ("writer",)), story)
    assert steps_of(asked) == ["draft"] and made.document and made.judged is None


def test_every_recipe_is_made(cook: Any, briefs: list[Brief]) -> None:
    for kind in ("story", "document", "advice"):
        brief = next(brief for brief in briefs if brief.recipe == kind)
        made, _ = drive(cook, brief)
        assert made.document and PIECE in made.document.text
        assert [turn.role for turn in made.document.turns] == (["user", "assistant"] if kind == "advice" else [])


def test_the_preamble_is_the_same_for_all_and_comes_first(cook: Any, briefs: list[Brief]) -> None:
    stories = [brief for brief in briefs if brief.recipe == "story"]
    heads = {request.turns[0] for brief in stories for request in rendered(cook, brief)}
    assert len(heads) == 1 and next(iter(heads)).role == "system" and "# All of it" in next(iter(heads)).content


def test_a_refusal_is_told_elsewhere_twice_then_given_up(cook: Any, story: Brief) -> None:
    made, asked = drive(cook, story, ended("refusal", detail="frontier_llm"))
    assert steps_of(asked) == ["draft"] * 3
    assert len({(request.brief.setting, request.brief.form) for request in asked}) == 3
    assert len({request.brief.trait for request in asked}) == 1 and len({request.hash for request in asked}) == 3
    assert made.document is None and made.unwritten and made.unwritten.reason == "refused:frontier_llm"


def test_a_refusal_that_another_setting_mends_gives_the_document_told_there(cook: Any, story: Brief) -> None:
    made, asked = drive(cook, story, lambda request, n: good(request) if request.brief.id != story.id else ended("refusal")(request, n))
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
    assert steps_of(asked) == ["draft", "draft", "rewrite", "score"]
    assert "She counted the sacks again." in asked[2].turns[-1].content
    made, asked = drive(cook, story, ended("max_tokens", text="She counted"))
    assert steps_of(asked) == ["draft", "draft"]
    assert made.unwritten and made.unwritten.reason == "stopped:max_tokens"


def test_a_malformed_rewrite_is_repaired_once_and_then_unparsed(cook: Any, story: Brief) -> None:
    def forgetful(request: Request, asked: int) -> Answer:
        repaired = request.turns[-2].role == "assistant"
        return good(request) if request.step != "rewrite" or repaired else good(request).model_copy(update={"text": PIECE})

    made, asked = drive(cook, story, forgetful)
    assert steps_of(asked) == ["draft", "rewrite", "rewrite", "score"] and made.document
    assert "<piece>" in asked[2].turns[-1].content
    made, asked = drive(
        cook, story, lambda request, n: good(request) if request.step == "draft" else good(request).model_copy(update={"text": PIECE})
    )
    assert steps_of(asked) == ["draft", "rewrite", "rewrite"] and made.unwritten and made.unwritten.reason == "unparsed"


@pytest.mark.parametrize(
    ("said", "reason", "keep"),
    [
        (JUDGED, "ok", True),
        (JUDGED.replace("pass", "revise"), "ok", True),
        (JUDGED.replace("pass", "fail"), "judged_fail", False),
        (JUDGED.replace("pass", "excellent"), "unparsed", False),
        (JUDGED.replace(": 1,", ": 9,"), "unparsed", False),
        ("I would pass this.", "unparsed", False),
        ('{"verdict": "pass"}', "unparsed", False),
        ("[" * 100_000, "unparsed", False),
    ],
)
def test_only_a_whole_verdict_counts(cook: Any, story: Brief, said: str, reason: str, keep: bool) -> None:
    def script(request: Request, asked: int) -> Answer:
        return good(request).model_copy(update={"text": said if request.step == "score" else text_of(request)})

    made, asked = drive(cook, story, script)
    assert made.document and made.judged and (made.judged.reason, made.judged.keep) == (reason, keep)
    assert steps_of(asked).count("score") == (2 if reason == "unparsed" else 1)


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
        return ended("refusal" if request.brief.id == story.id else "end_turn")(request, asked)  # type: ignore[return-value]

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
    "said",
    [
        JUDGED.replace('"verdict": "pass"', '"verdict": "fail", "verdict": "pass"'),
        JUDGED.replace(": 1,", ": NaN,"),
        JUDGED.replace(": 1,", f": {'9' * 5000},"),
        JUDGED.replace(": 1,", ": true,"),
    ],
)
def test_a_verdict_that_can_be_read_two_ways_is_none(cook: Any, story: Brief, said: str) -> None:
    def script(request: Request, asked: int) -> Answer:
        return good(request).model_copy(update={"text": said}) if request.step == "score" else good(request)

    made, _ = drive(cook, story, script)
    assert made.judged and made.judged.reason == "unparsed"


def test_the_last_of_several_verdicts_counts(cook: Any, story: Brief) -> None:
    def script(request: Request, asked: int) -> Answer:
        said = JUDGED.replace('"verdict": "pass"', '"verdict": "fail"')
        return good(request).model_copy(update={"text": f"{said} no: {JUDGED}."}) if request.step == "score" else good(request)

    made, _ = drive(cook, story, script)
    assert made.judged and made.judged.reason == "ok"


def test_escaped_halves_of_characters_in_a_verdict_are_mended(cook: Any, story: Brief) -> None:
    """JSON may hold them, and no file can."""
    said = JUDGED.replace('"none"', r'"\ud83d and \u0000"')

    def script(request: Request, asked: int) -> Answer:
        return good(request).model_copy(update={"text": said}) if request.step == "score" else good(request)

    made, _ = drive(cook, story, script)
    assert made.judged and made.judged.keep and "\ufffd and " in made.judged.explanation
    assert made.judged.model_dump_json().encode()


@pytest.mark.parametrize("text", ["{nobody}", "{what:d}", "{}", "{what.__class__}", "{"])
def test_a_fault_in_any_prompt_shows_before_anything_is_bought(cook: Any, story: Brief, text: str) -> None:
    recipe = cook.library.recipes["story"]
    for number, step in enumerate(recipe.prompts):
        prompts = (*recipe.prompts[:number], step._replace(text=text), *recipe.prompts[number + 1 :])
        with pytest.raises(UsageError, match=f"the prompt story/{step.step}.md"):
            recipes = {"story": recipe._replace(prompts=prompts)}
            preflight(cook._replace(library=Other(cook.library, recipes, cook.library.shared)), [story])
    broken = {name: prompt._replace(text=text) for name, prompt in cook.library.shared.items()}
    with pytest.raises(UsageError, match="the prompt shared/continue.md"):
        preflight(cook._replace(library=Other(cook.library, cook.library.recipes, broken)), [story])
    preflight(cook, [story])


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
    assert made.document and len(made.document.text) == 50_000 * len(PIECE) and time.monotonic() - since < 3
