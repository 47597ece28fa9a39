"""How one document comes about, step by step: a generator that yields each request and is sent its answer.

The same generator runs against a live model and against the ledger, so that a resumed build takes the very same way.

    plan -> draft -> rewrite by a fresh context -> amend, where a check names an offence -> score -> revise, once -> score -> identify
       refused: another setting and form, twice at most; empty: asked again; cut: continued; malformed: one repair
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple

from builder.outputs import example, parse
from builder.prompts import Prompt
from builder.records import Answer, Brief, Document, Request, Step, Verdict
from builder.stages.write.asking import Kitchen, Reply, asking, check_mending, request_for
from builder.stages.write.blind import Options, lettered, options
from builder.stages.write.judging import UNPARSED, Judgement, axes_of, echoed, fitted, judgement, misquoted, verdict
from builder.stages.write.page import Page, opened

REPLANS = 2  # of a refused brief; a third refusal is the matter's, not the setting's
JUDGING = frozenset({"score", "identify"})
_DISPENSABLE = frozenset({"plan", "ask"})  # without their output the document is written all the same
_LEAST_KEPT = 0.6  # of a text's words, where it was no longer than asked; what cuts more away is no amendment


class Made(NamedTuple):
    """What became of one brief: a document, and what the judge said of it; or the reason why there is none."""

    document: Document | None
    judged: Verdict | None = None
    unwritten: Verdict | None = None


Making = Generator[Request, Answer, Made]
Paging = Generator[Request, Answer, Page]


def making(kitchen: Kitchen, brief: Brief) -> Making:
    """Every request of one document in order; returns what became of it."""
    for attempt in range(REPLANS + 1):
        planned = kitchen.replan(brief, attempt) if attempt else brief
        made = yield from _written(kitchen, planned)
        if made.unwritten is None or not made.unwritten.reason.startswith("refused"):
            break
    if made.unwritten:  # the plan knows it under its first id
        made = made._replace(unwritten=made.unwritten.model_copy(update={"document_id": brief.id}))
    return made


def preflight(kitchen: Kitchen, briefs: Iterable[Brief]) -> None:
    """Render every prompt once, those that mend an answer too: a fault in one of them shows before anything is bought."""
    first: dict[str, Brief] = {}
    for brief in briefs:
        first.setdefault(brief.recipe, brief)
    for brief in first.values():
        rendered(kitchen, brief, occasional=True)
        for prompt in steps(kitchen, brief):
            if prompt.role in kitchen.rendered:
                check_mending(kitchen, prompt)


def rendered(kitchen: Kitchen, brief: Brief, occasional: bool = False) -> tuple[Request, ...]:
    """The requests of one document when nothing goes wrong, with filler for what earlier steps would have written.

    ``occasional`` adds those that only an offence or a judge's findings bring about.
    """
    page, found = opened(kitchen.sources.get(brief.source)), []
    axes = axes_of(kitchen.library.rubrics, brief)
    words = (brief.min_words + brief.max_words) // 2
    writing: Prompt | None = None
    for prompt in (fitted(prompt, axes) for prompt in steps(kitchen, brief)):
        if prompt.step == "identify":
            prompt, chosen = _blinded(kitchen, prompt, brief)
            found.append(request_for(kitchen, prompt, brief, page, chosen.variables))
            continue
        found.append(request_for(kitchen, prompt, brief, page))
        if prompt.step not in JUDGING:
            length = 60 if isinstance(prompt.output, Mapping) or prompt.output == "message" else words
            page = page.after(prompt, parse(prompt, example(prompt, length)))
            writing = prompt
    for name in ("amend", "revise") if occasional else ():
        if writing and (mending := _mender(kitchen, name, writing, brief)):
            found.append(request_for(kitchen, mending, brief, page, _mended_text(mending, page, "none")))
    return tuple(found)


def steps(kitchen: Kitchen, brief: Brief) -> tuple[Prompt, ...]:
    """The steps of a brief's recipe whose role has a model; one that is not told in words takes the draft alone."""
    prompts = kitchen.library.recipes[brief.recipe].prompts
    able = kitchen.rendered
    return tuple(prompt for prompt in prompts if kitchen.models.get(prompt.role) and (prompt.role in able or prompt.step == "draft"))


def _written(kitchen: Kitchen, brief: Brief) -> Making:
    page, done = opened(kitchen.sources.get(brief.source)), list[Reply]()
    prompts = steps(kitchen, brief)
    writing = [prompt for prompt in prompts if prompt.step not in JUDGING]
    for prompt in writing:
        reply = yield from asking(kitchen, prompt, brief, page)
        done.append(reply)
        if not reply.fault:
            page = page.after(prompt, reply.output)
        elif prompt.step not in _DISPENSABLE or reply.fault.startswith("refused"):
            return Made(None, unwritten=_unwritten(brief, prompt, reply))
    page = yield from _amended(kitchen, brief, page, writing[-1], done)
    judging = [prompt for prompt in prompts if prompt.step in JUDGING]
    judged = None
    if judging:
        page, judged = yield from _judged(kitchen, brief, page, writing[-1], judging, done)
    return Made(_document(brief, page, done), judged)


def _amended(kitchen: Kitchen, brief: Brief, page: Page, last: Prompt, done: list[Reply]) -> Paging:
    """The page without the offence that a check finds in it, where one more rewriting takes it out; else as it is, for the gates to say."""
    prompt = _mender(kitchen, "amend", last, brief)
    offences = kitchen.offences(brief, page.text) if prompt else ""
    if not offences or prompt is None:
        return page
    reply = yield from asking(kitchen, prompt, brief, page, _mended_text(prompt, page, offences))
    done.append(reply)
    if reply.fault:
        return page
    amended = page.after(prompt, reply.output)
    least = min(_LEAST_KEPT * len(page.text.split()), brief.min_words)
    return amended if len(amended.text.split()) >= least else page


def _judged(
    kitchen: Kitchen, brief: Brief, page: Page, last: Prompt, prompts: Iterable[Prompt], done: list[Reply]
) -> Generator[Request, Answer, tuple[Page, Verdict]]:
    """The page as it stands when its judge has been heard, after a revision where that was worth one, and the verdict on it."""
    by_step = {prompt.step: prompt for prompt in prompts}
    found, blind = Judgement({}, {}, None, ""), None
    if score := by_step.get("score"):
        found = yield from _scored(kitchen, brief, page, score, done)
        prompt = _mender(kitchen, "revise", last, brief)
        if found.faults and prompt and kitchen.revisions:
            reply = yield from asking(kitchen, prompt, brief, page, _mended_text(prompt, page, found.faults))
            done.append(reply)
            if not reply.fault:
                page = yield from _amended(kitchen, brief, page.after(prompt, reply.output), last, done)
                found = yield from _scored(kitchen, brief, page, score, done)
    if identify := by_step.get("identify"):
        asked, chosen = _blinded(kitchen, identify, brief)
        reply = yield from asking(kitchen, asked, brief, page, chosen.variables)
        done.append(reply)
        blind = UNPARSED if reply.fault else chosen.letters[str(reply.output.values["shown"])]
    return page, verdict(brief, found, done[-1].request.model, blind)


def _scored(kitchen: Kitchen, brief: Brief, page: Page, prompt: Prompt, done: list[Reply]) -> Generator[Request, Answer, Judgement]:
    axes = axes_of(kitchen.library.rubrics, brief)
    asked = fitted(prompt, axes)
    reply = yield from asking(
        kitchen, asked, brief, page, check=lambda prompt, output: misquoted(prompt, output, axes, page.told)
    )
    done.append(reply)
    whole = reply.output.values and not echoed(reply.output, page.told)
    well_formed = reply.fault == "unparsed" and whole  # only quotes are wrong: the other axes count
    return judgement(asked, reply.output, axes, page.told, "" if well_formed else reply.fault)


def _blinded(kitchen: Kitchen, prompt: Prompt, brief: Brief) -> tuple[Prompt, Options]:
    chosen = options(prompt, kitchen.library.traits, brief.trait, brief.seed)
    return lettered(prompt, chosen), chosen


def _mender(kitchen: Kitchen, name: str, last: Prompt, brief: Brief) -> Prompt | None:
    """The shared prompt that mends what the last writing step left; ``None`` where no model can be told to.

    It is told after the same preamble, so that the cached prefix is met again. A conversation is mended as a whole, but for an existing
    one, of which only the answer is ours.
    """
    role = next((role for role in ("rewriter", "writer") if role in kitchen.rendered), None)
    if role is None:
        return None
    output = "turns" if last.output == "answer" and not brief.source else last.output
    return kitchen.library.shared[name]._replace(role=role, preamble=last.preamble, output=output)


def _mended_text(prompt: Prompt, page: Page, faults: str) -> dict[str, str]:
    return {"faults": faults, "text": page.fields["answer"] if prompt.output == "answer" else page.told}


def _document(brief: Brief, page: Page, done: Iterable[Reply]) -> Document:
    made = tuple(
        Step(
            name=reply.request.step, role=reply.role, model=reply.request.model, prompt_hash=reply.request.prompt_hash,
            request_hash=reply.request.hash, stop_reason=reply.answer.stop_reason, usage=reply.usage,
        )
        for reply in done
    )  # fmt: skip
    return Document(id=brief.id, brief=brief, text=page.text, turns=page.turns, steps=made)


def _unwritten(brief: Brief, prompt: Prompt, reply: Reply) -> Verdict:
    return Verdict(
        document_id=brief.id, gate="write", keep=False, reason=reply.fault, explanation=f"{prompt.step}: {reply.output.fault}".rstrip(": "),
        model=reply.request.model,
    )  # fmt: skip
