"""``bildung build``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from builder.cli.options import corpus_argument, overrides, recipe_options
from builder.cli.progress import Told
from builder.errors import GateShort
from builder.pipeline import build
from builder.project import open_project
from builder.summary import summary


@click.command("build")
@corpus_argument
@recipe_options
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def command(
    corpus: Path, documents: int | None, models: tuple[str, ...], max_cost: float | None, settings: tuple[str, ...], as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Build a corpus, or go on with it: read, plan, write, gates, export, report.

    CORPUS is a folder with a recipe.toml; corpus/example where it is left out. A build can be stopped at any point: the same command
    goes on where it was, and ends with the same bytes.
    """
    project = open_project(corpus, overrides(documents, models, max_cost, settings))
    told = summary(build(project, Told(quiet)), project.output)
    click.echo(json.dumps(told.as_json(), indent=2) if as_json else told.as_text())
    if told.kept == 0:
        raise GateShort(f"every document was removed; {told.report} says by what")
