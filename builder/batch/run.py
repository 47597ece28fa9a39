"""One desk's batches: windows are filled, created, looked at until they end, and their answers handed back."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from contextlib import suppress

from builder.batch import Pace
from builder.batch.calls import Calls, Refused, TooLarge, Unconfirmed, Unreachable
from builder.batch.collect import ALIKE, Collected, collect
from builder.batch.orphans import Orphans, custom_id, key_of
from builder.batch.queue import Entry, Queue
from builder.desk import RETRIED, Desk, Failure, PendingBatch
from builder.errors import BildungError
from builder.live.stops import reason_to_stop, refused_alike
from builder.records import Answer, Request

_TICK = 0.5  # seconds between two looks at whether the run is winding up
_GROWTH = 1.5


class Run:
    """The state of one run. Everything in it can be lost: the journal and the provider know the rest."""

    def __init__(self, desk: Desk, calls: Calls, queue: Queue, pace: Pace) -> None:
        self._desk, self._calls, self._queue, self._pace = desk, calls, queue, pace
        self._asked: dict[str, Request] = {}  # by key: taken from the desk and not handed back
        self._early: dict[str, Answer] = {}  # by key: of a batch of an earlier run, and not asked for up to now
        self._claimed: set[str] = set()  # keys in batches that are not settled
        self._batches: dict[str, PendingBatch] = {}  # by nonce: not settled
        self._prefixes: dict[str, set[str]] = {}  # by nonce
        self._retried: Counter[str] = Counter()
        self._orphans = Orphans(calls, desk.batches, pace)
        self._searching = False
        self._no_more = False
        self._not_before, self._refusals = 0.0, 0
        self._changed, self._room, self._leaving = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Until nothing that was asked for is left, or the run winds up. Safe to cancel anywhere."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for batch in self._desk.batches.pending(self._desk.model):
                    self._remember(batch)
                    self._go_on(batch, "an earlier run was cut off")
                taker = self._group.create_task(self._take())
                await self._fill()
                taker.cancel()
                self._leaving.set()
                if self._desk.stopping:
                    for task in self._tasks:
                        task.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            if self._batches:
                count = len(self._batches)
                what = "1 batch goes" if count == 1 else f"{count} batches go"
                self._desk.say(f"{what} on at the provider; the same command collects what {'it holds' if count == 1 else 'they hold'}")

    async def _take(self) -> None:
        """All that comes over the desk. One task for the whole run: a take that is cancelled would lose a request."""
        while request := await self._desk.take():
            await self._place(request)
            while not self._queue.full and (more := self._desk.take_ready()):
                await self._place(more)
            self._changed.set()
            while self._queue.full:
                self._room.clear()
                await self._room.wait()
        self._no_more = True
        self._changed.set()

    async def _place(self, request: Request) -> None:
        key = key_of(request.hash)
        if key in self._early:
            await self._desk.answered(request, self._early.pop(key))
            return
        self._asked[key] = request
        if key not in self._claimed:  # else it was bought in an earlier run, and its batch will bring it
            self._queue.add(request)

    async def _fill(self) -> None:
        while not self._desk.stopping and (self._asked or not self._no_more):
            if self._due():
                entries = self._queue.cut()
                self._room.set()
                await self._submit(entries)
                continue
            self._changed.clear()
            await _wait(self._changed, min(_TICK, self._pace.linger))

    def _due(self) -> bool:
        now = time.monotonic()
        if len(self._batches) >= self._pace.pending or now < self._not_before or not self._queue.ready:
            return False
        return self._no_more or self._queue.full or now - self._queue.arrived >= self._pace.linger

    async def _submit(self, entries: list[Entry]) -> None:
        """Intent, create, id. Where the create call ends without an id, what that means for the intent."""
        nonce, requests = secrets.token_hex(6), [entry.request for entry in entries]
        self._desk.batches.intend(nonce, requests)
        batch = PendingBatch(nonce, None, time.time(), tuple(request.hash for request in requests))
        self._remember(batch)
        self._prefixes[nonce] = {entry.prefix for entry in entries if entry.prefix}
        try:
            batch_id = await self._calls.create([(custom_id(nonce, entry.request.hash), entry.params) for entry in entries])
        except Unconfirmed as lost:
            self._go_on(batch, str(lost))
        except Refused as refusal:
            self._settle(batch)
            self._queue.put_back(entries)
            self._wait(refusal.after)
        except BildungError:  # the provider said no, so nothing was created
            self._settle(batch)
            raise
        except TooLarge as refusal:
            self._settle(batch)
            await self._split(entries, str(refusal))
        else:
            self._desk.batches.created(nonce, batch_id)
            if self._refusals:
                self._refusals = 0
                self._desk.waits(0)
            self._go_on(batch._replace(batch_id=batch_id))

    def _wait(self, asked: float | None) -> None:
        """Until the next window is offered: as long as the provider asked for, else longer each time."""
        seconds = min(self._pace.poll * 2**self._refusals, self._pace.longest_poll) if asked is None else asked
        self._refusals += 1
        self._not_before = time.monotonic() + seconds
        self._desk.waits(seconds)

    async def _split(self, entries: list[Entry], refusal: str) -> None:
        if len(entries) == 1:
            self._desk.failed(self._asked.pop(key_of(entries[0].request.hash)), Failure("invalid", refusal, 413), True)
            return
        middle = len(entries) // 2
        await self._submit(entries[:middle])
        await self._submit(entries[middle:])

    def _remember(self, batch: PendingBatch) -> None:
        self._batches[batch.nonce] = batch
        self._claimed.update(map(key_of, batch.hashes))
        self._tell()

    def _tell(self) -> None:
        self._desk.lies(len(self._batches), sum(len(batch.hashes) for batch in self._batches.values()))

    def _settle(self, batch: PendingBatch) -> None:
        self._desk.batches.settled(batch.nonce)
        self._forget(batch)

    def _forget(self, batch: PendingBatch) -> None:
        del self._batches[batch.nonce]
        self._queue.cold(self._prefixes.pop(batch.nonce, ()))
        self._claimed.difference_update(map(key_of, batch.hashes))
        self._tell()
        self._changed.set()

    def _go_on(self, batch: PendingBatch, lost: str = "") -> None:
        if batch.batch_id is not None:
            self._start(batch)
            return
        self._desk.say(f"a batch of {len(batch.hashes)} may exist or not ({lost}); it is looked for on the provider's list")
        self._orphans.intents[batch.nonce] = batch
        if not self._searching:
            self._searching = True
            self._keep(self._group.create_task(self._search()))

    def _start(self, batch: PendingBatch) -> None:
        self._keep(self._group.create_task(self._follow(batch, batch.batch_id or "")))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _search(self) -> None:
        """Until every intent is a batch or known to be none."""
        pause, silence = self._pace.poll, _Silence(self._desk, self._pace.patience)
        while self._orphans.intents:
            leaving = self._leaving.is_set()
            try:
                found = await self._orphans.search()
                silence.ended()
                for batch in found.adopted:
                    self._start(batch)
                for batch in found.never:
                    self._forget(batch)
                    await self._release(batch, {})
            except Unreachable as trouble:
                silence.lasts(f"the provider's list of batches cannot be read ({trouble}); still asking")
            if leaving:
                break
            await _wait(self._leaving, pause)
            pause = min(pause * _GROWTH, self._pace.longest_poll)
        self._searching = False

    async def _follow(self, batch: PendingBatch, batch_id: str) -> None:
        """Until the batch has ended and its answers are in the ledger. When the run is about to end, one last look."""
        pause, silence = self._pace.poll, _Silence(self._desk, self._pace.patience)
        collected = Collected(batch)
        while True:
            leaving = self._leaving.is_set()
            try:
                seen = await self._calls.look(batch_id)
                if seen.gone:
                    self._desk.say(f"batch {batch_id}: the provider no longer keeps its results; what they held is bought again")
                if seen.ended:
                    await collect(self._calls, seen, collected, self._answer)
                    await self._ended(batch, collected)
                    return
                silence.ended()
            except Unreachable as trouble:
                silence.lasts(f"batch {batch_id} cannot be read ({trouble}); still asking, and nothing of it is bought again")
            if leaving:
                return
            await _wait(self._leaving, pause)
            pause = min(pause * _GROWTH, self._pace.longest_poll)

    async def _answer(self, key: str, answer: Answer) -> None:
        request = self._asked.pop(key, None)
        if request is not None:
            await self._desk.answered(request, answer)
            return
        await self._desk.batches.answered_by_hash(self._desk.model, answer)
        self._early[key] = answer

    async def _ended(self, batch: PendingBatch, collected: Collected) -> None:
        """Every answer is in the ledger. What was not answered waits for a later window, or the run stops if none would be."""
        self._queue.ended(self._prefixes.pop(batch.nonce, ()))
        await self._desk.saved()
        self._settle(batch)
        refused = [answer for key, answer in collected.refused.items() if key in self._asked]
        if len(refused) >= ALIKE and not collected.handed:
            raise refused_alike(self._desk.model, len(refused), Failure("invalid", refused[0].detail, 400))
        for key, answer in collected.refused.items():
            if key in self._asked:
                await self._answer(key, answer)
        await self._release(batch, collected.failures)

    async def _release(self, batch: PendingBatch, failures: dict[str, Failure]) -> None:
        """What of an ended batch the desk still waits for."""
        for key in map(key_of, batch.hashes):
            request = self._asked.get(key)
            if request is None:
                continue
            if key in self._early:
                await self._desk.answered(self._asked.pop(key), self._early.pop(key))
            elif key in failures:
                self._failed(key, request, failures[key])
            else:
                self._queue.add(request)

    def _failed(self, key: str, request: Request, failure: Failure) -> None:
        self._retried[key] += 1
        final = failure.kind not in RETRIED or self._retried[key] > self._pace.retries
        self._desk.failed(request, failure, final)
        if not final:
            self._queue.add(request)
            return
        del self._asked[key], self._retried[key]
        if failure.kind in ("denied", "unfunded", "missing"):
            raise reason_to_stop(self._desk.model, failure)


class _Silence:
    """The provider cannot be read for a while: that is told once, when it has lasted."""

    def __init__(self, desk: Desk, patience: float) -> None:
        self._desk, self._patience = desk, patience
        self._since: float | None = None
        self._told = False

    def lasts(self, line: str) -> None:
        """Another try has failed."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if not self._told and now - self._since > self._patience:
            self._told = True
            self._desk.say(line)

    def ended(self) -> None:
        """A try was answered."""
        self._since = None


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until something happens, at most so long. (Python 3.11's ``wait_for`` swallows a cancellation that comes together with the event.)"""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first, out of the groups around it."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
