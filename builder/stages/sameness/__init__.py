"""Gate ``sameness``: what a corpus repeats although no two documents share their wording.

    repeated_opening   its first words, names masked, stand in more than [gates] repeated_opening of the documents
    repeated_ending    its last words, likewise
    repeated_plan      form, opening, outcome, ending and deliberation together, likewise ([gates] repeated_plan)
    template           [gates] template or more of its 5-grams stand in five documents or more (a thousandth, above 5,000)

Of those that share an opening, an ending or a plan the best-scored stay, up to the limit, and never fewer than five. Templates are thinned
from the worst-scored document on, until what is left is no template any more. The gate takes out at most [gates] sameness_most of
what it is given, the most repeated first: beyond that the writer or the plan is at fault, which no removal mends. A document that would
have gone is kept with the score ``spared`` and the reason in its explanation, and the report counts them.

Scores: ``opening_copies``, ``ending_copies`` and ``plan_copies``, the documents that share it, this one included; ``template_share``.
Nothing depends on the order of the input. Corpus-wide numbers are in ``numbers.py``, the search for recurring sentence patterns in
``patterns.py``; the report shows both.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from builder.gates import Gate, GateContext
from builder.recipe import GatesSection
from builder.records import Candidate, Verdict
from builder.stages.sameness.keys import ending, known_names, opening, plan
from builder.stages.sameness.template import Templates

NAME = "sameness"
LEAST_COPIES = 5  # five of anything are no pattern that a model learns, however small the corpus

_KINDS = ("opening", "ending", "plan")


class _Row(NamedTuple):
    """What the gate keeps of a candidate: its keys in the order of ``_KINDS`` (empty: none), and its share of template."""

    id: str
    score: float
    keys: tuple[str, ...]
    template: float


def open_gate(context: GateContext) -> Gate:
    """The gate with the recipe's limits."""
    gates = context.recipe.gates

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        found = list(candidates)
        templates = Templates([candidate.text for candidate in found])
        shares = templates.shares(candidate.text for candidate in found)
        rows = [_Row(row.id, row.score, _keys(row), share) for row, share in zip(found, shares, strict=True)]
        copies = [Counter(row.keys[kind] for row in rows) for kind in range(len(_KINDS))]
        faults = _faults(rows, gates)
        for at in _thinned(rows, found, templates, gates.template):
            faults[at].append("template")
        gone = _worst(rows, faults, copies, int(gates.sameness_most * len(rows)))
        for at, row in enumerate(rows):
            yield _verdict(row, faults[at], copies, at in gone)

    return judge


def _keys(candidate: Candidate) -> tuple[str, ...]:
    known = known_names(candidate.text, candidate.brief)
    return opening(candidate.text, known), ending(candidate.text, known), plan(candidate.brief)


def _faults(rows: Sequence[_Row], gates: GatesSection) -> dict[int, list[str]]:
    """Row -> the reasons that it could go for, of what repeats beyond its limit."""
    faults: dict[int, list[str]] = defaultdict(list)
    shares = (gates.repeated_opening, gates.repeated_ending, gates.repeated_plan)
    limits = [max(LEAST_COPIES, math.ceil(share * len(rows))) for share in shares]
    seen: Counter[tuple[int, str]] = Counter()
    for at in _best_first(rows, range(len(rows))):
        for kind, key in enumerate(rows[at].keys):
            seen[kind, key] += 1
            if key and seen[kind, key] > limits[kind]:
                faults[at].append(f"repeated_{_KINDS[kind]}")
    return faults


def _thinned(rows: Sequence[_Row], found: Sequence[Candidate], templates: Templates, most: float) -> list[int]:
    """The rows that are template, and would still be when the worse-scored of them are gone."""
    flagged = _best_first(rows, [at for at, row in enumerate(rows) if row.template > most])[::-1]
    gone = templates.thinned([found[at].text for at in flagged], most)
    return [at for at, went in zip(flagged, gone, strict=True) if went]


def _best_first(rows: Sequence[_Row], places: Iterable[int]) -> list[int]:
    return sorted(places, key=lambda at: (-rows[at].score, rows[at].id, at))


def _worst(rows: Sequence[_Row], faults: Mapping[int, Sequence[str]], copies: Sequence[Counter[str]], most: int) -> frozenset[int]:
    """Of the rows at fault those that go, ``most`` at the most: with most faults, then most repeated, then worst-scored."""

    def weight(at: int) -> tuple[int, int]:
        shared = [count[key] for key, count in zip(rows[at].keys, copies, strict=True) if key]
        return len(faults[at]), max(shared, default=0)

    worst_first = _best_first(rows, faults)[::-1]
    return frozenset(sorted(worst_first, key=lambda at: weight(at), reverse=True)[:most])


def _verdict(row: _Row, faults: Sequence[str], copies: Sequence[Counter[str]], gone: bool) -> Verdict:
    scores = {f"{kind}_copies": float(count[key]) for kind, key, count in zip(_KINDS, row.keys, copies, strict=True) if key}
    scores["template_share"] = round(row.template, 4)
    told = [f"{kind}: {key}" for kind, key in zip(_KINDS, row.keys, strict=True) if f"repeated_{kind}" in faults]
    if not faults:
        return Verdict(document_id=row.id, gate=NAME, keep=True, scores=scores)
    if not gone:
        scores["spared"] = 1.0
        told.insert(0, f"kept, though {faults[0]}: the gate has taken out as many as it may")
    reason = faults[0] if gone else "ok"
    return Verdict(document_id=row.id, gate=NAME, keep=not gone, reason=reason, scores=scores, explanation="; ".join(told))
