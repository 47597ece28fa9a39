"""The build, top to bottom: a constitution becomes a corpus.

    read -> plan -> write -> gates -> select -> audit -> export -> report

The only hands that read and write stores. Every step takes records and gives records; what was bought is in the ledger before anyone acts
on it, and everything under ``output/`` can be rebuilt from there.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from builder import plugins
from builder.buying import Bought, Counter, open_counter, write
from builder.buying.auditing import asked_for, audited, check_audit
from builder.buying.planning import WithIdeas, recalled, with_ideas
from builder.desk import MAYBE_BILLED
from builder.exporters import ExportOptions
from builder.gates import GateContext
from builder.labelled import try_checks
from builder.ledger import Ledger, hold
from builder.progress import Progress, Quiet
from builder.project import Project, benchmarks_of, principles_of, read_constitutions, read_existing, stay_inside
from builder.records import Brief, Candidate, Constitution, CorpusRecord, Document, Evidence, Verdict
from builder.references import read_references
from builder.rows import BuildRows, Spent
from builder.stores import sweep, write_lines, write_text

Verdicts = Mapping[str, Sequence[Verdict]]


class Sampled(NamedTuple):
    """A few documents of a plan as they were written, what they cost in US dollars (``None``: unknown), and what the whole would."""

    documents: tuple[Document, ...]
    unwritten: tuple[Verdict, ...]
    spent: float | None
    text: str


def build(
    project: Project, progress: Progress | None = None, only_known: bool = False, published: bool = True, allow_unknown_price: bool = False
) -> BuildRows:
    """Build the corpus, or go on with it; its manifest is written last. ``only_known`` takes what the ledger holds and buys nothing."""
    progress = progress or Quiet()
    with _opened(project, progress, only_known, allow_unknown_price) as (counter, ledger, constitutions, plan):
        bought = write(counter, ledger, plan.briefs, progress, only_known, allow_unknown_price, calibrated=True)
        rows = _rows(project, constitutions, _planned(plan.briefs, bought, only_known), bought, ledger, progress)
        rows = rows._replace(planned=plan.planned)
        if published:
            audit = audited(counter, ledger, rows.kept_documents, progress, only_known, allow_unknown_price)
            rows = rows._replace(audited=audit, spent=_spent(ledger)) if audit else rows
            with progress.stage("calibration"):
                rows = rows._replace(tried=try_checks(project.corpus / "reference", _gate_context(project, constitutions)))
            publish(project, rows, progress)
    return rows


def sample(project: Project, count: int, progress: Progress | None = None, allow_unknown_price: bool = False) -> Sampled:
    """Write ``count`` documents from all over the plan; the ledger keeps them, and a build does not buy them again."""
    from builder.promise import extrapolated

    progress = progress or Quiet()
    with _opened(project, progress, False, allow_unknown_price) as (counter, ledger, constitutions, plan):
        briefs = plan.briefs
        count = min(count, len(briefs))
        chosen = [briefs[number * len(briefs) // count] for number in range(count)]
        bought = write(counter, ledger, chosen, progress, allow_unknown_price=allow_unknown_price)
        rows = _rows(project, constitutions, _planned(chosen, bought, False), bought, ledger, progress)
    costs = [step.usage.cost for document in bought.documents for step in document.steps]
    spent = None if None in costs else math.fsum(cost for cost in costs if cost is not None)
    return Sampled(bought.documents, bought.unwritten, spent, extrapolated(rows, len(briefs)))


@contextmanager
def _opened(
    project: Project, progress: Progress, only_known: bool, allow_unknown_price: bool
) -> Iterator[tuple[Counter, Ledger, tuple[Constitution, ...], WithIdeas]]:
    """The corpus held for one build: models, ledger, constitutions and plan, with a planner's ideas where one is named.

    A model that cannot be opened shows before a ledger begins.
    """
    stay_inside(project)
    benchmarks_of(project)  # a missing file shows before anything is paid
    with hold(project.corpus):
        with progress.stage("principles"):
            constitutions = read_constitutions(project)
        counter = open_counter(project, constitutions)
        if asked_for(project) and not only_known:
            check_audit(project.library)
        with closing(Ledger(project.corpus / "ledger.sqlite")) as ledger:
            with progress.stage("plan"):
                briefs = draw_plan(project, constitutions)
            yield counter, ledger, constitutions, with_ideas(
                counter, ledger, constitutions, briefs, progress, only_known, allow_unknown_price
            )


def _rows(
    project: Project, constitutions: Sequence[Constitution], briefs: Sequence[Brief], bought: Bought, ledger: Ledger, progress: Progress
) -> BuildRows:
    verdicts, evidence = judge(project, constitutions, bought, progress)
    records = corpus_records(project, constitutions, bought.documents, verdicts)
    return BuildRows(
        project.recipe, project.library, constitutions, briefs, bought.documents, verdicts, evidence, records, bought.training_grade,
        _spent(ledger), blind=bought.blind,
    )  # fmt: skip


def _planned(briefs: Sequence[Brief], bought: Bought, only_known: bool) -> tuple[Brief, ...]:
    """The plan as it was carried out: a refused brief stands as it was told elsewhere; ``only_known`` leaves out what nobody answered."""
    made = {document.brief.position: document.brief for document in bought.documents}
    failed = {verdict.document_id for verdict in bought.unwritten}
    return tuple(made.get(brief.position, brief) for brief in briefs if not only_known or brief.position in made or brief.id in failed)


def _spent(ledger: Ledger) -> Spent:
    failed = ledger.failed_tries()
    lost = sum(count for kind, count in failed.items() if kind in MAYBE_BILLED) + ledger.killed_in_flight()
    return Spent(ledger.spent(), failed, lost)


def plan_stream(project: Project, constitutions: Sequence[Constitution]) -> Iterator[Brief]:
    """The endless plan of this corpus."""
    from builder.stages.plan import plan

    return plan(project.recipe, project.library, principles_of(constitutions), read_existing(project))


def draw_plan(project: Project, constitutions: Sequence[Constitution]) -> tuple[Brief, ...]:
    """As many briefs as the recipe asks for, and the spare ones."""
    size = project.recipe.size
    return tuple(itertools.islice(plan_stream(project, constitutions), math.ceil(size.documents * (1 + size.spare))))


def known_plan(project: Project, constitutions: Sequence[Constitution]) -> WithIdeas:
    """The plan as far as it is known without buying: with a planner's ideas where the ledger holds them all."""
    briefs, path = draw_plan(project, constitutions), project.corpus / "ledger.sqlite"
    if not (project.recipe.models.planner and path.is_file()):
        return WithIdeas(briefs)
    with closing(Ledger(path)) as ledger:
        return recalled(project, constitutions, briefs, ledger)


def judge(
    project: Project, constitutions: Sequence[Constitution], bought: Bought, progress: Progress
) -> tuple[Verdicts, tuple[Evidence, ...]]:
    """Run the gates in order; each sees what the earlier ones kept. A new gate is one more line here."""
    from builder.stages import anti_patterns, contamination, dedup, identity, mechanical, sameness, select, trait_evidence

    context = _gate_context(project, constitutions)
    verdicts: dict[str, tuple[Verdict, ...]] = {"write": bought.unwritten} if bought.unwritten else {}
    evidence: list[Evidence] = []
    left = [Candidate(document.id, document.text, document.brief) for document in bought.documents]

    def run(name: str, judged: Iterator[Verdict]) -> None:
        nonlocal left
        with progress.stage(name, len(left)):
            verdicts[name] = tuple(judged)
        kept = {verdict.document_id: verdict for verdict in verdicts[name] if verdict.keep}
        left = [candidate._replace(score=candidate.score + _quality(kept[candidate.id])) for candidate in left if candidate.id in kept]

    if bought.judged:
        run("judge", iter(bought.judged))
    run("mechanical", mechanical.open_gate(context)(left))
    run("anti_patterns", anti_patterns.open_gate(context)(left))
    run("identity", identity.open_gate(context)(left))
    run("trait_evidence", _collected(trait_evidence.judge_with_evidence(context, left), evidence))
    run("contamination", contamination.open_gate(context)(left))
    run("dedup", dedup.open_gate(context)(left))
    run("sameness", sameness.open_gate(context)(left))
    run("select", select.open_gate(context)(left))
    return verdicts, tuple(evidence)


def _gate_context(project: Project, constitutions: Sequence[Constitution]) -> GateContext:
    references = read_references(project.corpus / "reference")
    return GateContext(project.recipe, project.library, principles_of(constitutions), references, benchmarks_of(project))


def _collected(pairs: Iterable[tuple[Verdict, Sequence[Evidence]]], evidence: list[Evidence]) -> Iterator[Verdict]:
    for verdict, rows in pairs:
        evidence.extend(rows)
        yield verdict


def _quality(verdict: Verdict) -> float:
    """What a verdict adds to a document's score: the judge's opinion, and evidence that its trait is shown, up to three quotes."""
    if verdict.gate == "judge":
        return verdict.scores.get("judge", 0.0)
    return min(verdict.scores.get("shown", 0.0), 3.0) if verdict.gate == "trait_evidence" else 0.0


def corpus_records(
    project: Project, constitutions: Sequence[Constitution], documents: Sequence[Document], verdicts: Verdicts
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
        for stale in set((output / "verdicts").glob("*.jsonl")) - {output / "verdicts" / f"{gate}.jsonl" for gate in rows.verdicts}:
            stale.unlink()
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
