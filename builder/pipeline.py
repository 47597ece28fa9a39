"""The build, top to bottom: a constitution becomes a corpus.

    read -> plan -> write -> gates -> select -> export -> report

The only hands that read and write stores. Every step takes records and gives records; what was bought is in the ledger before anyone acts
on it, and everything under ``output/`` can be rebuilt from there.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import NamedTuple, Protocol

from builder import plugins
from builder.backends import Backend, BackendContext, split_model
from builder.errors import BudgetReached, UsageError
from builder.exporters import ExportOptions
from builder.gates import GateContext
from builder.ledger import Ledger, hold
from builder.library import Library, Prompt, Recipe
from builder.recipe import BuildRecipe, Override, read_recipe
from builder.records import (
    Answer,
    Brief,
    Candidate,
    Constitution,
    CorpusRecord,
    Document,
    Evidence,
    Principle,
    Request,
    Turn,
    Verdict,
)
from builder.rows import BuildRows, Spent
from builder.stores import sweep, write_lines, write_text

GROUP_ANSWERS = 64  # answers committed together, or those of a tenth of a second: what a kill can lose
GROUP_SECONDS = 0.1


class Progress(Protocol):
    """Where a build tells what it is doing; the command line draws it, a bench times it."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[object]:
        """Enter a stage of ``total`` steps."""
        ...

    def advance(self, steps: int = 1) -> None:
        """So many steps of the present stage are done."""
        ...

    def say(self, line: str) -> None:
        """One line worth telling at once."""
        ...


class Quiet:
    """A progress that says nothing."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[object]:
        return nullcontext()

    def advance(self, steps: int = 1) -> None:
        return None

    def say(self, line: str) -> None:
        return None


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


def build(project: Project, progress: Progress | None = None, only_known: bool = False, published: bool = True) -> BuildRows:
    """Build the corpus, or go on with it; its manifest is written last. ``only_known`` takes what the ledger holds and buys nothing."""
    progress = progress or Quiet()
    with hold(project.corpus), closing(Ledger(project.corpus / "ledger.sqlite")) as ledger:
        with progress.stage("principles"):
            constitutions = read_constitutions(project)
        with progress.stage("plan"):
            briefs = draw_plan(project, constitutions)
        documents, unwritten, grade = write(project, ledger, briefs, constitutions, progress, only_known)
        if only_known:
            answered = {document.id for document in documents} | {verdict.document_id for verdict in unwritten}
            briefs = tuple(brief for brief in briefs if brief.id in answered)
        verdicts, evidence = judge(project, constitutions, documents, progress)
        verdicts = {"write": unwritten, **verdicts} if unwritten else verdicts
        records = corpus_records(project, constitutions, documents, verdicts)
        rows = BuildRows(
            project.recipe, project.library, constitutions, briefs, documents, verdicts, evidence, records, grade, Spent(*ledger.paid())
        )
        if published:
            publish(project, rows, progress)
    return rows


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


def plan_stream(project: Project, constitutions: Sequence[Constitution]) -> Iterator[Brief]:
    """The endless plan of this corpus."""
    from builder.stages.plan import plan

    return plan(project.recipe, project.library, principles_of(constitutions))


def draw_plan(project: Project, constitutions: Sequence[Constitution]) -> tuple[Brief, ...]:
    """As many briefs as the recipe asks for, and the spare ones."""
    size = project.recipe.size
    return tuple(itertools.islice(plan_stream(project, constitutions), math.ceil(size.documents * (1 + size.spare))))


def write(
    project: Project, ledger: Ledger, briefs: Sequence[Brief], constitutions: Sequence[Constitution], progress: Progress, only_known: bool
) -> tuple[tuple[Document, ...], tuple[Verdict, ...], bool]:
    """Buy what the ledger lacks (``only_known`` leaves that out), then read every document back from it, in plan order."""
    from builder.stages.write import document

    backend = open_backend(project)
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
    good = [asked for asked in requests if answers[asked.hash].stop_reason == "end_turn" and answers[asked.hash].text.strip()]
    failed = tuple(_unwritten(asked, answers[asked.hash]) for asked in requests if asked not in set(good)) if len(good) < len(requests) else ()
    return tuple(document(asked, answers[asked.hash], "writer") for asked in good), failed, backend.training_grade


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

    principles = {principle.id: principle for constitution in constitutions for principle in constitution.principles}
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
    """Ask for what is missing and commit the answers in small groups, each on disk before the next is counted."""
    asked = {request.hash: request for request in todo}
    group: list[tuple[Request, Answer]] = []
    since = time.monotonic()
    spent = ledger.paid().cost
    for answer in backend.answers(todo):
        group.append((asked[answer.request_hash], answer))
        spent += answer.usage.cost or 0.0
        if len(group) >= GROUP_ANSWERS or time.monotonic() - since > GROUP_SECONDS:
            ledger.record(group)
            progress.advance(len(group))
            group, since = [], time.monotonic()
        if max_cost is not None and spent > max_cost:
            ledger.record(group)
            raise BudgetReached(f"the budget of ${max_cost:.2f} is reached (${spent:.2f} spent); raise it and run this again to go on")
    ledger.record(group)
    progress.advance(len(group))


def judge(
    project: Project, constitutions: Sequence[Constitution], documents: Sequence[Document], progress: Progress
) -> tuple[dict[str, tuple[Verdict, ...]], tuple[Evidence, ...]]:
    """Run the gates in order; each sees what the earlier ones kept. A new gate is one more line here."""
    from builder.stages import mechanical, near_duplicates, select, trait_evidence

    context = GateContext(project.recipe, project.library, principles_of(constitutions))
    verdicts: dict[str, tuple[Verdict, ...]] = {}
    evidence: list[Evidence] = []
    left = [Candidate(document.id, document.text, document.brief) for document in documents]

    def run(name: str, judged: Iterator[Verdict]) -> None:
        nonlocal left
        with progress.stage(name, len(left)):
            verdicts[name] = tuple(judged)
        kept = {verdict.document_id: verdict for verdict in verdicts[name] if verdict.keep}
        left = [candidate._replace(score=candidate.score + _quality(kept[candidate.id])) for candidate in left if candidate.id in kept]

    run("mechanical", mechanical.open_gate(context)(left))
    run("trait_evidence", _collected(trait_evidence.judge_with_evidence(context, left), evidence))
    run("near_duplicates", near_duplicates.open_gate(context)(left))
    run("select", select.open_gate(context)(left))
    return verdicts, tuple(evidence)


def _collected(pairs: Iterable[tuple[Verdict, Sequence[Evidence]]], evidence: list[Evidence]) -> Iterator[Verdict]:
    for verdict, rows in pairs:
        evidence.extend(rows)
        yield verdict


def _quality(verdict: Verdict) -> float:
    """What a verdict adds to a document's score: evidence that its trait is shown, up to three quotes."""
    return min(verdict.scores.get("shown", 0.0), 3.0) if verdict.gate == "trait_evidence" else 0.0


def principles_of(constitutions: Sequence[Constitution]) -> tuple[Principle, ...]:
    """All principles, in order."""
    return tuple(principle for constitution in constitutions for principle in constitution.principles)


def corpus_records(
    project: Project, constitutions: Sequence[Constitution], documents: Sequence[Document], verdicts: dict[str, tuple[Verdict, ...]]
) -> tuple[CorpusRecord, ...]:
    """The join of what every gate keeps, shuffled by the seed so that neighbours in the plan are not neighbours in training."""
    from builder.stages.provenance import corpus_record

    kept = {verdict.document_id for verdict in verdicts["select"] if verdict.keep}
    scores: dict[str, dict[str, float]] = {}
    for gate, judged in verdicts.items():
        for verdict in judged:
            if verdict.document_id in kept:
                scores.setdefault(verdict.document_id, {}).update({f"{gate}.{name}": value for name, value in verdict.scores.items()})
    principles = {principle.id: principle for principle in principles_of(constitutions)}
    records = [
        corpus_record(document, project.recipe, principles, constitutions, scores.get(document.id, {}))
        for document in documents
        if document.id in kept
    ]
    random.Random(f"{project.recipe.corpus.seed}:order").shuffle(records)
    return tuple(records)


def publish(project: Project, rows: BuildRows, progress: Progress) -> None:
    """Write tables, exports, report, and last the manifest."""
    from builder.report import write_report

    output = project.output
    sweep(output)
    with progress.stage("tables"):
        for gate, judged in rows.verdicts.items():
            write_lines(output / "verdicts" / f"{gate}.jsonl", (verdict.model_dump_json() for verdict in judged))
        write_lines(output / "evidence.jsonl", (row.model_dump_json() for row in rows.evidence))
        write_lines(output / "briefs.jsonl", (brief.model_dump_json() for brief in rows.briefs))
    with progress.stage("export"):
        exports = {name: export(project, rows, name, output / "data") for name in project.recipe.export.formats}
    with progress.stage("report"):
        write_report(rows, output, exports)
    places = {name: str(path.relative_to(output)) for name, path in exports.items()}
    manifest = {"corpus": rows.corpus_hash, "documents": len(rows.records), "exports": places}
    write_text(output / "manifest.json", json.dumps(manifest, indent=2) + "\n")


def export(project: Project, rows: BuildRows, name: str, folder: Path) -> Path:
    """Write one export into ``folder/<format>-<content hash>``; an export that is there already is left as it is."""
    from builder.data_card import write_export

    exporter = plugins.load("exporter", name)
    return write_export(exporter, name, rows, folder, ExportOptions(project.recipe.export.documents_per_shard))
