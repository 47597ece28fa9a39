"""The results of a batch that has ended, streamed and handed back in groups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from builder.batch.calls import Calls, Seen, Unreachable
from builder.batch.orphans import key_of
from builder.batch.results import INVALID, LOST, MISSING, outcome
from builder.desk import Failure, PendingBatch
from builder.records import Answer

ALIKE = 5  # refused requests of a batch without one answer, before the fault is taken to lie with all of them
_GROUP = 256  # answers handed back at once, so that they share commits
_STREAMS = 3  # whole streams that do not name a request, before it is taken to have no result


class Collected:
    """What came of one batch so far; a stream that broke is read again, and what it brought is not handed back twice.

    ``handed`` are keys whose answers are in the ledger, ``refused`` the answers to requests that the provider finds invalid.
    """

    def __init__(self, batch: PendingBatch) -> None:
        self.hashes = {key_of(request_hash): request_hash for request_hash in batch.hashes}
        self.handed: set[str] = set()
        self.refused: dict[str, Answer] = {}
        self.failures: dict[str, Failure] = {}
        self.short = 0

    @property
    def left(self) -> set[str]:
        """Keys of which nothing is known yet."""
        return self.hashes.keys() - self.handed - self.refused.keys() - self.failures.keys()


async def collect(calls: Calls, seen: Seen, collected: Collected, answer: Callable[[str, Answer], Awaitable[None]]) -> None:
    """Read all results; ``Unreachable`` when the stream broke or did not name every request. ``answer`` commits one answer."""
    if seen.gone:
        collected.failures.update(dict.fromkeys(collected.left, LOST))
        return
    left, group = collected.left, dict[str, Answer]()

    async def hand_back() -> None:
        await asyncio.gather(*(answer(key, group[key]) for key in group))
        collected.handed.update(group)
        group.clear()

    async with aclosing(calls.results(seen.batch_id)) as lines:
        async for name, result in lines:
            key = name.rpartition("-")[2]
            if key in left:
                left.discard(key)
                _sort(collected, group, key, outcome(collected.hashes[key], result, seen.batch_id))
            if len(group) >= _GROUP:
                await hand_back()
    await hand_back()
    if left:
        collected.short += 1
        if collected.short < _STREAMS:
            raise Unreachable(f"its results do not name {len(left)} of its requests")
        collected.failures.update(dict.fromkeys(left, MISSING))


def _sort(collected: Collected, group: dict[str, Answer], key: str, result: Answer | Failure) -> None:
    if isinstance(result, Failure):
        collected.failures[key] = result
    elif result.stop_reason == INVALID:
        collected.refused[key] = result
    else:
        group[key] = result
