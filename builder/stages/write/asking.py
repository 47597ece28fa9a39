"""One step of a document: its prompt rendered, asked, and what is done about an answer that is empty, cut or malformed."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple

from builder.library import Library
from builder.outputs import Output, blank, parse, schema
from builder.prompts import Prompt
from builder.recipe import IdentitySection
from builder.records import Answer, Brief, Principle, Request, Turn, Usage, digest
from builder.references import Reference, Source
from builder.rendering import content_hash, filled, render
from builder.stages.write.exemplars import exemplars
from builder.stages.write.page import Page
from builder.stages.write.variables import variables

SAMPLES = 3  # of a request that is answered with nothing
WHOLE = frozenset({"end_turn", "stop_sequence"})
CUT = frozenset({"max_tokens", "model_context_window_exceeded"})
_TOKENS_A_WORD = 1.35  # English prose in the usual tokenizers
_ROOM = 1.6  # over the asked length: writers overshoot, and a cut text costs a second call
_NOTES = 1_000  # tokens for faults listed before a rewrite
_FIELD = 400  # tokens for a text field of a structured answer, a quote among them

Asking = Generator[Request, Answer, "Reply"]
Check = Callable[[Prompt, Output], str]


class Kitchen(NamedTuple):
    """What every document of one build is made with.

    ``models`` and ``fingerprints`` are by role; a role without a model has its steps left out. ``rendered`` holds the roles whose
    prompts are rendered. ``replan(brief, attempt)`` gives a refused brief another setting and form. ``offences(brief, text)`` says what a
    program finds wrong with a text, a line each.
    """

    library: Library
    principles: Mapping[str, Principle]
    constitution: str
    models: Mapping[str, str]
    fingerprints: Mapping[str, str]
    rendered: frozenset[str]
    replan: Callable[[Brief, int], Brief]
    offences: Callable[[Brief, str], str] = lambda brief, text: ""
    identity: IdentitySection = IdentitySection()
    references: tuple[Reference, ...] = ()
    sources: Mapping[str, Source] = {}
    exemplars: int = 2
    revisions: int = 1


class Reply(NamedTuple):
    """The end of one step: what was read, the request and answer that gave it, and what all answers of the step used.

    ``fault`` is a slug; empty when all is well.
    """

    output: Output
    request: Request
    answer: Answer
    usage: Usage
    role: str
    fault: str = ""


def asking(
    kitchen: Kitchen, prompt: Prompt, brief: Brief, page: Page, told: Mapping[str, str] | None = None, check: Check | None = None
) -> Asking:
    """One step to its end: asked again when empty, continued when cut, repaired when malformed; each once, but for the empty.

    ``told`` are variables of this step alone; ``check`` says what is wrong with an output that is well formed.
    """
    turns = _turns(kitchen, prompt, brief, page, told or {})
    reply = yield from _asked(kitchen, prompt, brief, turns, check)
    # A full context has no room for more, and a provider takes no turn without text.
    if reply.answer.stop_reason == "max_tokens" and turns and not blank(reply.answer.text):
        more = (*turns, Turn(role="assistant", content=reply.answer.text), _mending(kitchen, "continue", prompt, ""))
        rest = yield from _asked(kitchen, prompt, brief, more, check)
        whole = rest.answer.model_copy(update={"text": reply.answer.text + rest.answer.text, "turns": ()})
        reply = _read(prompt, rest.request, whole, reply.usage.plus(rest.usage), check)
    if reply.fault == "unparsed" and turns:
        more = (*turns, Turn(role="assistant", content=reply.answer.text), _mending(kitchen, "repair", prompt, reply.output.fault))
        mended = yield from _asked(kitchen, prompt, brief, more, check)
        reply = mended._replace(usage=reply.usage.plus(mended.usage))
    return reply


def request_for(kitchen: Kitchen, prompt: Prompt, brief: Brief, page: Page, told: Mapping[str, str] | None = None) -> Request:
    """The first request of a step."""
    return _request(kitchen, prompt, brief, _turns(kitchen, prompt, brief, page, told or {}))


def check_mending(kitchen: Kitchen, prompt: Prompt) -> None:
    """Render what a model is told about a cut or malformed answer; ``UsageError`` where that cannot be done."""
    for name in ("continue", "repair"):
        _mending(kitchen, name, prompt, "")


def _asked(kitchen: Kitchen, prompt: Prompt, brief: Brief, turns: tuple[Turn, ...], check: Check | None) -> Asking:
    usage = Usage()
    for sample in range(SAMPLES):
        request = _request(kitchen, prompt, brief, turns, sample)
        answer = yield request
        usage = usage.plus(answer.usage)
        if not blank(answer.text) or answer.stop_reason not in WHOLE:
            break
    return _read(prompt, request, answer, usage, check)


def _read(prompt: Prompt, request: Request, answer: Answer, usage: Usage, check: Check | None) -> Reply:
    reply = Reply(Output(), request, answer, usage, prompt.role)
    if answer.stop_reason in CUT:
        return reply._replace(fault=f"stopped:{answer.stop_reason}")
    if answer.stop_reason == "refusal":
        return reply._replace(fault=f"refused:{answer.detail}" if answer.detail else "refused")
    if answer.stop_reason not in WHOLE:
        return reply._replace(fault=f"stopped:{answer.stop_reason}")
    if blank(answer.text):
        return reply._replace(fault="empty_answer")
    if answer.turns or not request.turns:  # the embedded writer answers in turns of its own
        return reply._replace(output=Output(text=answer.text, turns=answer.turns))
    output = parse(prompt, answer.text)
    fault = output.fault or (check(prompt, output) if check else "")
    return reply._replace(output=output._replace(fault=fault), fault="unparsed" if fault else "")


def _turns(kitchen: Kitchen, prompt: Prompt, brief: Brief, page: Page, told: Mapping[str, str]) -> tuple[Turn, ...]:
    if prompt.role not in kitchen.rendered:
        return ()
    values = variables(kitchen.library, kitchen.principles, kitchen.identity, brief)
    values |= {"constitution": kitchen.constitution, "exemplars": "", **_examples(kitchen, prompt, brief)}
    values["plan"] = filled(kitchen.library.shared["plan"].text, "shared/plan.md", values)
    return render(prompt, {**values, **page.fields, "text": page.told, **told})


def _examples(kitchen: Kitchen, prompt: Prompt, brief: Brief) -> dict[str, str]:
    if "{exemplars}" not in prompt.text:
        return {}
    form = kitchen.library.shared["exemplar"].text
    chosen = exemplars(kitchen.references, brief, kitchen.exemplars)
    told = [filled(form, "shared/exemplar.md", {"text": reference.text}) for reference in chosen]
    return {"exemplars": "\n".join(("", *told)) if told else ""}


def _mending(kitchen: Kitchen, name: str, prompt: Prompt, fault: str) -> Turn:
    values = {"fault": fault, "inside": prompt.inside}
    return Turn(role="user", content=filled(kitchen.library.shared[name].text, f"shared/{name}.md", values))


def _request(kitchen: Kitchen, prompt: Prompt, brief: Brief, turns: tuple[Turn, ...], sample: int = 0) -> Request:
    """One request. Its hash covers the model, what it is told, the parameters and the sample number; never transport."""
    model, fingerprint = kitchen.models[prompt.role], kitchen.fingerprints[prompt.role]
    most, wanted = _max_tokens(prompt, brief), schema(prompt)
    if turns:
        key = content_hash(fingerprint, turns, wanted, most, sample)
    else:
        key = digest("\0".join((model, fingerprint, prompt.step, prompt.hash, brief.model_dump_json(), str(sample))))
    return Request(
        hash=key, document_id=brief.id, step=prompt.step, model=model, prompt_hash=prompt.hash, brief=brief, turns=turns, sample=sample,
        max_tokens=most, schema_text=wanted,
    )  # fmt: skip


def _max_tokens(prompt: Prompt, brief: Brief) -> int:
    """Room for the longest text that was asked for, and notes beside it where the grammar has them."""
    if isinstance(prompt.output, Mapping):
        return _room(prompt.output)
    if prompt.output == "message":
        return 2 * _NOTES
    return math.ceil(brief.max_words * _TOKENS_A_WORD * _ROOM) + (_NOTES if prompt.inside else 0)


def _room(kind: object) -> int:
    """Tokens for a structured answer: so many a text field, few for a choice."""
    if isinstance(kind, Mapping):
        axes = all(isinstance(part, Mapping) for part in kind.values())
        return sum(_FIELD // 4 if axes else _room(part) for part in kind.values())
    return _FIELD if kind in ("text", "texts") else 20
