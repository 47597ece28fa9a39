"""The commands of ``python -m builder.bench``."""

from __future__ import annotations

import click

from builder.bench.builds import build_bench
from builder.bench.contamination import contamination_bench
from builder.bench.dedup import dedup_bench
from builder.bench.generation import generation_bench


@click.group()
def bench() -> None:
    """Measure this installation on this machine."""


bench.add_command(build_bench)
bench.add_command(contamination_bench)
bench.add_command(dedup_bench)
bench.add_command(generation_bench)

if __name__ == "__main__":
    bench()
