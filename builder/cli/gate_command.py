"""``bildung gate``: any gate over any rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from builder import plugins
from builder.candidates import read_candidates
from builder.cli.gate_context import context_of
from builder.cli.options import DEFAULT_CORPUS
from builder.errors import UsageError
from builder.gates import GateContext, Tally
from builder.records import Candidate
from builder.stores import write_text, writing


@click.command("gate")
@click.argument("name")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the verdicts here instead of stdout.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of [gates], e.g. near_duplicate=0.7; may be repeated.")
@click.option("--corpus", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_CORPUS, help="Whose recipe and library apply.")
@click.option(
    "--against", multiple=True, type=click.Path(path_type=Path),
    help="Benchmark texts; for dedup, the rows or the index folder of a finished corpus. May be repeated.",
)  # fmt: skip
@click.option("--index", type=click.Path(path_type=Path, file_okay=False), help="dedup: keep here what stays, for a later --against.")
@click.option("--numbers", type=click.Path(path_type=Path, dir_okay=False), help="sameness: write corpus-wide numbers here, as JSON.")
@click.option("--workers", type=click.IntRange(min=1), default=1, help="dedup: processes; the verdicts are the same.")
@click.option("--engine", metavar="ENGINE", help="Cut the work into ranks, and run them there: local, slurm or ray.")
@click.option("--engine-set", "engine_settings", multiple=True, metavar="KEY=VALUE", help="A setting of the engine; may be repeated.")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), help="With --engine: a folder that all machines see; it is kept.")
@click.option("--shards", type=click.IntRange(min=1), help="With --engine: how many parts the input is cut into, at most.")
def command(
    name: str, inputs: tuple[Path, ...], output: Path | None, settings: tuple[str, ...], corpus: Path, against: tuple[Path, ...],
    index: Path | None, numbers: Path | None, workers: int, engine: str | None, engine_settings: tuple[str, ...], work: Path | None,
    shards: int | None,
) -> None:  # fmt: skip
    """Run one gate over JSONL (plain, .gz, .zst) or Parquet rows with id and text: one verdict a line, in input order.

    'bildung list gates' names them. INPUT may be - for JSON lines on stdin.
    """
    from builder.cli.gate_engine import Sharded, run_sharded

    plugins.load("gate", name)
    if engine is None and (engine_settings or work or shards):
        raise UsageError("--engine-set, --work and --shards are for --engine, and none is named")
    if name != "dedup" and (index or workers > 1):
        raise UsageError(f"--index and --workers are for the gate dedup, and this is {name}")
    if name != "sameness" and numbers:
        raise UsageError(f"--numbers is for the gate sameness, and this is {name}")
    context = context_of(corpus, settings, () if name == "dedup" else against)
    with _written(output) as out:
        if engine is None:
            if name == "dedup":
                context = context._replace(finished=against, index_folder=index, workers=workers)
            tally = _judge(name, inputs, context, bool(against), numbers, out)
        elif index or numbers or workers > 1:
            raise UsageError("--index, --numbers and --workers are for a run without --engine; an engine has --engine-set workers=N")
        else:
            asked = Sharded(name, inputs, against, corpus, settings, engine, engine_settings, work, shards)
            tally = run_sharded(asked, context, out)
    _tell(name, tally, context)


@contextmanager
def _written(output: Path | None) -> Iterator[IO[bytes]]:
    """Where the verdicts go: a file that is whole or absent, or stdout."""
    if output is None:
        yield sys.stdout.buffer
    else:
        with writing(output) as temporary, temporary.open("wb") as out:
            yield out


def _judge(name: str, inputs: tuple[Path, ...], context: GateContext, told: bool, numbers: Path | None, out: IO[bytes]) -> Tally:
    """The whole gate in this process, row after row."""
    gate = plugins.load("gate", name).open_gate(context)
    for benchmark in context.against if told and name != "dedup" else ():
        click.echo(f"against {benchmark.told()}", err=True)
    candidates = read_candidates(inputs)
    tally = Tally()
    for line in tally.lines(gate(_measured(list(candidates), numbers, context) if numbers else candidates)):
        out.write(f"{line}\n".encode())
    return tally


def _tell(name: str, tally: Tally, context: GateContext) -> None:
    reasons = ", ".join(f"{count} {reason}" for reason, count in tally.reasons.most_common()) or "no rows"
    if name == "dedup":
        from builder.dedup.signatures import stated

        click.echo(f"{name}: {stated(context.recipe.gates.near_duplicate)}", err=True)
    click.echo(f"{name}: {reasons}", err=True)
    if tally.removed_share:
        limit = context.recipe.gates.dedup_removed
        much = f"{tally.removed_share:.0%} of one form is removed, above gates.dedup_removed {limit:g}"
        click.echo(f"{name}: warning: {much}; read some of it before you trust this", err=True)


def _measured(candidates: list[Candidate], path: Path, context: GateContext) -> list[Candidate]:
    """The same candidates, their corpus-wide numbers written."""
    from builder.report.outside import sameness_numbers

    found = sameness_numbers(candidates, context.library, str(context.recipe.corpus.seed))
    write_text(path, json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode() + "\n")
    return candidates
