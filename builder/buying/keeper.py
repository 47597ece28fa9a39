"""The keeper: a thread that commits answers in small groups, and says so when they are on disk."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable

from builder.desk import Failure
from builder.errors import BildungError
from builder.ledger import Failed, Ledger
from builder.records import Answer, Request

GROUP_SECONDS = 0.015  # gathered before a commit: with the commit itself, well under the 20 ms that a kill may cost
BACKLOG = 512  # answers waiting for the disk, beyond which writers wait

Bought = tuple[Request, Answer]


class Keeper:
    """Commits answers off the event loop.

    ``committed`` is called on the loop with each group that is on disk, ``broken`` when one could not be written. What could not is tried
    again with what comes after it, and once more in the end: by then there may be room.
    """

    def __init__(self, ledger: Ledger, committed: Callable[[list[Bought]], None], broken: Callable[[BaseException], None]) -> None:
        self._ledger = ledger
        self._committed = committed
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Bought | Failed | asyncio.Future[None] | None] = queue.SimpleQueue()
        self._fault: BaseException | None = None
        self.unsaved = 0  # answers that found no room, when all is over
        self._marks: set[asyncio.Future[None]] = set()
        self._room = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    async def keep(self, request: Request, answer: Answer) -> None:
        """Have an answer committed; waits only while the disk is far behind."""
        self._queue.put((request, answer))
        while self._queue.qsize() > BACKLOG and self._fault is None:
            self._room.clear()
            await self._room.wait()

    def keep_failure(self, request: Request, failure: Failure, final: bool, doubt: float) -> None:
        """Have a failed try noted, and what it may have cost."""
        self._queue.put((request, failure, final, doubt))

    async def saved(self) -> None:
        """Wait until everything handed over so far is on disk; raises what keeps it from getting there."""
        if self._fault:
            raise self._fault
        mark = self._loop.create_future()
        self._marks.add(mark)
        self._queue.put(mark)
        await mark

    async def close(self) -> None:
        """Commit what is left."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        going, rows = True, list[Bought | Failed]()
        while going:
            group = [self._queue.get()]
            if group[0] is not None:
                time.sleep(GROUP_SECONDS)
            group += [self._queue.get_nowait() for _ in range(self._queue.qsize())]
            going = None not in group
            rows += [row for row in group if isinstance(row, tuple)]
            answers = [row for row in rows if len(row) == 2]
            self.unsaved = len(answers)
            try:
                if rows:
                    self._ledger.record(answers, [row for row in rows if len(row) > 2])
            except BildungError as error:
                self._loop.call_soon_threadsafe(self._fail, error)
                continue
            except BaseException as error:
                self._loop.call_soon_threadsafe(self._fail, error)
                raise
            rows, self.unsaved = [], 0
            self._loop.call_soon_threadsafe(self._done, answers, [mark for mark in group if isinstance(mark, asyncio.Future)])

    def _done(self, answers: list[Bought], marks: list[asyncio.Future[None]]) -> None:
        self._room.set()
        for mark in marks:
            self._marks.discard(mark)
            if not mark.done():
                mark.set_result(None)
        if answers:
            self._committed(answers)

    def _fail(self, error: BaseException) -> None:
        first, self._fault = self._fault is None, error
        self._room.set()
        for mark in self._marks:
            if not mark.done():
                mark.set_exception(error)
        self._marks.clear()
        if first:
            self._broken(error)
