"""A corpus folder and its project folder, opened: the recipe, the library, the constitutions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from builder import plugins
from builder.benchmarks import Benchmark
from builder.errors import UsageError, no_such
from builder.library import Library
from builder.recipe import BuildRecipe, Override, read_recipe
from builder.records import Constitution, Principle
from builder.references import Source, read_sources


class Project(NamedTuple):
    """A corpus folder, its project folder, and what they say."""

    corpus: Path
    root: Path
    recipe: BuildRecipe
    library: Library

    @property
    def output(self) -> Path:
        """Where everything that can be rebuilt goes."""
        return self.root / "output" / self.recipe.corpus.name


def open_project(corpus: Path, overrides: tuple[Override, ...] = ()) -> Project:
    """Read ``corpus/<name>/recipe.toml``; the project folder is two above it. Unknown plugins are refused before anything is paid."""
    recipe = read_recipe(corpus / "recipe.toml", overrides)
    models = [recipe.models.planner, recipe.models.writer, recipe.models.rewriter, recipe.models.judge]
    wanted = [*(("backend", model.partition("/")[0]) for model in models if model), *(("exporter", name) for name in recipe.export.formats)]
    for kind, name in wanted:
        if name not in plugins.names(kind):
            raise UsageError(no_such(kind, name, plugins.names(kind)), corpus / "recipe.toml")
    root = Path(os.path.normpath(corpus.absolute())).parent.parent
    return Project(corpus, root, recipe, Library(root))


def stay_inside(project: Project) -> None:
    """``UsageError`` where a link would lead what a build writes out of the project folder."""
    output = project.output
    places = [project.corpus, project.corpus / "ledger.sqlite", output, *(output.iterdir() if output.is_dir() else ())]
    for place in places:
        if not place.resolve().is_relative_to(project.root.resolve()):
            raise UsageError(f"leads out of the project folder, to {place.resolve()}; a build writes nothing outside", place)


def read_constitutions(project: Project) -> tuple[Constitution, ...]:
    """Every constitution of the recipe, cut into principles; two files may not give the same principle id."""
    from builder.stages.principles import read_constitution

    found = []
    first: dict[str, str] = {}  # principle id -> the file that gave it
    for name in project.recipe.corpus.constitutions:
        path = project.root / name
        if not path.is_file():
            raise UsageError("no constitution there; name Markdown files in [corpus] constitutions", path)
        constitution = read_constitution(name, path.read_bytes())
        for principle in constitution.principles:
            if principle.id in first:
                raise UsageError(f"gives principle {principle.id}, which {first[principle.id]} gives too; leave one of the two out", path)
        first.update({principle.id: name for principle in constitution.principles})
        found.append(constitution)
    if not found:
        raise UsageError("[corpus] constitutions is empty; name at least one Markdown file", project.corpus / "recipe.toml")
    return tuple(found)


def read_existing(project: Project) -> Iterable[Source]:
    """The existing texts that the recipe's ``[deliberation]`` names, read as they are asked for; none where the mix has no use for them."""
    name = project.recipe.deliberation.input
    return read_sources(project.root / name) if name and project.recipe.mix.get("deliberation") else ()


def benchmarks_of(project: Project) -> tuple[Benchmark, ...]:
    """What the corpus may not hold; ``UsageError`` where a file is missing."""
    return tuple(Benchmark(project.root / name) for name in project.recipe.gates.contamination_against)


def principles_of(constitutions: Sequence[Constitution]) -> tuple[Principle, ...]:
    """All principles, in order."""
    return tuple(principle for constitution in constitutions for principle in constitution.principles)
