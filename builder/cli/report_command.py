"""``bildung report``."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.options import corpus_argument, overrides, recipe_options, require_ledger
from builder.cli.progress import Told
from builder.pipeline import build
from builder.project import open_project


@click.command("report")
@corpus_argument
@recipe_options
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def command(
    corpus: Path, documents: int | None, models: tuple[str, ...], max_cost: float | None, settings: tuple[str, ...], quiet: bool
) -> None:
    """Run the gates and write the report again over the documents there are. Writes no document and spends nothing.

    Use the options of the build: a corpus built with --documents 60 is reported with --documents 60.
    """
    project = open_project(corpus, overrides(documents, models, max_cost, settings))
    require_ledger(corpus)
    rows = build(project, Told(quiet), only_known=True)
    click.echo(f"{len(rows.documents):,} documents, {len(rows.records):,} kept", err=True)
    click.echo(project.output / "report.md")
