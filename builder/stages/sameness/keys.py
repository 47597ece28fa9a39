"""What documents may share without sharing wording that dedup sees: how they open, how they end, how they were planned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from builder.measures import masked, names
from builder.records import Brief, Person
from builder.text import Span, sentences

KEY_WORDS = 12  # repeated first 12 words found planted templates as well as a count of all 5-grams, at half its cost
LEAST_WORDS = 4  # an opening of fewer words says nothing ("Dear _,"), so the next sentence is taken with it

PLAN = ("form", "opening", "outcome", "ending", "deliberation")
_LEAST_PLANNED = 4  # of the five: a recipe that varies fewer has no skeleton to repeat
_LOOKED_AT = 240  # characters from either end: twice what twelve words take
_NAMED_WITHIN = 1_000  # characters in which names are looked for where there is no brief to tell them


def opening(text: str, known: Iterable[str]) -> str:
    """The first sentence, or as many as make four words, in lower case, names and numbers masked, at most 12 words of it.

    >>> opening("Dear Oda,\\nAt 7 the boat came. It was late.", ["Oda"])
    'dear _, at 0 the boat came.'
    """
    head = text[:_LOOKED_AT]
    return _key(head, sentences(head), known, first=True)


def ending(text: str, known: Iterable[str]) -> str:
    """The same of the last sentence: its last 12 words."""
    tail = text[-_LOOKED_AT:]
    return _key(tail, sentences(tail), known, first=False)


def _key(text: str, spans: Sequence[Span], known: Iterable[str], first: bool) -> str:
    known = list(known)
    for taken in range(1, len(spans) + 1):
        piece = text[: spans[taken - 1].end] if first else text[spans[-taken].start :]
        found = masked(piece, known).split()
        if sum(any(char.isalpha() for char in word) for word in found) >= LEAST_WORDS:
            return " ".join(found[:KEY_WORDS] if first else found[-KEY_WORDS:])
    return ""


def known_names(text: str, brief: Brief | None) -> tuple[str, ...]:
    """The names of the brief's people and place; without a brief, the names that the text itself uses inside its sentences."""
    if brief is None:
        return tuple(dict.fromkeys(names(text[:_NAMED_WITHIN])))
    people = (*(value for _, value in brief if isinstance(value, Person)), *brief.spare_names)
    return tuple(dict.fromkeys(name for person in people for name in (person.given, person.family) if name)) + (brief.place,)


def plan(brief: Brief | None) -> str:
    """The skeleton of a document: form, opening, outcome, ending and deliberation; empty where the recipe varies too few of them."""
    if brief is None:
        return ""
    levels = [getattr(brief, name) for name in PLAN]
    return " / ".join(levels) if sum(level not in ("", "none") for level in levels) >= _LEAST_PLANNED else ""
