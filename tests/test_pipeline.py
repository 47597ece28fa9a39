"""The whole line on real input: the same bytes twice, the same bytes after ten kills."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.errors import Busy, UsageError
from builder.ledger import Ledger, hold
from builder.pipeline import build
from builder.project import open_project
from builder.recipe import Override

DOCUMENTS = "40"


def tree(folder: Path) -> dict[str, str]:
    """Relative path -> SHA-256 of every file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def command(folder: Path, *arguments: str, hash_seed: str = "0") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "NO_COLOR": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "builder", "build", "--documents", DOCUMENTS, *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with one uninterrupted build."""
    folder = tmp_path_factory.mktemp("finished")
    _copy_project(folder)
    done = command(folder)
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    assert f"{DOCUMENTS} documents" in out
    return folder


@pytest.fixture
def again(finished: Path, tmp_path: Path) -> Path:
    """The same project in another folder, not built yet."""
    _copy_project(tmp_path, finished)
    return tmp_path


def _copy_project(folder: Path, root: Path = Path(__file__).parent.parent) -> None:
    for name in ("constitution", "story_prompts"):
        shutil.copytree(root / name, folder / name)
    (folder / "corpus" / "example").mkdir(parents=True)
    shutil.copyfile(root / "corpus" / "example" / "recipe.toml", folder / "corpus" / "example" / "recipe.toml")


def test_twice_gives_the_same_bytes_whatever_the_hash_seed(finished: Path, again: Path) -> None:
    done = command(again, hash_seed="12345")
    assert done.wait(timeout=120) == 0
    assert tree(again / "output") == tree(finished / "output")


@pytest.mark.parametrize("times", [4, pytest.param(10, marks=pytest.mark.soak)])
def test_killed_at_random_moments_and_resumed_gives_the_same_bytes(finished: Path, again: Path, times: int) -> None:
    rng = random.Random(20261121)
    kills = 0
    for _ in range(times):
        process = command(again)
        time.sleep(rng.uniform(0.3, 4.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    process = command(again)
    assert process.wait(timeout=120) == 0
    assert kills >= times / 2
    assert tree(again / "output") == tree(finished / "output")
    ledger = Ledger(again / "corpus" / "example" / "ledger.sqlite")
    assert ledger.paid().answers == json.loads((finished / "output/example/coverage.json").read_text())["funnel"]["written"]


def test_a_longer_build_keeps_what_was_written(project_folder: Path) -> None:
    project = open_project(project_folder / "corpus" / "example", (Override("size.documents", "20"),))
    first = build(project)
    longer = build(open_project(project_folder / "corpus" / "example", (Override("size.documents", "30"),)))
    assert {document.id: document.text for document in first.documents}.items() <= {
        document.id: document.text for document in longer.documents
    }.items()
    ledger = Ledger(project_folder / "corpus" / "example" / "ledger.sqlite")
    assert ledger.paid().answers == len(longer.documents)


def test_every_removal_has_a_reason_and_nothing_is_lost(project_folder: Path) -> None:
    rows = build(open_project(project_folder / "corpus" / "example", (Override("size.documents", "20"),)))
    removed = {verdict.document_id: verdict.reason for judged in rows.verdicts.values() for verdict in judged if not verdict.keep}
    assert {document.id for document in rows.documents} == set(removed) | rows.kept
    assert not set(removed) & rows.kept
    assert all(reason != "ok" for reason in removed.values())
    assert len(rows.records) == 20


def test_a_corpus_being_built_is_refused(project_folder: Path) -> None:
    project = open_project(project_folder / "corpus" / "example")
    with hold(project.corpus), pytest.raises(Busy):
        build(project)


def test_no_constitution_is_one_clear_line(project_folder: Path) -> None:
    (project_folder / "constitution" / "bildung.md").unlink()
    with pytest.raises(UsageError, match="no constitution there"):
        build(open_project(project_folder / "corpus" / "example"))
