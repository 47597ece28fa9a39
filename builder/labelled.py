"""The checks that need no model, tried on the hand-labelled texts beside a corpus; ``builder/calibration.py`` counts what came out.

What each row asks (the keys of ``coverage.json`` under ``calibration``):

    shown, named                           passages: does a pattern of the passage's trait find what its label says?
    trait_evidence                         passages: is a text refused exactly where it only names the trait?
    shown, named, counter _in_references   references, each with each trait: the same, against the list of traits it shows, names, violates
    eval_shape                             references: is a text refused as an evaluation where its label finds more than 3 of 7 features?
    GATE _keeps_references                 references, all of them good: does the gate let them pass?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from builder.calibration import Tried
from builder.gates import GateContext
from builder.records import Brief, Candidate, Person
from builder.references import Passage, Reference, read_passages, read_references

_MANY_FEATURES = 3  # of the seven in which evaluation scenarios resemble each other; above it a text counts as one (arXiv 2605.28591)
_LABELS = {"shown": "shown", "named": "named", "counter": "violated"}  # kind of pattern -> field of a reference


def try_checks(folder: Path, context: GateContext) -> tuple[Tried, ...]:
    """Every check on every labelled text of a corpus' ``reference`` folder that it can be tried on; nothing where there is none."""
    known = context.library.traits  # a project may have other traits than the labels speak of
    passages = [row for row in read_passages(folder / "passages.toml") if row.trait in known]
    references = [row for row in read_references(folder) if row.trait in known]
    return (*_on_passages(passages, context), *_on_references(references, context)) if passages or references else ()


def _on_passages(passages: Sequence[Passage], context: GateContext) -> Iterator[Tried]:
    from builder.stages import trait_evidence

    candidates = [Candidate(row.id, row.text, _brief(row.trait)) for row in passages]
    for row, (verdict, _) in zip(passages, trait_evidence.judge_with_evidence(context, candidates), strict=True):
        for kind in ("shown", "named"):
            yield Tried(kind, row.id, row.label == kind, verdict.scores[kind] > 0)
        yield Tried("trait_evidence", row.id, row.label == "named", not verdict.keep)


def _on_references(references: Sequence[Reference], context: GateContext) -> Iterator[Tried]:
    from builder.stages import trait_evidence

    candidates = [Candidate(row.id, row.text, _brief(row.trait, row.recipe, row.exercised)) for row in references]
    for row, (_, quotes) in zip(references, trait_evidence.judge_with_evidence(context, candidates), strict=True):
        found = {(quote.kind, quote.trait) for quote in quotes}
        for trait in context.library.traits:
            for kind, label in _LABELS.items():
                yield Tried(f"{kind}_in_references", f"{row.id}:{trait}", trait in getattr(row, label), (kind, trait) in found)
    for name, reasons in _gates(candidates, context).items():
        for row in references:
            yield Tried(f"{name}_keeps_references", row.id, False, reasons[row.id] != "ok")
            if name == "mechanical":
                yield Tried("eval_shape", row.id, row.eval_shape > _MANY_FEATURES, reasons[row.id] == "eval_shape")


def _gates(candidates: Sequence[Candidate], context: GateContext) -> Mapping[str, Mapping[str, str]]:
    """Gate -> text -> why it is refused, or ok; for each gate of a build that reads documents one by one."""
    from builder.stages import anti_patterns, identity, mechanical, trait_evidence

    unseen = context._replace(references=())  # a reference is no copy of itself
    judged = {gate.NAME: gate.open_gate(unseen)(candidates) for gate in (mechanical, anti_patterns, identity, trait_evidence)}
    return {name: {row.document_id: row.reason if not row.keep else "ok" for row in rows} for name, rows in judged.items()}


def _brief(trait: str, recipe: str = "story", exercised: bool = True) -> Brief:
    """As much of a plan as a gate reads: labelled texts were not planned, and nobody told the gates who their characters are."""
    nobody = Person(given="", family="", pronoun="it")
    fields = {name: "none" if field.annotation is str else nobody for name, field in Brief.model_fields.items() if field.is_required()}
    return Brief.model_validate(
        {**fields, "id": "none", "position": 0, "principles": (), "trait": trait, "tension": None, "recipe": recipe, "exercised": exercised,
         "min_words": 0, "max_words": 0}
    )  # fmt: skip
