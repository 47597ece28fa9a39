"""``python -m builder.bench dedup``: near-duplicate tools side by side on one corpus whose clusters are known.

Each tool runs in a process of its own, from rows on disk to the list of what it removes; its seconds are those of that process and its
children, its memory that of the largest of them. ``recall`` and ``precision`` are of removals: of a cluster of five, four should go; more
is a loss, less is a leak.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click

from builder.bench.builds import peak
from builder.bench.planted import Planted, plant
from builder.bench.rivals import TOOLS


class Cost(NamedTuple):
    """Seconds of the processor over the process tree, seconds of the clock, peak MiB of its largest process, and the removed rows."""

    cpu: float
    wall: float
    memory: float
    removed: list[int]


class Quality(NamedTuple):
    """Recall and precision of removals, and the share of clusters whose best copy stays."""

    recall: float
    precision: float
    best: float


def quality(corpus: Planted, removed: list[int]) -> Quality:
    """Compare removals with the exact components."""
    sizes = Counter(corpus.components)
    gone = Counter(corpus.components[row] for row in removed)
    should = sum(size - 1 for size in sizes.values())
    right = sum(min(count, sizes[component] - 1) for component, count in gone.items())
    best: dict[int, tuple[float, int]] = {}
    for row, component in enumerate(corpus.components):
        if sizes[component] > 1:
            best[component] = max(best.get(component, (-1.0, -1)), (corpus.scores[row], -row))
    lost = set(removed)
    stays = sum(-row not in lost for _, row in best.values())
    return Quality(right / max(1, should), right / max(1, len(removed)), stays / max(1, len(best)))


@click.command("dedup")
@click.option("--documents", "sizes", multiple=True, type=click.IntRange(min=100), default=(25_000, 100_000), show_default=True)
@click.option("--threshold", "thresholds", multiple=True, type=click.FloatRange(0, 1, min_open=True), default=(0.8, 0.7), show_default=True)
@click.option("--tool", "names", multiple=True, type=click.Choice(sorted(TOOLS)), help="Instead of all; may be repeated.")
def dedup_bench(sizes: tuple[int, ...], thresholds: tuple[float, ...], names: tuple[str, ...]) -> None:
    """Near-duplicate tools side by side: seconds, memory, recall, precision, and how the time grows."""
    for threshold in thresholds:
        click.echo(f"\nthreshold {threshold:g}")
        click.echo(f"{'tool':<15}{'documents':>10}{'cpu s':>9}{'wall s':>9}{'MiB':>8}{'recall':>9}{'precision':>11}{'best':>7}")
        spent: dict[str, dict[int, float]] = {}
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                corpus = plant(Path(folder) / "rows.jsonl", size, threshold)
                for name in names or TOOLS:
                    found = _measured(name, corpus, threshold)
                    if found:
                        spent.setdefault(name, {})[size] = found.cpu
        for name, seconds in spent.items():
            click.echo(_told(name, seconds, spent.get("bildung", {})))


def _measured(name: str, corpus: Planted, threshold: float) -> Cost | None:
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            cost = pool.submit(_run, name, corpus.path, threshold).result()
    except ImportError as error:
        click.echo(f"{name:<15}left out: {error}; run 'pip install bildung[bench,numba]'")
        return None
    found = quality(corpus, cost.removed)
    click.echo(
        f"{name:<15}{len(corpus.components):>10,}{cost.cpu:>9.2f}{cost.wall:>9.2f}{cost.memory:>8.0f}"
        f"{found.recall:>9.4f}{found.precision:>11.4f}{found.best:>7.3f}"
    )
    return cost


def _run(name: str, path: Path, threshold: float) -> Cost:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        removed = TOOLS[name](path, Path(folder), threshold)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    largest = max(peak(), used[1].ru_maxrss / 1024)
    return Cost(cpu, time.perf_counter() - started, largest, removed)


def _told(name: str, seconds: dict[int, float], own: dict[int, float]) -> str:
    """How the seconds grow between the smallest and the largest corpus, and how many of ours they are."""
    small, large = min(seconds), max(seconds)
    grown = math.log(seconds[large] / seconds[small]) / math.log(large / small) if large > small else math.nan
    times = f", {seconds[large] / own[large]:.1f} times bildung" if large in own and not name.startswith("bildung") else ""
    return f"{name}: seconds grow as documents to the power of {grown:.2f}{times}"
