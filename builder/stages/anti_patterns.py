"""Gate ``anti_patterns``: faults of writing that a program can see, by the patterns of ``story_prompts/rubrics/*.md``.

A document is refused for the first blocking rubric, by file name, whose patterns hold in as many of its sentences as the rubric asks for;
the reason is the rubric's file name, the explanation the sentence. Then comes a rule that no pattern can hold:

    not_x_but_y     [gates] not_but_per_1000, with three at least: "not a tool but a friend", "it wasn't fear; it was care"

``where: opening`` looks at the first two sentences, of the first answer in a conversation; ``where: ending`` at the last three. A rubric is
asked only of the recipes it names; without a brief all are asked. Scores: for each rubric that is met, polishing ones too, in how many
sentences. Patterns see stock phrases: of 30 sentences with such faults that were worded without sight of the patterns they saw 5, and of 40
harmless look-alikes they refused 2. A document that they keep is not thereby good; the rest is a judge's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from builder.gates import Gate, GateContext
from builder.measures import not_but
from builder.patterns.language import Pattern, character_names, compiled
from builder.patterns.reading import Reader, unlike_examples
from builder.records import Brief, Candidate, Verdict
from builder.rubrics import Rubric
from builder.text import Span, sentences

__all__ = ["check_rubric", "open_gate"]

NAME = "anti_patterns"
BY_ITSELF = True  # no other document has a say in a verdict, so an engine may deal documents out
LEAST_NOT_BUT = 3
OPENING, ENDING = 2, 3  # sentences

_CONVERSATION = re.compile(r"\A\s*(?:System|User):")
_ANSWER = re.compile(r"^Assistant:\s*", re.MULTILINE)


class _Met(NamedTuple):
    """A rubric, and the sentences that its patterns see."""

    rubric: Rubric
    spans: tuple[Span, ...]


def open_gate(context: GateContext) -> Gate:
    """The gate over all rubrics that have patterns."""
    rubrics = tuple(rubric for rubric in context.library.rubrics.values() if rubric.patterns)
    reader = Reader([pattern for rubric in rubrics for pattern in _patterns(rubric)])
    densest = context.recipe.gates.not_but_per_1000

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        return (_judged(candidate, rubrics, reader, densest) for candidate in candidates)

    return judge


def check_rubric(rubric: Rubric) -> list[str]:
    """What a rubric's own examples say against its patterns. One that cannot be read is a ``UsageError``."""
    faults = unlike_examples(Reader(_patterns(rubric)), "fault", rubric.hits, rubric.misses)
    return [f"{rubric.id}: {fault}" for fault in faults]


def _patterns(rubric: Rubric) -> list[Pattern]:
    return compiled(rubric.id, "fault", rubric.patterns, f"story_prompts/rubrics/{rubric.id}.md")


def _judged(candidate: Candidate, rubrics: tuple[Rubric, ...], reader: Reader, densest: float) -> Verdict:
    text = candidate.text
    met = _met(text, candidate.brief, rubrics, reader)
    scores = {rubric.id: float(len(spans)) for rubric, spans in met}
    refusals = (one for one in met if one.rubric.blocking and len(one.spans) >= one.rubric.sentences)
    reason, quote = next(((rubric.id, text[slice(*spans[0])]) for rubric, spans in refusals), ("ok", ""))
    found = not_but(text)
    if found:
        scores["not_x_but_y"] = float(len(found))
    if reason == "ok" and len(found) >= LEAST_NOT_BUT and 1000 * len(found) > densest * len(text):
        reason, quote = "not_x_but_y", "; ".join(text[slice(*span)] for span in found[:LEAST_NOT_BUT])
    return Verdict(document_id=candidate.id, gate=NAME, keep=reason == "ok", reason=reason, scores=scores, explanation=quote)


def _met(text: str, brief: Brief | None, rubrics: tuple[Rubric, ...], reader: Reader) -> list[_Met]:
    seen: dict[str, set[Span]] = {}
    for pattern, span in reader.read(text, character_names(brief)):
        seen.setdefault(pattern.owner, set()).add(span)
    asked = (rubric for rubric in rubrics if rubric.id in seen and (not brief or rubric.applies(brief.recipe, brief.exercised)))
    found = (_Met(rubric, _placed(sorted(seen[rubric.id]), rubric.where, text)) for rubric in asked)
    return [met for met in found if met.spans]


def _placed(spans: list[Span], where: str, text: str) -> tuple[Span, ...]:
    """Those of the sentences that stand where the rubric looks."""
    if where == "anywhere":
        return tuple(spans)
    every = sentences(text)
    if where == "ending":
        return tuple(span for span in spans if span in every[-ENDING:])
    answer = _ANSWER.search(text) if _CONVERSATION.match(text) else None
    start = answer.start() if answer else 0
    first = [span for span in every if span.end > start][:OPENING]
    return tuple(span for span in spans if span in first)
