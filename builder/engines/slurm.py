"""Ranks as tasks of Slurm job arrays, by datatrove's executor: one array a step. The extra ``cluster`` brings datatrove.

The one who waits is this process: it submits a step, watches the manifests and the queue, submits what was lost once more, and goes on to
the next step. Should it be killed, the array goes on; the same command finds it in the queue by its name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from datatrove.executor import SlurmPipelineExecutor
from datatrove.utils.logging import logger
from pydantic import Field

from builder.engines import ClusterSettings, forget_failures, left, lost, settle, stopped, tidy, work_in
from builder.errors import BildungError, UsageError
from builder.records import digest
from builder.sharded import Step, Work, failure, perform

_SILENCES = 60  # looks at the queue in a row that may fail: a controller that is started anew answers within minutes
_NEVER = ("DependencyNeverSatisfied", "JobHeldUser", "JobHeldAdmin", "BadConstraints", "PartitionTimeLimit", "launch failed requeued held")


class Settings(ClusterSettings):
    """What ``sbatch`` is told, and how patiently the queue is watched."""

    workers: int = Field(0, ge=0, description="tasks at once; 0: as many as Slurm starts")
    partition: str = Field("", description="empty: the cluster's default partition")
    qos: str = Field("", description="empty: the cluster's default")
    time: str = Field("04:00:00", description="limit of a task; a rank takes minutes, and Slurm fits short tasks in earlier")
    cpus_per_task: int = Field(1, ge=1, description="a rank works in one process; more only where memory is given by the processor")
    mem_per_cpu_gb: int = Field(2, ge=1, description="a rank of 1 GB of text stays below it")
    ranks_per_task: int = Field(1, ge=1, description="more where ranks are short: Slurm needs about a second to start a task")
    max_array_size: int = Field(1001, ge=1, description="Slurm's own default; 'scontrol show config' says MaxArraySize")
    env_command: str = Field("", description="a shell line that makes Python ready on a node; empty: this very Python, at its path")
    sbatch_args: dict[str, str] = Field({}, description='more options, for instance {"account": "a1", "exclude": "n7"}')
    logs: str = Field("", description="folder for what tasks print; empty: slurm/ in the work folder")
    poll_seconds: float = Field(10, gt=0, description="between looks at the queue; more often is a load on the controller")


class RankExecutor(SlurmPipelineExecutor):  # type: ignore[misc]
    """datatrove's executor for one step, with manifests in the place of its own completion marks, which know nothing of settings."""

    def __init__(self, work: Work, step: Step, settings: Settings, name: str, folder: Path) -> None:
        self._work = work
        self._stage = step.name
        self._ranks = left(work, step)
        super().__init__(
            pipeline=[partial(_perform, work.folder, step.name)],
            tasks=step.world,
            time=settings.time,
            partition=settings.partition,
            qos=settings.qos,
            cpus_per_task=settings.cpus_per_task,
            mem_per_cpu_gb=settings.mem_per_cpu_gb,
            workers=settings.workers or -1,
            job_name=name,
            env_command=settings.env_command or f'export PATH="{Path(sys.executable).parent}:$PATH"',
            sbatch_args={"open-mode": "append", **settings.sbatch_args},
            max_array_size=settings.max_array_size,
            max_array_launch_parallel=True,
            tasks_per_job=settings.ranks_per_task,
            logging_dir=str(folder),
            slurm_logs_folder=settings.logs or str(folder / "tasks"),
            with_srun=False,  # a rank is one process on one node; a job step of its own would only add ways to fail
        )

    def get_incomplete_ranks(self, ranks: object = None, skip_completed: object = None) -> list[int]:
        """What was left when this was made."""
        return self._ranks

    def is_rank_completed(self, rank: int) -> bool:
        """Whether its manifest stands."""
        return self._work.done(self._stage, rank)

    def mark_rank_as_completed(self, rank: int) -> None:
        """Nothing: the manifest says so."""

    def launch_merge_stats(self) -> None:
        """Nothing: there are no statistics, and a job that failed would leave this one in the queue for ever."""

    def get_sbatch_args(self, max_array: int = 1) -> dict[str, Any]:
        """The options, without those that are left to the cluster."""
        options: dict[str, Any] = super().get_sbatch_args(max_array)
        return {name: value for name, value in options.items() if value or name == "requeue"}


def _perform(folder: Path, stage: str, _data: object, rank: int, _world: int) -> None:
    perform(folder, stage, rank)


class _Task(NamedTuple):
    """A task in the queue: ``PENDING``, ``RUNNING`` ..., and why it waits."""

    state: str
    reason: str


def run(folder: Path, steps: Sequence[Step], settings: Settings) -> None:
    """Run each step as a job array, from a machine that may submit; what is lost is submitted again, ``settings.attempts`` times in all."""
    if "SLURM_ARRAY_TASK_ID" in os.environ:
        raise UsageError("--engine slurm submits job arrays and cannot itself be a task of one; run it where you call sbatch")
    logger.disable("datatrove")
    work = work_in(folder.resolve())
    for step in steps:
        name = f"bildung-{digest(f'{work.folder} {work.job.hash}', 10)}-{step.name}"
        try:
            _run_step(work, step, settings, name)
        except KeyboardInterrupt as interrupt:
            _slurm("scancel", f"--name={name}")
            raise stopped(folder) from interrupt
        tidy(work, step)


def _run_step(work: Work, step: Step, settings: Settings, name: str) -> None:
    forget_failures(work, step)
    for attempt in range(settings.attempts):
        if not left(work, step):
            return
        if attempt > 0 or not _queue(name):  # else an earlier run of this command was killed, and its array goes on
            _submit(work, step, settings, name)
        _watch(work, step, settings, name)
        settle(work, step, settings)
        if error := failure(work.folder, step):
            raise error
    if ranks := left(work, step):
        logs = settings.logs or _folder(work, step)
        raise lost(work, step, ranks[0], f"ended {settings.attempts} times without a result; what it printed is under {logs}")


def _folder(work: Work, step: Step) -> Path:
    return work.folder / "slurm" / work.job.hash[:12] / step.name


def _submit(work: Work, step: Step, settings: Settings, name: str) -> None:
    folder = _folder(work, step)
    folder.mkdir(parents=True, exist_ok=True)
    # A folder for each submission: the tasks of an earlier one still read which ranks are theirs.
    executor = RankExecutor(work, step, settings, name, folder / f"{len(list(folder.iterdir())):03}")
    try:
        executor.run()
    except FileNotFoundError as error:
        raise UsageError("--engine slurm calls sbatch, which is not here; run it on a machine that submits to Slurm") from error
    except subprocess.CalledProcessError as error:
        raise BildungError("sbatch refused the job, for the reason above; change it with --engine-set, then run this again") from error


def _watch(work: Work, step: Step, settings: Settings, name: str) -> None:
    """Wait until every rank is done, or nothing of the step is in the queue. Once a rank has failed, no more are started."""
    silences = 0
    while left(work, step):
        tasks = _queue(name)
        silences = silences + 1 if tasks is None else 0
        if silences > _SILENCES:
            raise BildungError("squeue gives no answer; when it does again, the same command goes on")
        if tasks is not None:
            if not tasks:
                return
            if failure(work.folder, step):
                _slurm("scancel", "--state=PENDING", f"--name={name}")
            elif all(task.state == "PENDING" and task.reason.startswith(_NEVER) for task in tasks):
                _slurm("scancel", f"--name={name}")
                raise BildungError(f"Slurm will not start {step.name}: {tasks[0].reason}; change it with --engine-set, then run this again")
        time.sleep(settings.poll_seconds)


def _queue(name: str) -> list[_Task] | None:
    """The tasks of a name in the queue; ``None`` where Slurm does not answer."""
    said = _slurm("squeue", "--noheader", "--array", f"--name={name}", "--format=%T|%r")
    if said is None:
        return None
    return [_Task(state, reason) for state, _, reason in (line.strip().partition("|") for line in said.splitlines())]


def _slurm(*command: str) -> str | None:
    """What a command of Slurm prints; ``None`` where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
