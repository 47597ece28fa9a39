"""One call of an audit: rendered, asked, read, and repaired once where its answer is malformed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

from builder.errors import UsageError
from builder.outputs import Output, blank, parse, schema
from builder.prompts import Many, Prompt
from builder.records import Answer, Request, Turn
from builder.rendering import content_hash, filled, render

SAMPLES = 3  # of a call that is answered with nothing
BESIDES = 500  # tokens for what is said around the entries
_WHOLE = frozenset({"end_turn", "stop_sequence"})
_FIELDS = {
    "scan": ("patterns", "name kind broadly strictly examples"), "merge": ("groups", "marks name broadly strictly"),
    "count": ("found", "pattern how quote"),
}  # fmt: skip
_HOW = ("broadly", "strictly")
_PARTS = ("piece", "pattern")  # prompts that stand inside others

Values = Mapping[str, Any]
Check = Callable[[Sequence[Values]], str]


class Auditor(NamedTuple):
    """Who is asked, and with what words. ``prompts`` are by round, with those of a piece and a pattern.

    ``together`` pieces are read in one call, ``characters`` of each.
    """

    prompts: Mapping[str, Prompt]
    repair: Prompt
    model: str
    fingerprint: str
    seed: str
    together: int
    characters: int


class Reading(NamedTuple):
    """The entries of an answer; ``fault`` is a slug, empty when all is well."""

    rows: Sequence[Values] = ()
    fault: str = ""


def check_prompts(prompts: Mapping[str, Prompt]) -> None:
    """``UsageError`` where a round has no prompt, or one that does not ask for what is read of its answers."""
    for name in (*_FIELDS, *_PARTS):
        if name not in prompts:
            raise UsageError(f"story_prompts/audit/{name}.md is missing")
    for name, (entries, fields) in _FIELDS.items():
        output = prompts[name].output
        kind = output.get(entries) if isinstance(output, Mapping) and len(output) == 1 else None
        each = kind.each if isinstance(kind, Many) else {}
        lacking = [field for field in fields.split() if field not in each]
        if lacking:
            raise UsageError(f"story_prompts/audit/{name}.md: its output must be {entries}, a list of objects with a field {lacking[0]!r}")
        if name == "count" and each["how"] != _HOW:
            raise UsageError(f"story_prompts/audit/{name}.md: its field 'how' must be [{', '.join(_HOW)}]")


def ask(
    auditor: Auditor, name: str, document: str, values: Mapping[str, str], most: int, texts: Sequence[str] = (), check: Check | None = None
) -> Generator[Request, Answer, Reading]:
    """Ask one prompt. ``texts`` are those that it shows: an answer that stands in one of them is not the judge's own.

    ``check`` says what is wrong with entries that are well formed, in words for the judge.
    """
    prompt = auditor.prompts[name]
    turns = render(prompt, values)
    answer, fault = yield from _asked(auditor, prompt, document, turns, most)
    output = Output() if fault else _read(prompt, answer, texts, check)
    if output.fault:
        told = filled(auditor.repair.text, auditor.repair.where, {"fault": output.fault, "inside": ""})
        more = (*turns, Turn(role="assistant", content=answer.text), Turn(role="user", content=told))
        answer, fault = yield from _asked(auditor, prompt, document, more, most)
        output = Output() if fault else _read(prompt, answer, texts, check)
    if fault or output.fault:
        return Reading(fault=fault or "unparsed")
    return Reading(output.values[_FIELDS[name][0]])


def _asked(
    auditor: Auditor, prompt: Prompt, document: str, turns: tuple[Turn, ...], most: int
) -> Generator[Request, Answer, tuple[Answer, str]]:
    """The answer, and the slug of one that cannot be read at all."""
    for sample in range(SAMPLES):
        wanted = schema(prompt)
        answer = yield Request(
            hash=content_hash(auditor.fingerprint, turns, wanted, most, sample), document_id=document, step="audit", model=auditor.model,
            prompt_hash=prompt.hash, turns=turns, sample=sample, max_tokens=most, schema_text=wanted,
        )  # fmt: skip
        if not blank(answer.text) or answer.stop_reason not in _WHOLE:
            break
    if answer.stop_reason == "refusal":
        return answer, "refused"
    if answer.stop_reason not in _WHOLE:
        return answer, f"stopped_{answer.stop_reason}"
    return answer, "empty_answer" if blank(answer.text) else ""


def _read(prompt: Prompt, answer: Answer, texts: Sequence[str], check: Check | None) -> Output:
    output = parse(prompt, answer.text)
    if output.fault:
        return output
    bare = "".join(output.text.split())
    if any(bare in "".join(text.split()) for text in texts):
        return Output(fault="it stands in what you were given to read and is not your own answer")
    fault = check(next(iter(output.values.values()))) if check else ""
    return Output(fault=fault) if fault else output
