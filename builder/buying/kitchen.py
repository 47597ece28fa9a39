"""What documents are made with: the models of a recipe opened, or only named for a plan that spends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from builder import plugins
from builder.backends import Backend, BackendContext, split_model
from builder.calibration import same_family
from builder.errors import UsageError
from builder.gates import GateContext
from builder.project import Project, principles_of, read_existing
from builder.recipe import BudgetSection, ModelsSection
from builder.records import Brief, Candidate, Constitution, Request
from builder.references import Passage, Reference, read_passages, read_references
from builder.stages.write import Kitchen, preflight
from builder.stages.write import rendered as rendered_by

ROLES = ("planner", "writer", "rewriter", "judge")


class Counter(NamedTuple):
    """Where a build buys: its models opened, by ``provider/model``, and what every document is made with."""

    project: Project
    backends: Mapping[str, Backend]
    kitchen: Kitchen
    passages: tuple[Passage, ...] = ()

    @property
    def budget(self) -> BudgetSection:
        """Money and load, as the recipe says."""
        return self.project.recipe.budget

    @property
    def training_grade(self) -> bool:
        """Whether what the writer and the rewriter leave is fit to train on."""
        models = self.project.recipe.models
        return all(self.backends[model].training_grade for model in (models.writer, models.rewriter) if model)


def open_counter(project: Project, constitutions: Sequence[Constitution]) -> Counter:
    """Open every model that the recipe names; faults in names, keys and files show here, before anything is spent."""
    models = _models(project)
    if "writer" not in models:
        raise UsageError("models.writer is empty; name a model, or offline/composer")
    backends = {model: open_backend(project, model) for model in dict.fromkeys(models.values())}
    if not backends[models["writer"]].wants_turns and project.recipe.mix.get("deliberation"):
        raise UsageError(f"[mix] deliberation rewrites existing texts, and {models['writer']} reads none; name a model: --model writer=...")
    for role in ("planner", "rewriter", "judge"):
        if role in models and not backends[models[role]].wants_turns:
            raise UsageError(f"models.{role} is {models[role]}, which writes from briefs and reads no text; leave it empty or name a model")
    return Counter(project, backends, _kitchen(project, constitutions, backends), passages_of(project))


def cautions(models: ModelsSection) -> tuple[str, ...]:
    """What is doubtful about a choice of models and still allowed, a line each."""
    return tuple(
        f"models.judge ({models.judge}) is of one family with models.{role} ({model}), and models prefer their own family's writing"
        for role in ("writer", "rewriter")
        if same_family(models.judge, model := getattr(models, role))
    )


def rendered(project: Project, brief: Brief, constitutions: Sequence[Constitution]) -> tuple[Request, ...]:
    """Exactly what the models would be told for one brief, step by step; filler stands for what earlier steps would have written.

    No model is opened, and no key is needed.
    """
    return rendered_by(_kitchen(project, constitutions, None), brief)


def rendered_each(project: Project, briefs: Iterable[Brief], constitutions: Sequence[Constitution]) -> Iterator[tuple[Request, ...]]:
    """The same for many briefs, with what only an offence or a judge's findings bring about."""
    kitchen = _kitchen(project, constitutions, None)
    return (rendered_by(kitchen, brief, occasional=True) for brief in briefs)


def check_prompts(project: Project, brief: Brief, constitutions: Sequence[Constitution]) -> None:
    """Render every prompt that a brief's document can need, as if each role had a model; ``UsageError`` names the first fault."""
    models = project.recipe.models.model_copy(update=dict.fromkeys(ROLES, "any/model"))
    project = project._replace(recipe=project.recipe.model_copy(update={"models": models}))
    preflight(_kitchen(project, constitutions, None), [brief])


def _models(project: Project) -> dict[str, str]:
    return {role: model for role in ROLES if (model := getattr(project.recipe.models, role))}


def open_backend(project: Project, model: str) -> Backend:
    """Open one model; faults in its name, key or file show here."""
    provider, name = split_model(model)
    backend: Backend = plugins.load("backend", provider).open_backend(name, BackendContext(project.library))
    return backend


def _kitchen(project: Project, constitutions: Sequence[Constitution], backends: Mapping[str, Backend] | None) -> Kitchen:
    from builder.stages.plan import replanner

    models, references = _models(project), read_references(project.corpus / "reference")
    return Kitchen(
        library=project.library,
        principles={principle.id: principle for principle in principles_of(constitutions)},
        constitution=as_text(constitutions, project.recipe.models.constitution == "outline"),
        models=models,
        fingerprints={role: backends[model].fingerprint if backends else model for role, model in models.items()},
        rendered=frozenset(role for role, model in models.items() if backends is None or backends[model].wants_turns),
        replan=replanner(project.recipe, project.library),
        offences=_offences(project, constitutions, references) if backends else lambda brief, text: "",
        identity=project.recipe.identity,
        references=references,
        sources={source.id: source for source in read_existing(project)},
        exemplars=project.recipe.writing.exemplars,
        revisions=project.recipe.writing.revisions,
    )


def passages_of(project: Project) -> tuple[Passage, ...]:
    """The labelled passages that the blind reader is tried on: drawn evenly where fewer are asked for than there are."""
    if not project.recipe.models.judge:
        return ()
    found = [row for row in read_passages(project.corpus / "reference" / "passages.toml") if row.trait in project.library.traits]
    count = min(project.recipe.writing.calibrated, len(found))
    return tuple(found[number * len(found) // count] for number in range(count))


def _offences(
    project: Project, constitutions: Sequence[Constitution], references: Sequence[Reference]
) -> Callable[[Brief, str], str]:
    """What the gates that read one text alone would say of it, a line each: a rewriter can still mend it."""
    from builder.stages import anti_patterns, identity, mechanical, trait_evidence

    context = GateContext(project.recipe, project.library, principles_of(constitutions), references)
    gates = [stage.open_gate(context) for stage in (mechanical, identity, anti_patterns, trait_evidence)]

    def offences(brief: Brief, text: str) -> str:
        verdicts = [verdict for gate in gates for verdict in gate([Candidate(brief.id, text, brief)])]
        found = ((verdict.reason, " ".join(verdict.explanation.split())) for verdict in verdicts if not verdict.keep)
        return "\n".join(f"- {reason}: {why}" if why else f"- {reason}" for reason, why in found)

    return offences


def as_text(constitutions: Sequence[Constitution], outline: bool) -> str:
    """The constitutions as a model reads them: every principle below its headings, in source order; or the headings alone."""
    told: list[str] = []
    above: tuple[str, ...] = ()
    for principle in principles_of(constitutions):
        if principle.heading_path != above:
            above = principle.heading_path
            told.append(f"{'#' * min(len(above), 6)} {above[-1]}" if above else "")
        told.append("" if outline else principle.text)
    return ("\n" if outline else "\n\n").join(part for part in told if part)
