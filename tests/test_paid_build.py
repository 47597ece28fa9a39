"""Whole builds with a writer that costs money, against a provider on loopback that keeps its own bill."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from builder.bench.provider import Provider, Settings, provider
from builder.ledger import Ledger

MODEL = "anthropic/claude-sonnet-4-5"  # its list price is the provider's default
KEY = "sk-canary-4711-never-to-be-written"
LOOSE = ("--set", "gates.copied_words=100000")  # the provider's prose is made of sentences of the starter files
ROLES = ("--model", f"writer={MODEL}", "--model", f"rewriter={MODEL}", "--model", f"judge={MODEL}")


@pytest.fixture
def simulated() -> Iterator[Provider]:
    with provider(Settings(latency=0.05, answer_tokens=500, cache_minimum=1_000_000)) as running:
        yield running


def command(folder: Path, running: Provider, *arguments: str, verb: str = "build") -> subprocess.Popen[str]:
    environment = {**os.environ, "ANTHROPIC_BASE_URL": running.url, "ANTHROPIC_API_KEY": KEY, "NO_COLOR": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, "-m", "builder", verb, "--documents", "20", *LOOSE, *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def files(folder: Path) -> dict[str, bytes]:
    """What a build exports and what each gate said; the report tells what kills may have cost, and so may differ."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("data", "verdicts")
        for path in sorted((folder / "output/example" / part).rglob("*"))
        if path.is_file()
    }


def test_a_build_costs_what_the_provider_bills_and_killed_ones_end_the_same(
    project_folder: Path, tmp_path_factory: pytest.TempPathFactory, simulated: Provider
) -> None:
    code, out, err = ended(command(project_folder, simulated, *ROLES))
    bill = simulated.bill()
    assert code == 0, err
    assert bill.bought_again == 0 and bill.answers == 66
    with closing(Ledger(project_folder / "corpus/example/ledger.sqlite")) as ledger:
        assert ledger.paid().cost == pytest.approx(float(bill.dollars), abs=1e-9)
    assert f"${float(bill.dollars):.2f}" in out
    again = tmp_path_factory.mktemp("again")
    for name in ("constitution", "story_prompts", "corpus"):
        (again / name).symlink_to(project_folder / name) if name != "corpus" else (again / "corpus/example").mkdir(parents=True)
    (again / "corpus/example/recipe.toml").write_bytes((project_folder / "corpus/example/recipe.toml").read_bytes())
    kills = _killed(again, simulated, 3)
    code, _, err = ended(command(again, simulated, *ROLES))
    assert code == 0, err
    assert kills and files(again) == files(project_folder) and len(files(again)) > 4
    for path in [*project_folder.rglob("*"), *again.rglob("*")]:
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), f"{path} holds the key"
    assert KEY not in out and KEY not in err


def _killed(folder: Path, running: Provider, times: int) -> int:
    rng, hit = random.Random(7), 0
    for _ in range(times):
        before = running.requests()
        process = command(folder, running, *ROLES)
        while running.requests() == before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0.02, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hit += process.returncode == -signal.SIGKILL
    return hit


def test_a_reached_budget_pauses_and_a_refused_key_stops(project_folder: Path, simulated: Provider) -> None:
    code, _, err = ended(command(project_folder, simulated, "--model", f"writer={MODEL}", "--max-cost", "0.50"))
    assert code == 4 and "the budget of $0.50 is reached" in err, err
    spent = float(simulated.bill().dollars)
    assert 0.2 < spent <= 0.50
    simulated.set(api_key="another")
    code, _, err = ended(command(project_folder, simulated, "--model", f"writer={MODEL}"))
    assert code == 5 and len([line for line in err.splitlines() if line.startswith("bildung:")]) == 1, err
    assert KEY not in err and float(simulated.bill().dollars) == spent
    simulated.set(api_key="")
    code, out, err = ended(command(project_folder, simulated, "--model", f"writer={MODEL}"))
    assert code == 0 and "resuming:" in err and simulated.bill().bought_again == 0, err


def test_a_sample_is_shown_and_kept(project_folder: Path, simulated: Provider) -> None:
    code, out, err = ended(command(project_folder, simulated, "--model", f"writer={MODEL}", "--sample", "3"))
    assert code == 0 and simulated.bill().answers == 3, err
    assert out.count("-" * 80) == 3 and "with 95 % confidence" in out
    assert not (project_folder / "output/example/manifest.json").exists()
    code, _, err = ended(command(project_folder, simulated, "--model", f"writer={MODEL}"))
    assert code == 0 and simulated.bill().answers == 22 and simulated.bill().bought_again == 0, err


def test_a_price_that_nobody_knows_needs_a_word(project_folder: Path, simulated: Provider) -> None:
    unknown = ("--model", "writer=anthropic/claude-nobody-1")
    code, _, err = ended(command(project_folder, simulated, *unknown))
    assert code == 2 and "--allow-unknown-price" in err and simulated.bill().requests == 0
    code, out, err = ended(command(project_folder, simulated, *unknown, "--allow-unknown-price"))
    assert code == 0 and "unknown" in out, err
