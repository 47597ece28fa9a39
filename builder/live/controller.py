"""Keeps to a provider's limits without knowing them beforehand: how many calls may be sent now, and how long to wait for the next one.

One controller stands before one model. It never sleeps and never sends: it is told what was sent and what came back, and answers with
seconds. Three things hold calls back:

- *buckets*, mirrored from the provider's headers: what was left, less what was sent since, refilled all the time;
- a *pause*, where a limit was hit all the same: what the provider asks for, once per window, however many calls were caught in it;
- a *pace*, learned from refusals where headers say nothing.

A refusal that stands alone among successes delays nobody but the call it hit. Overload lowers the number in flight instead.
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from builder.desk import Allowance, Failure, Tried
from builder.live.need import RESOURCES, Need

_RECENT = 100  # calls looked back on, in the order they were sent: refusals come back sooner than answers
_MANY = 5  # fewer refusals than this among them are chance
_SHARE = 0.5  # of recent calls refused: a limit, also without headers
_SHARE_DENIED = 0.8  # the same against headers that say there is room
_SHARE_PACED = 0.3  # the same, once a pace was learned
_SHARE_OVERLOADED = 0.2  # of recent calls, before fewer are sent
_WINDOW = 60.0  # providers count by the minute
_LONGEST = 30.0  # seconds between two tries of one call, where the provider names none
_GROWTH, _GENTLE_GROWTH = 1.25, 1.02  # of a learned pace per second: before it was first found too fast, and after


class Ticket(NamedTuple):
    """A call as it was sent: when, as which one, and what had been sent of each resource then, itself included."""

    at: float
    number: int
    sent: Need


class _Bucket:
    """One limit of the provider as it must look from there."""

    def __init__(self) -> None:
        self.limit = self.level = self.rate = self.at = 0.0
        self._newest = -1

    def hear(self, allowance: Allowance, ticket: Ticket, now: float, sent_since: float) -> None:
        """Believe a header, unless one of a later call was heard before.

        It may have been written when the call arrived or when its answer left; what is true now lies between what follows from either.
        """
        if ticket.number < self._newest:
            return
        known = self._newest >= 0
        self._newest, self.limit, self.rate = ticket.number, allowance.limit, allowance.limit / _WINDOW
        least = allowance.remaining - sent_since
        most = min(self.limit, allowance.remaining + (now - ticket.at) * self.rate)
        mirrored = self.level + (now - self.at) * self.rate
        self.level, self.at = max(least, min(most, mirrored)) if known else least, now

    def take(self, need: float, now: float) -> None:
        """Something was sent."""
        self.level = min(self.limit, self.level + (now - self.at) * self.rate) - need
        self.at = now

    def wait(self, need: float, now: float) -> float:
        """Seconds until there is room for it; what is larger than the whole bucket waits for a full one."""
        missing = min(need, self.limit) - self.level - (now - self.at) * self.rate
        return missing / max(self.rate, 1e-9) if missing > 1e-9 else 0.0


class Controller:
    """What one model's provider can be sent now. ``clock`` gives seconds, ``draw`` a number from 0 to 1."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, draw: Callable[[], float] = random.random) -> None:
        self.clock, self._draw = clock, draw
        self._sent = Need(0, 0, 0, 0)
        self._number = 0
        self._buckets: list[_Bucket | None] = [None] * len(RESOURCES)
        self._refused: deque[tuple[int, str]] = deque(maxlen=2 * _RECENT)
        self._by_second: deque[list[int]] = deque(maxlen=int(_WINDOW))  # second, calls sent and not refused
        self._paused_until = self._next_at = float("-inf")
        self._paused_number = -1
        self._windows = 0
        self._pace: float | None = None
        self._pace_since, self._growth = 0.0, _GROWTH
        self._slots = float("inf")
        self._lowered_at = float("-inf")

    def slots(self, concurrency: int) -> int:
        """How many calls may be in flight, of the ``concurrency`` that are wanted."""
        return max(1, int(min(concurrency, self._slots)))

    @property
    def overloaded(self) -> bool:
        """Whether fewer calls are sent than are wanted, because the provider cannot take them."""
        return self._slots != float("inf")

    def wait(self, need: Need) -> float:
        """Seconds until a call may be sent; 0 is now."""
        now = self.clock()
        wait = max(0.0, self._paused_until - now, self._next_at - now)
        for bucket, amount in zip(self._buckets, need, strict=True):
            if bucket is not None:
                wait = max(wait, bucket.wait(amount, now))
        return wait

    def sent(self, need: Need) -> Ticket:
        """A call goes out now."""
        now = self.clock()
        self._number += 1
        self._sent = self._sent.plus(need)
        for bucket, amount in zip(self._buckets, need, strict=True):
            if bucket is not None:
                bucket.take(amount, now)
        if self._pace is not None:
            self._next_at = max(now, self._next_at) + 1 / self._pace_at(now)
        self._count(now, 1)
        return Ticket(now, self._number, self._sent)

    def back(self, ticket: Ticket, need: Need, tried: Tried, in_flight: int, concurrency: int, times: int = 0) -> float:
        """A call came back: seconds until this very request may be tried again. ``times``: how often it had failed in this way before."""
        now = self.clock()
        for allowance in tried.allowances:
            self._hear(allowance, ticket, now)
        failure = tried.failure
        if failure is None:
            self._succeeded(concurrency)
            return 0.0
        if failure.kind == "limited":
            return self._limited(ticket, need, failure, tried.allowances, now, times)
        if failure.kind == "overloaded":
            self._lower(ticket, in_flight, now)
        return self._apart(times, failure.retry_after)

    def _hear(self, allowance: Allowance, ticket: Ticket, now: float) -> None:
        at = RESOURCES.index(allowance.resource)
        bucket = self._buckets[at]
        if bucket is None:
            bucket = self._buckets[at] = _Bucket()
        bucket.hear(allowance, ticket, now, self._sent[at] - ticket.sent[at])

    def _count(self, now: float, change: int) -> None:
        second = int(now)
        if not self._by_second or self._by_second[-1][0] != second:
            self._by_second.append([second, 0])
        self._by_second[-1][1] += change

    def _share(self, ticket: Ticket, kind: str) -> float:
        """Of the calls sent just before this one, the share refused like it; 0 where there are too few to tell."""
        self._refused.append((ticket.number, kind))
        many = sum(1 for number, other in self._refused if other == kind and ticket.number - _RECENT < number <= ticket.number)
        return many / min(_RECENT, ticket.number) if many >= _MANY else 0.0

    def _succeeded(self, concurrency: int) -> None:
        self._windows = 0
        if self._slots < concurrency:
            self._slots += max(1.0, concurrency / 10) / self._slots  # a tenth of what is wanted per round of calls
        else:
            self._slots = float("inf")

    def _limited(self, ticket: Ticket, need: Need, failure: Failure, told: tuple[Allowance, ...], now: float, times: int) -> float:
        """A 429: of a window that is being waited for, of a new one, or astray."""
        if ticket.number <= self._paused_number:
            return 0.0
        self._count(now, -1)
        share = self._share(ticket, "limited")
        used_up = any(allowance.remaining < max(1, min(need[RESOURCES.index(allowance.resource)], allowance.limit)) for allowance in told)
        if not used_up:
            if share < (_SHARE_DENIED if told else _SHARE if self._pace is None else _SHARE_PACED):
                return self._apart(times, failure.retry_after)
            self._slow_down(now, share)
        asked = failure.retry_after
        if asked is None:
            asked = 0.0 if used_up else min(_LONGEST, 2.0**self._windows)
        self._windows += 1
        self._paused_until, self._paused_number = now + asked, self._number
        self._refused.clear()
        return 0.0

    def _slow_down(self, now: float, share: float) -> None:
        """What got through in the last minute is a first guess; later, what gets through of the present pace."""
        if self._pace is None:
            passed = sum(count for second, count in self._by_second if second > now - _WINDOW)
            self._pace = max(passed / _WINDOW, 1.0)
        else:
            self._pace, self._growth = max(self._pace_at(now) * (1 - share), 0.02), _GENTLE_GROWTH
        self._pace_since = now

    def _pace_at(self, now: float) -> float:
        grown = (self._pace or 0) * math.pow(self._growth, min(now - self._pace_since, 120))
        return min(grown, 1e5)

    def _lower(self, ticket: Ticket, in_flight: int, now: float) -> None:
        if self._share(ticket, "overloaded") >= _SHARE_OVERLOADED and now - self._lowered_at >= 1.0:
            self._slots = max(1.0, 0.7 * min(self._slots, in_flight))
            self._lowered_at = now

    def _apart(self, times: int, retry_after: float | None) -> float:
        """Full jitter: anywhere up to a bound that doubles; a provider's own word is kept, with a little jitter on top."""
        if retry_after is not None:
            return retry_after + 0.1 * self._draw()
        return self._draw() * min(_LONGEST, 2.0 ** min(times, 10))
