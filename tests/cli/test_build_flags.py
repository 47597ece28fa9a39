"""The flags of ``bildung build``: what they ask the build for, what goes to stdout, and which exit code follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ran import Run

from builder import pipeline
from builder.cli import build_command
from builder.errors import AuthenticationFailed, BildungError, BudgetReached, Interrupted
from builder.progress import Progress, RoleStatus, Status
from builder.project import Project

FEW = ("--documents", "4", "--set", "gates.min_words=1")
STATUS = Status(4, 2, roles=(RoleStatus("writer", "a/b", 2, 2, 10, 20, cost=0.5),), spent_now=0.5, max_cost=1.0, seconds=1.0)


@pytest.fixture
def folder(project_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The starter project, entered."""
    monkeypatch.chdir(project_folder)
    return project_folder


def test_a_sample_is_shown_and_the_build_does_not_write_it_again(folder: Path, bildung: Run) -> None:
    ran = bildung("build", *FEW, "--sample", "2", "-q")
    assert (ran.code, ran.err) == (0, ""), ran
    shown = ran.out.split(f"\n\n{build_command.RULE}\n")
    assert len(shown) == 3, "two documents and what all would cost"
    for part in shown[:2]:
        name, line, empty, *text = part.split("\n")
        assert name.partition("-")[0] == line.split(" / ")[0], part
        assert line.count(" / ") == 2 and empty == "" and "".join(text)
    assert shown[2].strip()
    assert not list((folder / "output").glob("*/manifest.json")), "a sample exports nothing"

    built = bildung("build", *FEW, "--json")
    assert built.code == 0 and json.loads(built.out)["written"] >= 4
    assert {json.loads(line)["event"] for line in built.err.splitlines()} <= {"stage", "progress", "say", "warning"}
    last = progress_of(built.err)[-1]
    assert last["done"] == last["total"] >= 4, "the last snapshot is of the end"
    assert last["buying"]["documents_reused"] == 2
    assert all(part.split("\n")[0] in (folder / "output/example/briefs.jsonl").read_text(encoding="utf-8") for part in shown[:2])
    assert bildung("build", *FEW, "--json", "-q") == (0, built.out, "")


def progress_of(lines: str) -> list[dict[str, Any]]:
    """The progress events of stderr that tell of the buying."""
    events = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    return [event for event in events if event["event"] == "progress" and event["buying"]]


class Stopped:
    """A build that tells where it is and then fails; it keeps what it was asked for."""

    def __init__(self, error: BildungError) -> None:
        self.error, self.asked = error, dict[str, object]()

    def __call__(self, project: Project, *arguments: Any, **named: Any) -> None:
        progress: Progress = arguments[-1]
        self.asked = {"concurrency": project.recipe.budget.concurrency, "count": arguments[0], **named}
        with progress.stage("write", 4):
            progress.tell(STATUS)
            raise self.error


@pytest.mark.parametrize(
    ("error", "code"),
    [(BudgetReached("the cap is reached"), 4), (AuthenticationFailed("the key is refused"), 5), (Interrupted("interrupted; saved"), 130)],
)
@pytest.mark.parametrize("flags", [("-q",), (), ("--json",)])
def test_a_build_that_stops_says_why_on_its_last_line(
    folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch, error: BildungError, code: int, flags: tuple[str, ...]
) -> None:
    monkeypatch.setattr(pipeline, "build", Stopped(error))
    ran = bildung("build", *flags)
    assert (ran.code, ran.out) == (code, "")
    *told, last = ran.err.splitlines()
    assert last == f"bildung: {error}"
    if flags == ("-q",):
        assert told == []
    elif flags:
        assert [json.loads(line)["event"] for line in told][-2:] == ["progress", "stage"] and '"stopped"' in told[-1]
    else:
        assert told[0].startswith("  write (stopped) ") and "$0.50 spent" in told[0]


@pytest.mark.parametrize("allowed", [False, True])
def test_flags_reach_the_build(folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    built, sampled = Stopped(BildungError("x")), Stopped(BildungError("x"))
    monkeypatch.setattr(pipeline, "build", built)
    monkeypatch.setattr(pipeline, "sample", sampled)
    flags = ("--concurrency", "7", *(("--allow-unknown-price",) if allowed else ()))
    assert bildung("build", "-q", *flags).code == 1
    assert (built.asked["concurrency"], built.asked["allow_unknown_price"]) == (7, allowed)
    assert bildung("build", "-q", "--sample", "3", *flags).code == 1
    assert (sampled.asked["concurrency"], sampled.asked["count"], sampled.asked["allow_unknown_price"]) == (7, 3, allowed)


def test_a_sample_in_which_nothing_was_written(folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from builder.records import Verdict

    refused = Verdict(document_id="story-000000-abc", gate="write", keep=False, reason="stopped:refusal")

    def nothing(*_: object, **__: object) -> pipeline.Sampled:
        return pipeline.Sampled(documents=(), unwritten=(refused,), spent=None, text="about unknown for all 4 documents")

    monkeypatch.setattr(pipeline, "sample", nothing)
    ran = bildung("build", "-q", "--sample", "1")
    assert ran.code == 3 and "no document of the sample was written" in ran.err
    assert ran.out.startswith("story-000000-abc was not written: stopped:refusal\n\n") and "about unknown" in ran.out
    sampled = json.loads(bildung("build", "-q", "--sample", "1", "--json").out)
    assert set(sampled) == {"documents", "unwritten", "spent", "text"}
    assert sampled["spent"] is None and sampled["unwritten"][0]["reason"] == "stopped:refusal"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--sample", "0"), "--sample"),
        (("--sample", "x"), "--sample"),
        (("--concurrency", "0"), "--concurrency"),
        (("--concurrency", "4097"), "4096"),
    ],
)
def test_a_flag_that_is_wrong(folder: Path, bildung: Run, flags: tuple[str, str], says: str) -> None:
    ran = bildung("build", *flags)
    assert ran.code == 2 and says in ran.err and ran.err.count("\n") == 1
