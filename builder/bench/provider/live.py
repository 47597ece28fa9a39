"""Live calls: POST /v1/messages and POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
import json
import math
import time
from datetime import UTC, datetime, timedelta

from aiohttp import web

from builder.bench.provider.books import Books
from builder.bench.provider.prompts import Dialect, Prompt
from builder.bench.provider.shapes import SPEND_LIMIT, error, events, message

_ERRORS = {
    "429": (429, "This request would exceed your rate limit."),
    "529": (529, "Overloaded"),
    "500": (500, "Internal server error"),
    "401": (401, "invalid x-api-key"),
    "spend_limit": (429, "You have reached your specified API usage limits."),
}
_LOOK_SECONDS = 0.2  # how often a call that is never answered looks whether its caller has gone


class Live:
    """The live endpoints of one provider."""

    def __init__(self, books: Books) -> None:
        self.books = books

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [web.post("/v1/messages", self._messages), web.post("/v1/chat/completions", self._completions)]

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        return await self._counted(request, "anthropic")

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        return await self._counted(request, "openai")

    async def _counted(self, request: web.Request, dialect: Dialect) -> web.StreamResponse:
        books = self.books
        books.requests += 1
        arrival = books.requests
        books.in_flight += 1
        books.in_flight_most = max(books.in_flight_most, books.in_flight)
        try:
            return await self._reply(request, dialect, arrival)
        finally:
            books.in_flight -= 1

    async def _reply(self, request: web.Request, dialect: Dialect, arrival: int) -> web.StreamResponse:
        books, request_id = self.books, f"req_{arrival:08d}"
        refused = unauthorized(books, request, request_id, dialect)
        if refused is not None:
            return refused
        try:
            prompt = books.read(json.loads(await request.read()), dialect)
        except ValueError as wrong:
            return problem(400, str(wrong), request_id, dialect)
        if not books.bucket.take(books.settings):
            books.limited += 1
            wait = (1 - books.bucket.left(books.settings)) * 60 / (books.settings.limit or 1)
            headers = {"retry-after": str(max(1, math.ceil(wait))), **limit_headers(books, dialect)}
            return problem(429, "This request would exceed your rate limit.", request_id, dialect, headers=headers)
        accident = books.accident(prompt, arrival)
        if accident in _ERRORS:
            return self._error(accident, request_id, dialect)
        if accident == "hang":
            return await _hang(request)
        return await self._answer(request, prompt, accident, arrival)

    def _error(self, accident: str, request_id: str, dialect: Dialect) -> web.Response:
        status, said = _ERRORS[accident]
        headers = limit_headers(self.books, dialect)
        if accident == "429":
            headers["retry-after"] = f"{self.books.settings.retry_after:g}"
        code = SPEND_LIMIT if accident == "spend_limit" else self.books.settings.error_code if accident == "429" else ""
        return problem(status, said, request_id, dialect, code, headers)

    async def _answer(self, request: web.Request, prompt: Prompt, accident: str, arrival: int) -> web.StreamResponse:
        books, settings, request_id = self.books, self.books.settings, f"req_{arrival:08d}"
        outcome = books.outcome(prompt, batch=False)
        if outcome == "invalid":
            return problem(400, "messages.0.content: this prompt is not accepted", request_id, prompt.dialect)
        cache = books.caches[False]
        tokens = cache.look_up(prompt, settings, time.monotonic())._replace(out=books.tokens_out(prompt, outcome))
        if settings.latency:
            await asyncio.sleep(settings.latency)
        cache.finished(prompt, settings, time.monotonic())
        if accident not in ("drop", "truncate") or settings.dropped_are_billed:
            books.charge(prompt, tokens, batch=False)
        if accident == "drop":
            return _drop(request)
        whole = message(prompt, outcome, tokens, f"{arrival:08d}", settings.seed, settings.refusal_category)
        if accident == "html":
            return web.Response(text="<html><body>Bad gateway</body></html>", content_type="text/html")
        headers = {_ID_HEADER[prompt.dialect]: request_id, **limit_headers(books, prompt.dialect)}
        kind = "text/event-stream" if prompt.stream else "application/json"
        body = b"".join(events(whole, prompt.dialect)) if prompt.stream else json.dumps(whole).encode()
        if accident == "malformed":
            body = body[: len(body) // 2]
        if accident == "truncate":
            return await _cut(request, body, kind, headers)
        return web.Response(body=body, content_type=kind, headers=headers)


_ID_HEADER = {"anthropic": "request-id", "openai": "x-request-id"}


def problem(
    status: int, said: str, request_id: str, dialect: Dialect = "anthropic", code: str = "", headers: dict[str, str] | None = None
) -> web.Response:
    """An error reply. Chat Completions knows no 529; it says 503 there."""
    body = error(status, said, request_id, dialect, code)
    status = 503 if status == 529 and dialect == "openai" else status
    return web.json_response(body, status=status, headers={_ID_HEADER[dialect]: request_id, **(headers or {})})


def unauthorized(books: Books, request: web.Request, request_id: str, dialect: Dialect = "anthropic") -> web.Response | None:
    """A 401 where the key is none of ours, or there is none."""
    key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    if key and books.settings.api_key in ("", key):
        return None
    return problem(401, "invalid x-api-key", request_id, dialect)


def limit_headers(books: Books, dialect: Dialect) -> dict[str, str]:
    """What is said about the limit with every reply."""
    settings = books.settings
    if settings.limit is None or not settings.limit_headers:
        return {}
    left, size = max(0.0, books.bucket.left(settings)), books.bucket.size(settings)
    full = (size - left) * 60 / settings.limit
    if dialect == "openai":
        names, reset = [f"x-ratelimit-{part}-requests" for part in ("limit", "remaining", "reset")], f"{full:.3f}s"
    else:
        names = [f"anthropic-ratelimit-requests-{part}" for part in ("limit", "remaining", "reset")]
        reset = (datetime.now(UTC) + timedelta(seconds=full)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return dict(zip(names, (f"{settings.limit:g}", str(int(left)), reset), strict=True))


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.Request, body: bytes, kind: str, headers: dict[str, str]) -> web.StreamResponse:
    reply = web.StreamResponse(headers={**headers, "Content-Type": kind, "Content-Length": str(len(body))})
    await reply.prepare(request)
    await reply.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return reply


async def _hang(request: web.Request) -> web.Response:
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(_LOOK_SECONDS)
    return web.Response()
