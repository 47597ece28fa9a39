"""What documents are made with: the models of a recipe opened, or only named for a plan that spends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from builder import plugins
from builder.backends import Backend, BackendContext, split_model
from builder.project import Project, principles_of
from builder.recipe import BudgetSection
from builder.records import Brief, Constitution, Request
from builder.stages.write import Kitchen
from builder.stages.write import rendered as rendered_by

ROLES = ("writer", "rewriter", "judge")


class Counter(NamedTuple):
    """Where a build buys: its models opened, by ``provider/model``, and what every document is made with."""

    project: Project
    backends: Mapping[str, Backend]
    kitchen: Kitchen

    @property
    def budget(self) -> BudgetSection:
        """Money and load, as the recipe says."""
        return self.project.recipe.budget

    @property
    def training_grade(self) -> bool:
        """Whether the writer's text is fit to train on."""
        return self.backends[self.project.recipe.models.writer].training_grade


def open_counter(project: Project, constitutions: Sequence[Constitution]) -> Counter:
    """Open every model that the recipe names; faults in names, keys and files show here, before anything is spent."""
    backends = {model: _open_backend(project, model) for model in dict.fromkeys(_models(project).values())}
    return Counter(project, backends, _kitchen(project, constitutions, backends))


def rendered(project: Project, brief: Brief, constitutions: Sequence[Constitution]) -> tuple[Request, ...]:
    """Exactly what the models would be told for one brief, step by step; filler stands for what earlier steps would have written.

    No model is opened, and no key is needed.
    """
    return rendered_by(_kitchen(project, constitutions, None), brief)


def _models(project: Project) -> dict[str, str]:
    return {role: model for role in ROLES if (model := getattr(project.recipe.models, role))}


def _open_backend(project: Project, model: str) -> Backend:
    provider, name = split_model(model)
    backend: Backend = plugins.load("backend", provider).open_backend(name, BackendContext(project.library))
    return backend


def _kitchen(project: Project, constitutions: Sequence[Constitution], backends: Mapping[str, Backend] | None) -> Kitchen:
    from builder.stages.plan import replanner

    models = _models(project)
    return Kitchen(
        library=project.library,
        principles={principle.id: principle for principle in principles_of(constitutions)},
        constitution=_as_text(constitutions),
        models=models,
        fingerprints={role: backends[model].fingerprint if backends else model for role, model in models.items()},
        rendered=frozenset(role for role, model in models.items() if backends is None or backends[model].wants_turns),
        replan=replanner(project.recipe, project.library),
    )


def _as_text(constitutions: Sequence[Constitution]) -> str:
    """The constitutions as a model reads them: every principle below its headings, in source order."""
    told: list[str] = []
    above: tuple[str, ...] = ()
    for principle in principles_of(constitutions):
        if principle.heading_path != above:
            above = principle.heading_path
            told.append(f"{'#' * min(len(above), 6)} {above[-1]}" if above else "")
        told.append(principle.text)
    return "\n\n".join(part for part in told if part)
