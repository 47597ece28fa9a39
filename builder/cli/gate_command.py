"""``bildung gate``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from builder import plugins
from builder.benchmarks import Benchmark
from builder.candidates import read_candidates
from builder.cli.options import DEFAULT_CORPUS, overrides
from builder.errors import UsageError
from builder.gates import GateContext
from builder.library import Library
from builder.project import Project, benchmarks_of, open_project, principles_of, read_constitutions
from builder.recipe import BuildRecipe
from builder.records import Candidate, Verdict
from builder.references import read_references
from builder.stores import write_text, writing


@click.command("gate")
@click.argument("name")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
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
def command(
    name: str, inputs: tuple[Path, ...], output: Path | None, settings: tuple[str, ...], corpus: Path, against: tuple[Path, ...],
    index: Path | None, numbers: Path | None, workers: int,
) -> None:  # fmt: skip
    """Run one gate over JSONL (plain, .gz, .zst) or Parquet rows with id and text: one verdict a line, in input order.

    'bildung list gates' names them. INPUT may be - for JSON lines on stdin.
    """
    module = plugins.load("gate", name)
    deduplicates = name == "dedup"
    if not deduplicates and (index or workers > 1):
        raise UsageError(f"--index and --workers are for the gate dedup, and this is {name}")
    context = _context(corpus, settings, () if deduplicates else against)
    if deduplicates:
        context = context._replace(finished=against, index_folder=index, workers=workers)
    gate = module.open_gate(context)
    for benchmark in context.against if against and not deduplicates else ():
        click.echo(f"against {benchmark.told()}", err=True)
    candidates = read_candidates(inputs)
    verdicts = gate(_measured(name, list(candidates), numbers, context) if numbers else candidates)
    counted: Counter[str] = Counter()
    shares: set[float] = set()
    if output is None:
        for line in _lines(verdicts, counted, shares):
            click.echo(line)
    else:
        with writing(output) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{line}\n" for line in _lines(verdicts, counted, shares))
    reasons = ", ".join(f"{count} {reason}" for reason, count in counted.most_common()) or "no rows"
    click.echo(f"{name}: {reasons}", err=True)
    if shares:
        worst, limit = max(shares), context.recipe.gates.dedup_removed
        told = f"{worst:.0%} of one form is removed, above gates.dedup_removed {limit:g}; read some of it before you trust this"
        click.echo(f"{name}: warning: {told}", err=True)


def _measured(name: str, candidates: list[Candidate], path: Path, context: GateContext) -> list[Candidate]:
    """The same candidates, their corpus-wide numbers written."""
    from builder.report.outside import sameness_numbers

    if name != "sameness":
        raise UsageError(f"--numbers is for the gate sameness, and this is {name}")
    found = sameness_numbers(candidates, context.library, str(context.recipe.corpus.seed))
    write_text(path, json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode() + "\n")
    return candidates


def _lines(verdicts: Iterator[Verdict], counted: Counter[str], shares: set[float]) -> Iterator[str]:
    for verdict in verdicts:
        counted[verdict.reason.partition(":")[0]] += 1
        if "removed_share" in verdict.scores:
            shares.add(verdict.scores["removed_share"])
        said = {"explanation"} if verdict.explanation else set()
        yield verdict.model_dump_json(include={"document_id", "gate", "keep", "reason", "scores"} | said)


def _context(corpus: Path, settings: tuple[str, ...], against: tuple[Path, ...]) -> GateContext:
    """The corpus' own thresholds where there is one, the defaults elsewhere."""
    keys = tuple(setting if setting.partition("=")[0].count(".") else f"gates.{setting}" for setting in settings)
    if (corpus / "recipe.toml").is_file():
        project = open_project(corpus, overrides(settings=keys))
        benchmarks = [Benchmark(path) for path in against] or benchmarks_of(project)
        principles = principles_of(_constitutions(project))
        return GateContext(project.recipe, project.library, principles, read_references(corpus / "reference"), benchmarks)
    if keys:
        raise UsageError(f"--set needs a recipe to change, and {corpus} has no recipe.toml; name one with --corpus")
    return GateContext(BuildRecipe(), Library(Path.cwd()), against=[Benchmark(path) for path in against])


def _constitutions(project: Project):  # type: ignore[no-untyped-def]
    try:
        return read_constitutions(project)
    except UsageError as error:
        click.echo(f"bildung: {error}; copied spans are not looked for", err=True)
        return ()


