"""The Slurm engine on a real Slurm of two nodes, one of which is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.engines import local
from builder.errors import BildungError, UsageError
from engines.slurm_cluster import SlurmCluster, lacking
from engines.stories import deduplicated, planted
from engines.toys import alive, await_that, driven, made, pid_of, started, times_begun

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        bool(lacking()), reason=f"not installed: {', '.join(lacking())}; Debian: apt-get install slurmctld slurmd slurm-client munge"
    ),
]
QUICK = {"poll_seconds": 0.5, "settle_seconds": 1, "mem_per_cpu_gb": 1, "time": "00:30:00"}
WORDS = [f"{key}={value}" for key, value in QUICK.items()]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
def slurm() -> Any:
    return pytest.importorskip("builder.engines.slurm", reason="needs the extra cluster")


def locally(folder: Path, ranks: int) -> dict[str, bytes]:
    """What the local engine makes of the same input."""
    folder.mkdir()
    work, steps = started(folder, ranks)
    local.run(work, steps, local.Settings(workers=2))
    return made(work)


def submissions(folder: Path, stage: str) -> int:
    """How many job arrays a stage took."""
    return len(list(folder.glob(f"slurm/*/{stage}/*")))


def queued(cluster: SlurmCluster) -> str:
    return cluster.ask("squeue", "--noheader")


def test_a_node_is_lost_and_the_result_is_the_same(tmp_path: Path, cluster: SlurmCluster) -> None:
    folder, _ = started(tmp_path, 6, "1:wait-once")
    with driven(folder, "slurm", *WORDS) as run:
        node = cluster.node_of(pid_of(folder, 1))
        cluster.kill_node(node)
        said = run.communicate(timeout=120)[1]
    cluster.start_node(node)
    assert (run.returncode, said) == (0, "")
    assert made(folder) == locally(tmp_path / "local", 6)
    assert times_begun(folder, 1) == 2 and submissions(folder, "make") == 1, "Slurm itself has put it back into the queue"


def test_near_duplicates_are_those_of_one_machine_though_a_node_is_lost(tmp_path: Path, cluster: SlurmCluster) -> None:
    source, expected = planted(tmp_path)
    log = cluster.folder / "slurmctld.log"
    failures = log.read_text().count("due to failure of node n2")
    with deduplicated(source, "slurm", tmp_path / "verdicts.jsonl", *WORDS, "ranks_per_task=3") as run:
        await_that(lambda: cluster.runs("n2"))
        cluster.kill_node("n2")
        said = run.communicate(timeout=200)[1]
    cluster.start_node("n2")
    assert run.returncode == 0, said
    assert (tmp_path / "verdicts.jsonl").read_bytes() == expected
    assert log.read_text().count("due to failure of node n2") == failures + 1


def test_a_rank_whose_process_is_killed_is_submitted_again(tmp_path: Path, cluster: SlurmCluster, slurm: Any) -> None:
    folder, steps = started(tmp_path, 4, "1:die-once", "3:die-once")
    slurm.run(folder, steps, slurm.Settings(**QUICK))
    assert made(folder) == locally(tmp_path / "local", 4)
    assert [times_begun(folder, rank) for rank in range(4)] == [1, 2, 1, 2]
    assert submissions(folder, "make") == 2


def test_a_rank_that_is_killed_every_time_ends_the_run_and_says_where_it_printed(tmp_path: Path, cluster: SlurmCluster, slurm: Any) -> None:
    folder, steps = started(tmp_path, 2, "1:die")
    with pytest.raises(BildungError, match=rf"rank 1 of make ended 2 times without a result; what it printed is under {folder}/slurm/"):
        slurm.run(folder, steps, slurm.Settings(**QUICK, attempts=2))
    assert any("Killed" in path.read_text() for path in folder.glob("slurm/*/make/*/tasks/*_1.out"))


def test_the_lowest_rank_that_fails_says_why_and_no_more_are_started(tmp_path: Path, cluster: SlurmCluster, slurm: Any) -> None:
    folder, steps = started(tmp_path, 9, "0:late", "1:usage")
    with pytest.raises(BildungError, match="^rank 0 cannot, after a while$"):
        slurm.run(folder, steps, slurm.Settings(**QUICK))
    assert times_begun(folder, 8) == 0
    assert queued(cluster) == ""


def test_after_the_run_is_killed_the_next_one_goes_on_with_its_array(tmp_path: Path, cluster: SlurmCluster, slurm: Any) -> None:
    folder, steps = started(tmp_path, 4, "*:nap")
    with driven(folder, "slurm", *WORDS) as run:
        pid_of(folder, 0)
        run.kill()
    slurm.run(folder, steps, slurm.Settings(**QUICK))
    assert made(folder) == locally(tmp_path / "local", 4)
    assert submissions(folder, "make") == 1
    assert [times_begun(folder, rank) for rank in range(4)] == [1] * 4


def test_ctrl_c_takes_the_array_out_of_the_queue(tmp_path: Path, cluster: SlurmCluster, slurm: Any) -> None:
    folder, steps = started(tmp_path, 3, "1:wait-once")
    with driven(folder, "slurm", *WORDS) as run:
        asleep = pid_of(folder, 1)
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=30)[1]
    assert (run.returncode, said) == (130, f"stopped; what is done is kept in {folder}, and the same command goes on\n")
    await_that(lambda: queued(cluster) == "" and not alive(asleep))
    slurm.run(folder, steps, slurm.Settings(**QUICK))
    assert made(folder) == locally(tmp_path / "local", 3)


def test_a_job_that_slurm_will_never_start_is_taken_back(tmp_path: Path, cluster: SlurmCluster, slurm: Any) -> None:
    folder, steps = started(tmp_path, 2)
    with pytest.raises(BildungError, match="Slurm will not start make: PartitionTimeLimit"):
        slurm.run(folder, steps, slurm.Settings(**QUICK | {"time": "10:00:00"}))
    assert queued(cluster) == ""


def test_a_job_that_sbatch_refuses_is_said_so(tmp_path: Path, cluster: SlurmCluster, slurm: Any, capfd: pytest.CaptureFixture[str]) -> None:
    folder, steps = started(tmp_path, 2)
    with pytest.raises(BildungError, match="sbatch refused the job, for the reason above"):
        slurm.run(folder, steps, slurm.Settings(**QUICK, partition="nowhere"))
    assert "invalid partition" in capfd.readouterr().err


def test_a_run_inside_an_array_is_refused(tmp_path: Path, slurm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, steps = started(tmp_path, 2)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    with pytest.raises(UsageError, match="cannot itself be a task of one"):
        slurm.run(folder, steps, slurm.Settings(**QUICK))
