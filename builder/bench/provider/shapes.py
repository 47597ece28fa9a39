"""Replies in the shapes of the Messages API and of Chat Completions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from builder.bench.provider.caching import Tokens
from builder.bench.provider.prompts import Dialect, Prompt
from builder.bench.provider.prose import fitting, prose

_STOPS = {"refusal": "refusal", "max_tokens": "max_tokens", "window": "model_context_window_exceeded"}
_FINISHES = {"refusal": "content_filter", "max_tokens": "length", "window": "length"}
_ERROR_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
    429: "rate_limit_error", 500: "api_error", 529: "overloaded_error",
}  # fmt: skip
_STREAMED_AT_ONCE = 200  # characters
SPEND_LIMIT = "enforced_spend_limit_reached"


def text_of(prompt: Prompt, outcome: str, tokens_out: int, seed: int) -> str:
    """What is written for a prompt."""
    if prompt.said:
        return prompt.said.text
    if outcome in ("refusal", "empty"):
        return ""
    if prompt.schema is not None:
        whole = json.dumps(fitting(prompt.schema, f"{seed}:{prompt.key}", prompt.read), ensure_ascii=False)
        return whole[: len(whole) // 2] if outcome in ("malformed_json", "max_tokens", "window") else whole
    text = prose(f"{seed}:{prompt.key}", tokens_out)
    middle = len(text) // 2
    odd = {"surrogate": "\ud83d", "control": "\x00\x07\x1b"}.get(outcome, "")
    text = text[:middle] + odd + text[middle:]
    text = f"User: {text[:middle]}\n\nAssistant: {text[middle:]}" if prompt.spoken else text
    return f"Faults: none\n<{prompt.tag}>\n{text}\n</{prompt.tag}>" if prompt.tag else text


def message(prompt: Prompt, outcome: str, tokens: Tokens, number: str, seed: int, category: str, batch: bool = False) -> dict[str, Any]:
    """A ``Message``, or a ``ChatCompletion`` for a prompt of that dialect."""
    text = text_of(prompt, outcome, tokens.out, seed)
    if prompt.max_tokens <= tokens.out and not outcome and not prompt.said:
        outcome = "max_tokens"
    if prompt.dialect == "openai":
        return _completion(prompt, outcome, tokens, number, text)
    details = {"type": "refusal", "category": category or None, "explanation": None} if outcome == "refusal" else None
    return {
        "id": f"msg_{number}", "type": "message", "role": "assistant", "model": prompt.model,
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": _STOPS.get(outcome, "end_turn"), "stop_sequence": None, "stop_details": details,
        "usage": {
            "input_tokens": tokens.fresh, "output_tokens": tokens.out, "cache_read_input_tokens": tokens.read,
            "cache_creation_input_tokens": tokens.written + tokens.written_1h,
            "cache_creation": {"ephemeral_5m_input_tokens": tokens.written, "ephemeral_1h_input_tokens": tokens.written_1h},
            "service_tier": "batch" if batch else "standard",
        },
    }  # fmt: skip


def _completion(prompt: Prompt, outcome: str, tokens: Tokens, number: str, text: str) -> dict[str, Any]:
    refused = outcome == "refusal"
    said = {"role": "assistant", "content": None if refused else text, "refusal": "I can't help with that." if refused else None}
    total = tokens.fresh + tokens.read + tokens.written + tokens.written_1h
    return {
        "id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1_700_000_000, "model": prompt.model,
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": _FINISHES.get(outcome, "stop")}],
        "usage": {
            "prompt_tokens": total, "completion_tokens": tokens.out, "total_tokens": total + tokens.out,
            "prompt_tokens_details": {"cached_tokens": tokens.read}, "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }  # fmt: skip


def error(status: int, said: str, request_id: str, dialect: Dialect = "anthropic", code: str = "") -> dict[str, Any]:
    """An error body; ``code`` is what tells two errors of one status apart."""
    if dialect == "openai":
        code = "insufficient_quota" if code == SPEND_LIMIT else code
        return {"error": {"message": said, "type": code or _ERROR_TYPES.get(status, "api_error"), "param": None, "code": code or None}}
    inner: dict[str, Any] = {"type": _ERROR_TYPES.get(status, "api_error"), "message": said}
    if code:
        inner["details"] = {"error_code": code}
    return {"type": "error", "error": inner, "request_id": request_id}


def events(whole: dict[str, Any], dialect: Dialect) -> Iterator[bytes]:
    """A reply as server-sent events."""
    yield from _chunks(whole) if dialect == "openai" else _message_events(whole)


def _message_events(whole: dict[str, Any]) -> Iterator[bytes]:
    usage = whole["usage"]
    start = {**whole, "content": [], "stop_reason": None, "stop_details": None, "usage": {**usage, "output_tokens": 1}}
    yield _event("message_start", message=start)
    for index, block in enumerate(whole["content"]):
        yield _event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        yield _event("ping")
        for piece in _pieces(block["text"]):
            yield _event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        yield _event("content_block_stop", index=index)
    ended = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    counted = {name: count for name, count in usage.items() if name not in ("cache_creation", "service_tier")}
    yield _event("message_delta", delta=ended, usage=counted)
    yield _event("message_stop")


def _chunks(whole: dict[str, Any]) -> Iterator[bytes]:
    head = {**{name: whole[name] for name in ("id", "created", "model")}, "object": "chat.completion.chunk"}
    choice = whole["choices"][0]
    said = {"role": "assistant", "content": "", "refusal": choice["message"]["refusal"]}
    deltas: list[tuple[dict[str, Any], str | None]] = [(said, None)]
    deltas += [({"content": piece}, None) for piece in _pieces(choice["message"]["content"] or "")]
    deltas.append(({}, choice["finish_reason"]))
    for delta, finish in deltas:
        yield _data({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})
    yield _data({**head, "choices": [], "usage": whole["usage"]})
    yield b"data: [DONE]\n\n"


def _pieces(text: str) -> list[str]:
    return [text[at : at + _STREAMED_AT_ONCE] for at in range(0, len(text), _STREAMED_AT_ONCE)]


def _event(name: str, **more: Any) -> bytes:
    return f"event: {name}\n".encode() + _data({"type": name, **more})


def _data(told: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(told)}\n\n".encode()
