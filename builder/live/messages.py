"""The Messages API in its plain shapes: a request as parameters, a message as an answer. Live calls and batches share it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from builder.door import mended
from builder.records import Answer, Request, Usage

CHARACTERS_A_TOKEN = 4  # an estimate that is good enough to tell a long prefix from a short one
CACHED_FROM = 1024  # tokens; the shortest prefix that any model caches (the longest minimum is 4,096: those just ignore the mark)


def cached_prefix(request: Request) -> str:
    """The system text that a provider would cache for this request; empty when it is too short for that."""
    system = [turn.content for turn in request.turns if turn.role == "system"]
    return "\n".join(system) if sum(map(len, system)) >= CACHED_FROM * CHARACTERS_A_TOKEN else ""


def params(model: str, request: Request, ttl: Literal["5m", "1h"]) -> dict[str, Any]:
    """The body of one call. A long system text is marked for the prompt cache; no sampling parameters (the newest models refuse them)."""
    system: list[dict[str, Any]] = [{"type": "text", "text": turn.content} for turn in request.turns if turn.role == "system"]
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens,
        "messages": [{"role": turn.role, "content": turn.content} for turn in request.turns if turn.role != "system"],
    }
    if system:
        if sum(len(block["text"]) for block in system) >= CACHED_FROM * CHARACTERS_A_TOKEN:
            system[-1]["cache_control"] = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
        body["system"] = system
    if request.schema_text:
        body["output_config"] = {"format": {"type": "json_schema", "schema": json.loads(request.schema_text)}}
    return body


def answer_of(request_hash: str, message: Mapping[str, Any], request_id: str | None) -> Answer:
    """A message as an answer; ``ValueError`` when it is not a whole message. Thinking is left out. The cost is for the desk to reckon."""
    try:
        text, mends = mended("".join(block["text"] for block in message["content"] if block["type"] == "text"))
        stop_reason = message["stop_reason"]
        if not isinstance(stop_reason, str):
            raise ValueError("the message does not say why it stopped")
        details = message.get("stop_details") or {}
        return Answer(
            request_hash=request_hash, text=text, stop_reason=stop_reason, detail=details.get("category") or "", mended=mends,
            request_id=request_id, usage=usage_of(message["usage"]),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the message is not whole ({type(error).__name__}: {error})") from error


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Tokens as billed. ``tokens_in`` counts all of them; the API's own ``input_tokens`` leaves out what the cache read or wrote."""
    read = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    by_ttl = usage.get("cache_creation") or {"ephemeral_5m_input_tokens": written}
    return Usage(
        tokens_in=usage["input_tokens"] + read + written, tokens_out=usage["output_tokens"], tokens_cached=read,
        tokens_written=by_ttl.get("ephemeral_5m_input_tokens") or 0, tokens_written_1h=by_ttl.get("ephemeral_1h_input_tokens") or 0,
        cost=None,
    )  # fmt: skip
