"""The calls to the Message Batches API, through the official SDK; each failure is told as what it means for a batch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from builder.desk import Failure
from builder.errors import BildungError
from builder.live.failures import one_line
from builder.live.stops import reason_to_stop

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic
    from anthropic.types.messages import MessageBatch

_REFUSED = (429, 529)  # refused before anything was made of it
_UNCERTAIN = (408, 499)  # and every other 5xx: the connection or a gateway gave up, the batch may exist
_READ_SECONDS = 60.0
_PAGE = 100  # batches on one page of the list


class Refused(Exception):
    """The provider takes no batch just now and has made none; ``after`` is in seconds, if it said so."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class TooLarge(Exception):
    """The provider takes no batch of this size."""


class Unconfirmed(Exception):
    """Nobody knows whether the batch was created."""


class Unreachable(Exception):
    """A batch could not be read just now. That says nothing of the batch; patience."""


class Seen(NamedTuple):
    """A batch as the provider shows it. ``at`` is its creation in POSIX seconds; ``gone``: its results are no longer kept."""

    batch_id: str
    at: float
    requests: int
    ended: bool
    gone: bool


class Calls:
    """One account's batches. ``told`` reads a status of the provider's; ``creating`` are seconds for one create call."""

    def __init__(self, client: AsyncAnthropic, model: str, told: Callable[[APIStatusError], Failure], creating: float) -> None:
        self._model, self._told = model, told
        self._batches = client.messages.batches
        # A second try of a create whose answer was lost would be a second batch: there is no idempotency key.
        self._once = client.with_options(max_retries=0).messages.batches
        self._creating = creating

    async def create(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> str:
        """Create a batch of (custom_id, params); its id. ``Refused``, ``TooLarge`` or ``Unconfirmed`` otherwise."""
        import anthropic

        body: Any = [{"custom_id": custom_id, "params": params} for custom_id, params in requests]
        try:
            async with asyncio.timeout(self._creating):
                batch = await self._once.create(requests=body)
        except anthropic.APIStatusError as error:
            raise self._meaning(error) from error
        except anthropic.APIConnectionError as error:
            if _never_sent(error):
                raise Refused("the provider cannot be reached") from error
            raise Unconfirmed(one_line(str(error), None)) from error
        except (anthropic.APIError, TimeoutError, ValueError) as error:
            raise Unconfirmed(one_line(f"{type(error).__name__}: {error}", None)) from error
        batch_id = getattr(batch, "id", None)
        if not isinstance(batch_id, str):
            raise Unconfirmed("the answer to the create call was no batch")
        return batch_id

    async def look(self, batch_id: str) -> Seen:
        """How a batch stands. ``Unreachable`` when it cannot be told, 404 too: a new batch may take a while to be found."""
        with self._reading():
            return _seen(await self._batches.retrieve(batch_id, timeout=_READ_SECONDS))

    async def recent(self, since: float) -> list[Seen]:
        """The batches on the provider's list created since then, newest first."""
        found: list[Seen] = []
        with self._reading():
            async for batch in self._batches.list(limit=_PAGE, timeout=_READ_SECONDS):
                seen = _seen(batch)
                if seen.at < since:
                    break
                found.append(seen)
        return found

    async def results(self, batch_id: str) -> AsyncGenerator[tuple[str, Mapping[str, Any]], None]:
        """(custom_id, result) of a batch that has ended, line by line as they stream in."""
        with self._reading():
            lines = await self._batches.results(batch_id, timeout=_READ_SECONDS)
            try:
                async for line in lines:
                    with _whole():
                        custom_id, result = line.custom_id, line.result.model_dump(warnings=False)
                    yield custom_id, result
            finally:
                await lines.close()

    def _meaning(self, error: APIStatusError) -> Exception:
        """What a status means for the batch that was to be created."""
        failure = self._told(error)
        said = f"{error.status_code} {failure.message}"
        if failure.kind in ("denied", "unfunded", "missing"):
            return reason_to_stop(self._model, failure)
        if error.status_code == 413:
            return TooLarge(said)
        if error.status_code in _REFUSED:
            return Refused(said, failure.retry_after)
        if error.status_code >= 500 or error.status_code in _UNCERTAIN:
            return Unconfirmed(said)
        return BildungError(f"{self._model}: the provider refused a batch ({said}); what was bought is saved")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Reading changes nothing at the provider: whatever fails, but for the key, is tried again."""
        import anthropic
        import httpx2

        try:
            yield
        except anthropic.APIStatusError as error:
            failure = self._told(error)
            if failure.kind in ("denied", "unfunded"):
                raise reason_to_stop(self._model, failure) from error
            raise Unreachable(f"{error.status_code} {failure.message}") from error
        except (anthropic.AnthropicError, httpx2.HTTPError, httpx2.StreamError) as error:
            raise Unreachable(one_line(f"{type(error).__name__}: {error}", None)) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise Unreachable(f"a torn line in the results ({error})") from error


def _seen(batch: MessageBatch) -> Seen:
    with _whole():
        counts = batch.request_counts
        total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
        return Seen(batch.id, batch.created_at.timestamp(), total, batch.processing_status == "ended", batch.archived_at is not None)


def _never_sent(error: Exception) -> bool:
    import httpx2  # what the SDK speaks HTTP with

    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


@contextmanager
def _whole() -> Iterator[None]:
    """The SDK does not check what comes in: a field may be missing or of another type."""
    try:
        yield
    except (AttributeError, TypeError) as error:
        raise Unreachable(f"an answer of an unknown shape ({error})") from error
