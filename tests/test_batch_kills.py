"""Batches under ``kill -9``: whatever the moment, nothing is paid twice and nothing that was paid is lost."""

from __future__ import annotations

import multiprocessing
import os
import random
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from desks import TestDesk, asked, run

from builder.bench.provider import Settings, provider
from builder.records import Request

MODEL = "anthropic-batch/claude-test"
CYCLES = [10, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
EACH = 12  # requests that every cycle adds
SETTINGS = Settings(answer_tokens=20, batch_seconds=0.15, batch_orphans=0.4, batch_not_found=1)


def wanted(count: int) -> list[Request]:
    return [asked(number, MODEL) for number in range(count)]


def lacking(folder: Path, count: int) -> TestDesk:
    """A desk with what the ledger does not have, as a resumed build's would be."""
    desk = TestDesk(MODEL, (), folder)
    known = desk.ledger.known([one.hash for one in wanted(count)])
    desk.waiting.extend(one for one in wanted(count) if one.hash not in known)
    return desk


def work(folder: str, url: str, count: int, ready: Event) -> None:
    """The child: one run, killed or not."""
    from builder.backends.anthropic_batch import AnthropicBatch
    from builder.batch import Pace

    os.environ.update(ANTHROPIC_API_KEY="any", ANTHROPIC_BASE_URL=url)
    desk = lacking(Path(folder), count)
    ready.set()
    run(AnthropicBatch("claude-test", Pace(requests=6, linger=0.02, poll=0.01, longest_poll=0.05, patience=0.8)), desk, 600)


@pytest.mark.parametrize("cycles", CYCLES)
def test_each_request_is_paid_once_and_kept_whatever_is_killed(tmp_path: Path, cycles: int) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["anthropic", "builder.batch.run", "builder.backends.anthropic_batch", "desks"])
    dice, killed_with_open_batches, killed_without_id = random.Random(cycles), 0, 0
    with provider(SETTINGS) as simulated:
        for cycle in range(1, cycles + 1):
            ready = context.Event()
            child = context.Process(target=work, args=(str(tmp_path), simulated.url, EACH * cycle, ready))
            child.start()
            assert ready.wait(60)
            child.join(dice.uniform(0.0, 0.8))
            child.kill()
            child.join()
            pending = lacking(tmp_path, 0).batches.pending(MODEL)
            killed_with_open_batches += bool(pending)
            killed_without_id += any(batch.batch_id is None for batch in pending)
        last = context.Process(target=work, args=(str(tmp_path), simulated.url, EACH * cycles, ready))
        last.start()
        last.join(600)
        assert last.exitcode == 0
        bill = simulated.bill()
    assert killed_with_open_batches >= cycles / 2 and killed_without_id >= cycles / 10, "the kills missed their mark"
    assert bill.faults["orphan"] >= cycles / 4
    assert len(bill.bought) == EACH * cycles and bill.bought_again == 0
    desk = lacking(tmp_path, EACH * cycles)
    assert not desk.waiting and desk.batches.pending(MODEL) == []
