"""Requests that wait for a window: cut by count and by bytes, with a prime ahead of many that share a long prefix.

In a cold batch no request reads what another wrote to the prompt cache. So the first request of each long prefix goes ahead in a small
batch, the others of that prefix wait until it has ended, and then read. The prime is one of the real requests: nothing is bought for it.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from builder.batch import Pace
from builder.live.messages import cached_prefix
from builder.records import Request

Params = Callable[[Request], dict[str, Any]]
_SHARED_BY = 4  # requests; below that a batch of its own is not worth the wait
_ENVELOPE = 90  # bytes around the params of one request: its custom_id, keys and signs


class Entry(NamedTuple):
    """A request as it will be sent; ``size`` in bytes of JSON."""

    request: Request
    params: dict[str, Any]
    size: int
    prefix: str


class Queue:
    """First in, first out, but for requests whose prefix is being primed."""

    def __init__(self, pace: Pace, params: Params, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace, self._params, self._clock = pace, params, clock
        self._entries: deque[Entry] = deque()
        self._size = 0
        self._priming: set[str] = set()
        self._warmed: dict[str, float] = {}
        self.arrived = clock()

    @property
    def full(self) -> bool:
        """Whether a whole window waits."""
        return len(self._entries) >= self._pace.requests or self._size >= self._pace.size

    @property
    def ready(self) -> bool:
        """Whether anything waits that may go now."""
        return any(entry.prefix not in self._priming for entry in self._entries)

    def add(self, request: Request) -> None:
        """Put a request at the end."""
        params = self._params(request)
        size = len(json.dumps(params, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")) + _ENVELOPE
        self._entries.append(Entry(request, params, size, cached_prefix(request)))
        self._size += size
        self.arrived = self._clock()

    def cut(self) -> list[Entry]:
        """The next window: primes if there are any to send, else as many as fit."""
        cold = self._cold()
        primes = [next(entry for entry in self._entries if entry.prefix == prefix) for prefix in cold]
        self._priming.update(cold)
        taken = primes or self._fitting()
        self._remove(taken)
        return taken

    def put_back(self, entries: Sequence[Entry]) -> None:
        """A window that was not sent, to the front again."""
        self._entries.extendleft(reversed(entries))
        self._size += sum(entry.size for entry in entries)

    def cold(self, prefixes: Iterable[str]) -> None:
        """A batch with these prefixes came to nothing."""
        self._priming.difference_update(prefixes)

    def ended(self, prefixes: Iterable[str]) -> None:
        """A batch with these prefixes has ended: they are cached now, or a prime would not help."""
        for prefix in prefixes:
            self._priming.discard(prefix)
            self._warmed[prefix] = self._clock()

    def _cold(self) -> list[str]:
        shared = Counter(entry.prefix for entry in self._entries if entry.prefix)
        still_warm = {prefix for prefix, at in self._warmed.items() if self._clock() - at < self._pace.warm}
        return [prefix for prefix, count in shared.items() if count >= _SHARED_BY and prefix not in still_warm | self._priming]

    def _fitting(self) -> list[Entry]:
        taken: list[Entry] = []
        size = 0
        for entry in self._entries:
            if entry.prefix and entry.prefix in self._priming:
                continue
            size += entry.size
            if taken and (len(taken) >= self._pace.requests or size > self._pace.size):
                break
            taken.append(entry)
        return taken

    def _remove(self, taken: Sequence[Entry]) -> None:
        gone = {entry.request.hash for entry in taken}
        self._entries = deque(entry for entry in self._entries if entry.request.hash not in gone)
        self._size -= sum(entry.size for entry in taken)
