"""``bildung export``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import plugins
from builder.cli.options import corpus_argument, overrides, recipe_options, require_ledger
from builder.cli.progress import Told
from builder.errors import UsageError
from builder.pipeline import build, export
from builder.project import open_project


@click.command("export")
@corpus_argument
@click.option("--for", "name", required=True, metavar="FORMAT", help="One of 'bildung list exporters'.")
@click.option("--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="The export becomes a folder in here.")
@recipe_options
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def command(
    corpus: Path, name: str, output: Path, documents: int | None, models: tuple[str, ...], max_cost: float | None,
    settings: tuple[str, ...], quiet: bool,
) -> None:  # fmt: skip
    """Write the kept documents in another format, as OUTPUT/FORMAT-HASH; prints that path. Writes no document and spends nothing.

    Use the options of the build: a corpus built with --documents 60 is exported with --documents 60.
    """
    plugins.load("exporter", name)
    project = open_project(corpus, overrides(documents, models, max_cost, settings))
    require_ledger(corpus)
    rows = build(project, Told(quiet), only_known=True, published=False)
    if not rows.records:
        raise UsageError("the gates kept no document; 'bildung report' says why", corpus)
    click.echo(export(project, rows, name, output))
