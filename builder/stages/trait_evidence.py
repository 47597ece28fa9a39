"""Gate ``trait_evidence``: sentences that show a trait, name it or violate it, as quotes with offsets, and a verdict
on the document.

Patterns see what is named better than what is shown, so they are evidence to quote and a ratio to watch, never the
coverage figure.

The patterns of ``constitution/traits/*.md`` (``shown``, ``named``, ``counter``) are in the language of ``builder/patterns/language.py``.

**The verdict.** Scores count sentences for the trait of the brief (of any trait, where there is no brief): ``shown``,
``named``, ``counter``, and ``shown_other`` for all other traits. Two reasons refuse a document:

    trait_named_not_shown     named in two sentences, shown in none; expository documents may name their subject
    counter_evidence          violated in two sentences and shown in none, where the brief asks for the trait
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from builder.gates import Gate, GateContext
from builder.patterns.language import Kind, Pattern, character_names, compiled
from builder.patterns.reading import Reader, unlike_examples
from builder.records import Brief, Candidate, Evidence, Trait, Verdict

__all__ = ["Judged", "check_trait", "evidence", "judge_with_evidence", "open_gate", "trait_patterns"]

NAME = "trait_evidence"
BY_ITSELF = True  # no other document has a say in a verdict, so an engine may deal documents out
KINDS: tuple[Kind, ...] = ("shown", "named", "counter")
REFUSED_AT = 2  # sentences; one may be a slip of a pattern

_NAMES_BY_DESIGN = frozenset({"document"})


class Judged(NamedTuple):
    """What the gate says of one document, and its quotes."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]


def open_gate(context: GateContext) -> Gate:
    """The gate over all traits of the library."""

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        return (judged.verdict for judged in judge_with_evidence(context, candidates))

    return judge


def judge_with_evidence(context: GateContext, candidates: Iterable[Candidate]) -> Iterator[Judged]:
    """One pass for both: the verdict of each candidate, in order, with its evidence."""
    reader = _reader(list(context.library.traits.values()))
    return (_judged(candidate, reader) for candidate in candidates)


def evidence(candidates: Iterable[Candidate], traits: Sequence[Trait]) -> Iterator[Evidence]:
    """The quotes of every candidate: one row for each trait, kind and sentence, in the order of the text."""
    reader = _reader(traits)
    for candidate in candidates:
        yield from _rows(candidate, reader)


def check_trait(trait: Trait) -> list[str]:
    """What a trait file's own examples say against its ``shown`` patterns. One that cannot be read is a ``UsageError``, as everywhere."""
    return [f"{trait.id}: {fault}" for fault in unlike_examples(_reader([trait]), "shown", trait.hits, trait.misses)]


def trait_patterns(traits: Sequence[Trait]) -> list[Pattern]:
    """All patterns of all traits, in order."""
    place = "constitution/traits/{}.md"
    return [found for trait in traits for kind in KINDS for found in compiled(trait.id, kind, getattr(trait, kind), place.format(trait.id))]


def _reader(traits: Sequence[Trait]) -> Reader:
    return Reader(trait_patterns(traits))


def _rows(candidate: Candidate, reader: Reader) -> tuple[Evidence, ...]:
    hits = reader.read(candidate.text, character_names(candidate.brief))
    found = {(span.start, pattern.owner, KINDS.index(pattern.kind), span.end) for pattern, span in hits}
    text = candidate.text
    return tuple(
        Evidence(document_id=candidate.id, trait=trait, kind=KINDS[kind], start=start, end=end, quote=text[start:end])
        for start, trait, kind, end in sorted(found)
    )


def _judged(candidate: Candidate, reader: Reader) -> Judged:
    rows = _rows(candidate, reader)
    asked = [row for row in rows if not candidate.brief or row.trait == candidate.brief.trait]
    counts: Counter[str] = Counter(row.kind for row in asked)
    others = sum(row.kind == "shown" for row in rows) - counts["shown"]
    scores: dict[str, float] = {kind: float(counts[kind]) for kind in KINDS}
    scores["shown_other"] = float(others)
    reason = _reason(candidate.brief, counts)
    kind = {"trait_named_not_shown": "named", "counter_evidence": "counter"}.get(reason)
    verdict = Verdict(
        document_id=candidate.id,
        gate=NAME,
        keep=reason == "ok",
        reason=reason,
        scores=scores,
        explanation=next((row.quote for row in asked if row.kind == kind), ""),
    )
    return Judged(verdict, rows)


def _reason(brief: Brief | None, counts: Counter[str]) -> str:
    if counts["shown"]:
        return "ok"
    if counts["named"] >= REFUSED_AT and not (brief and brief.recipe in _NAMES_BY_DESIGN):
        return "trait_named_not_shown"
    return "counter_evidence" if counts["counter"] >= REFUSED_AT and brief and brief.exercised else "ok"
