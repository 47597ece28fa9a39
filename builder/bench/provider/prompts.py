"""What a request body asks for, whichever API it is written for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

CHARACTERS_PER_TOKEN = 4
_ASKED = ("piece", "answer", "message")  # tags between which the shipped prompts ask for a text
_SHOWN = re.compile(r"<piece>\n(.*?)\n</piece>", re.DOTALL)  # where they show a judge one
_MARK = re.compile(r"\[\[([a-z0-9_]+)(?:\*(\d+))?\]\]")

Dialect = Literal["anthropic", "openai"]


class Prefix(NamedTuple):
    """The beginning of a prompt up to one cache breakpoint: its hash, its length, and how long it is to be kept."""

    key: str
    tokens: int
    hour: bool


class Said(NamedTuple):
    """What a script has a prompt answered with; ``outcome`` is empty for a finished answer, or one of ``OUTCOMES``."""

    text: str
    outcome: str = ""


Script = Callable[[Mapping[str, Any]], Said | None]


class Prompt(NamedTuple):
    """One prompt. ``key`` hashes model, texts and schema: what is bought, never how. ``marks`` are faults with how often they happen.

    ``tag`` and ``spoken`` say what the last turn asks for: a text between tags of that name, a conversation. ``read`` is the text that it
    shows a judge. ``said`` is what a script says to it.
    """

    key: str
    dialect: Dialect
    model: str
    tokens: int
    max_tokens: int
    schema: Any
    marks: tuple[tuple[str, int], ...]
    prefixes: tuple[Prefix, ...]
    stream: bool
    tag: str = ""
    spoken: bool = False
    read: str = ""
    said: Said | None = None


class BadRequest(ValueError):
    """A body that the real API would answer with a 400."""


def read_prompt(body: Any, dialect: Dialect) -> Prompt:
    """Read a request body; ``BadRequest`` where something it needs is missing."""
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise BadRequest("model: Field required")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise BadRequest("messages: at least one message is required")
    most = body.get("max_tokens") if dialect == "anthropic" else body.get("max_completion_tokens", body.get("max_tokens", 100_000))
    if not isinstance(most, int) or most < 1:
        raise BadRequest("max_tokens: Field required")
    schema = _schema(body, dialect)
    hashed = hashlib.sha256(body["model"].encode("utf-8", "surrogatepass"))
    characters, prefixes, marks, last = 0, [], [], ""
    for role, text, cached in _blocks(body):
        hashed.update(f"\x00{role}\x00{text}".encode("utf-8", "surrogatepass"))
        characters += len(text)
        last = text
        if cached:
            prefixes.append(Prefix(hashed.copy().hexdigest(), -(-characters // CHARACTERS_PER_TOKEN), cached.get("ttl") == "1h"))
        if role == "user" and "[[" in text:
            marks += [(name, int(times or 1_000_000_000)) for name, times in _MARK.findall(text)]
    hashed.update(json.dumps(schema, sort_keys=True).encode())
    return Prompt(
        hashed.hexdigest()[:32], dialect, body["model"], -(-characters // CHARACTERS_PER_TOKEN), most, schema, tuple(marks),
        tuple(prefixes), bool(body.get("stream")),
        next((tag for tag in _ASKED if f"between <{tag}> and </{tag}>" in " ".join(last.split())), ""), '"Assistant:"' in last,
        found[1] if (found := _SHOWN.search(last)) else "",
    )  # fmt: skip


def _blocks(body: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """Role, text and cache breakpoint of every block, in the order in which a prefix is counted."""
    turns = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    turns += body["messages"]
    for place, turn in enumerate(turns):
        content = turn.get("content") if isinstance(turn, dict) and isinstance(turn.get("role"), str) else None
        blocks = [{"text": content}] if isinstance(content, str) else content
        if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
            raise BadRequest(f"messages.{place}: Input should be a role and its content")
        for number, block in enumerate(blocks):
            last = place == len(turns) - 1 and number == len(blocks) - 1
            cached = block.get("cache_control") or (body.get("cache_control") if last else None)
            yield turn["role"], str(block.get("text") or ""), cached


def _schema(body: dict[str, Any], dialect: Dialect) -> Any:
    if dialect == "openai":
        wanted = body.get("response_format") or {}
        return wanted.get("json_schema", {}).get("schema") if wanted.get("type") == "json_schema" else None
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return wanted.get("schema") if wanted.get("type") == "json_schema" else None
