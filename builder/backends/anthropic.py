"""``anthropic/<model>``: the Messages API, live, through the official SDK."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from builder.backends import BackendContext
from builder.desk import Allowance, Desk, Failure, FailureKind, Tried
from builder.errors import AuthenticationFailed, UsageError
from builder.live.controller import Controller
from builder.live.failures import kind_of, lost, one_line, retry_after
from builder.live.messages import answer_of, params
from builder.live.serve import serve
from builder.records import Request

if TYPE_CHECKING:
    import httpx2
    from anthropic import APIStatusError, AsyncAnthropic

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
STREAM_ABOVE = 21_333  # tokens: the SDK reckons an hour for 128,000 and lets no call wait more than ten minutes for its first byte
CONNECTIONS = 4096
CONNECT_SECONDS = 10.0
UNFUNDED = frozenset(
    {
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "billing_error",
    }
)
DENIED = frozenset({"organization_on_hold", "authentication_error", "permission_error"})
_LIMITS = b"anthropic-ratelimit-"
_RESOURCES = {b"requests": "requests", b"input-tokens": "input_tokens", b"output-tokens": "output_tokens"}


class Anthropic:
    """One model of the Messages API."""

    wants_turns = True
    training_grade = True
    window = 0

    def __init__(self, model: str) -> None:
        self.model = model
        self.fingerprint = f"anthropic/{model}"
        self._controller = Controller()

    async def work(self, desk: Desk) -> None:
        """Ask one call at a time for each free slot, until the desk has nothing more."""
        from anthropic import AsyncAnthropic
        from httpx2 import Limits, Timeout

        timeout = Timeout(desk.timeout, connect=CONNECT_SECONDS, pool=None)
        transport = _lean_client()(limits=Limits(max_connections=CONNECTIONS), timeout=timeout)
        # Spans that nobody reads cost a tenth of the time of a call.
        async with AsyncAnthropic(max_retries=0, timeout=timeout, http_client=transport, open_telemetry=False) as client:
            await serve(partial(ask, client, self.model), desk, self._controller)


@cache
def _lean_client() -> type[httpx2.AsyncClient]:
    """The SDK's client for aiohttp, which takes a request as the SDK has made it: merging defaults into it again costs 5 % of a call."""
    import httpx2
    from anthropic import DefaultAioHttpClient

    class Lean(DefaultAioHttpClient):
        def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:
            if options.get("params") or options.get("files") or not isinstance(options.get("timeout"), httpx2.Timeout):
                return super().build_request(method, url, **options)
            extensions = {**(options.get("extensions") or {}), "timeout": options["timeout"].as_dict()}
            return httpx2.Request(method, url, content=options.get("content"), headers=options.get("headers"), extensions=extensions)

    return Lean


def open_backend(model: str, context: BackendContext) -> Anthropic:
    """Open ``anthropic/<model>``; the key is looked for here, so that a build without one ends before it starts."""
    if not model:
        raise UsageError("anthropic needs a model: write anthropic/<model>")
    if not any(os.environ.get(name) for name in KEYS):
        raise AuthenticationFailed(f"anthropic/{model} needs a key: set {KEYS[0]} in the environment")
    return Anthropic(model)


async def ask(client: AsyncAnthropic, model: str, request: Request) -> Tried:
    """One call. Errors of the provider and of the way to it are failures; an error of ours is raised."""
    import httpx2
    from anthropic import APIConnectionError, APIError, APIStatusError, RequestOptions

    body = params(model, request, "5m")
    try:
        if request.max_tokens > STREAM_ABOVE:
            return await _streamed(client, body, request)
        # No model is made of the reply: half the time of a call. The hash is the key, or the SDK would draw one for each call.
        options = RequestOptions(idempotency_key=request.hash)
        response = await client.post("/v1/messages", body=body, cast_to=httpx2.Response, options=options)
        message = json.loads(response.content)
        return Tried(answer_of(request.hash, message, response.headers.get("request-id")), None, allowances(response.headers.raw))
    except APIStatusError as error:
        return Tried(None, failed_status(error, _secret(client)), allowances(error.response.headers.raw))
    except APIConnectionError as error:
        return Tried(None, lost(error))
    except (APIError, ValueError) as error:
        return Tried(None, Failure("dropped", one_line(f"the reply could not be read: {error}", _secret(client))))


async def _streamed(client: AsyncAnthropic, body: dict[str, Any], request: Request) -> Tried:
    """The same as a stream, put together again as one message. A stream that ends early is a broken reply."""
    import httpx2

    raw = await client.messages.with_raw_response.create(**body, stream=True)
    headers = raw.http_response.headers
    message: dict[str, Any] = {}
    ended = False
    try:
        async for event in await raw.parse():
            if event.type == "message_start":
                message = event.message.to_dict()
            elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                message["content"].append({"type": "text", "text": event.delta.text})
            elif event.type == "message_delta":
                message |= event.delta.to_dict(exclude_unset=True)
                message["usage"] |= {name: count for name, count in event.usage.to_dict().items() if count is not None}
            ended = ended or event.type == "message_stop"
    except httpx2.HTTPError as error:
        return Tried(None, Failure("dropped", one_line(f"the stream broke off: {error}", None)), allowances(headers.raw))
    if not ended:
        return Tried(None, Failure("dropped", "the stream ended before the message did"), allowances(headers.raw))
    return Tried(answer_of(request.hash, message, headers.get("request-id")), None, allowances(headers.raw))


def failed_status(error: APIStatusError, secret: str | None) -> Failure:
    """An error reply, told by its status, its type and ``error.details.error_code``."""
    codes = {error.type, error.error_code}
    kind: FailureKind = kind_of(error.status_code)
    if codes & UNFUNDED:
        kind = "unfunded"
    elif codes & DENIED:
        kind = "denied"
    elif error.type == "overloaded_error":
        kind = "overloaded"
    elif error.status_code < 400:  # an error within a stream
        kind = "limited" if error.type == "rate_limit_error" else "server"
    message = "" if kind == "denied" else one_line(error.api_message or str(error), secret)
    return Failure(
        kind, message, error.status_code, error.error_code or error.type or "", error.request_id, retry_after(error.response.headers)
    )


def allowances(headers: Iterable[tuple[bytes, bytes]]) -> tuple[Allowance, ...]:
    """``anthropic-ratelimit-<resource>-limit`` and its kin; they all speak of a minute."""
    found: dict[bytes, float] = {}
    for name, value in headers:
        lower = name.lower()
        if lower.startswith(_LIMITS) and not lower.endswith(b"-reset"):
            try:
                found[lower.removeprefix(_LIMITS)] = float(value)
            except ValueError:
                continue
    return tuple(
        Allowance(resource, found[name + b"-limit"], found[name + b"-remaining"], 60.0)  # type: ignore[arg-type]
        for name, resource in _RESOURCES.items()
        if name + b"-limit" in found and name + b"-remaining" in found
    )


def _secret(client: AsyncAnthropic) -> str | None:
    return client.api_key or client.auth_token
