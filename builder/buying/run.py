"""One run: documents under way, a desk for each model, and what goes from one to the other.

Each document is a generator (``stages.write.making``) that yields requests and is sent their answers. A request waits on its model's
desk until the backend takes it; its answer is committed, then the generator goes on. Only so many documents are under way at once,
so that a plan of a million briefs needs no more memory than one of a thousand.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from itertools import islice

from builder.backends import Backend
from builder.buying.keeper import Bought, Keeper
from builder.buying.signals import interruptible
from builder.buying.tally import Tally
from builder.buying.till import Till
from builder.desk import MAYBE_BILLED, BatchJournal, Failure
from builder.errors import BildungError, Interrupted
from builder.ledger import Ledger
from builder.records import Answer, Request

Job = Generator[Request, Answer, object]
OPENED_AT_ONCE = 256  # documents whose first requests are looked up in the ledger together
TICK_SECONDS = 0.25


class ModelDesk:
    """Implements ``desk.Desk`` for one model of a run."""

    def __init__(self, run: Run, model: str, batches: BatchJournal) -> None:
        self.model, self.timeout = model, run.timeout
        self.batches = batches
        self.waiting: deque[Request] = deque()
        self.wake = asyncio.Event()
        self._run = run

    @property
    def concurrency(self) -> int:
        """As the dial says now."""
        return self._run.concurrency()

    @property
    def stopping(self) -> bool:
        """Whether the run is winding up."""
        return self._run.stopping

    async def take(self) -> Request | None:
        """The next request, when there is one and money for it."""
        while True:
            self.wake.clear()
            request = self.take_ready()
            if request is not None or self._run.over:
                return request
            await self.wake.wait()

    def take_ready(self) -> Request | None:
        """The next request, if it is there and there is money for it."""
        return self._run.next_for(self)

    async def answered(self, request: Request, answer: Answer) -> None:
        """Price it, and have it committed."""
        await self._run.answered(request, answer)

    async def saved(self) -> None:
        """Wait until all of it is on disk."""
        await self._run.saved()

    def failed(self, request: Request, failure: Failure, final: bool) -> None:
        """Note it; a final one ends its document for this run."""
        self._run.failed(request, failure, final)

    def waits(self, seconds: float) -> None:
        """The provider's limit holds this model up for so long."""
        self._run.tally.waits(self.model, seconds)

    def lies(self, batches: int, requests: int) -> None:
        """So much lies at the provider in batches."""
        self._run.tally.lies(self.model, batches, requests)

    def say(self, line: str) -> None:
        """Tell the person."""
        self._run.tally.progress.say(line)


class Run:
    """Everything of one run; ``all`` goes through it once."""

    def __init__(
        self, ledger: Ledger, backends: Mapping[str, Backend], jobs: Iterator[Job], till: Till, tally: Tally,
        concurrency: Callable[[], int], timeout: float,
    ) -> None:  # fmt: skip
        self.tally, self.concurrency, self.timeout = tally, concurrency, timeout
        self.stopping = False
        self._ledger, self._backends, self._till = ledger, backends, till
        self._jobs = jobs
        self._open: dict[str, list[Job]] = {}  # request hash -> the documents that wait for its answer
        self._found: set[str] = set()  # answers that came from a batch before anybody asked for them
        self._exhausted = False
        self._halt: BaseException | None = None
        self._window = max((backend.window for backend in backends.values()), default=0)
        self._desks: dict[str, ModelDesk] = {}

    @property
    def over(self) -> bool:
        """Whether no request will come any more."""
        return self.stopping or (self._exhausted and not self._open)

    async def all(self) -> None:
        """Work every desk until nothing is left; raises what stopped the run, after everything in flight is saved."""
        for model in self._backends:
            self._desks[model] = ModelDesk(self, model, self._ledger.journal(partial(self._till.cost, model), self._came))
        self._keeper = Keeper(self._ledger, self._committed, self._stop)
        live = any(backend.wants_turns and not backend.window for backend in self._backends.values())  # a batch is found again
        run = self._ledger.begin_run(self.concurrency() if live else 0)
        with interruptible(self._interrupted):
            ticker = asyncio.create_task(self._tick())
            try:
                works = (self._work(model, backend) for model, backend in self._backends.items())
                await asyncio.gather(*works, return_exceptions=True)  # when one breaks, the others still have answers to hand back
            finally:
                ticker.cancel()
                await self._keeper.close()
                await asyncio.sleep(0)  # let the last groups be told
                self._close()
                self.tally.tell(self._till, self.concurrency())
        if self._keeper.unsaved:
            self.tally.progress.warn(f"{self._keeper.unsaved} answers that are paid for could not be saved")
        else:
            self._ledger.end_run(run)
        if self._halt:
            raise self._halt

    def next_for(self, desk: ModelDesk) -> Request | None:
        """A request for this desk, from what waits or from new documents, with its money reserved."""
        if self.stopping:
            return None
        try:
            while not desk.waiting and self._may_open():
                self._open_more()
            if not desk.waiting or not self._till.reserve(desk.waiting[0]):
                return None
        except BildungError as error:
            self._stop(error)
            return None
        request = desk.waiting.popleft()
        self.tally.sent(request)
        return request

    async def answered(self, request: Request, answer: Answer) -> None:
        """Price an answer, count it, and have it committed; its document goes on when it is on disk."""
        cost = self._till.cost(request.model, answer.usage)
        if cost != answer.usage.cost:
            answer = answer.model_copy(update={"usage": answer.usage.model_copy(update={"cost": cost})})
        self._till.settle(request, None if request.hash in self._found else cost)
        self.tally.answered(request, answer)
        warning = self._till.warning()
        if warning:
            self.tally.progress.warn(warning)
        await self._keeper.keep(request, answer)

    async def saved(self) -> None:
        """Wait until every answer handed over is on disk."""
        await self._keeper.saved()

    def _came(self, answer: Answer) -> None:
        """A batch of an older plan brought an answer: it is in the ledger, and paid for."""
        self._found.add(answer.request_hash)
        self._till.spend(answer.usage.cost)

    def failed(self, request: Request, failure: Failure, final: bool) -> None:
        """Note a failed try. A final one closes its documents: they are asked for again by the next run."""
        if failure.usage:
            priced = failure.usage.model_copy(update={"cost": self._till.cost(request.model, failure.usage)})
            failure = failure._replace(usage=priced)
            self._till.spend(priced.cost)
        doubt = self._till.doubt(request) if failure.kind in MAYBE_BILLED else 0.0
        if failure.kind != "unsent":
            self._keeper.keep_failure(request, failure, final, doubt)
        self.tally.failed(request, failure, final)
        if final:
            self._till.settle(request, None)
            for job in self._open.pop(request.hash, ()):
                job.close()
                self.tally.unanswered += 1
            self._wake()
        elif self._till.overdrawn:  # the next try might pass the cap
            self._stop(self._till.reached(self._till.most(request)))

    def _may_open(self) -> bool:
        return not self._exhausted and len(self._open) < max(4 * self.concurrency(), 2 * self._window, OPENED_AT_ONCE)

    def _open_more(self) -> None:
        """Open some documents."""
        jobs = list(islice(self._jobs, OPENED_AT_ONCE))
        self._exhausted = len(jobs) < OPENED_AT_ONCE
        self._place_all([(job, request) for job in jobs if (request := self._advance(job, None)) is not None], reused=True)
        self._wake()

    def _place_all(self, asking: list[tuple[Job, Request]], reused: bool) -> None:
        """Send documents every answer that the ledger has, and put what they lack on the desks."""
        while asking:
            answers = self._ledger.answers([request.hash for _, request in asking])
            lacking = [(job, request) for job, request in asking if request.hash not in answers]
            for job, request in lacking:
                self._place(job, request)
            asking = [
                (job, following)
                for job, request in asking
                if request.hash in answers and (following := self._advance(job, answers[request.hash], reused)) is not None
            ]

    def _advance(self, job: Job, answer: Answer | None, reused: bool = False) -> Request | None:
        """A document's next request; ``None`` when it is done."""
        try:
            return next(job) if answer is None else job.send(answer)
        except StopIteration as end:
            self.tally.finished(end.value, reused)
            return None

    def _place(self, job: Job, request: Request) -> None:
        if request.hash in self._open:
            self._open[request.hash].append(job)
            return
        self._open[request.hash] = [job]
        self._desks[request.model].waiting.append(request)

    def _committed(self, group: list[Bought]) -> None:
        """Answers are on disk: their documents go on, follow-ups before new drafts."""
        try:
            going_on = ((job, self._advance(job, answer)) for request, answer in group for job in self._open.pop(request.hash, ()))
            self._place_all([(job, following) for job, following in going_on if following is not None], reused=False)
        except BildungError as error:
            self._stop(error)
        except BaseException as error:
            self._stop(error)
            raise
        self._wake()

    async def _work(self, model: str, backend: Backend) -> None:
        try:
            await backend.work(self._desks[model])
        except BildungError as error:
            self._stop(error)
        except BaseException as error:
            self._stop(error)
            raise
        if not self.over:  # else the other desks would wait for ever for what this one was to answer
            self._stop(BildungError(f"{model}: its backend ended before its work did; everything bought is saved"))

    def _wake(self) -> None:
        for desk in self._desks.values():
            desk.wake.set()

    def _stop(self, error: BaseException) -> None:
        self._halt = self._halt or error
        self.stopping = True
        self._wake()

    def _interrupted(self) -> None:
        flying = self.tally.in_flight()
        if not self.stopping:
            drain = f"waiting for {flying} answers in flight, " if flying else ""
            self.tally.progress.warn(f"interrupted: {drain}saving; Ctrl-C again stops at once")
        self._stop(Interrupted("interrupted; what was in flight is finished and saved, the same command goes on"))

    def _close(self) -> None:
        for jobs in self._open.values():
            for job in jobs:
                job.close()

    async def _tick(self) -> None:
        while True:
            self.tally.tell(self._till, self.concurrency())
            await asyncio.sleep(TICK_SECONDS)
