"""Batches whose creation was never confirmed: the process was killed, or the answer to the create call was lost.

The provider's list tells when a batch was created and how many requests it has, not what they are. Only results carry the nonce. So a
batch of the right size and time is waited for, and belongs to the intent whose nonce its first result names. An intent is given up, and
its requests are free to be bought, once no batch on the list can be it any more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import NamedTuple

from builder.batch import Pace
from builder.batch.calls import Calls, Seen, Unreachable
from builder.desk import BatchJournal, PendingBatch

# A batch of another bildung is none of this run's, but may be of another model of the same ledger: it is never journalled as foreign.
_OURS = re.compile(r"([0-9a-f]{12})-[0-9a-f]{40}")


class Found(NamedTuple):
    """What one look at the list told: intents that are batches by now, and intents that never became one."""

    adopted: list[PendingBatch]
    never: list[PendingBatch]


def custom_id(nonce: str, request_hash: str) -> str:
    """What a request is called in its batch; 53 of the 64 characters allowed."""
    return f"{nonce}-{key_of(request_hash)}"


def key_of(request_hash: str) -> str:
    """The part of a request's hash that is in its ``custom_id``; 160 bits."""
    return request_hash[:40]


class Orphans:
    """The intents without an id of one run."""

    def __init__(self, calls: Calls, journal: BatchJournal, pace: Pace) -> None:
        self._calls, self._journal, self._pace = calls, journal, pace
        self._strangers: set[str] = set()
        self.intents: dict[str, PendingBatch] = {}

    async def search(self) -> Found:
        """Look at the list once. What is adopted or never was is in the journal, and no intent any more, when this returns."""
        now = time.time()
        listed = await self._calls.recent(min(intent.at for intent in self.intents.values()) - self._pace.skew)
        known = self._journal.known_ids() | self._strangers
        adopted: list[PendingBatch] = []
        undecided: list[Seen] = []
        for seen in listed:
            if seen.batch_id in known or not any(self._could_be(intent, seen) for intent in self.intents.values()):
                continue
            nonce = await self._nonce(seen)
            if nonce is None:
                undecided.append(seen)
            elif nonce in self.intents:
                self._journal.created(nonce, seen.batch_id)
                adopted.append(self.intents.pop(nonce)._replace(batch_id=seen.batch_id))
            else:
                self._strangers.add(seen.batch_id)
        return Found(adopted, self._give_up(undecided, now))

    def _could_be(self, intent: PendingBatch, seen: Seen) -> bool:
        earliest, latest = intent.at - self._pace.skew, intent.at + self._pace.creating + self._pace.skew
        return seen.requests == len(intent.hashes) and earliest <= seen.at <= latest

    async def _nonce(self, seen: Seen) -> str | None:
        """The nonce in a batch's results; ``None`` while they cannot be read, empty where they are none of ours."""
        if seen.gone:
            return ""
        if not seen.ended:
            return None
        try:
            async with aclosing(self._calls.results(seen.batch_id)) as results:
                async for name, _ in results:
                    ours = _OURS.fullmatch(name)
                    if ours is None:
                        self._journal.foreign(seen.batch_id)
                    return ours[1] if ours else ""
        except Unreachable:
            pass
        return None

    def _give_up(self, undecided: Sequence[Seen], now: float) -> list[PendingBatch]:
        never = [
            intent
            for intent in self.intents.values()
            if now - intent.at > self._pace.patience and not any(self._could_be(intent, seen) for seen in undecided)
        ]
        for intent in never:
            self._journal.settled(intent.nonce)
            del self.intents[intent.nonce]
        return never
