"""Ranks as tasks of a Ray cluster. The extra ``cluster`` brings Ray.

The one who waits is this process, on any machine of the cluster. Ray runs a task again whose process or node is lost.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from pydantic import Field

from builder.engines import ClusterSettings, forget_failures, left, lost, settle, stopped, tidy, tried, work_in
from builder.errors import BildungError, UsageError
from builder.sharded import Step, Work


class Settings(ClusterSettings):
    """Which cluster, and what a rank takes of it."""

    workers: int = Field(0, ge=0, description="tasks at once; 0: as many as Ray starts")
    address: str = Field("auto", description="of the cluster; auto: the one of this machine, local: one of this machine for this run")
    cpus: float = Field(1, gt=0, description="of a rank; it works in one process")
    memory_gb: float = Field(2, ge=0, description="of a rank, which Ray counts and does not enforce; a rank of 1 GB of text stays below it")
    runtime_env: dict[str, Any] = Field({}, description="Ray's environment of tasks; empty: builder is installed on every node")


def run(folder: Path, steps: Sequence[Step], settings: Settings) -> None:
    """Run each step as tasks; one whose process or node is lost is started ``settings.attempts`` times in all."""
    work = work_in(folder.resolve())
    with _connected(settings):
        try:
            for step in steps:
                _run_step(work, step, settings)
                settle(work, step, settings)
                tidy(work, step)
        except KeyboardInterrupt as interrupt:
            raise stopped(folder) from interrupt


@contextmanager
def _connected(settings: Settings) -> Iterator[None]:
    """A connection to the cluster, and none after: when it closes, Ray ends what this process has started."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        _knock(settings.address)
        ray.init(address=settings.address, runtime_env=settings.runtime_env, logging_level=logging.WARNING)
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"--engine ray cannot reach a cluster at {settings.address!r} ({error}); set address with --engine-set") from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Say at once that nobody listens at ``HOST:PORT``, for which Ray itself takes a quarter of an hour."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _run_step(work: Work, step: Step, settings: Settings) -> None:
    """The ranks below one that failed end, and those above it are cancelled: so the lowest that fails is always the same."""
    forget_failures(work, step)
    task = ray.remote(tried).options(
        num_cpus=settings.cpus, memory=int(settings.memory_gb * 2**30), max_retries=settings.attempts - 1, scheduling_strategy="SPREAD"
    )
    waiting = left(work, step)[::-1]
    running: dict[Any, int] = {}
    failed: dict[int, BildungError] = {}
    while running or waiting:
        while waiting and len(running) < (settings.workers or len(waiting) + len(running)):
            rank = waiting.pop()
            running[task.remote(work.folder, step.name, rank)] = rank
        for ref in ray.wait(list(running))[0]:
            rank = running.pop(ref)
            if error := _result(ref, work, step, rank, settings):
                failed[rank] = error
                waiting.clear()
                _cancel(ref for ref, other in running.items() if other > rank)
                running = {ref: other for ref, other in running.items() if other < rank}
    if failed:
        raise failed[min(failed)]


def _result(ref: Any, work: Work, step: Step, rank: int, settings: Settings) -> BildungError | None:
    try:
        error: BildungError | None = ray.get(ref)
    except ray.exceptions.RayTaskError as bug:
        print(bug, file=sys.stderr)
        return lost(work, step, rank, "ended by a bug, shown above")
    except ray.exceptions.RayError as death:
        return lost(work, step, rank, f"was lost {settings.attempts} times, the last time so: {str(death).splitlines()[0]}")
    return error


def _cancel(refs: Iterator[Any]) -> None:
    for ref in refs:
        ray.cancel(ref, force=True)
