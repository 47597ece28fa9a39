"""``bildung check``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from operator import gt, lt
from pathlib import Path
from typing import Any

import click

from builder.cli.options import corpus_argument
from builder.errors import GateShort, UsageError, no_such
from builder.project import open_project

Metrics = Mapping[str, float | None]


@click.command("check")
@corpus_argument
@click.option("--fail-under", "under", multiple=True, metavar="METRIC=VALUE", help="Fail where a metric is lower; may be repeated.")
@click.option("--fail-over", "over", multiple=True, metavar="METRIC=VALUE", help="Fail where a metric is higher; may be repeated.")
@click.option("--list", "listed", is_flag=True, help="Every metric and its value, one a line.")
def command(corpus: Path, under: tuple[str, ...], over: tuple[str, ...], listed: bool) -> None:
    """Hold the last report against thresholds: exit code 3 and one line for each metric that misses its own.

    METRIC is a dotted key of coverage.json, for instance traits.evenness; a metric that was not measured misses any threshold.
    """
    metrics = dict(_metrics(_coverage(open_project(corpus).output / "coverage.json")))
    if listed:
        for name, value in metrics.items():
            click.echo(f"{name}\t{_shown(value)}")
    short = [line for pair in under if (line := _short(pair, metrics, "under", lt))]
    short += [line for pair in over if (line := _short(pair, metrics, "over", gt))]
    if short:
        raise GateShort("\nbildung: ".join(short))


def _coverage(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError("is not there yet; run 'bildung build' first", path)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"is not the JSON that 'bildung report' writes ({error}); run that again", path) from error
    return found


def _metrics(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | None]]:
    """Every number under its dotted key; true is 1, false is 0, what was not measured is ``None``. Lists are not metrics."""
    for key, value in found.items():
        if isinstance(value, Mapping):
            yield from _metrics(value, f"{prefix}{key}.")
        elif value is None or isinstance(value, int | float):
            yield f"{prefix}{key}", None if value is None else float(value)


def _short(pair: str, metrics: Metrics, word: str, misses: Callable[[float, float], bool]) -> str:
    """What to say where a metric misses its threshold; empty where it holds."""
    name, equals, text = pair.rpartition("=")
    try:
        threshold = float(text)
    except ValueError:
        threshold = float("nan")
    if not equals or threshold != threshold:
        raise UsageError(f"--fail-{word} {pair!r} is not of the form METRIC=VALUE")
    if name not in metrics:
        raise UsageError(_unknown(name, metrics))
    value = metrics[name]
    if value is None:
        return f"{name} was not measured (wanted: not {word} {threshold:g})"
    return f"{name} is {_shown(value)}, {word} {threshold:g}" if misses(value, threshold) else ""


def _unknown(name: str, metrics: Metrics) -> str:
    """The near misses without the hundreds of other keys."""
    hint = no_such("metric", name, metrics).partition(" there are:")[0].rstrip(";")
    return f"{hint} 'bildung check --list' names them all" if hint.endswith("?") else f"{hint}; 'bildung check --list' names them all"


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"
