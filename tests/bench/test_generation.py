"""The generation bench runs, and counts as the provider does."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from builder.bench.__main__ import bench
from builder.bench.clients import CLIENTS
from builder.bench.generation import Measured, measured
from builder.bench.provider import Settings


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_makes_its_calls_and_no_others(client: str) -> None:
    row = measured(client, Settings(), requests=12, concurrency=4)
    assert (row.answered, row.billed, row.limited) == (12, 12, 0)
    assert 0 < row.wall < 30
    assert row.peak > 10
    assert (row.disk > 0) == (client in ("bare", "ours"))


def test_tables_are_printed() -> None:
    small = ["generation", "--requests", "8", "--concurrency", "4", "--latency", "0.01", "--client", "bare"]
    plain = CliRunner().invoke(bench, small)
    assert plain.exit_code == 0, plain.output
    assert [line.split()[0] for line in plain.output.splitlines()[1:]] == ["client", "bare"]
    assert "8 of 8" in CliRunner().invoke(bench, [*small, "--faults"]).output


def test_rates_are_of_answers() -> None:
    assert Measured("bare", 10, 5, wall=2.0, cpu=1.0, peak=1.0, disk=0, limited=0, billed=5).rate == 2.5
