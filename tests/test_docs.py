"""The README tells the truth: its commands exist, its lines run, its tree is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from builder import plugins
from builder.bench.provider import Settings, provider
from builder.cli import COMMANDS, cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FEWER = ("--documents", "12")  # than the default recipe, where only the line is tried
MINE = """# What the ferry clerk is for

## Saying it early

A late boat is told as soon as it is known. People plan a whole day around a crossing, because the next one is on Thursday.

## Nobody's business

Who travels with whom stays at the counter. A clerk who talks is a clerk nobody asks, since everyone here knows everyone.
"""


def block(before: str) -> str:
    """The first fenced block after a mark or heading of the README."""
    found = re.search(re.escape(before) + r"\s*(?:[^`].*?)?```[a-z]*\n(.*?)\n```", README, re.DOTALL)
    assert found, f"no block after {before!r}"
    return found[1]


def bildung(arguments: list[str], folder: Path) -> str:
    """Run ``bildung`` in a folder as the README says; its stdout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "builder", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands_in(line: str) -> list[list[str]]:
    """The ``bildung`` commands of one shell line, without the virtual environment around them."""
    parts = [shlex.split(part) for part in line.split("&&")]
    return [words[1:] for words in parts if words and Path(words[0]).name == "bildung"]


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found, name
    return found


# What the README names


def test_every_command_of_the_readme_exists_and_every_command_is_in_it() -> None:
    named = set(re.findall(r"(?:`|^|/|\s)bildung ([a-z][a-z-]*)", README, re.MULTILINE))
    assert named - {"is", "build-free"} == set(COMMANDS)
    table = set(re.findall(r"^\| `bildung ([a-z]+)", README, re.MULTILINE))
    assert table == set(COMMANDS)


def test_every_option_of_the_readme_exists() -> None:
    rows: list[tuple[str, str]] = re.findall(r"^\| `bildung ([a-z]+)[^`]*` \| (.*) \|$", README, re.MULTILINE)
    assert rows
    for name, text in rows:
        known = {option for parameter in command(name).params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", text)) <= known, name


def test_every_gate_exporter_and_model_of_the_readme_exists() -> None:
    paragraph = re.search(r"^The \*\*gates\*\*.*?\n\n", README, re.MULTILINE | re.DOTALL)
    assert paragraph
    gates = re.findall(r"`([a-z-]+)` \(", paragraph[0])
    assert set(gates) == set(plugins.names("gate"))
    assert set(re.findall(r"--for ([a-z][a-z-]*)", README)) <= set(plugins.names("exporter"))
    assert {name for name in re.findall(r"`([a-z-]+)/[a-z*]+`", README) if name in ("offline", "anthropic", "openai", "llamacpp")} <= set(
        plugins.names("backend")
    )


def test_what_can_be_listed_is_in_the_readme() -> None:
    row = re.search(r"^\| `bildung list WHAT` \| (.*) \|$", README, re.MULTILINE)
    assert row
    choices = command("list").params[0].type
    assert isinstance(choices, click.Choice)
    assert set(re.findall(r"[a-z]+", row[1])) <= set(choices.choices)


def _tree() -> list[str]:
    """The paths of the annotated tree; a line is indented below its folder, and may name several."""
    paths, above = [], ""
    for line in block("## The tree").split("\n"):
        names = re.match(r"\s*((?:[\w./-]+(?:/|\.\w+) )*[\w./-]+(?:/|\.\w+))(?:\s|$)", line)
        assert names, line
        inside = line.startswith(" ")
        paths += [(above if inside else "") + name for name in names[1].split()]
        above = above if inside else names[1].split()[-1]
    return paths


@pytest.mark.parametrize("path", _tree())
def test_every_path_of_the_tree_exists(path: str) -> None:
    assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file()


def test_every_room_of_the_package_is_in_the_tree() -> None:
    rooms = {f"builder/{path.name}/" for path in (ROOT / "builder").iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= set(_tree())


def test_every_file_that_the_readme_points_to_is_there() -> None:
    """Paths in backquotes that a checkout holds; what a build writes is looked for after the quickstart."""
    for path in re.findall(r"`((?:constitution|story_prompts|corpus|builder|tests)/[\w./*-]*)`", README):
        if "ledger" not in path:
            assert list(ROOT.glob(path.rstrip("/"))), path


def test_the_exit_codes_are_those_of_the_errors() -> None:
    import builder.errors as errors

    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BildungError)}
    sentence = re.search(r"Exit codes: (.*?)\.\s", README, re.DOTALL)
    assert sentence
    assert {int(code) for code in re.findall(r"\b(\d+) ", sentence[1])} == codes | {0, 130}


# What the README runs


def test_the_quickstart_runs_and_ends_as_shown(project_folder: Path) -> None:
    line = block("<!-- run: main -->")
    assert re.match(r"python3 -m venv \.venv && \.venv/bin/pip install [^&]*\. && \.venv/bin/bildung ", line)
    commands = commands_in(line)
    assert commands
    told = [bildung(arguments, project_folder) for arguments in commands][-1]
    shown = block("It ends with what came out")
    assert _shape(told) == _shape(shown)
    assert told.split()[:2] == shown.split()[:2]
    for path in re.findall(r"`(output/[\w./-]*|corpus/example/ledger\.sqlite)`", README):
        assert (project_folder / path).exists(), path


def _shape(text: str) -> list[str]:
    """The lines without their numbers, and without the list of reasons, which changes with the banks."""
    return [re.sub(r"removed .*", "removed", re.sub(r"[\d,.]+", "0", line)).rstrip() for line in text.strip().split("\n")]


def test_the_line_that_tests_is_for_developers() -> None:
    line = block("<!-- run: tests -->")
    assert "'.[dev]'" in line and line.endswith(".venv/bin/pytest") and "\n" not in line


def test_the_lines_for_your_own_constitution_run(tmp_path: Path) -> None:
    folder = tmp_path
    ran = []
    for line in block("## Bring your own constitution").split("\n"):
        if line.startswith("cd "):
            folder = folder / line.removeprefix("cd ").strip()
            (folder / "constitution" / "mine.md").write_text(MINE, encoding="utf-8")
        for arguments in commands_in(line):
            ran.append(arguments[0])
            bildung([*arguments, *(FEWER if arguments[0] == "build" else ())], folder)
    assert ran == ["init", "principles", "build"]
    report = (folder / "output/example/report.md").read_text(encoding="utf-8")
    assert "constitution/mine.md" in report


def test_the_lines_for_a_model_run(
    project_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project_folder)
    ran = []
    with provider(Settings(answer_tokens=300)) as simulated:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulated.url)
        for line in block("## Bring a model").split("\n"):
            if line.startswith("export "):
                monkeypatch.setenv(line.split()[1].partition("=")[0], "any")
            for arguments in commands_in(line):
                assert cli.main([*arguments, *FEWER], prog_name="bildung", standalone_mode=False) is None
                ran.append((arguments[0], simulated.bill().answers, capsys.readouterr().out))
    plan, sample, build = ran
    assert plan[:2] == ("plan", 0) and "expected" in plan[2]
    assert sample[0] == "build" and sample[1] >= 10 and "with 95 % confidence" in sample[2]
    assert build[0] == "build" and build[1] > sample[1] and "training_grade" not in build[2]


# The whole line, as a stranger would paste it


@pytest.mark.install
@pytest.mark.timeout(1800)
def test_the_quickstart_line_runs_in_a_fresh_checkout(tmp_path: Path) -> None:
    """Needs a package index: makes a virtual environment, installs, builds."""
    left = shutil.ignore_patterns(".git", ".venv", "*cache*", ".hypothesis", "ledger.sqlite*", ".lock", "example-*")
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, ignore=left)
    shutil.rmtree(checkout / "output" / "example", ignore_errors=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(["bash", "-c", block("<!-- run: main -->")], cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert _shape(done.stdout) == _shape(block("It ends with what came out"))
    assert (checkout / "output/example/report.md").is_file()
