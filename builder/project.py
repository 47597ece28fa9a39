"""A corpus folder and its project folder, opened: the recipe, the library, the constitutions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from builder.errors import UsageError
from builder.library import Library
from builder.recipe import BuildRecipe, Override, read_recipe
from builder.records import Constitution, Principle


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
    """Read ``corpus/<name>/recipe.toml``; the project folder is two above it."""
    recipe = read_recipe(corpus / "recipe.toml", overrides)
    root = corpus.resolve().parent.parent
    return Project(corpus, root, recipe, Library(root))


def read_constitutions(project: Project) -> tuple[Constitution, ...]:
    """Every constitution of the recipe, cut into principles; two files may not give the same principle id."""
    from builder.stages.principles import read_constitution

    found = []
    for name in project.recipe.corpus.constitutions:
        path = project.root / name
        if not path.is_file():
            raise UsageError("no constitution there; name Markdown files in [corpus] constitutions", path)
        found.append(read_constitution(name, path.read_bytes()))
    if not found:
        raise UsageError("[corpus] constitutions is empty; name at least one Markdown file", project.corpus / "recipe.toml")
    return tuple(found)


def principles_of(constitutions: Sequence[Constitution]) -> tuple[Principle, ...]:
    """All principles, in order."""
    return tuple(principle for constitution in constitutions for principle in constitution.principles)
