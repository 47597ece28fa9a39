"""Works a desk with live calls: one task per call, as many in flight as the desk wants and the provider bears.

A call leaves its slot when the provider has answered; its answer may still be on its way to disk. Calls that failed wait outside the slots.
Where the run has to stop, what is in flight is finished and handed back first: it is paid for.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from builder.desk import RETRIED, Desk, Failure, Tried
from builder.live import Ask
from builder.live.call import Call
from builder.live.controller import Controller, Ticket
from builder.live.stops import lost_too_many, reason_to_stop, refused_alike
from builder.records import Answer, Request, Usage

ATTEMPTS = 5  # of a call that is dropped, cut off, or fails in the provider; a 429 or 529 is no attempt
PATIENCE = 600.0  # seconds of overload that one request bears
ALIKE = 5  # refusals of one kind in a row, before the fault is taken to lie with the run
LOST = 20  # requests given up in a row (or as many as are in flight), before the same
UNWRITTEN = 50  # answers beyond the slots that may wait for the ledger
WAITING = 4096  # failed calls waiting for their next try, before no new request is taken: memory stays flat in a long outage
PREFIX_LIVES = 270.0  # seconds since it was last used that a cached prefix is counted on; the provider keeps it for 300
TOLD_FROM = 1.0  # seconds of waiting for a limit that are worth telling
COLLECT_AFTER = 20_000  # new objects, some hundred calls' worth; Python's own number is 700
TICK = 0.5  # seconds within which a raised concurrency or a stop is noticed


async def serve(
    ask: Ask, desk: Desk, controller: Controller, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, patience: float = PATIENCE
) -> None:
    """Ask until the desk has nothing more. Raises what stops a run (``BildungError``) once everything in flight has been handed back."""
    with _seldom_collecting():
        await _Serving(ask, desk, controller, sleep, patience).run()


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Spare the collector what outlives the run anyway: walking it took half of this engine's own time."""
    before = gc.get_threshold()
    if before[0] >= COLLECT_AFTER:  # another model's run has seen to it
        yield
        return
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class _Serving:
    """The state of one ``serve``. All of it is touched by one event loop only."""

    def __init__(
        self, ask: Ask, desk: Desk, controller: Controller, sleep: Callable[[float], Awaitable[None]], patience: float
    ) -> None:
        self._ask, self._desk, self._controller, self._sleep, self._patience = ask, desk, controller, sleep, patience
        self._changed = asyncio.Event()
        self._ready: deque[Call] = deque()
        self._waiting: list[tuple[float, int, Call]] = []  # a heap by the time of the next try
        self._parked: dict[int, list[Call]] = {}  # by prefix: the herd behind the call that fills the cache
        self._parked_count = 0
        self._cached: dict[int, float] = {}  # when a prefix was last known to be in the provider's cache
        self._tasks: set[asyncio.Task[None]] = set()
        self._taking: asyncio.Task[Request | None] | None = None
        self._nap: asyncio.Task[None] | None = None
        self._nap_until = float("inf")
        self._calling = self._number = self._failing = self._lost = self._alike = 0
        self._written = 0.0
        self._ended = self._told = False
        self._refused: list[Call] = []  # refused as invalid; whose fault that is shows with the next success
        self._last_refusal: tuple[int | None, str] | None = None
        self._fault: BaseException | None = None

    async def run(self) -> None:
        """Until nothing is left, or the run has to stop and nothing is in flight."""
        ticking = asyncio.create_task(self._tick())
        try:
            while True:
                self._changed.clear()
                self._start_what_can()
                if self._over():
                    break
                await self._changed.wait()
        finally:
            loose = [task for task in (ticking, self._taking, self._nap, *self._tasks) if task is not None]
            for task in loose:
                task.cancel()
            await asyncio.gather(*loose, return_exceptions=True)
        if self._fault is not None:
            raise self._fault

    @property
    def _winding(self) -> bool:
        return self._fault is not None or self._desk.stopping

    def _over(self) -> bool:
        if self._tasks:
            return False
        return self._winding or (self._ended and not (self._ready or self._waiting or self._refused))

    def _start_what_can(self) -> None:
        if self._winding:
            self._give_up_waiting()
        now = self._controller.clock()
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        while not self._winding and (call := self._next()) is not None:
            wait = self._controller.wait(call.need)
            self._tell(wait)
            if wait > 0:
                self._ready.appendleft(call)
                self._wake_at(now + wait)
                break
            self._start(call)
        if self._waiting:
            self._wake_at(self._waiting[0][0])
        if self._refused and not (self._tasks or self._ready or self._waiting):
            self._spawn(self._settle_refused())

    def _tell(self, wait: float) -> None:
        """Say once that the provider's limit holds the run up for a while, and once that it goes on."""
        if (wait >= TOLD_FROM) != self._told:
            self._told = not self._told
            self._desk.waits(wait if self._told else 0.0)

    def _next(self) -> Call | None:
        """A call that may go out as far as slots and the prompt cache are concerned."""
        slots = self._slots()
        while self._calling + self._parked_count < slots and len(self._tasks) < slots + UNWRITTEN:
            call = self._ready.popleft() if self._ready else self._new()
            if call is None or call.prefix not in self._parked:
                return call
            self._parked[call.prefix].append(call)
            self._parked_count += 1
        return None

    def _slots(self) -> int:
        return self._controller.slots(self._desk.concurrency)

    def _new(self) -> Call | None:
        # While nothing gets through, the calls that wait already are enough to find out when something does.
        enough = max(self._slots(), LOST)
        most = enough if self._controller.overloaded or self._failing >= enough else WAITING
        if self._ended or len(self._waiting) >= most:
            return None
        request = self._desk.take_ready()
        if request is not None:
            return Call(request, self._written)
        if self._taking is None:
            self._taking = asyncio.create_task(self._desk.take())
            self._taking.add_done_callback(self._taken)
        return None

    def _taken(self, taking: asyncio.Task[Request | None]) -> None:
        self._taking = None
        self._changed.set()
        if taking.cancelled():
            return
        if (fault := taking.exception()) is not None:
            self._fault = self._fault or fault
        elif (request := taking.result()) is None:
            self._ended = True
        else:
            self._ready.append(Call(request, self._written))

    def _start(self, call: Call) -> None:
        now = self._controller.clock()
        first = call.prefix != 0 and now - self._cached.get(call.prefix, float("-inf")) > PREFIX_LIVES
        if first:
            self._parked[call.prefix] = []
        self._calling += 1
        self._spawn(self._call(call, self._controller.sent(call.need), first))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._fault = self._fault or fault

    async def _call(self, call: Call, ticket: Ticket, first: bool) -> None:
        """One try, from sending it to handing back what came of it."""
        try:
            tried = await self._asked(call.request)
        finally:
            self._calling -= 1
        self._changed.set()
        if call.prefix and tried.answer is not None:
            self._cached[call.prefix] = self._controller.clock()
        if first:
            self._release(call.prefix)
        failure = tried.failure
        times = 0 if failure is None else call.times(failure.kind)
        wait = self._controller.back(ticket, call.need, tried, self._calling + 1, self._desk.concurrency, times)
        if tried.answer is not None:
            await self._succeeded(call, tried.answer)
        elif failure is not None:
            self._failed(call, failure, wait)

    async def _asked(self, request: Request) -> Tried:
        try:
            async with asyncio.timeout(self._desk.timeout):
                return await self._ask(request)
        except TimeoutError:
            return Tried(None, Failure("timeout", f"no answer within {self._desk.timeout:g} s"))

    def _release(self, prefix: int) -> None:
        """The first call with this prefix is back. If it was not answered, the next one takes its place."""
        herd = self._parked.pop(prefix, [])
        self._parked_count -= len(herd)
        self._ready.extendleft(reversed(herd))

    async def _succeeded(self, call: Call, answer: Answer) -> None:
        self._failing = self._lost = self._alike = 0
        self._written += (answer.usage.tokens_out - self._written) * (0.05 if self._written else 1)
        await self._desk.answered(call.request, answer)
        await self._settle_refused()

    def _failed(self, call: Call, failure: Failure, wait: float) -> None:
        now = self._controller.clock()
        if failure.kind not in RETRIED:
            self._refuse(call, failure)
            return
        call.fail(failure, now)
        self._failing += 1
        out = failure.kind == "overloaded" and now + wait - call.overloaded_since > self._patience
        final = self._winding or out or call.attempts >= ATTEMPTS
        self._desk.failed(call.request, failure, final)
        if final:
            self._lost += not self._winding
            if self._lost >= max(LOST, self._desk.concurrency):
                self._fault = self._fault or lost_too_many(self._desk.model, self._lost, failure)
        elif wait > 0:
            self._number += 1
            heapq.heappush(self._waiting, (now + wait, self._number, call))
        else:
            self._ready.append(call)

    def _refuse(self, call: Call, failure: Failure) -> None:
        """It will never be answered as it stands: alone, or like all the others."""
        if failure.kind != "invalid" or self._fault is not None:
            self._desk.failed(call.request, failure, True)
            self._fault = self._fault or reason_to_stop(self._desk.model, failure)
            return
        self._alike = self._alike + 1 if (failure.status, failure.code) == self._last_refusal else 1
        self._last_refusal = (failure.status, failure.code)
        call.failure = failure
        self._refused.append(call)
        if self._alike >= ALIKE:
            self._fault = refused_alike(self._desk.model, self._alike, failure)
            self._give_up_waiting()

    async def _settle_refused(self) -> None:
        """Refused requests that were at fault themselves are answered with the refusal, so that they are never asked again."""
        refused, self._refused = self._refused, []
        for call in refused:
            words = call.failure
            answer = Answer(
                request_hash=call.request.hash, text="", stop_reason="invalid_request", detail=words.message, request_id=words.request_id,
                usage=Usage(),
            )  # fmt: skip
            await self._desk.answered(call.request, answer)

    def _give_up_waiting(self) -> None:
        """The run winds up: nothing that waits is tried again."""
        calls = [*self._ready, *(waiting[2] for waiting in self._waiting), *(call for herd in self._parked.values() for call in herd)]
        refused, self._refused = (self._refused, []) if self._fault is not None else ([], self._refused)
        self._ready.clear()
        self._waiting.clear()
        for herd in self._parked.values():
            herd.clear()
        self._parked_count = 0
        for call in calls:
            self._desk.failed(call.request, Failure("unsent", "the run came to its end before its turn"), True)
        for call in refused:
            self._desk.failed(call.request, call.failure, True)

    def _wake_at(self, due: float) -> None:
        """Look again at that time, or earlier."""
        if self._nap is not None and not self._nap.done():
            if self._nap_until <= due:
                return
            self._nap.cancel()
        self._nap_until = due
        self._nap = asyncio.create_task(self._doze(due - self._controller.clock()))

    async def _doze(self, seconds: float) -> None:
        await self._sleep(max(0.0, seconds))
        self._changed.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._changed.set()
