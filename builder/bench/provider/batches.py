"""Message Batches: made, listed newest first, cancelled, ended; results in no order."""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from aiohttp import web

from builder.bench.provider.books import Books, draw
from builder.bench.provider.caching import Tokens
from builder.bench.provider.live import problem, unauthorized
from builder.bench.provider.prompts import BadRequest, Prompt
from builder.bench.provider.shapes import error, message

MOST_REQUESTS = 100_000
MOST_BYTES = 256 * 1024**2
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DAY = timedelta(hours=24)
_WRITTEN_AT_ONCE = 1 << 18  # bytes


class Entry(NamedTuple):
    """One request of a batch, with what its prompt had cached when the batch was made."""

    custom_id: str
    prompt: Prompt
    tokens: Tokens
    outcome: str = ""
    result: str = ""


class Batch:
    """One batch. ``ends`` is on the monotonic clock, ``entries`` have results once ``ended``."""

    def __init__(self, batch_id: str, entries: list[Entry], ends: float) -> None:
        self.id, self.entries, self.ends = batch_id, entries, ends
        self.created = datetime.now(UTC)
        self.cancelled: datetime | None = None
        self.ended: datetime | None = None
        self.retrieved = self.downloaded = 0

    def described(self, base: str) -> dict[str, Any]:
        """As a ``MessageBatch``."""
        counts = Counter(entry.result or "processing" for entry in self.entries)
        names = ("processing", "succeeded", "errored", "canceled", "expired")
        state = "ended" if self.ended else "canceling" if self.cancelled else "in_progress"
        return {
            "id": self.id, "type": "message_batch", "processing_status": state, "request_counts": {name: counts[name] for name in names},
            "created_at": self.created.isoformat(), "expires_at": (self.created + _DAY).isoformat(), "archived_at": None,
            "cancel_initiated_at": self.cancelled.isoformat() if self.cancelled else None,
            "ended_at": self.ended.isoformat() if self.ended else None,
            "results_url": f"{base}/v1/messages/batches/{self.id}/results" if self.ended else None,
        }  # fmt: skip


class Batches:
    """The batch endpoints of one provider."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._made: dict[str, Batch] = {}
        self._overloaded = 0

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        root = "/v1/messages/batches"
        return [
            web.post(root, self._create), web.get(root, self._list), web.get(root + "/{id}", self._retrieve),
            web.get(root + "/{id}/results", self._results), web.post(root + "/{id}/cancel", self._cancel),
        ]  # fmt: skip

    def settle(self) -> None:
        """End every batch whose time has come, and put it on the bill. There is no timer: every look at the batches does this first."""
        now = time.monotonic()
        for batch in self._made.values():
            if not batch.ended and batch.ends <= now:
                self._end(batch, now)

    def _end(self, batch: Batch, now: float) -> None:
        books = self.books
        batch.ended = datetime.now(UTC)
        for place, entry in enumerate(batch.entries):
            lost = batch.cancelled and draw(books.settings.seed, batch.id, entry.custom_id) >= books.settings.cancel_done
            outcome = "" if lost else books.outcome(entry.prompt, batch=True)
            result = "canceled" if lost else {"errored": "errored", "invalid": "errored", "expired": "expired"}.get(outcome, "succeeded")
            tokens = entry.tokens._replace(out=books.tokens_out(entry.prompt, outcome))
            if result == "succeeded":
                books.charge(entry.prompt, tokens, batch=True)
                books.caches[True].finished(entry.prompt, books.settings, now)
            batch.entries[place] = entry._replace(outcome=outcome, result=result, tokens=tokens)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        request_id = self._request_id()
        refused = unauthorized(self.books, request, request_id)
        if refused is not None:
            return refused
        if (request.content_length or 0) > MOST_BYTES:
            return problem(413, "Request exceeds the maximum size", request_id)
        try:
            entries = self._entries(json.loads(await request.read()))
        except ValueError as wrong:
            return problem(400, str(wrong), request_id)
        books = self.books
        if self._overloaded < books.settings.batch_overloaded:
            self._overloaded += 1
            return problem(529, "Overloaded", request_id)
        books.batches += 1
        batch = Batch(f"msgbatch_{books.batches:08d}", entries, time.monotonic() + books.settings.batch_seconds)
        self._made[batch.id] = batch
        if draw(books.settings.seed, "orphan", books.batches) < books.settings.batch_orphans:
            books.faults["orphan"] += 1
            if request.transport is not None:
                request.transport.abort()
        return self._reply(request, batch)

    def _entries(self, body: Any) -> list[Entry]:
        requests = body.get("requests") if isinstance(body, dict) else None
        if not isinstance(requests, list) or not requests:
            raise BadRequest("requests: at least one request is required")
        if len(requests) > MOST_REQUESTS:
            raise BadRequest(f"requests: at most {MOST_REQUESTS} requests are allowed")
        settings, now = self.books.settings, time.monotonic()
        entries, seen = [], set()
        for place, each in enumerate(requests):
            custom_id = each.get("custom_id") if isinstance(each, dict) else None
            if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
                raise BadRequest(f"requests.{place}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
            if custom_id in seen:
                raise BadRequest(f"requests.{place}.custom_id: {custom_id} is used more than once")
            seen.add(custom_id)
            prompt = self.books.read(each.get("params"), "anthropic")
            entries.append(Entry(custom_id, prompt, self.books.caches[True].look_up(prompt, settings, now)))
        return entries

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self.settle()
        newest_first = list(reversed(self._made.values()))
        ids = [batch.id for batch in newest_first]
        most = min(1000, max(1, int(request.query.get("limit", "20"))))
        after, before = request.query.get("after_id"), request.query.get("before_id")
        unknown = next((each for each in (after, before) if each and each not in ids), None)
        if unknown:
            return problem(404, f"no batch {unknown}", self._request_id())
        if before:
            stop = ids.index(before)
            page, more = newest_first[max(0, stop - most) : stop], stop > most
        else:
            start = ids.index(after) + 1 if after else 0
            page, more = newest_first[start : start + most], len(ids) > start + most
        rows = [batch.described(_base(request)) for batch in page]
        ends = {"first_id": page[0].id if page else None, "last_id": page[-1].id if page else None}
        return web.json_response({"data": rows, "has_more": more, **ends}, headers={"request-id": self._request_id()})

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        batch = self._find(request)
        if batch is not None:
            batch.retrieved += 1
        if batch is None or batch.retrieved <= self.books.settings.batch_not_found:
            return self._not_found(request)
        return self._reply(request, batch)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        batch = self._find(request)
        if batch is None:
            return self._not_found(request)
        if batch.ended:
            return problem(400, f"{batch.id} has ended and cannot be canceled", self._request_id())
        if not batch.cancelled:
            batch.cancelled = datetime.now(UTC)
            batch.ends = min(batch.ends, time.monotonic() + self.books.settings.cancel_seconds)
        return self._reply(request, batch)

    async def _results(self, request: web.Request) -> web.StreamResponse:
        batch = self._find(request)
        if batch is None or not batch.ended:
            return self._not_found(request)
        reply = web.StreamResponse(headers={"Content-Type": "application/x-jsonl", "request-id": self._request_id()})
        await reply.prepare(request)
        batch.downloaded += 1
        cut = batch.downloaded <= self.books.settings.batch_cut
        waiting = b""
        for number, line in enumerate(self._lines(batch)):
            if cut and number >= len(batch.entries) // 2:
                await reply.write(waiting + line[: len(line) // 2])
                if request.transport is not None:
                    request.transport.close()
                return reply
            waiting += line
            if len(waiting) > _WRITTEN_AT_ONCE:
                await reply.write(waiting)
                waiting = b""
        await reply.write(waiting)
        return reply

    def _lines(self, batch: Batch) -> Iterator[bytes]:
        settings = self.books.settings
        for place in random.Random(f"{settings.seed}:{batch.id}").sample(range(len(batch.entries)), len(batch.entries)):
            entry = batch.entries[place]
            result: dict[str, Any] = {"type": entry.result}
            if entry.result == "succeeded":
                number = f"{batch.id.removeprefix('msgbatch_')}_{place:06d}"
                result["message"] = message(
                    entry.prompt, entry.outcome, entry.tokens, number, settings.seed, settings.refusal_category, batch=True
                )
            elif entry.result == "errored":
                status, said = (400, "this prompt is not accepted") if entry.outcome == "invalid" else (500, "Internal server error")
                result["error"] = error(status, said, self._request_id())
            yield json.dumps({"custom_id": entry.custom_id, "result": result}).encode() + b"\n"

    def _find(self, request: web.Request) -> Batch | None:
        self.settle()
        return self._made.get(request.match_info["id"])

    def _reply(self, request: web.Request, batch: Batch) -> web.Response:
        return web.json_response(batch.described(_base(request)), headers={"request-id": self._request_id()})

    def _not_found(self, request: web.Request) -> web.Response:
        return problem(404, f"no batch {request.match_info['id']}", self._request_id())

    def _request_id(self) -> str:
        return f"req_b{time.monotonic_ns():x}"


def _base(request: web.Request) -> str:
    return f"http://{request.host}"
