"""``bildung doctor``."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from builder import __version__
from builder.buying import check_prompts
from builder.buying.auditing import check_audit
from builder.cli.options import corpus_argument
from builder.errors import BildungError
from builder.pipeline import draw_plan
from builder.project import Project, open_project, read_constitutions
from builder.records import Constitution

_LIBRARIES = (
    "click", "markdown-it-py", "spacy", "datasketch", "datasets", "anthropic", "langchain", "genai-prices", "pydantic", "coverwise",
    "matplotlib",
)  # fmt: skip


@click.command("doctor")
@corpus_argument
def command(corpus: Path) -> int:
    """Check the installation, and all that people wrote: recipe, constitutions, traits and rubrics by their own examples, prompts."""
    click.echo(f"bildung {__version__}, Python {platform.python_version()}, {sys.platform}")
    for name in _LIBRARIES:
        click.echo(f"  {name} {importlib.metadata.version(name)}")
    faults = _faults(corpus)
    for fault in faults:
        click.echo(f"fault: {fault}")
    click.echo("nothing wrong found" if not faults else f"{len(faults)} faults")
    return 2 if faults else 0


def _faults(corpus: Path) -> list[str]:
    from builder.stages.anti_patterns import check_rubric
    from builder.stages.trait_evidence import check_trait

    try:
        project = open_project(corpus)
        constitutions = read_constitutions(project)
        library = project.library
        found = [f"trait {trait.id}: {fault}" for trait in library.traits.values() for fault in check_trait(trait)]
        found += [f"rubric {fault}" for rubric in library.rubrics.values() for fault in check_rubric(rubric)]
        principles = sum(len(constitution.principles) for constitution in constitutions)
        click.echo(f"{corpus}: {principles} principles, {len(library.traits)} traits, {len(library.tensions)} tensions, "
                   f"{len(library.forms)} forms, {len(library.roles)} roles, {len(library.settings)} settings, "
                   f"{sum(map(len, library.people.values())):,} names")  # fmt: skip
        return [*found, *_prompt_faults(project, constitutions)]
    except BildungError as error:
        return [str(error)]


def _prompt_faults(project: Project, constitutions: Sequence[Constitution]) -> list[str]:
    """Every prompt of every recipe and of the pattern audit rendered once, as if each role had a model."""
    found = []
    try:
        check_audit(project.library)
    except BildungError as error:
        found.append(str(error))
    firsts = {brief.recipe: brief for brief in reversed(draw_plan(project, constitutions))}
    for brief in firsts.values():
        try:
            check_prompts(project, brief, constitutions)
        except BildungError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))
