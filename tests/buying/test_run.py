"""A run: nothing is bought twice, nothing is lost, the cap holds, and memory does not grow with the plan."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.buying.run import Job
from builder.desk import Failure
from builder.errors import AuthenticationFailed, BudgetReached, Interrupted
from builder.ledger import Ledger
from builder.prices import price_of
from builder.records import Answer, Brief, Principle, Request
from builder.stages.write import Kitchen, making
from buying.scripted import Scripted, everyone, good, kitchen, run

MODEL = "anthropic/claude-haiku-4-5"


@pytest.fixture
def cook(library: Any, principles: tuple[Principle, ...]) -> Kitchen:
    return kitchen(library, principles)


def jobs_of(cook: Kitchen, briefs: Iterable[Brief]) -> Iterator[Job]:
    return (making(cook, brief) for brief in briefs)


def recorded(folder: Path) -> int:
    ledger = Ledger(folder / "ledger.sqlite")
    try:
        return ledger.paid().answers
    finally:
        ledger.close()


def test_all_steps_of_all_documents_and_a_second_run_buys_nothing(tmp_path: Path, cook: Kitchen, briefs: list[Brief]) -> None:
    backend = Scripted()
    tally = run(tmp_path, everyone(backend), jobs_of(cook, briefs))
    assert tally.done == 40 and sum(backend.asked.values()) == recorded(tmp_path) > 4 * 40
    again = Scripted()
    tally = run(tmp_path, everyone(again), jobs_of(cook, briefs))
    assert tally.done == tally.reused == 40 and not again.asked


def test_rewrites_start_before_the_last_draft(tmp_path: Path, cook: Kitchen, briefs: list[Brief]) -> None:
    backend = Scripted(slots=2, seconds=0.005)
    run(tmp_path, everyone(backend), jobs_of(cook, briefs))
    steps = [request.step for request in backend.order]
    assert steps.index("rewrite") < len(steps) - 1 - steps[::-1].index("draft")


def test_the_same_request_of_two_documents_is_bought_once(tmp_path: Path, cook: Kitchen, briefs: list[Brief]) -> None:
    backend = Scripted()
    tally = run(tmp_path, everyone(backend), jobs_of(cook, [briefs[0], briefs[0], briefs[0]]))
    assert tally.done == 3 and sum(backend.asked.values()) == 4 and set(backend.asked.values()) == {1}


def test_an_answer_is_on_disk_before_its_document_goes_on(tmp_path: Path, cook: Kitchen, briefs: list[Brief]) -> None:
    seen: list[bool] = []

    def script(request: Request, asked: int) -> Answer:
        if request.step == "rewrite":
            ledger = Ledger(tmp_path / "ledger.sqlite")
            draft = next(row for row in backend.order if row.document_id == request.document_id)
            seen.append(bool(ledger.known([draft.hash])))
            ledger.close()
        return good(request)

    backend = Scripted(script)
    run(tmp_path, everyone(backend), jobs_of(cook, briefs[:10]))
    assert seen == [True] * 10


def test_only_so_many_documents_are_under_way_at_once(tmp_path: Path, cook: Kitchen, briefs: list[Brief]) -> None:
    drawn = finished = most = 0

    def counted() -> Iterator[Job]:
        nonlocal drawn
        for number in range(3_000):
            drawn += 1
            brief = briefs[number % 40]
            yield watched(making(cook._replace(models={"writer": "scripted/writer"}), brief.model_copy(update={"what": f"act {number}"})))

    def watched(job: Job) -> Job:
        nonlocal finished, most
        most = max(most, drawn - finished)
        made = yield from job
        finished += 1
        return made

    tally = run(tmp_path, {"scripted/writer": Scripted(slots=8)}, counted())
    assert tally.done == 3_000 and most <= 2 * 256


def test_a_failed_request_is_noted_and_asked_again_by_the_next_run(tmp_path: Path, cook: Kitchen, briefs: list[Brief]) -> None:
    failure = Failure("server", "broken", 500, request_id="req_9")
    tally = run(tmp_path, everyone(Scripted(lambda request, asked: failure)), jobs_of(cook, briefs[:5]))
    assert tally.unanswered == 5 and tally.done == 0
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert ledger.failed_tries() == {"server": 5}
    assert ledger.database.execute("SELECT DISTINCT request_id, status FROM tries").fetchall() == [("req_9", 500)]
    ledger.close()
    assert run(tmp_path, everyone(Scripted()), jobs_of(cook, briefs[:5])).done == 5


def test_what_stops_the_run_is_raised_after_what_is_in_flight_is_saved(tmp_path: Path, cook: Kitchen, briefs: list[Brief]) -> None:
    def script(request: Request, asked: int) -> Any:
        return AuthenticationFailed("the key was refused") if request.document_id == briefs[2].id else good(request)

    backend = Scripted(script, slots=8, seconds=0.05)
    with pytest.raises(AuthenticationFailed, match="refused"):
        run(tmp_path, everyone(backend), jobs_of(cook, briefs))
    assert sum(backend.asked.values()) - 1 == recorded(tmp_path) < 40


def test_ctrl_c_drains_and_saves(tmp_path: Path, cook: Kitchen, briefs: list[Brief]) -> None:
    interrupted: list[int] = []

    def script(request: Request, asked: int) -> Answer:
        if len(backend.order) >= 12 and not interrupted:
            interrupted.append(len(backend.order))
            os.kill(os.getpid(), signal.SIGINT)
        return good(request)

    backend = Scripted(script, slots=4, seconds=0.02)
    with pytest.raises(Interrupted, match="the same command goes on"):
        run(tmp_path, everyone(backend), jobs_of(cook, briefs))
    bought = sum(backend.asked.values())
    assert 12 <= bought < 30 and bought == recorded(tmp_path)
    again = Scripted()
    assert run(tmp_path, everyone(again), jobs_of(cook, briefs)).done == 40
    assert not backend.asked.keys() & again.asked.keys()


def test_the_cap_holds_and_the_run_goes_on_when_it_is_raised(tmp_path: Path, cook: Kitchen, briefs: list[Brief]) -> None:
    price = price_of(MODEL)
    assert price
    prices = {f"scripted/{role}": price for role in ("writer", "rewriter", "judge")}
    backend = Scripted(slots=8, seconds=0.002)
    with pytest.raises(BudgetReached, match=r"the budget of \$0\.10 is reached"):
        run(tmp_path, everyone(backend), jobs_of(cook, briefs), cap=0.10, prices=dict(prices))
    ledger = Ledger(tmp_path / "ledger.sqlite")
    spent = ledger.paid().cost
    ledger.close()
    assert spent == pytest.approx(sum(backend.asked.values()) * price.cost(good(backend.order[0]).usage))
    assert 0.05 < spent <= 0.10
    more = Scripted(slots=8)
    assert run(tmp_path, everyone(more), jobs_of(cook, briefs), cap=5.0, prices=dict(prices)).done == 40
    assert not backend.asked.keys() & more.asked.keys()
