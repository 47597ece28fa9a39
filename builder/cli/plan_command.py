"""``bildung plan``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from builder.buying import rendered
from builder.cli.options import corpus_argument, overrides, recipe_options
from builder.errors import UsageError
from builder.pipeline import known_plan
from builder.project import open_project, read_constitutions
from builder.promise import COMPARED, promise


@click.command("plan")
@corpus_argument
@recipe_options
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--briefs", is_flag=True, help="The briefs themselves, as JSON lines.")
@click.option("--compare", multiple=True, metavar="PROVIDER/MODEL", help="What the same plan costs with this model in every role.")
@click.option("--show", metavar="ID", help="Print exactly what a model would be told for one brief (an id, or a position from 0).")
def command(
    corpus: Path, documents: int | None, models: tuple[str, ...], max_cost: float | None, settings: tuple[str, ...], as_json: bool,
    briefs: bool, compare: tuple[str, ...], show: str | None,
) -> None:  # fmt: skip
    """Documents, calls, coverage and cost of a build. Spends nothing, writes nothing, needs no key."""
    project = open_project(corpus, overrides(documents, models, max_cost, settings))
    constitutions = read_constitutions(project)
    drawn, planned = known_plan(project, constitutions)
    if show is not None:
        found = [brief for brief in drawn if brief.id == show or str(brief.position) == show]
        if not found:
            raise UsageError(f"no brief {show!r} in the first {len(drawn)}; 'bildung plan --briefs' lists them")
        asked = rendered(project, found[0], constitutions)
        click.echo("\n\n".join(turn.content for request in asked for turn in request.turns))
    elif briefs:
        for brief in drawn:
            click.echo(brief.model_dump_json())
    else:
        usual = COMPARED if project.recipe.models.writer.startswith("offline/") else ()
        told = promise(project, constitutions, drawn, compare or usual, planned)
        click.echo(json.dumps(told.as_json(), indent=2) if as_json else told.as_text())
