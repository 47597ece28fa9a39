"""``python -m builder.bench build``: what a build costs in seconds and memory, stage by stage.

Runs whole builds in temporary project folders, one process each so that peak memory is its own, and prints one table.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from builder.cli.init_command import copy_starter
from builder.progress import Quiet
from builder.recipe import Override


class Measured(NamedTuple):
    """One stage: wall seconds, CPU seconds of the process, and the process' peak resident memory when it ended, in MiB."""

    stage: str
    wall: float
    cpu: float
    peak: float


class Stopwatch(Quiet):
    """A ``progress.Progress`` that measures."""

    def __init__(self) -> None:
        self.rows: list[Measured] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Time one stage."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.rows.append(Measured(name, time.perf_counter() - wall, time.process_time() - cpu, peak()))


def peak() -> float:
    """Peak resident memory of this process in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent had before this process became itself
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def _build(documents: int, constitution: Path | None) -> list[Measured]:
    started, cpu = time.perf_counter(), time.process_time()
    from builder.pipeline import build
    from builder.project import open_project

    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_starter(root)
        changes = [Override("size.documents", str(documents))]
        if constitution:
            (root / "constitution" / "bench.md").write_bytes(constitution.read_bytes())
            changes.append(Override("corpus.constitutions", '["constitution/bench.md"]'))
        imported = Measured("imports", time.perf_counter() - started, time.process_time() - cpu, peak())
        build(open_project(root / "corpus" / "example", tuple(changes)), watch)
    total = Measured("all", time.perf_counter() - started, time.process_time() - cpu, peak())
    return [imported, *watch.rows, total]


@click.command("build")
@click.option(
    "--documents", "sizes", multiple=True, type=click.IntRange(min=1), default=(200, 2_000), show_default=True, help="May be repeated."
)
@click.option("--constitution", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Instead of the project's own.")
def build_bench(sizes: tuple[int, ...], constitution: Path | None) -> None:
    """Whole builds, cold, with the embedded writer: seconds and peak memory per stage, side by side."""
    runs = [_in_own_process(size, constitution) for size in sizes]
    click.echo("stage".ljust(18) + "".join(f"{size:>10,} docs: wall s   cpu s  peak MiB" for size in sizes))
    for number, row in enumerate(runs[0]):
        cells = "".join(f"{run[number].wall:>23.2f}{run[number].cpu:>8.2f}{run[number].peak:>10.0f}" for run in runs)
        click.echo(row.stage.ljust(18) + cells)
    for size, run in zip(sizes, runs, strict=True):
        written = next(row for row in run if row.stage == "write")
        click.echo(f"{size:,} documents: {size / written.wall:,.0f} written per second, {size / run[-1].wall:,.0f} per second in all")


def _in_own_process(documents: int, constitution: Path | None) -> list[Measured]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_build, documents, constitution).result()
