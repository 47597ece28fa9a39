"""Killed at random moments against a provider that keeps its own bill: nothing acknowledged is lost, and the money adds up."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from builder.bench.provider import Provider, Settings, provider
from builder.ledger import Ledger
from buying.child import work

LIVE, BATCH = "anthropic/claude-sonnet-4-5", "anthropic-batch/claude-sonnet-4-5"  # its list price is the provider's default
IN_FLIGHT = 16
SETTINGS = Settings(latency=0.03, answer_tokens=60, batch_seconds=0.1, batch_orphans=0.4, batch_not_found=1)
CYCLES = [10, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
STOPS = [8, pytest.param(20, marks=pytest.mark.soak)]


def answers(folder: Path) -> int:
    path = folder / "ledger.sqlite"
    if not path.is_file():
        return 0
    with closing(Ledger(path)) as ledger:
        return ledger.paid().answers


def stopped(folder: Path, running: Provider, model: str, documents: int, times: int, sign: signal.Signals, wait: float) -> int:
    """Run, and send a signal at a random moment once calls go out, so many times; then run to the end. How many signals hit."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["anthropic", "builder.batch.run", "buying.child"])
    dice, hit = random.Random(times), 0
    for number in range(times + 1):
        before = running.requests()
        child = context.Process(target=work, args=(str(folder), running.url, model, documents, IN_FLIGHT))
        child.start()
        if number < times:
            while model == LIVE and running.requests() == before and child.is_alive():
                time.sleep(0.01)
            child.join(dice.uniform(0.0, wait))
            if child.is_alive() and child.pid:
                os.kill(child.pid, sign)
        child.join(300)
        hit += child.exitcode != 0
    assert child.exitcode == 0
    return hit


@pytest.mark.parametrize("cycles", CYCLES)
def test_after_kill_9_at_most_what_was_in_flight_is_bought_again(tmp_path: Path, cycles: int) -> None:
    documents = 60 * cycles
    with provider(SETTINGS) as running:
        hit = stopped(tmp_path, running, LIVE, documents, cycles, signal.SIGKILL, 0.2)
        bill = running.bill()
    assert hit >= cycles * 0.7
    assert len(bill.bought) == 2 * documents == answers(tmp_path)
    assert 0 < bill.bought_again <= hit * (IN_FLIGHT + 50)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        lost = float(bill.dollars) - ledger.paid().cost
        assert lost == pytest.approx(bill.bought_again * float(bill.dollars) / bill.answers, rel=0.35)
        assert ledger.killed_in_flight() == hit * IN_FLIGHT


@pytest.mark.parametrize("cycles", CYCLES)
def test_batches_killed_anywhere_are_bought_once(tmp_path: Path, cycles: int) -> None:
    documents = 12 * cycles
    with provider(SETTINGS) as running:
        hit = stopped(tmp_path, running, BATCH, documents, cycles, signal.SIGKILL, 0.9)
        bill = running.bill()
    assert hit >= cycles * 0.3 and bill.faults["orphan"] >= 1
    assert len(bill.bought) == 2 * documents == answers(tmp_path) and bill.bought_again == 0
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        assert ledger.paid().cost == pytest.approx(float(bill.dollars), abs=1e-9)
        assert ledger.journal().pending(BATCH) == []


@pytest.mark.parametrize("times", STOPS)
def test_after_every_ctrl_c_the_cost_is_the_bill_to_the_cent(tmp_path: Path, times: int) -> None:
    documents = 60 * times
    with provider(SETTINGS) as running:
        hit = stopped(tmp_path, running, LIVE, documents, times, signal.SIGINT, 0.2)
        bill = running.bill()
    assert hit >= times * 0.7 and bill.bought_again == 0 and bill.answers == 2 * documents == answers(tmp_path)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        assert ledger.paid().cost == pytest.approx(float(bill.dollars), abs=1e-9)
        assert ledger.killed_in_flight() == 0
        assert ledger.failed_tries() == {}
