"""``bildung gate``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from builder import plugins
from builder.candidates import read_candidates
from builder.cli.options import DEFAULT_CORPUS, overrides
from builder.errors import UsageError
from builder.gates import GateContext
from builder.library import Library
from builder.project import Project, open_project, principles_of, read_constitutions
from builder.recipe import BuildRecipe
from builder.records import Verdict
from builder.references import read_references
from builder.stores import writing


@click.command("gate")
@click.argument("name")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the verdicts here instead of stdout.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of [gates], e.g. near_duplicate=0.7; may be repeated.")
@click.option("--corpus", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_CORPUS, help="Whose recipe and library apply.")
def command(name: str, inputs: tuple[Path, ...], output: Path | None, settings: tuple[str, ...], corpus: Path) -> None:
    """Run one gate over JSONL (plain, .gz, .zst) or Parquet rows with id and text: one verdict a line, in input order.

    'bildung list gates' names them. INPUT may be - for JSON lines on stdin.
    """
    module = plugins.load("gate", name)
    gate = module.open_gate(_context(corpus, settings))
    verdicts = gate(read_candidates(inputs))
    counted: Counter[str] = Counter()
    if output is None:
        for line in _lines(verdicts, counted):
            click.echo(line)
    else:
        with writing(output) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{line}\n" for line in _lines(verdicts, counted))
    reasons = ", ".join(f"{count} {reason}" for reason, count in counted.most_common()) or "no rows"
    click.echo(f"{name}: {reasons}", err=True)


def _lines(verdicts: Iterator[Verdict], counted: Counter[str]) -> Iterator[str]:
    for verdict in verdicts:
        counted[verdict.reason.partition(":")[0]] += 1
        yield verdict.model_dump_json(include={"document_id", "gate", "keep", "reason", "scores"})


def _context(corpus: Path, settings: tuple[str, ...]) -> GateContext:
    """The corpus' own thresholds where there is one, the defaults elsewhere."""
    keys = tuple(setting if setting.partition("=")[0].count(".") else f"gates.{setting}" for setting in settings)
    if (corpus / "recipe.toml").is_file():
        project = open_project(corpus, overrides(settings=keys))
        return GateContext(project.recipe, project.library, principles_of(_constitutions(project)), read_references(corpus / "reference"))
    if keys:
        raise UsageError(f"--set needs a recipe to change, and {corpus} has no recipe.toml; name one with --corpus")
    return GateContext(BuildRecipe(), Library(Path.cwd()))


def _constitutions(project: Project):  # type: ignore[no-untyped-def]
    try:
        return read_constitutions(project)
    except UsageError as error:
        click.echo(f"bildung: {error}; copied spans are not looked for", err=True)
        return ()


