"""What a model gives back: text, turns, or a structured answer, perhaps inside a tag; and what is wrong with it when it is none of these.

The grammar of a structured answer stands in a prompt's front matter, one line a field:

    output:
      faults: text
      eval_shape: 0..7
      verdict: [pass, revise, fail]
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from builder.errors import UsageError
from builder.live.door import mended
from builder.prompts import Grammar, Prompt
from builder.records import Turn

_SPEAKER = re.compile(r"^[ \t]*\**(User|Assistant|System):\**[ \t]*", re.MULTILINE)
_NUMBERS = re.compile(r"^(\d+)\.\.(\d+)$")


class Output(NamedTuple):
    """A parsed answer. ``fault`` says what is wrong with it, in words fit to be told to the model; empty when nothing is."""

    text: str = ""
    turns: tuple[Turn, ...] = ()
    values: Mapping[str, str | int] = {}
    fault: str = ""


def parse(prompt: Prompt, text: str) -> Output:
    """Read an answer by the prompt's output grammar."""
    if isinstance(prompt.output, Mapping):
        return _structured(prompt.output, text)
    if prompt.inside:
        found = _last_tagged(prompt.inside, text)
        if found is None:
            return Output(fault=f"the text does not stand between <{prompt.inside}> and </{prompt.inside}>")
        text = found
    if prompt.output == "turns":
        return _conversation(text)
    return Output(fault="there is no text in it") if blank(text) else Output(text=text.strip())


def blank(text: str) -> bool:
    """Whether nothing is to be seen: white space, and signs of no width."""
    return not any(sign.isprintable() and not sign.isspace() for sign in text)


def schema(prompt: Prompt) -> str:
    """The JSON Schema of a structured answer, as JSON; empty where prose is wanted."""
    if not isinstance(prompt.output, Mapping):
        return ""
    properties = {name: _field_schema(name, kind) for name, kind in prompt.output.items()}
    return json.dumps({"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False})


def example(prompt: Prompt, words: int) -> str:
    """An answer of the right shape and about so many words, to reckon with before any is written."""
    filler = " ".join(["word"] * max(1, words))
    if isinstance(prompt.output, Mapping):
        return json.dumps({name: _first_value(name, kind, filler) for name, kind in prompt.output.items()})
    inner = f"User: word\n\nAssistant: {filler}" if prompt.output == "turns" else filler
    return f"<{prompt.inside}>\n{inner}\n</{prompt.inside}>" if prompt.inside else inner


def _last_tagged(tag: str, text: str) -> str | None:
    """What stands in the last whole pair of tags that holds a text: an answer may speak of tags before and after, or repeat the draft."""
    parts = [part.partition(f"</{tag}>") for part in text.split(f"<{tag}>")[1:]]
    found = [inner for inner, closed, _ in parts if closed]
    longest = max(map(len, found), default=0)
    return next((inner.strip() for inner in reversed(found) if 2 * len(inner) >= longest), None)


def _conversation(text: str) -> Output:
    marks = list(_SPEAKER.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    turns = tuple(
        Turn.model_validate({"role": mark[1].lower(), "content": text[mark.end() : end].strip()})
        for mark, end in zip(marks, ends, strict=False)
    )
    roles = [turn.role for turn in turns if turn.role != "system"]
    whole = len(roles) >= 2 and roles == ["user", "assistant"] * (len(roles) // 2) and not any(blank(turn.content) for turn in turns)
    if not whole or text[: marks[0].start()].strip():
        return Output(fault='it is not a conversation of "User:" and "Assistant:" turns by turns, with nothing before the first')
    return Output(text="\n\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in turns), turns=turns)


def _structured(grammar: Grammar, text: str) -> Output:
    start, end = text.find("{"), text.rfind("}")
    try:
        found: Any = json.loads(text[start : end + 1], object_pairs_hook=_once) if start >= 0 else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return Output(fault="it is not one JSON object")
    for name, kind in grammar.items():
        if name not in found:
            return Output(fault=f"the field {name!r} is missing")
        if not _fits(name, kind, found[name]):
            return Output(fault=f"the field {name!r} must be {_told(kind)}")
    return Output(text=text, values={name: mended(said)[0] if isinstance(said := found[name], str) else said for name in grammar})


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; ``ValueError`` where a field stands twice: nobody can say which of the two is meant."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a field stands twice")
    return found


def _field_schema(name: str, kind: str | tuple[str, ...]) -> dict[str, Any]:
    if isinstance(kind, tuple):
        return {"type": "string", "enum": list(kind)}
    if kind == "text":
        return {"type": "string"}
    low, high = _numbers(name, kind)
    return {"type": "integer", "enum": list(range(low, high + 1))}


def _fits(name: str, kind: str | tuple[str, ...], value: object) -> bool:
    if isinstance(kind, tuple):
        return isinstance(value, str) and value in kind
    if kind == "text":
        return isinstance(value, str)
    low, high = _numbers(name, kind)
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _told(kind: str | tuple[str, ...]) -> str:
    return f"one of {', '.join(kind)}" if isinstance(kind, tuple) else f"a whole number {kind}" if kind != "text" else "text"


def _first_value(name: str, kind: str | tuple[str, ...], filler: str) -> str | int:
    if isinstance(kind, tuple):
        return kind[0]
    return filler if kind == "text" else _numbers(name, kind)[0]


def _numbers(name: str, kind: str) -> tuple[int, int]:
    found = _NUMBERS.match(kind)
    if not found:
        raise UsageError(f"the output field {name!r} is {kind!r}; write 'text', a range such as 0..7, or a list of words")
    return int(found[1]), int(found[2])
