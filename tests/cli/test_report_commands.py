"""``report``, ``check`` and ``export`` over a small real corpus, in this process."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from builder.cli.check_command import command as check
from builder.cli.export_command import command as export
from builder.cli.report_command import command as report
from builder.errors import BildungError, GateShort, UsageError
from builder.ledger import Ledger, Paid
from builder.pipeline import build
from builder.project import open_project
from builder.recipe import Override

FOUND = {
    "format": 1,
    "summary": {"documents": 37, "training_grade": False, "findings": ["x"]},
    "traits": {"evenness": 0.93, "levels": {"owns-errors": {"fill": 1.2}}},
    "judge": {"kept_share": None},
}


@pytest.fixture
def corpus(project_folder: Path) -> Path:
    output = project_folder / "output" / "example"
    output.mkdir(parents=True)
    (output / "coverage.json").write_text(json.dumps(FOUND))
    return project_folder / "corpus" / "example"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def paid(corpus: Path) -> Paid:
    with closing(Ledger(corpus / "ledger.sqlite")) as ledger:
        return ledger.paid()


def run(command: click.Command, *arguments: str) -> str:
    """Standard output; the error of the command is raised."""
    done = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout


def test_check_lists_every_number(corpus: Path) -> None:
    assert run(check, str(corpus), "--list").split("\n") == [
        "format\t1", "summary.documents\t37", "summary.training_grade\t0", "traits.evenness\t0.93", "traits.levels.owns-errors.fill\t1.2",
        "judge.kept_share\tnot measured", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("--fail-under", "traits.evenness=0.93"), ("--fail-over", "summary.documents=37"),
        ("--fail-under", "traits.levels.owns-errors.fill=1"),
    ],
)  # fmt: skip
def test_check_is_silent_where_all_holds(corpus: Path, arguments: tuple[str, ...]) -> None:
    assert run(check, str(corpus), *arguments) == ""


def test_check_tells_each_miss_on_a_line(corpus: Path) -> None:
    wanted = ("--fail-under", "traits.evenness=0.95", "--fail-under", "judge.kept_share=0", "--fail-over", "summary.documents=5")
    with pytest.raises(GateShort) as error:
        run(check, str(corpus), *wanted)
    assert error.value.exit_code == 3
    assert str(error.value).split("\n") == [
        "traits.evenness is 0.93, under 0.95",
        "bildung: judge.kept_share was not measured (wanted: not under 0)",
        "bildung: summary.documents is 37, over 5",
    ]


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("traits.evennes=1", "did you mean 'traits.evenness'"),
        ("zzz=1", "no metric named 'zzz'; 'bildung check --list'"),
        ("traits.evenness", "not of the form METRIC=VALUE"),
        ("traits.evenness=", "not of the form METRIC=VALUE"),
        ("traits.evenness=nan", "not of the form METRIC=VALUE"),
        ("summary.findings=1", "no metric named"),
    ],
)
def test_check_refuses_what_is_no_metric(corpus: Path, pair: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        run(check, str(corpus), "--fail-under", pair)


@pytest.mark.parametrize("left", ["", "{", "\xff"])
def test_check_of_a_broken_file_is_one_line(corpus: Path, left: str) -> None:
    path = corpus.parent.parent / "output" / "example" / "coverage.json"
    path.write_bytes(left.encode("latin-1"))
    with pytest.raises(UsageError, match="coverage.json: is not the JSON"):
        run(check, str(corpus), "--list")


@pytest.mark.parametrize("command", [report, check, export])
def test_nothing_built_is_told(project_folder: Path, tmp_path: Path, command: click.Command) -> None:
    arguments = ["--for", "jsonl", "--output", str(tmp_path / "out")] if command is export else ["--list"] if command is check else []
    corpus = project_folder / "corpus" / "example"
    with pytest.raises(BildungError, match="run 'bildung build' first"):
        run(command, str(corpus), *arguments)
    assert not (corpus / "ledger.sqlite").exists()


def test_report_and_export_repeat_a_build_and_write_nothing_new(project_folder: Path, tmp_path: Path) -> None:
    corpus, output = project_folder / "corpus" / "example", project_folder / "output" / "example"
    build(open_project(corpus, (Override("size.documents", "12"),)))
    before, bought = tree(output), paid(corpus)
    assert run(report, str(corpus), "--documents", "12", "-q").strip() == str(output.resolve() / "report.md")
    assert tree(output) == before
    folder = Path(run(export, str(corpus), "--documents", "12", "-q", "--for", "jsonl", "--output", str(tmp_path / "out")).strip())
    assert tree(folder) == tree(next((output / "data").glob("jsonl-*")))
    with pytest.raises(UsageError, match="no document of this plan is written"):
        run(report, str(corpus), "--set", "corpus.seed=99", "-q")
    assert paid(corpus) == bought


def test_export_of_an_unknown_format_names_the_near_miss(project_folder: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'parquet'"):
        run(export, str(project_folder / "corpus" / "example"), "--for", "parqet", "--output", "x")
