"""The cap against a provider that keeps its own bill: whatever is lost, billed without an answer, or comes from an older plan."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from desks import asked

from builder.backends import BackendContext
from builder.bench.provider import Settings, provider
from builder.buying import run_jobs
from builder.buying.run import Job
from builder.buying.tally import Tally
from builder.buying.till import Till
from builder.desk import Desk, Failure
from builder.errors import BudgetReached
from builder.ledger import Ledger
from builder.library import Library
from builder.plugins import load
from builder.prices import price_of
from builder.progress import Quiet
from builder.records import Request, Usage
from builder.stages.write import Made
from buying.scripted import Scripted, good, run

LIVE, BATCH = "anthropic/claude-sonnet-4-5", "anthropic-batch/claude-sonnet-4-5"
PRICE = price_of(LIVE)


def jobs(count: int, model: str = LIVE) -> Iterator[Job]:
    return (_job(asked(number, model)) for number in range(count))


def _job(request: Request) -> Job:
    yield request
    return Made(None)


def live(folder: Path, cap: float, concurrency: int) -> None:
    """One run of the real backend on a ledger of its own."""
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        backend = load("backend", "anthropic").open_backend("claude-sonnet-4-5", BackendContext(Library(folder)))
        till = Till({LIVE: PRICE}, cap, ledger.paid().cost, ledger.doubtful())
        run_jobs(ledger, {LIVE: backend}, jobs(300), till, Tally(Quiet(), 300), lambda: concurrency, 2.0)


@pytest.mark.parametrize(("concurrency", "drop"), [(64, 0.3), (4, 1.0)])
def test_calls_that_get_lost_and_are_billed_do_not_pass_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, concurrency: int, drop: float
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    with provider(Settings(latency=0.02, answer_tokens=600, faults={"drop": drop})) as running:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        for _ in range(4):  # a script that starts the build again and again
            with pytest.raises(BudgetReached, match="lost calls may have cost"):
                live(tmp_path, 0.40, concurrency)
        assert 0.1 < float(running.bill().dollars) <= 0.40


def test_one_lost_call_near_the_cap_does_not_end_the_run(tmp_path: Path) -> None:
    lost = Failure("dropped", "lost")
    assert PRICE
    most = PRICE.at_most(asked(0, LIVE))

    class Losing(Scripted):
        """A backend that loses the third call once, and makes it again."""

        async def _worker(self, desk: Desk) -> None:
            while (request := await desk.take()) is not None:
                self.asked[request.hash] += 1
                await asyncio.sleep(0.01)
                if request.hash == asked(2, LIVE).hash:
                    desk.failed(request, lost, False)
                    await asyncio.sleep(0.01)
                await desk.answered(request, good(request).model_copy(update={"usage": Usage(tokens_out=1, cost=None)}))

    tally = run(tmp_path, {LIVE: Losing(slots=64)}, jobs(200), cap=8 * most, prices={LIVE: PRICE})
    assert tally.done == 200


def test_a_try_that_was_billed_without_an_answer_counts_at_once_and_everywhere(tmp_path: Path) -> None:
    billed = Failure("server", "not whole", usage=Usage(tokens_out=600, cost=None))
    assert PRICE
    each = PRICE.cost(Usage(tokens_out=600, cost=None))

    class Billing(Scripted):
        """A backend whose every call is billed and gives nothing."""

        async def _worker(self, desk: Desk) -> None:
            while (request := await desk.take()) is not None:
                for number in range(5):
                    if desk.stopping:
                        desk.failed(request, Failure("server", "the run ends"), True)
                        break
                    self.asked[request.hash] += 1
                    desk.failed(request, billed, number == 4)
                    await asyncio.sleep(0)

    backend = Billing(slots=1)
    with pytest.raises(BudgetReached):
        run(tmp_path, {LIVE: backend}, jobs(300), cap=0.40, prices={LIVE: PRICE})
    calls = sum(backend.asked.values())
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        assert ledger.paid().cost == pytest.approx(calls * each) and calls * each <= 0.40
        assert sum(row.cost for row in ledger.spent()) == pytest.approx(calls * each)
        assert ledger.paid().answers == 0


def test_what_an_older_plan_still_brings_counts_once(tmp_path: Path) -> None:
    """A batch of an earlier run is collected: its answers cost money that this run's cap has to know of."""
    old, both = [asked(number, BATCH) for number in range(5)], asked(4, BATCH)

    class Collecting(Scripted):
        """A backend that first hands over what an earlier run had bought."""

        async def work(self, desk: Desk) -> None:
            first = await desk.take()
            assert first and first.hash == both.hash
            for request in old:
                await desk.batches.answered_by_hash(BATCH, good(request))
            await desk.answered(first, good(first))
            assert await desk.take() is None

    price = price_of(BATCH)
    assert price
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.journal().intend("0" * 12, old)
        ledger.journal().created("0" * 12, "batch_1")
        assert ledger.journal().lying() == {BATCH: (1, 5)}
        till = Till({BATCH: price}, None, 0.0)
        run_jobs(ledger, {BATCH: Collecting()}, iter([_job(both)]), till, Tally(Quiet(), 1), lambda: 4, 5.0)
        assert till.spent == pytest.approx(ledger.paid().cost) and ledger.paid().answers == 5


def test_nothing_is_warned_of_where_nothing_is_spent() -> None:
    till = Till({}, 0.0, 0.0)
    assert till.reserve(asked(1, "offline/composer")) and till.warning() is None


def test_three_models_share_a_cap_that_fits_one_call(tmp_path: Path) -> None:
    models = ("scripted/one", "scripted/two", "scripted/three")
    assert PRICE
    most = PRICE.at_most(asked(0, LIVE))

    def all_three(number: int) -> Job:
        for model in models:
            yield asked(number, model)
        return Made(None)

    free: Any = lambda request, times: good(request).model_copy(update={"usage": Usage(cost=0.0)})  # noqa: E731
    backends: dict[str, Any] = {model: Scripted(free, slots=8) for model in models}
    tally = run(tmp_path, backends, (all_three(number) for number in range(30)), cap=1.1 * most, prices=dict.fromkeys(models, PRICE))
    assert tally.done == 30 and all(backend.most_in_flight == 1 for backend in backends.values())


def test_what_was_bought_twice_is_told_twice(tmp_path: Path) -> None:
    """A batch lay at the provider while the same requests were bought live; read again after a kill, it costs nothing more."""
    request, price = asked(1, BATCH), price_of(BATCH)
    assert price
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        journal = ledger.journal(price.cost)
        journal.intend("0" * 12, [request])
        ledger.record([(request.model_copy(update={"model": LIVE}), good(request).model_copy(update={"usage": Usage(cost=0.5)}))])
        for _ in range(3):
            asyncio.run(journal.answered_by_hash(BATCH, good(request)))
        assert ledger.paid().cost == pytest.approx(0.5 + price.cost(good(request).usage)) and ledger.paid().answers == 1


def test_a_killed_run_of_batches_has_lost_nothing(tmp_path: Path) -> None:
    class Killed(Scripted):
        """A backend in whose midst the process ends."""

        async def work(self, desk: Desk) -> None:
            await desk.take()
            raise KeyboardInterrupt

    for window, lost in ((10, 0), (0, 4)):
        (folder := tmp_path / str(window)).mkdir()
        with pytest.raises(KeyboardInterrupt):
            run(folder, {LIVE: Killed(window=window)}, jobs(20))
        with closing(Ledger(folder / "ledger.sqlite")) as ledger:
            assert ledger.killed_in_flight() == lost
