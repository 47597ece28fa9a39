"""What a model gives back: text, turns, or a structured answer, perhaps inside a tag; and what is wrong with it when it is none of these.

The grammar of a structured answer stands in a prompt's front matter, one line a field:

    output:
      faults: text                       texts: a list of them
      eval_shape: 0..7
      verdict: [pass, revise, fail]
      places: [{name: text, why: text}]  a list of objects, or one object where the brackets are left out
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from builder.door import mended
from builder.prompts import Grammar, Kind, Many, Prompt
from builder.records import Turn

_SPEAKER = re.compile(r"^[ \t]*\**(User|Assistant|System):\**[ \t]*", re.MULTILINE)

_OTHER = re.compile(r"(?:\A|\n[ \t]*\n)[ \t]*\**(?:User|Assistant|System):")  # somebody else begins to speak
_OBJECT = re.compile(r'\{\s*"')

_STARTS = 100  # braces at which an object may begin; who writes more of them before a verdict gave none


class Output(NamedTuple):
    """A parsed answer. ``fault`` says what is wrong with it, in words fit to be told to the model; empty when nothing is."""

    text: str = ""
    turns: tuple[Turn, ...] = ()
    values: Mapping[str, Any] = {}
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
    if prompt.output in ("answer", "message"):
        return _spoken(text, "Assistant" if prompt.output == "answer" else "User")
    return Output(fault="there is no text in it") if blank(text) else Output(text=text.strip())


def blank(text: str) -> bool:
    """Whether nothing is to be seen: white space, and signs of no width."""
    return not any(sign.isprintable() and not sign.isspace() for sign in text)


def schema(prompt: Prompt) -> str:
    """The JSON Schema of a structured answer, as JSON; empty where prose is wanted."""
    return json.dumps(_object_schema(prompt.output)) if isinstance(prompt.output, Mapping) else ""


def example(prompt: Prompt, words: int) -> str:
    """An answer of the right shape and about so many words, to reckon with before any is written."""
    filler = " ".join(["word"] * max(1, words))
    if isinstance(prompt.output, Mapping):
        return json.dumps({name: _first(kind, filler) for name, kind in prompt.output.items()})
    inner = f"User: word\n\nAssistant: {filler}" if prompt.output == "turns" else filler
    return f"<{prompt.inside}>\n{inner}\n</{prompt.inside}>" if prompt.inside else inner


def _last_tagged(tag: str, text: str) -> str | None:
    """What stands in the last whole pair of tags that holds a text: an answer may speak of tags before and after, or repeat the draft."""
    parts = [part.partition(f"</{tag}>") for part in text.split(f"<{tag}>")[1:]]
    found = [inner for inner, closed, _ in parts if closed]
    longest = max(map(len, found), default=0)
    return next((inner.strip() for inner in reversed(found) if 2 * len(inner) >= longest), None)


def _spoken(text: str, who: str) -> Output:
    """What one person says, without the mark that names them; who goes on for the other side has written too much."""
    said = re.sub(rf"\A\s*\**{who}:\**[ \t]*", "", text).strip()
    if blank(said):
        return Output(fault="there is no text in it")
    found = _OTHER.search(said)
    return Output(fault=f"somebody else speaks in it ({found.group().strip()})") if found else Output(text=said)


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
    """The last JSON object of an answer, as its text too: what stands before it may speak of others."""
    found, written = _last_object(text)
    if found is None:
        return Output(fault="it is not one JSON object")
    fault = _misfit(grammar, found, "")
    return Output(fault=fault) if fault else Output(text=written, values={name: _clean(found[name]) for name in grammar})


def _last_object(text: str) -> tuple[dict[str, Any] | None, str]:
    """The last object and its text; none where one is broken, since what follows it may be a quotation inside it."""
    reader = json.JSONDecoder(object_pairs_hook=_once)
    found, written, at = None, "", text.find("{")
    for _ in range(_STARTS):
        if at < 0:
            return found, written
        try:
            value, end = reader.raw_decode(text, at)
        except (ValueError, RecursionError):
            if _OBJECT.match(text, at):
                return None, ""
            end = at + 1
        else:
            found, written = value, text[at:end]
        at = text.find("{", end)
    return None, ""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; ``ValueError`` where a field stands twice: nobody can say which of the two is meant."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a field stands twice")
    return found


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return mended(value)[0]
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return {name: _clean(each) for name, each in value.items()} if isinstance(value, dict) else value


def _schema(kind: Kind) -> dict[str, Any]:
    if isinstance(kind, Many):
        return {"type": "array", "items": _object_schema(kind.each)}
    if isinstance(kind, tuple):
        return {"type": "string", "enum": list(kind)}
    if isinstance(kind, Mapping):
        return _object_schema(kind)
    if kind == "texts":
        return {"type": "array", "items": {"type": "string"}}
    return {"type": "string"} if kind == "text" else {"type": "integer", "enum": list(range(_low(kind), _high(kind) + 1))}


def _object_schema(fields: Mapping[str, Kind]) -> dict[str, Any]:
    properties = {name: _schema(kind) for name, kind in fields.items()}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _misfit(fields: Mapping[str, Kind], value: Any, where: str) -> str:
    """What of an object does not fit, in words for the model; empty when all does."""
    if not isinstance(value, dict):
        return f"the field {where!r} must be an object with {', '.join(fields)}"
    for name, kind in fields.items():
        place = f"{where}.{name}" if where else name
        if name not in value:
            return f"the field {place!r} is missing"
        if fault := _unlike(kind, value[name], place):
            return fault
    return ""


def _unlike(kind: Kind, value: Any, place: str) -> str:
    if isinstance(kind, Many):
        if not isinstance(value, list):
            return f"the field {place!r} must be a list"
        return next((fault for each in value if (fault := _misfit(kind.each, each, place))), "")
    if isinstance(kind, tuple):
        words = ", ".join(kind)
        return "" if isinstance(value, str) and value in kind else f"the field {place!r} must be one of {words}"
    if isinstance(kind, Mapping):
        return _misfit(kind, value, place)
    fits: bool
    if kind == "texts":
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return "" if fits else f"the field {place!r} must be a list of texts"
    if kind == "text":
        return "" if isinstance(value, str) else f"the field {place!r} must be text"
    fits = isinstance(value, int) and not isinstance(value, bool) and _low(kind) <= value <= _high(kind)
    return "" if fits else f"the field {place!r} must be a whole number {kind}"


def _first(kind: Kind, filler: str) -> Any:
    if isinstance(kind, Many):
        return [{name: _first(each, filler) for name, each in kind.each.items()}]
    if isinstance(kind, tuple):
        return kind[0]
    if isinstance(kind, Mapping):
        return {name: _first(each, filler) for name, each in kind.items()}
    return [filler] if kind == "texts" else filler if kind == "text" else _low(kind)


def _low(kind: str) -> int:
    return int(kind.partition("..")[0])


def _high(kind: str) -> int:
    return int(kind.partition("..")[2])
