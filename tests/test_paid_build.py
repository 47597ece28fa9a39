"""Whole builds with a writer that costs money, against a provider on loopback that keeps its own bill."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ran import Ran, Run

from builder.bench.provider import Provider, Settings, provider
from builder.ledger import Ledger

MODEL = "anthropic/claude-sonnet-4-5"  # its list price is the provider's default
KEY = "sk-canary-4711-never-to-be-written"
# The provider's prose is made of the starter's sentences, and knows nobody's name.
LOOSE = ("gates.copied_words=100000", "identity.invented=0.0", "identity.unnamed=0.85")
BUILD = ("build", "--documents", "10", *(word for setting in LOOSE for word in ("--set", setting)))
WRITER = ("--model", f"writer={MODEL}")
ROLES = (*WRITER, "--model", f"rewriter={MODEL}", "--model", f"judge={MODEL}")

Build = Callable[..., Ran]


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with provider(Settings(latency=0.05, answer_tokens=500, cache_minimum=1_000_000)) as running:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        yield running


@pytest.fixture
def build(project_folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> Build:
    """``bildung build`` in the project folder."""
    monkeypatch.chdir(project_folder)
    return lambda *arguments: bildung(*BUILD, *arguments)


def files(folder: Path) -> dict[str, bytes]:
    """What a build exports and what each gate said; the report tells what kills may have cost, and so may differ."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("data", "verdicts")
        for path in sorted((folder / "output/example" / part).rglob("*"))
        if path.is_file()
    }


def started(folder: Path) -> subprocess.Popen[str]:
    """The same build as a process of its own."""
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-m", "builder", *BUILD, *ROLES]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_build_costs_what_the_provider_bills_and_killed_ones_end_the_same(
    project_folder: Path, build: Build, tmp_path_factory: pytest.TempPathFactory, simulated: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = build(*ROLES)
    bill = simulated.bill()
    assert ran.code == 0, ran.err
    assert bill.bought_again == 0 and bill.answers >= 4 * 11
    with closing(Ledger(project_folder / "corpus/example/ledger.sqlite")) as ledger:
        assert ledger.paid().answers == bill.answers
        assert ledger.paid().cost == pytest.approx(float(bill.dollars), abs=1e-9)
    assert f"${float(bill.dollars):.2f}" in ran.out
    again = tmp_path_factory.mktemp("again")
    shutil.copytree(project_folder, again, dirs_exist_ok=True, ignore=shutil.ignore_patterns("output", "ledger*", ".lock"))
    assert _killed(again, simulated, 2)
    monkeypatch.chdir(again)
    last = build(*ROLES)
    assert last.code == 0, last.err
    assert files(again) == files(project_folder) and len(files(again)) > 4
    for path in [*project_folder.rglob("*"), *again.rglob("*")]:
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), f"{path} holds the key"
    assert KEY not in ran.out + ran.err + last.out + last.err


def _killed(folder: Path, running: Provider, times: int) -> int:
    dice, hit = random.Random(7), 0
    for _ in range(times):
        before = running.requests()
        process = started(folder)
        while running.requests() == before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(dice.uniform(0.02, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hit += process.returncode == -signal.SIGKILL
    return hit


def test_a_reached_budget_pauses_and_a_refused_key_stops(build: Build, simulated: Provider) -> None:
    paused = build(*WRITER, "--max-cost", "0.35")
    assert paused.code == 4 and "the budget of $0.35 is reached" in paused.err, paused.err
    spent = float(simulated.bill().dollars)
    assert 0.1 < spent <= 0.35
    simulated.set(api_key="another")
    refused = build(*WRITER)
    assert refused.code == 5 and refused.err.count("bildung:") == 1 and KEY not in refused.err, refused.err
    assert float(simulated.bill().dollars) == spent
    simulated.set(api_key="")
    whole = build(*WRITER)
    assert whole.code == 0 and "resuming:" in whole.err and simulated.bill().bought_again == 0, whole.err


def test_a_sample_is_shown_and_kept(project_folder: Path, build: Build, simulated: Provider) -> None:
    sampled = build(*WRITER, "--sample", "3")
    assert sampled.code == 0 and simulated.bill().answers == 3, sampled.err
    assert sampled.out.count("-" * 80) == 3 and "with 95 % confidence" in sampled.out
    assert not (project_folder / "output/example/manifest.json").exists()
    whole = build(*WRITER)
    assert whole.code == 0 and simulated.bill().answers >= 11 and simulated.bill().bought_again == 0, whole.err


def test_a_price_that_nobody_knows_needs_a_word(build: Build, simulated: Provider) -> None:
    unknown = ("--model", "writer=anthropic/claude-nobody-1")
    refused = build(*unknown)
    assert refused.code == 2 and "--allow-unknown-price" in refused.err and simulated.bill().requests == 0
    built = build(*unknown, "--allow-unknown-price")
    assert built.code == 0 and "unknown" in built.out, built.err
