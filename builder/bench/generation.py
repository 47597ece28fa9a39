"""``python -m builder.bench generation``: how fast answers are bought, beside other clients, from a provider that is simulated.

Each client runs in a process of its own against a provider of its own; its start-up (imports, one call) is measured and left out.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click

from builder.bench.builds import peak
from builder.bench.clients import CLIENTS, Job
from builder.bench.provider import Settings, provider

FAULTS = {"429": 0.05, "529": 0.02, "drop": 0.01}
_REQUESTS, _LIMITED_REQUESTS = 3_000, 1_000


class Measured(NamedTuple):
    """One client's run: wall and CPU seconds beyond its start-up, peak memory in MiB, bytes it left on disk, and the provider's bill."""

    client: str
    asked: int
    answered: int
    wall: float
    cpu: float
    peak: float
    disk: int
    limited: int
    billed: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.wall


def measure(client: str, job: Job) -> Measured:
    """Run one client in this process."""
    wall = cpu = 0.0

    def started() -> None:
        nonlocal wall, cpu
        wall, cpu = time.perf_counter(), time.process_time()

    job.folder.mkdir()
    answered = CLIENTS[client](job, started)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    disk = sum(path.stat().st_size for path in job.folder.iterdir())
    return Measured(client, job.requests, answered, wall, cpu, peak(), disk, 0, 0)


def measured(client: str, settings: Settings, requests: int, concurrency: int) -> Measured:
    """Run one client in a process of its own against a provider of its own."""
    context = multiprocessing.get_context("spawn")
    with provider(settings) as simulated, tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, mp_context=context) as pool:
        row = pool.submit(measure, client, Job(simulated.url, requests, concurrency, Path(folder) / client)).result()
        bill = simulated.bill()
    return row._replace(limited=bill.sent_429, billed=bill.answers - 1)


@click.command("generation")
@click.option("--requests", type=click.IntRange(min=1), help=f"[default: {_REQUESTS:,}; {_LIMITED_REQUESTS:,} with --limit]")
@click.option("--concurrency", type=click.IntRange(min=1), default=256, show_default=True)
@click.option("--latency", type=click.FloatRange(min=0), default=0.3, show_default=True, help="Seconds the provider takes for an answer.")
@click.option("--client", "clients", multiple=True, type=click.Choice(list(CLIENTS)), help="May be repeated; all of them by default.")
@click.option(
    "--rounds", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of each client, in turns; the median is shown."
)
@click.option("--faults", is_flag=True, help="5 % stray 429s, 2 % 529s, 1 % dropped connections.")
@click.option("--limit", type=click.FloatRange(min=1), help="A true limit of so many requests a minute, as many at once.")
def generation_bench(
    requests: int | None, concurrency: int, latency: float, clients: tuple[str, ...], rounds: int, faults: bool, limit: float | None
) -> None:
    """Answers bought from a simulated provider: throughput, CPU, memory and bytes, client by client."""
    settings = Settings(latency=latency, faults=FAULTS if faults else {}, limit=limit)
    asked = requests or (_LIMITED_REQUESTS if limit else _REQUESTS)
    names = clients or tuple(CLIENTS)
    runs = [measured(name, settings, asked, concurrency) for _ in range(rounds) for name in names]
    rows = [_typical([run for run in runs if run.client == name]) for name in names]
    floor = asked / concurrency * latency
    click.echo(f"{asked:,} requests, {concurrency} in flight, {latency:g} s latency; floor {floor:.2f} s")
    for line in _faulty(rows) if faults or limit else _table(rows, floor):
        click.echo(line)


def _typical(runs: list[Measured]) -> Measured:
    middle = median(run.wall for run in runs)
    return min(runs, key=lambda run: abs(run.wall - middle))


def _table(rows: list[Measured], floor: float) -> Iterator[str]:
    limit = next((row.rate for row in rows if row.client == "bare"), None)
    yield "client      answered   requests/s   x floor   of bare   CPU s per 1,000   peak MiB   bytes per answer"
    for row in rows:
        share = f"{row.rate / limit:>10.0%}" if limit else f"{'':>10}"
        times = f"{row.wall / floor:>10.2f}" if floor else f"{'':>10}"
        size = f"{row.disk / max(1, row.answered):>19,.0f}" if row.disk else f"{'-':>19}"
        cpu = row.cpu / row.asked * 1_000
        yield f"{row.client:<10}{row.answered:>10,}{row.rate:>13,.0f}{times}{share}{cpu:>18.2f}{row.peak:>11.0f}{size}"


def _faulty(rows: list[Measured]) -> Iterator[str]:
    yield "client       answered of asked   seconds     429s   billed"
    for row in rows:
        yield f"{row.client:<10}{row.answered:>11,} of {row.asked:<6,}{row.wall:>10.1f}{row.limited:>9,}{row.billed:>9,}"
