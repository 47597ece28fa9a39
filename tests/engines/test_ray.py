"""The Ray engine on a real cluster of two nodes, one of which is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from builder.engines import local
from builder.errors import UsageError
from builder.stores import UNFINISHED
from engines.stories import deduplicated, planted
from engines.toys import TOY, alive, await_that, driven, made, pid_of, started, times_begun

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
engine = pytest.importorskip("builder.engines.ray", reason="needs the extra cluster")
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}  # bytes; Ray takes no less than 75 MiB


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    """A node of one processor, the head. It knows the toy gate by the environment it is started in."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("PYTHONPATH", str(TOY))
        cluster: Any = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        try:
            yield cluster
        finally:
            cluster.shutdown()


@pytest.fixture
def cluster(running: Any) -> Any:
    """Two nodes, also after one was lost."""
    if not running.worker_nodes:
        running.add_node(**NODE)
    return running


def words(cluster: Any) -> list[str]:
    return [f"address={cluster.address}", "memory_gb=0", "settle_seconds=1"]


def ran(folder: Path, cluster: Any, *more: str) -> tuple[int, str]:
    """The exit code of a run, and what it said last. In a process of its own, as Ray wants for each connection."""
    with driven(folder, "ray", *words(cluster), *more) as run:
        said = run.communicate(timeout=120)[1]
    return run.returncode, said


def raylet_of(pid: int) -> int:
    """The raylet, the daemon of a node, that keeps a process of a task."""
    known = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return int(next(word for word in known if word.startswith(b"RAY_RAYLET_PID=")).partition(b"=")[2])


def locally(folder: Path, ranks: int) -> dict[str, bytes]:
    """What the local engine makes of the same input."""
    folder.mkdir()
    work, steps = started(folder, ranks)
    local.run(work, steps, local.Settings(workers=2))
    return made(work)


def test_a_node_is_lost_and_the_result_is_the_same(tmp_path: Path, cluster: Any) -> None:
    folder, _ = started(tmp_path, 6, "0:wait-once", "1:wait-once")
    (lost,) = cluster.worker_nodes
    with driven(folder, "ray", *words(cluster)) as run:
        raylets = [raylet_of(pid_of(folder, rank)) for rank in (0, 1)]
        there = raylets.index(lost.all_processes["raylet"][0].process.pid)
        assert raylets[0] != raylets[1], "each node has one of them"
        cluster.remove_node(lost, allow_graceful=False)
        with suppress(ProcessLookupError):  # a power cut takes what the node ran at once, too
            os.kill(pid_of(folder, there), signal.SIGKILL)
        (folder / "go").touch()
        said = run.communicate(timeout=120)[1]
    assert run.returncode == 0, said
    assert made(folder) == locally(tmp_path / "local", 6)
    assert [times_begun(folder, rank) for rank in (there, 1 - there)] == [2, 1]


def test_near_duplicates_are_those_of_one_machine_though_a_node_is_lost(tmp_path: Path, cluster: Any) -> None:
    source, expected = planted(tmp_path)
    (lost,) = cluster.worker_nodes
    with deduplicated(source, "ray", tmp_path / "verdicts.jsonl", *words(cluster)) as run:
        await_that((tmp_path / "work" / "read" / "00001" / "manifest.json").exists)
        cluster.remove_node(lost, allow_graceful=False)
        said = run.communicate(timeout=200)[1]
    assert run.returncode == 0, said
    assert (tmp_path / "verdicts.jsonl").read_bytes() == expected


def test_a_rank_whose_process_is_killed_is_run_again(tmp_path: Path, cluster: Any) -> None:
    folder, _ = started(tmp_path, 6, "1:die-once", "4:die-once")
    code, said = ran(folder, cluster)
    assert code == 0, said
    assert made(folder) == locally(tmp_path / "local", 6)
    assert [times_begun(folder, rank) for rank in (1, 4)] == [2, 2]
    assert not list(folder.rglob(f"*{UNFINISHED}"))


def test_a_rank_that_is_killed_every_time_ends_the_run_with_its_name(tmp_path: Path, cluster: Any) -> None:
    folder, _ = started(tmp_path, 3, "1:die")
    code, said = ran(folder, cluster, "attempts=2")
    assert code == 1 and "rank 1 of make was lost 2 times, the last time so: " in said.splitlines()[-1]
    assert times_begun(folder, 1) == 2


def test_the_lowest_rank_that_fails_says_why_and_those_above_it_are_cancelled(tmp_path: Path, cluster: Any) -> None:
    folder, _ = started(tmp_path, 9, "1:late", "2:usage", "3:wait-once", "4:wait-once")
    code, said = ran(folder, cluster)
    assert (code, said.splitlines()[-1]) == (1, "rank 1 cannot, after a while")
    assert times_begun(folder, 8) == 0


def test_a_bug_is_shown_and_not_tried_again(tmp_path: Path, cluster: Any) -> None:
    folder, _ = started(tmp_path, 2, "0:bug")
    code, said = ran(folder, cluster)
    assert code == 1 and "rank 0 of make ended by a bug, shown above" in said.splitlines()[-1]
    assert "RuntimeError: a bug" in said
    assert times_begun(folder, 0) == 1


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_ends_its_tasks_and_the_next_goes_on(tmp_path: Path, cluster: Any, sign: signal.Signals) -> None:
    folder, _ = started(tmp_path, 4, "2:wait-once")
    with driven(folder, "ray", *words(cluster)) as run:
        waits = pid_of(folder, 2)
        await_that((folder / "make" / "00003" / "manifest.json").exists)
        os.killpg(run.pid, sign)
        said = run.communicate(timeout=60)[1]
    if sign == signal.SIGINT:
        assert (run.returncode, said.splitlines()[-1]) == (130, f"stopped; what is done is kept in {folder}, and the same command goes on")
    await_that(lambda: not alive(waits))
    assert ran(folder, cluster)[0] == 0
    assert made(folder) == locally(tmp_path / "local", 4)
    assert [times_begun(folder, rank) for rank in range(4)] == [1, 1, 2, 1]


def test_a_cluster_that_is_not_there_is_said_so_at_once(tmp_path: Path) -> None:
    folder, steps = started(tmp_path, 2)
    with pytest.raises(UsageError, match="--engine ray cannot reach a cluster at '127.0.0.1:1' .*Connection refused"):
        engine.run(folder, steps, engine.Settings(address="127.0.0.1:1"))
