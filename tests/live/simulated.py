"""A provider in simulated time, to show what a controller does in minutes without waiting for them."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from builder.desk import Allowance, Failure, Tried
from builder.live.controller import Controller, Ticket
from builder.live.need import Need
from builder.records import Answer

CALL = Need(1, 100, 400, 700)
ANSWERED = Tried(Answer(request_hash="h", text="t"))


class Outcome(NamedTuple):
    """What became of a run: seconds it took, and how many of its tries were refused."""

    seconds: float
    refused: int
    most_in_flight: int


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bucket:
    """A true limit by the minute. ``headers``: whether it is told, as ``floor`` of what is left."""

    def __init__(self, clock: Clock, limit: float, headers: bool = True, retry_after: float | None = 1.0) -> None:
        self.clock, self.limit, self.headers, self.retry_after = clock, limit, headers, retry_after
        self.level, self.at = limit, clock.now

    def __call__(self, number: int) -> Tried | None:
        """A refusal, or nothing where the call is let in."""
        self._refill()
        if self.level >= 1:
            self.level -= 1
            return None
        return Tried(None, Failure("limited", "too fast", 429, retry_after=self.retry_after), self.told())

    def told(self) -> tuple[Allowance, ...]:
        """The headers of a reply that is sent now."""
        self._refill()
        return (Allowance("requests", self.limit, float(int(self.level)), 0.0),) if self.headers else ()

    def _refill(self) -> None:
        self.level = min(self.limit, self.level + (self.clock.now - self.at) * self.limit / 60)
        self.at = self.clock.now


def simulate(
    clock: Clock, controller: Controller, calls: int, concurrency: int, refuse: Callable[[int], Tried | None],
    told: Callable[[], tuple[Allowance, ...]] = tuple, latency: Callable[[int], float] = lambda number: 0.3,
) -> Outcome:  # fmt: skip
    """Send ``calls`` calls until each is answered; refusals come back after 10 ms."""
    began, refused, most = clock.now, 0, 0
    numbers: Iterator[int] = iter(range(10**9))
    ready: deque[int] = deque()  # calls that may be tried again, by how often each has been refused
    fresh = calls
    later: list[tuple[float, int, int]] = []
    flying: list[tuple[float, int, Ticket, Tried, int]] = []
    while fresh or ready or later or flying:
        while later and later[0][0] <= clock.now:
            ready.append(heapq.heappop(later)[2])
        while flying and flying[0][0] <= clock.now:
            _, number, ticket, tried, times = heapq.heappop(flying)
            if tried.failure is None:
                tried = tried._replace(allowances=told())
            wait = controller.back(ticket, CALL, tried, len(flying) + 1, concurrency, times)
            if tried.failure is not None:
                refused += 1
                heapq.heappush(later, (clock.now + wait, number, times + 1))
        slots = controller.slots(concurrency)
        if not ready and fresh and not (controller.overloaded and len(later) >= slots) and len(flying) < slots:
            fresh -= 1
            ready.append(0)
        wait = controller.wait(CALL) if ready else 0.0
        if ready and wait == 0 and len(flying) < slots:
            number = next(numbers)
            tried = refuse(number) or ANSWERED
            back = clock.now + (0.01 if tried.failure else latency(number))
            heapq.heappush(flying, (back, number, controller.sent(CALL), tried, ready.popleft()))
            most = max(most, len(flying))
            continue
        times_to_come = [flying[0][0]] if flying else []
        times_to_come += [later[0][0]] if later else []
        times_to_come += [clock.now + wait] if ready and wait > 0 else []
        clock.now = max(clock.now + 1e-6, min(times_to_come, default=clock.now))
    return Outcome(clock.now - began, refused, most)
