"""The local engine, with real processes, killed and stopped ones among them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from builder.engines import local
from builder.engines.local import Settings
from builder.errors import BildungError, UsageError
from builder.sharded import perform
from builder.stores import UNFINISHED
from engines.toys import alive, await_that, driven, made, pid_of, started, times_begun

TWO = Settings(workers=2)


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, bytes]:
    """What the same input gives in one process."""
    (tmp_path / "quiet").mkdir()
    folder, steps = started(tmp_path / "quiet", 6)
    for step in steps:
        for rank in range(step.world):
            perform(folder, step.name, rank)
    return made(folder)


def test_every_rank_is_done_once_by_as_many_processes_as_are_asked_for(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    folder, steps = started(tmp_path, 6, "*:nap")
    local.run(folder, steps, Settings(workers=3))
    assert made(folder) == undisturbed
    assert [times_begun(folder, rank) for rank in range(6)] == [1] * 6
    pids = {path.read_text() for path in (folder / "began").iterdir()}
    assert len(pids) == 3 and str(os.getpid()) not in pids
    assert not any(alive(int(pid)) for pid in pids)


def test_a_rank_whose_process_is_killed_is_run_again(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    folder, steps = started(tmp_path, 6, "1:die-once", "4:die-once")
    local.run(folder, steps, TWO)
    assert made(folder) == undisturbed
    assert [times_begun(folder, rank) for rank in (1, 4)] == [2, 2]
    assert not list(folder.rglob(f"*{UNFINISHED}")), "what the killed processes left is removed"


def test_a_rank_that_is_killed_every_time_ends_the_run_with_its_name(tmp_path: Path) -> None:
    folder, steps = started(tmp_path, 3, "1:die")
    with pytest.raises(BildungError, match=r"rank 1 of make was killed 2 times, the last time by signal 9 .*the same command goes on"):
        local.run(folder, steps, Settings(workers=2, attempts=2))
    assert times_begun(folder, 1) == 2


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_of_several_ranks_that_fail_the_lowest_says_why_however_many_work(tmp_path: Path, workers: int) -> None:
    folder, steps = started(tmp_path, 9, "1:late", "2:fail", "8:fail")
    with pytest.raises(BildungError, match="^rank 1 cannot, after a while$"):
        local.run(folder, steps, Settings(workers=workers))
    assert workers > 1 or times_begun(folder, 2) == 0, "none is begun after one has failed"
    assert not (folder / "join").exists()


def test_an_error_keeps_its_kind_and_its_words(tmp_path: Path) -> None:
    folder, steps = started(tmp_path, 2, "0:usage")
    with pytest.raises(UsageError, match="^some file: is wrong$"):
        local.run(folder, steps, TWO)
    assert times_begun(folder, 0) == 1


def test_a_bug_shows_its_traceback_and_is_not_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder, steps = started(tmp_path, 2, "0:bug")
    with pytest.raises(BildungError, match="rank 0 of make ended by a bug, shown above"):
        local.run(folder, steps, TWO)
    assert times_begun(folder, 0) == 1
    assert "RuntimeError: a bug" in capfd.readouterr().err


def test_after_the_run_is_killed_its_processes_end_and_the_next_run_goes_on(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    folder, steps = started(tmp_path, 6, "3:wait-once")
    with driven(folder, "local", "workers=2") as run:
        await_that((folder / "make" / "00005" / "manifest.json").exists)
        pids = [int(path.read_text()) for path in (folder / "began").iterdir()]
        run.kill()
    os.kill(pid_of(folder, 3), signal.SIGTERM)
    await_that(lambda: not any(map(alive, pids)))
    local.run(folder, steps, TWO)
    assert made(folder) == undisturbed
    assert times_begun(folder, 0) == 1, "what was done is not done again"


def test_ctrl_c_ends_the_processes_and_says_how_to_go_on(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    folder, steps = started(tmp_path, 6, "3:wait-once")
    with driven(folder, "local", "workers=2") as run:
        await_that((folder / "make" / "00005" / "manifest.json").exists)
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=30)[1]
    assert run.returncode == 130
    assert said == f"stopped; what is done is kept in {folder}, and the same command goes on\n"
    assert not alive(pid_of(folder, 3))
    assert not list(folder.rglob(f"*{UNFINISHED}")), "a process that is ended removes what it had begun"
    local.run(folder, steps, TWO)
    assert made(folder) == undisturbed
