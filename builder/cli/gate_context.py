"""What a gate may read when it is run over any rows: the corpus' own recipe and library where there is one, the defaults elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from builder.benchmarks import Benchmark
from builder.cli.options import overrides
from builder.errors import UsageError
from builder.gates import GateContext
from builder.library import Library
from builder.project import Project, benchmarks_of, open_project, principles_of, read_constitutions
from builder.recipe import BuildRecipe
from builder.records import Constitution
from builder.references import read_references


def context_of(corpus: Path, settings: tuple[str, ...], against: tuple[Path, ...] = (), root: Path | None = None) -> GateContext:
    """The context for ``KEY=VALUE`` settings of ``[gates]``; ``against`` are benchmark files in place of the recipe's.

    Where the corpus has no recipe, ``root`` (else the working folder) is the project whose lists apply.
    """
    keys = tuple(setting if setting.partition("=")[0].count(".") else f"gates.{setting}" for setting in settings)
    if (corpus / "recipe.toml").is_file():
        project = open_project(corpus, overrides(settings=keys))
        benchmarks = [Benchmark(path) for path in against] or benchmarks_of(project)
        principles = principles_of(_constitutions(project))
        return GateContext(project.recipe, project.library, principles, read_references(corpus / "reference"), benchmarks)
    if keys:
        raise UsageError(f"--set needs a recipe to change, and {corpus} has no recipe.toml; name one with --corpus")
    return GateContext(BuildRecipe(), Library(root or Path.cwd()), against=[Benchmark(path) for path in against])


def _constitutions(project: Project) -> tuple[Constitution, ...]:
    try:
        return read_constitutions(project)
    except UsageError as error:
        click.echo(f"bildung: {error}; copied spans are not looked for", err=True)
        return ()
