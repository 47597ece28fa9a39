"""What a build buys: briefs become requests, and every answer is in the ledger before anyone acts on it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from builder import plugins
from builder.backends import Backend, BackendContext, split_model
from builder.errors import BudgetReached, UsageError
from builder.ledger import Ledger
from builder.library import Prompt, Recipe
from builder.progress import Progress
from builder.project import Project, principles_of
from builder.records import Answer, Brief, Constitution, Document, Request, Turn, Verdict

GROUP_ANSWERS = 64  # answers committed together, or those of a tenth of a second: what a kill can lose
GROUP_SECONDS = 0.1


class Bought(NamedTuple):
    """What the ledger holds of a plan: documents, verdicts on answers that are none, and whether the writer is fit for training."""

    documents: tuple[Document, ...]
    unwritten: tuple[Verdict, ...]
    training_grade: bool


def write(
    project: Project,
    backend: Backend,
    ledger: Ledger,
    briefs: Sequence[Brief],
    constitutions: Sequence[Constitution],
    progress: Progress,
    only_known: bool,
) -> Bought:
    """Buy what the ledger lacks (``only_known`` leaves that out), then read every document back from it, in plan order."""
    requests = list(draft_requests(project, backend, briefs, constitutions))
    known = ledger.known([asked.hash for asked in requests])
    if only_known and not known:
        raise UsageError("no document of this plan is written yet; run 'bildung build' with the same options", project.corpus)
    requests = [asked for asked in requests if asked.hash in known] if only_known else requests
    todo = [asked for asked in requests if asked.hash not in known]
    if known and todo:
        progress.say(f"resuming: {len(known)} of {len(requests)} documents done (paid ${ledger.paid().cost:.2f}), {len(todo)} to write")
    with progress.stage("write", len(todo)):
        buy(backend, ledger, todo, progress, project.recipe.budget.max_cost)
    with progress.stage("read back"):
        answers = ledger.answers([asked.hash for asked in requests])
        return _read_back(requests, answers, backend.training_grade)


def _read_back(requests: Sequence[Request], answers: Mapping[str, Answer], training_grade: bool) -> Bought:
    from builder.stages.write import document

    documents, unwritten = [], []
    for asked in requests:
        answer = answers[asked.hash]
        if answer.stop_reason == "end_turn" and answer.text.strip():
            documents.append(document(asked, answer, "writer"))
        else:
            unwritten.append(_unwritten(asked, answer))
    return Bought(tuple(documents), tuple(unwritten), training_grade)


def _unwritten(asked: Request, answer: Answer) -> Verdict:
    reason = f"stopped:{answer.stop_reason}" if answer.stop_reason != "end_turn" else "empty_answer"
    return Verdict(document_id=asked.document_id, gate="write", keep=False, reason=reason, model=asked.model)


def open_backend(project: Project) -> Backend:
    """The writer named in the recipe."""
    provider, model = split_model(project.recipe.models.writer)
    backend: Backend = plugins.load("backend", provider).open_backend(model, BackendContext(project.library))
    return backend


def draft_requests(
    project: Project, backend: Backend, briefs: Iterable[Brief], constitutions: Sequence[Constitution]
) -> Iterator[Request]:
    """One request for each brief; prompts are rendered only for a backend that reads them."""
    from builder.stages.write import render, request

    principles = {principle.id: principle for principle in principles_of(constitutions)}
    for brief in briefs:
        prompt = _draft(project.library.recipes[brief.recipe])
        turns = render(prompt, brief, project.library, principles) if backend.wants_turns else ()
        yield request(brief, prompt, project.recipe.models.writer, backend.fingerprint, turns)


def prompts_of(project: Project, brief: Brief, constitutions: Sequence[Constitution]) -> tuple[Turn, ...]:
    """Exactly what a model would be told to draft one brief."""
    from builder.stages.write import render

    principles = {principle.id: principle for principle in principles_of(constitutions)}
    return render(_draft(project.library.recipes[brief.recipe]), brief, project.library, principles)


def _draft(recipe: Recipe) -> Prompt:
    return next(prompt for prompt in recipe.prompts if prompt.step == "draft")


def buy(backend: Backend, ledger: Ledger, todo: Sequence[Request], progress: Progress, max_cost: float | None) -> None:
    """Ask for what is missing and commit the answers in small groups; also those that came before an interruption."""
    asked = {request.hash: request for request in todo}
    spent = ledger.paid().cost
    group: list[tuple[Request, Answer]] = []

    def commit() -> None:
        ledger.record(group)
        progress.advance(len(group))
        group.clear()

    since = time.monotonic()
    try:
        for answer in backend.answers(todo):
            group.append((asked[answer.request_hash], answer))
            spent += answer.usage.cost or 0.0
            if len(group) >= GROUP_ANSWERS or time.monotonic() - since > GROUP_SECONDS:
                commit()
                since = time.monotonic()
            if max_cost is not None and spent > max_cost:
                raise BudgetReached(f"the budget of ${max_cost:.2f} is reached (${spent:.2f} spent); raise it and run this again to go on")
    finally:
        commit()
