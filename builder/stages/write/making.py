"""How one document comes about, step by step: a generator that yields each request and is sent its answer.

The same generator runs against a live model and against the ledger, so that a resumed build takes the very same way.

    draft -> (continue when cut) -> rewrite by a fresh context -> score
       refused: another setting and form, twice at most; empty: asked again; malformed: one repair
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import NamedTuple

from builder.library import Library
from builder.outputs import Output, blank, example, parse, schema
from builder.prompts import Prompt
from builder.records import Answer, Brief, Document, Principle, Request, Step, Turn, Usage, Verdict, digest
from builder.rendering import filled, render
from builder.stages.write.variables import variables

REPLANS = 2  # of a refused brief; a third refusal is the matter's, not the setting's
SAMPLES = 3  # of a request that is answered with nothing
WHOLE = frozenset({"end_turn", "stop_sequence"})
CUT = frozenset({"max_tokens", "model_context_window_exceeded"})
_TOKENS_A_WORD = 1.35  # English prose in the usual tokenizers
_ROOM = 1.6  # over the asked length: writers overshoot, and a cut text costs a second call
_NOTES = 1_000  # tokens for faults listed before a rewrite, or a verdict with its quotes

Asking = Generator[Request, Answer, "Reply"]


class Kitchen(NamedTuple):
    """What every document of one build is made with.

    ``models`` and ``fingerprints`` are by role; a role without a model has its steps left out. ``rendered`` holds the roles whose
    prompts are rendered. ``replan(brief, attempt)`` gives a refused brief another setting and form.
    """

    library: Library
    principles: Mapping[str, Principle]
    constitution: str
    models: Mapping[str, str]
    fingerprints: Mapping[str, str]
    rendered: frozenset[str]
    replan: Callable[[Brief, int], Brief]


class Made(NamedTuple):
    """What became of one brief: a document, and what the judge said of it; or the reason why there is none."""

    document: Document | None
    judged: Verdict | None = None
    unwritten: Verdict | None = None


class Reply(NamedTuple):
    """The end of one step: what was read, the request and answer that gave it, and what all answers of the step used.

    ``fault`` is a slug; empty when all is well.
    """

    output: Output
    request: Request
    answer: Answer
    usage: Usage
    fault: str = ""


def making(kitchen: Kitchen, brief: Brief) -> Generator[Request, Answer, Made]:
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
        rendered(kitchen, brief)
        for prompt in steps(kitchen, brief):
            for name in ("continue", "repair") if prompt.role in kitchen.rendered else ():
                _told(kitchen, name, prompt, "")


def rendered(kitchen: Kitchen, brief: Brief) -> tuple[Request, ...]:
    """The requests of one document when nothing goes wrong, with filler for what earlier steps would have written."""
    text, found = "", []
    for prompt in steps(kitchen, brief):
        found.append(_request(kitchen, prompt, brief, _turns(kitchen, prompt, brief, text)))
        text = parse(prompt, example(prompt, (brief.min_words + brief.max_words) // 2)).text
    return tuple(found)


def steps(kitchen: Kitchen, brief: Brief) -> tuple[Prompt, ...]:
    """The steps of a brief's recipe whose role has a model."""
    return tuple(prompt for prompt in kitchen.library.recipes[brief.recipe].prompts if kitchen.models.get(prompt.role))


def _written(kitchen: Kitchen, brief: Brief) -> Generator[Request, Answer, Made]:
    done: list[Reply] = []
    text, turns = "", tuple[Turn, ...]()
    for prompt in steps(kitchen, brief):
        reply = yield from _step(kitchen, prompt, brief, text)
        done.append(reply)
        if prompt.step == "score":
            return Made(_document(kitchen, brief, text, turns, done), judged=_judged(brief, reply))
        if reply.fault:
            return Made(None, unwritten=_unwritten(brief, prompt, reply))
        text, turns = reply.output.text, reply.output.turns
    return Made(_document(kitchen, brief, text, turns, done))


def _step(kitchen: Kitchen, prompt: Prompt, brief: Brief, text: str) -> Asking:
    """One step to its end: asked again when empty, continued when cut, repaired when malformed; each once, but for the empty."""
    turns = _turns(kitchen, prompt, brief, text)
    reply = yield from _asked(kitchen, prompt, brief, turns)
    # A full context has no room for more, and a provider takes no turn without text.
    if reply.answer.stop_reason == "max_tokens" and turns and not blank(reply.answer.text):
        more = (*turns, Turn(role="assistant", content=reply.answer.text), _told(kitchen, "continue", prompt, ""))
        rest = yield from _asked(kitchen, prompt, brief, more)
        whole = rest.answer.model_copy(update={"text": reply.answer.text + rest.answer.text, "turns": ()})
        reply = _read(prompt, rest.request, whole, reply.usage.plus(rest.usage))
    if reply.fault == "unparsed" and turns:
        more = (*turns, Turn(role="assistant", content=reply.answer.text), _told(kitchen, "repair", prompt, reply.output.fault))
        mended = yield from _asked(kitchen, prompt, brief, more)
        reply = mended._replace(usage=reply.usage.plus(mended.usage))
    return reply


def _asked(kitchen: Kitchen, prompt: Prompt, brief: Brief, turns: tuple[Turn, ...]) -> Asking:
    usage = Usage()
    for sample in range(SAMPLES):
        request = _request(kitchen, prompt, brief, turns, sample)
        answer = yield request
        usage = usage.plus(answer.usage)
        if not blank(answer.text) or answer.stop_reason not in WHOLE:
            break
    return _read(prompt, request, answer, usage)


def _read(prompt: Prompt, request: Request, answer: Answer, usage: Usage) -> Reply:
    if answer.stop_reason in CUT:
        return Reply(Output(), request, answer, usage, f"stopped:{answer.stop_reason}")
    if answer.stop_reason not in WHOLE:
        slug = "refused" if answer.stop_reason == "refusal" else f"stopped:{answer.stop_reason}"
        return Reply(Output(), request, answer, usage, f"{slug}:{answer.detail}" if answer.detail and slug == "refused" else slug)
    if blank(answer.text):
        return Reply(Output(), request, answer, usage, "empty_answer")
    if answer.turns or not request.turns:  # the embedded writer answers in turns of its own
        return Reply(Output(text=answer.text, turns=answer.turns), request, answer, usage)
    output = parse(prompt, answer.text)
    return Reply(output, request, answer, usage, "unparsed" if output.fault else "")


def _turns(kitchen: Kitchen, prompt: Prompt, brief: Brief, text: str) -> tuple[Turn, ...]:
    if prompt.role not in kitchen.rendered:
        return ()
    values = variables(brief, kitchen.library, kitchen.principles, kitchen.constitution)
    return render(prompt, brief.recipe, {**values, "text": text})


def _told(kitchen: Kitchen, name: str, prompt: Prompt, fault: str) -> Turn:
    values = {"fault": fault, "inside": prompt.inside}
    return Turn(role="user", content=filled(kitchen.library.shared[name].text, f"shared/{name}.md", values))


def _request(kitchen: Kitchen, prompt: Prompt, brief: Brief, turns: tuple[Turn, ...], sample: int = 0) -> Request:
    """One request. Its hash covers the model, what it is told, the parameters and the sample number; never transport."""
    model, fingerprint = kitchen.models[prompt.role], kitchen.fingerprints[prompt.role]
    most, wanted = _max_tokens(prompt, brief), schema(prompt)
    if turns:
        told = "\0".join(f"{turn.role}\0{turn.content}" for turn in turns)
        key = digest("\0".join((fingerprint, told, wanted, str(most), str(sample))))
    else:
        key = digest("\0".join((model, fingerprint, prompt.step, prompt.hash, brief.model_dump_json(), str(sample))))
    return Request(
        hash=key, document_id=brief.id, step=prompt.step, model=model, prompt_hash=prompt.hash, brief=brief, turns=turns, sample=sample,
        max_tokens=most, schema_text=wanted,
    )  # fmt: skip


def _max_tokens(prompt: Prompt, brief: Brief) -> int:
    """Room for the longest text that was asked for, and notes beside it where the grammar has them."""
    if isinstance(prompt.output, Mapping):
        return 2 * _NOTES
    return math.ceil(brief.max_words * _TOKENS_A_WORD * _ROOM) + (_NOTES if prompt.inside else 0)


def _document(kitchen: Kitchen, brief: Brief, text: str, turns: tuple[Turn, ...], done: list[Reply]) -> Document:
    roles = {prompt.step: prompt.role for prompt in steps(kitchen, brief)}
    made = tuple(
        Step(
            name=reply.request.step, role=roles[reply.request.step], model=reply.request.model, prompt_hash=reply.request.prompt_hash,
            request_hash=reply.request.hash, stop_reason=reply.answer.stop_reason, usage=reply.usage,
        )
        for reply in done
    )  # fmt: skip
    return Document(id=brief.id, brief=brief, text=text, turns=turns, steps=made)


def _unwritten(brief: Brief, prompt: Prompt, reply: Reply) -> Verdict:
    return Verdict(
        document_id=brief.id, gate="write", keep=False, reason=reply.fault, explanation=f"{prompt.step}: {reply.output.fault}".rstrip(": "),
        model=reply.request.model,
    )  # fmt: skip


def _judged(brief: Brief, reply: Reply) -> Verdict:
    """The judge's verdict; what could not be read is ``unparsed``, neither a pass nor a fail."""
    said = reply.output.values
    verdict = str(said.get("verdict", ""))
    reason = reply.fault or ("ok" if verdict != "fail" else "judged_fail")
    scores = {"judge": {"pass": 1.0, "revise": 0.5}.get(verdict, 0.0)} if verdict else {}
    scores |= {name: float(value) for name, value in said.items() if isinstance(value, int)}
    why = "; ".join(f"{name}: {value}" for name, value in said.items() if isinstance(value, str) and name != "verdict")
    return Verdict(
        document_id=brief.id, gate="judge", keep=reason == "ok", reason=reason, scores=scores, explanation=why, model=reply.request.model
    )
