"""Planning with a model: the fan-out is bought through the ledger like documents, and briefs take its ideas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from builder.buying import Counter, read_jobs
from builder.buying.calls import Steps, buy_calls
from builder.buying.kitchen import as_text, open_backend
from builder.errors import BildungError, UsageError
from builder.estimate import Work
from builder.ledger import Ledger
from builder.progress import Progress
from builder.project import Project, principles_of
from builder.records import Brief, Constitution
from builder.rows import PlannedIdeas
from builder.shapes import shapes
from builder.stages.fanout import NEVER, Chain, Planner, Reply, Tree, asking, fanout, planned, rehearse
from builder.stages.write import preflight
from builder.tokens import count_tokens


class WithIdeas(NamedTuple):
    """The briefs of a plan, as far as there were ideas for them, and what the fan-out came to (``None``: no planner is named)."""

    briefs: tuple[Brief, ...]
    planned: PlannedIdeas | None = None


def with_ideas(
    counter: Counter, ledger: Ledger, constitutions: Sequence[Constitution], briefs: Sequence[Brief], progress: Progress,
    only_known: bool = False, allow_unknown_price: bool = False,
) -> WithIdeas:  # fmt: skip
    """Buy what the ledger lacks of the fan-out, and give its ideas to the briefs. Nothing is bought where no planner is named.

    Raises what stopped the buying after everything that was in flight is saved.
    """
    model = counter.project.recipe.models.planner
    if not model:
        return WithIdeas(tuple(briefs))
    planner = open_planner(counter.project, constitutions, briefs, counter.backends[model].fingerprint)
    tree = _grown(planner, ledger)
    if tree is None and only_known:
        raise UsageError("the planner's ideas are not all bought yet; run 'bildung build' with the same options", counter.project.corpus)
    if tree is None:
        expected = len(rehearse(planner))  # and so every prompt has been rendered once
        preflight(counter.kitchen, briefs)
        with progress.stage("planning", expected):
            steps = Steps(progress, expected)

            def buy(layer: Sequence[Chain]) -> None:
                jobs = (asking(planner, chain) for chain in layer)
                buy_calls(counter, ledger, "planner", planner.prompts, jobs, len(layer), steps, allow_unknown_price)

            tree = _grown(planner, ledger, buy)
    if tree is None:
        raise BildungError("some calls of the planner were not answered, and documents follow from its ideas; run this again to ask again")
    found = _joined(briefs, tree)
    _tell(found, tree, progress)
    return found


def recalled(project: Project, constitutions: Sequence[Constitution], briefs: Sequence[Brief], ledger: Ledger) -> WithIdeas:
    """The same from the ledger alone; the briefs as they were drawn where it does not hold the whole fan-out. No key is needed."""
    tree = _grown(open_planner(project, constitutions, briefs, _fingerprint(project)), ledger)
    return _joined(briefs, tree) if tree else WithIdeas(tuple(briefs))


def planning_work(project: Project, constitutions: Sequence[Constitution], briefs: Sequence[Brief]) -> tuple[Work, ...]:
    """The calls of a fan-out in which every answer is whole, from really rendered prompts; none where no planner is named."""
    if not project.recipe.models.planner:
        return ()
    calls = rehearse(open_planner(project, constitutions, briefs, project.recipe.models.planner))
    system, asked = calls[0].request.turns[0].content, [call.request.turns[-1].content for call in calls]
    varying = round(sum(count_tokens(asked)) / len(calls))
    written = round(sum(count_tokens([call.answer for call in calls])) / len(calls))
    most = round(sum(call.request.max_tokens for call in calls) / len(calls))
    model, stable = project.recipe.models.planner, count_tokens([system])[0]  # the preamble with the constitution leads every call
    return (Work("planner", model, len(calls), stable, varying, written // 2, written, most, step="fanout"),)


def open_planner(project: Project, constitutions: Sequence[Constitution], briefs: Sequence[Brief], fingerprint: str) -> Planner:
    """What the fan-out of a corpus is made with; what the recipe holds out is left out of it."""
    from builder.stages.plan.matching import held_out

    recipe, library = project.recipe, project.library
    kinds = sorted((name for name, share in recipe.mix.items() if share > 0 and name not in NEVER), key=lambda name: -recipe.mix[name])
    return Planner(
        prompts=library.planning, repair=library.shared["repair"],
        traits={name: trait for name, trait in library.traits.items() if name not in recipe.holdout.traits},
        recipes={name: library.recipes[name].description for name in kinds},
        principles=[row for row in principles_of(constitutions) if not held_out(row, recipe.holdout.principles)],
        briefs=briefs, eval_shapes=shapes(library.words("eval_shapes")),
        constitution=as_text(constitutions, recipe.models.constitution == "outline"), model=recipe.models.planner,
        fingerprint=fingerprint, knobs=recipe.planning,
    )  # fmt: skip


def _grown(planner: Planner, ledger: Ledger, buy: Callable[[Sequence[Chain]], None] | None = None) -> Tree | None:
    """The tree that the ledger's answers give, layer by layer; what a layer lacks is bought. ``None`` where it is lacking still."""
    growing = fanout(planner)
    layer = next(growing)
    while True:
        answers = _read(planner, ledger, layer)
        if buy and None in answers:
            buy(layer)
            answers = _read(planner, ledger, layer)
        whole = [replies for replies in answers if replies is not None]
        if len(whole) < len(layer):
            return None
        try:
            layer = growing.send(whole)
        except StopIteration as end:
            tree: Tree = end.value
            return tree


def _read(planner: Planner, ledger: Ledger, layer: Sequence[Chain]) -> list[tuple[Reply, ...] | None]:
    return list(read_jobs(ledger, (asking(planner, chain) for chain in layer)))


def _joined(briefs: Sequence[Brief], tree: Tree) -> WithIdeas:
    joined = planned(briefs, tree.ideas)
    taken = sum(brief.id != before.id for brief, before in zip(joined, briefs, strict=True))
    return WithIdeas(joined, PlannedIdeas(tree.layers, len(tree.ideas), taken, tree.reached, tree.unreached))


def _tell(found: WithIdeas, tree: Tree, progress: Progress) -> None:
    """What came of it in a line, and what did not go as it should in another."""
    reached, all_of_them = len(tree.reached), len(tree.reached) + len(tree.unreached)
    taken = found.planned.taken if found.planned else 0
    progress.say(
        f"planned: {len(tree.domains)} domains, {len(tree.subdomains)} sub-domains, {len(tree.assertions)} assertions, {len(tree.ideas)}"
        f" ideas, of which {taken} of {len(found.briefs)} briefs took one; {reached} of {all_of_them} principles reached"
    )
    failed = [f"{count} {reason} ({layer})" for layer, row in tree.layers.items() for reason, count in row.failed.items()]
    if failed:
        progress.warn(f"calls of the planner that gave nothing: {', '.join(failed)}; what they were to plan stays as it was drawn")
    if tree.unreached:
        progress.warn(f"{len(tree.unreached)} principles are reached by no idea; the report lists them, and drawn briefs stand for them")


def _fingerprint(project: Project) -> str:
    """That of the planner's model; where it cannot be opened for want of a key, the one that its provider's models have."""
    model = project.recipe.models.planner
    try:
        return open_backend(project, model).fingerprint
    except BildungError:
        return model.replace("anthropic-batch/", "anthropic/", 1)
