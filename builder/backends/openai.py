"""``openai/<model>``: Chat Completions through the official SDK, at OpenAI or at any server that speaks them (``OPENAI_BASE_URL``)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from builder.backends import BackendContext
from builder.desk import Allowance, Desk, Failure, FailureKind, Tried
from builder.door import mended
from builder.errors import AuthenticationFailed, UsageError
from builder.live.controller import Controller
from builder.live.failures import kind_of, lost, one_line, retry_after
from builder.live.serve import serve
from builder.records import Answer, Request, Usage

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

KEY = "OPENAI_API_KEY"
OWN_HOST = "api.openai.com"
NO_KEY = "none"  # what a server that asks for no key is sent; the SDK insists on one
CONNECTIONS = 4096
CONNECT_SECONDS = 10.0
UNFUNDED = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "enforced_spend_limit_reached"})
DENIED = frozenset({"invalid_api_key", "account_deactivated"})
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}
_LIMITS = b"x-ratelimit-"
_RESOURCES = {b"requests": "requests", b"tokens": "tokens"}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class OpenAI:
    """One model of a server of Chat Completions."""

    wants_turns = True
    training_grade = True
    window = 0

    def __init__(self, model: str) -> None:
        self.model = model
        self.fingerprint = f"openai/{model}"
        self._controller = Controller()

    async def work(self, desk: Desk) -> None:
        """Ask one call at a time for each free slot, until the desk has nothing more."""
        from httpx2 import Limits, Timeout
        from openai import AsyncOpenAI, DefaultAioHttpClient

        timeout = Timeout(desk.timeout, connect=CONNECT_SECONDS, pool=None)
        transport = DefaultAioHttpClient(limits=Limits(max_connections=CONNECTIONS), timeout=timeout)
        key = os.environ.get(KEY) or NO_KEY
        async with AsyncOpenAI(api_key=key, max_retries=0, timeout=timeout, http_client=transport) as client:
            await serve(partial(ask, client, self.model), desk, self._controller)


def open_backend(model: str, context: BackendContext) -> OpenAI:
    """Open ``openai/<model>``; the SDK and the key are looked for here, so that a build without them ends before it starts."""
    if not model:
        raise UsageError("openai needs a model: write openai/<model>")
    try:
        import openai  # noqa: F401
    except ImportError as error:
        raise UsageError(f"openai/{model} needs a package that is not installed; run: pip install 'bildung[openai]'") from error
    base = os.environ.get("OPENAI_BASE_URL", "")
    if not os.environ.get(KEY) and urlsplit(base).hostname in (None, OWN_HOST):
        raise AuthenticationFailed(f"openai/{model} needs a key: set {KEY} in the environment, or OPENAI_BASE_URL to a server of your own")
    return OpenAI(model)


def chat_params(model: str, request: Request, own: bool) -> dict[str, Any]:
    """The body of one call. Servers other than OpenAI's (``own``) may know ``max_tokens`` only, under which name newer models refuse it."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": turn.role, "content": turn.content} for turn in request.turns],
        "max_completion_tokens" if own else "max_tokens": request.max_tokens,
    }
    if request.schema_text:
        schema = {"name": "answer", "schema": json.loads(request.schema_text), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def answer_of(request_hash: str, completion: Mapping[str, Any], request_id: str | None) -> Answer:
    """A completion as an answer; ``ValueError`` when it is not a whole one. The stop reason is put in the words of the Messages API."""
    try:
        choice = completion["choices"][0]
        message, reason = choice["message"], choice["finish_reason"]
        refusal = message.get("refusal") or ""
        text, mends = mended(message.get("content") or "")
        used = completion.get("usage") or {}
        details = used.get("prompt_tokens_details") or {}
        return Answer(
            request_hash=request_hash, text=text, stop_reason="refusal" if refusal else STOP_REASONS.get(reason, reason),
            detail=one_line(refusal or ("content_filter" if reason == "content_filter" else ""), None), mended=mends, request_id=request_id,
            usage=Usage(
                tokens_in=used.get("prompt_tokens") or 0, tokens_out=used.get("completion_tokens") or 0,
                tokens_cached=details.get("cached_tokens") or 0, cost=None,
            ),
        )  # fmt: skip
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"the completion is not whole ({type(error).__name__}: {error})") from error


async def ask(client: AsyncOpenAI, model: str, request: Request) -> Tried:
    """One call. Errors of the provider and of the way to it are failures; an error of ours is raised."""
    import httpx2
    from openai import APIConnectionError, APIError, APIStatusError

    body = chat_params(model, request, client.base_url.host == OWN_HOST)
    try:
        response = await client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        answer = answer_of(request.hash, json.loads(response.content), response.headers.get("x-request-id"))
        return Tried(answer, None, allowances(response.headers.raw))
    except APIStatusError as error:
        return Tried(None, failed_status(error, client.api_key), allowances(error.response.headers.raw))
    except APIConnectionError as error:
        return Tried(None, lost(error))
    except (APIError, ValueError) as error:
        return Tried(None, Failure("dropped", one_line(f"the reply could not be read: {error}", client.api_key)))


def failed_status(error: APIStatusError, secret: str) -> Failure:
    """An error reply, told by its status, code and type."""
    codes = {error.code, error.type}
    kind: FailureKind = "overloaded" if error.status_code == 503 else kind_of(error.status_code)
    if codes & UNFUNDED:
        kind = "unfunded"
    elif codes & DENIED:
        kind = "denied"
    body = error.body if isinstance(error.body, dict) else {}
    said = body.get("message")
    message = "" if kind == "denied" else one_line(said if isinstance(said, str) else str(error), secret)
    code = error.code or (error.type if isinstance(error.type, str) else "") or ""
    return Failure(kind, message, error.status_code, code, error.request_id, retry_after(error.response.headers))


def seconds(span: str) -> float:
    """A span of time as these servers write it.

    >>> seconds("6m0s"), seconds("20ms"), seconds("1h2m3.5s"), seconds("12")
    (360.0, 0.02, 3723.5, 12.0)
    """
    parts = _SPAN.findall(span)
    if parts:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        return float(span)
    except ValueError:
        return 60.0


def allowances(headers: Iterable[tuple[bytes, bytes]]) -> tuple[Allowance, ...]:
    """``x-ratelimit-limit-<resource>`` and its kin."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower.startswith(_LIMITS):
            found[lower.removeprefix(_LIMITS)] = value.decode("ascii", "replace")
    heard = []
    for name, resource in _RESOURCES.items():
        try:
            limit, left = float(found[b"limit-" + name]), float(found[b"remaining-" + name])
        except (KeyError, ValueError):
            continue
        heard.append(Allowance(cast(Any, resource), limit, left, seconds(found.get(b"reset-" + name, ""))))
    return tuple(heard)
