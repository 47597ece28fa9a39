"""How a run ends when something is wrong in our own house: it ends, and what was in flight is saved first."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from desks import asked

from builder.backends import Backend
from builder.buying.keeper import Keeper
from builder.buying.run import Job
from builder.desk import Desk, Failure
from builder.errors import BildungError, Interrupted, UsageError
from builder.ledger import Ledger
from builder.progress import Quiet
from builder.records import Answer, Request, Usage
from builder.stages.write import Made
from buying.scripted import Scripted, good, run

ONE, TWO = "scripted/one", "scripted/two"


def jobs(count: int, *models: str) -> Iterator[Job]:
    """So many documents, each with one request to every model in turn."""
    return (_job(number, models) for number in range(count))


def _job(number: int, models: tuple[str, ...]) -> Job:
    for model in models:
        yield asked(number, model)
    return Made(None)


def _faulty(number: int, fault: BaseException) -> Job:
    yield asked(number, ONE)
    raise fault


def recorded(folder: Path) -> int:
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        return ledger.paid().answers


class EndsEarly(Scripted):
    """A backend that takes one request and thinks it is done."""

    async def work(self, desk: Desk) -> None:
        request = await desk.take()
        assert request
        await asyncio.sleep(0.05)
        await desk.answered(request, good(request))


class Breaks(Scripted):
    """A backend with a bug."""

    async def work(self, desk: Desk) -> None:
        await desk.take()
        await asyncio.sleep(0.05)
        raise KeyError("a bug")


@pytest.mark.parametrize("fault", [UsageError("the prompt is wrong"), KeyError("a bug")])
def test_a_document_that_cannot_go_on_ends_the_run_and_nothing_in_flight_is_lost(tmp_path: Path, fault: BaseException) -> None:
    def all_of_them() -> Iterator[Job]:
        yield _faulty(0, fault)
        yield from (_job(number, (ONE,)) for number in range(1, 200))

    backend = Scripted(slots=8, seconds=0.05)
    with pytest.raises(type(fault)):
        run(tmp_path, {ONE: backend}, all_of_them())
    assert sum(backend.asked.values()) == recorded(tmp_path) < 100


@pytest.mark.parametrize(("broken", "error"), [(Breaks(), KeyError), (EndsEarly(), BildungError)])
def test_a_backend_that_breaks_takes_nobody_with_it(tmp_path: Path, broken: Backend, error: type[Exception]) -> None:
    other = Scripted(slots=8, seconds=0.1)

    def both() -> Iterator[Job]:
        for number in range(100):
            yield _job(number, (ONE,))
            yield _job(1_000 + number, (TWO,))

    with pytest.raises(error):
        run(tmp_path, {ONE: other, TWO: broken}, both())
    assert 0 < sum(other.asked.values()) <= recorded(tmp_path) < 100


def test_numbers_and_signs_that_no_table_can_hold_stop_nobody(tmp_path: Path) -> None:
    def script(request: Request, times: int) -> Answer | Failure:
        if request.document_id.endswith("3"):
            return Failure("dropped", "broken \ud800", request_id="req_\udcff")
        odd = Usage(tokens_in=10**30, tokens_out=-(10**30), cost=None)
        return good(request).model_copy(update={"request_id": "req_\udcff", "detail": "\ud83d", "stop_reason": "end\ud800", "usage": odd})

    tally = run(tmp_path, {ONE: Scripted(script)}, jobs(20, ONE))
    assert tally.done == 18 and tally.unanswered == 2 and recorded(tmp_path) == 18


def test_a_keeper_with_a_bug_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    told: list[BaseException] = []

    async def go() -> None:
        with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
            monkeypatch.setattr(ledger, "record", lambda *rows: 1 / 0)
            keeper = Keeper(ledger, lambda group: None, told.append)
            await keeper.keep(asked(1, ONE), good(asked(1, ONE)))
            with pytest.raises(ZeroDivisionError):
                await keeper.saved()
            await keeper.close()

    asyncio.run(asyncio.wait_for(go(), 10))
    assert told


def test_answers_that_come_while_the_disk_is_full_are_kept_if_there_is_room_in_the_end(tmp_path: Path) -> None:
    full = sqlite3.OperationalError("database or disk is full")

    class Small(Ledger):
        """A ledger on a disk that is full for a while."""

        room = True

        def record(self, *rows: Any) -> None:
            with self.failures():
                if not self.room:
                    raise full
            super().record(*rows)

    ledger = Small(tmp_path / "l.sqlite")
    told: list[BaseException] = []

    async def go() -> None:
        keeper = Keeper(ledger, lambda group: None, told.append)
        ledger.room = False
        for number in range(5):
            await keeper.keep(asked(number, ONE), good(asked(number, ONE)))
        with pytest.raises(BildungError, match="full"):
            await keeper.saved()
        await keeper.keep(asked(5, ONE), good(asked(5, ONE)))
        ledger.room = True
        await keeper.close()

    asyncio.run(asyncio.wait_for(go(), 10))
    assert ledger.paid().answers == 6 and "free some space" in str(told[0])
    ledger.close()


def test_a_commit_that_fails_leaves_no_transaction_open(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        ledger.database.execute("PRAGMA foreign_keys=ON")
        ledger.database.execute("CREATE TABLE late (id INTEGER REFERENCES names DEFERRABLE INITIALLY DEFERRED)")  # looked at by the commit
        with pytest.raises(BildungError), ledger.transaction():
            ledger.database.execute("INSERT INTO late VALUES (4711)")
        ledger.record([(asked(1, ONE), good(asked(1, ONE)))])


def test_a_locked_ledger_is_not_to_be_moved_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger, closing(sqlite3.connect(tmp_path / "l.sqlite")) as other:
        ledger.database.execute("PRAGMA busy_timeout=10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BildungError, match="another program") as told:
            ledger.record([(asked(1, ONE), good(asked(1, ONE)))])
        assert "move" not in str(told.value)


def test_a_signal_that_is_to_be_ignored_is_ignored(tmp_path: Path) -> None:
    """``nohup`` and ``&`` in a script set signals to be ignored; a build keeps to it."""

    def script(request: Request, times: int) -> Answer:
        os.kill(os.getpid(), signal.SIGINT)
        return good(request)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run(tmp_path, {ONE: Scripted(script)}, jobs(20, ONE)).done == 20
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no such signal here")
def test_a_closed_terminal_winds_the_run_up(tmp_path: Path) -> None:
    def script(request: Request, times: int) -> Answer:
        if len(backend.order) == 10:
            os.kill(os.getpid(), signal.SIGHUP)
        return good(request)

    backend = Scripted(script, slots=4, seconds=0.02)
    with pytest.raises(Interrupted):
        run(tmp_path, {ONE: backend}, jobs(500, ONE))
    assert sum(backend.asked.values()) == recorded(tmp_path) < 300


def test_answers_that_cannot_be_saved_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*rows: Any) -> None:
        raise BildungError("the disk is full")

    lines: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "record", full)
        patched.setattr(Quiet, "warn", lambda self, line: lines.append(line))
        with pytest.raises(BildungError, match="full"):
            run(tmp_path, {ONE: Scripted(slots=4)}, jobs(50, ONE))
    assert len(lines) == 1 and "could not be saved" in lines[0]
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        assert ledger.killed_in_flight() == 4
