"""Builds with a planner, through the real SDK against a provider on loopback; and with one that answers well."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ran import Ran, Run

from builder.bench.provider import Provider, Settings, provider
from builder.ledger import Ledger

MODEL = "anthropic/claude-sonnet-4-5"
PLANNED = ("--model", f"planner={MODEL}")
PLAN = ("--documents", "6", "--set", "gates.copied_words=100000")
WRITER = ("--model", f"writer={MODEL}")

Build = Callable[..., Ran]


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with provider(Settings(latency=0.01, answer_tokens=500, cache_minimum=1_000_000)) as running:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-none")
        yield running


@pytest.fixture
def build(project_folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> Build:
    """``bildung build`` in the project folder."""
    monkeypatch.chdir(project_folder)
    return lambda *arguments: bildung("build", *PLAN, *PLANNED, *WRITER, *arguments)


def test_a_planner_whose_quotes_stand_nowhere_changes_nothing_and_it_is_told(
    project_folder: Path, build: Build, bildung: Run, simulated: Provider
) -> None:
    ran = build()
    assert ran.code == 0, ran.err
    assert "0 ideas" in ran.err and "0 of 77 principles reached" in ran.err, ran.err
    assert "77 principles are reached by no idea" in ran.err
    coverage = json.loads((project_folder / "output/example/coverage.json").read_text(encoding="utf-8"))["planning"]
    assert coverage["reached"] == 0 and len(coverage["unreached"]) == coverage["principles"] == 77
    assert coverage["layers"]["passages"]["dropped"]["unverified"] >= 7 and coverage["layers"]["domains"]["kept"] == 1
    report = (project_folder / "output/example/report.md").read_text(encoding="utf-8")
    assert "## Planning" in report and "planner's ideas reach 0 of 77 principles" in report
    with closing(Ledger(project_folder / "corpus/example/ledger.sqlite")) as ledger:
        bought = {row.step: row.answers for row in ledger.spent()}
    assert bought["fanout"] >= 10
    before = simulated.bill()
    again = build()
    assert again.code == 0 and simulated.bill().requests == before.requests, "everything is in the ledger"
    planned = bildung("plan", *PLAN, *PLANNED, *WRITER)
    assert "they reach 0 of 77 principles" in planned.out and "not reached: " in planned.out
    assert simulated.bill().requests == before.requests


def test_a_budget_that_ends_in_the_fan_out_pauses_there(build: Build, simulated: Provider) -> None:
    paused = build("--max-cost", "0.45")
    assert paused.code == 4 and "the budget of $0.45 is reached" in paused.err, paused.err
    assert 0 < simulated.bill().dollars <= 0.45
    whole = build()
    assert whole.code == 0 and simulated.bill().bought_again == 0, whole.err


def test_without_a_planner_there_is_no_section(project_folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project_folder)
    assert bildung("build", "--documents", "5").code == 0
    assert "planning" not in json.loads((project_folder / "output/example/coverage.json").read_text(encoding="utf-8"))
    told = bildung("plan", *PLAN, *PLANNED, *WRITER)
    assert "not bought yet" in told.out and "fanout (planner)" in told.out


def test_a_planner_must_read(project_folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project_folder)
    refused = bildung("build", "--documents", "5", "--model", "planner=offline/composer")
    assert refused.code == 2 and "models.planner is offline/composer" in refused.err
