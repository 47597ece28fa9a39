"""``bildung build``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder import pipeline
from builder.cli.options import corpus_argument, overrides, recipe_options
from builder.cli.progress import Told
from builder.errors import GateShort
from builder.project import open_project
from builder.summary import summary

if TYPE_CHECKING:
    from builder.records import Document

RULE = "-" * 80


@click.command("build")
@corpus_argument
@recipe_options
@click.option("--concurrency", type=click.IntRange(1, 4096), metavar="N", help="Requests in flight at most.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Write N documents, show them, and say what all would cost.")
@click.option("--allow-unknown-price", is_flag=True, help="Go on with a model whose price nobody knows.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; progress as JSON lines on stderr.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def command(
    corpus: Path, documents: int | None, models: tuple[str, ...], max_cost: float | None, settings: tuple[str, ...],
    concurrency: int | None, sample: int | None, allow_unknown_price: bool, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Build a corpus, or go on with it: read, plan, write, gates, export, report.

    CORPUS is a folder with a recipe.toml; corpus/example where it is left out. A build can be stopped at any point: the same command
    goes on where it was, and ends with the same bytes. Documents of a sample are kept, and the build does not buy them again.
    """
    project = open_project(corpus, overrides(documents, models, max_cost, settings, concurrency))
    progress = Told(quiet, as_json)
    if sample is not None:
        sampled = pipeline.sample(project, sample, progress, allow_unknown_price=allow_unknown_price)
        click.echo(json.dumps(sampled_json(sampled), indent=2) if as_json else sampled_text(sampled))
        if not sampled.documents:
            raise GateShort("no document of the sample was written; the reasons are above")
        return
    told = summary(pipeline.build(project, progress, allow_unknown_price=allow_unknown_price), project.output)
    click.echo(json.dumps(told.as_json(), indent=2) if as_json else told.as_text())
    if told.kept == 0:
        raise GateShort(f"every document was removed; {told.report} says by what")


def sampled_text(sampled: pipeline.Sampled) -> str:
    """The documents of a sample with a rule between them, what was not written, and what the whole would cost."""
    parts = [f"{document.id}\n{_line(document)}\n\n{document.text.strip()}" for document in sampled.documents]
    unwritten = [f"{verdict.document_id} was not written: {verdict.reason}" for verdict in sampled.unwritten]
    parts += ["\n".join(unwritten)] if unwritten else []
    return f"\n\n{RULE}\n".join([*parts, sampled.text])


def sampled_json(sampled: pipeline.Sampled) -> dict[str, object]:
    """The same for programs; ``spent`` is ``null`` where a price is unknown."""
    return {
        "documents": [document.model_dump(mode="json") for document in sampled.documents],
        "unwritten": [verdict.model_dump(mode="json") for verdict in sampled.unwritten],
        "spent": sampled.spent,
        "text": sampled.text,
    }


def _line(document: Document) -> str:
    brief = document.brief
    return f"{brief.recipe} / {brief.form} / {brief.trait}{'' if brief.exercised else ' (rightly idle)'}"
