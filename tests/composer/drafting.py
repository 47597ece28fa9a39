"""Briefs and texts for the composer's tests: drawn by the real plan, written by the real banks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from builder.composer.write import Composer
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Principle
from builder.stages.plan import plan
from builder.stages.principles import read_constitution

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = "constitution/bildung.md"
UNSEEN = "tests/data/constitutions/unseen.md"


def principles(name: str) -> tuple[Principle, ...]:
    """The principles of a constitution of this project."""
    return read_constitution(name, (ROOT / name).read_bytes()).principles


def briefs(library: Library, count: int, constitution: str = EXAMPLE) -> list[Brief]:
    """The first ``count`` briefs of the default recipe."""
    return list(itertools.islice(plan(BuildRecipe(), library, principles(constitution)), count))


def texts(library: Library, drawn: list[Brief]) -> list[str]:
    """Each brief written."""
    composer = Composer(library)
    return [composer.write(brief).text for brief in drawn]


_POVS, _TENSES, _IDENTITIES = ("first", "third", "witness"), ("past", "present"), ("unnamed", "invented", "human")


def variations(library: Library, form_id: str, drawn: list[Brief], times: int = 1) -> Iterator[Brief]:
    """Real briefs moved to one form, in every voice, identity and length that the form allows."""
    form = library.forms[form_id]
    source = itertools.cycle(brief for brief in drawn if brief.recipe == form.recipes[0])
    bands = library.axes["length"]
    known = (form.povs or _POVS, form.tenses or _TENSES, form.identities or _IDENTITIES, form.lengths or tuple(bands))
    for pov, tense, identity, length in itertools.product(*known):
        fitting = (brief for brief in source if brief.identity == identity)
        for brief in itertools.islice(fitting, times) if identity in _IDENTITIES else ():
            band = bands[length]
            voice = {"form": form_id, "pov": pov, "tense": tense, "seed": f"{brief.seed}:{form_id}:{pov}:{tense}"}
            yield brief.model_copy(update={**voice, "length": length, "min_words": band.min_words, "max_words": band.max_words})


_FAULTS = {
    "a slot or a choice left open": r"[{}]|<[^<>\n]*\|",
    "a word twice": r"(?i)\b(the|a|an|of|to|and|or|but|his|her|my|its|was|is|were|be|he|she|i|they|with|at|by|from|before|after|than|as)"
    r" \1\b",
    "two articles": r"\b[Tt]he (?:a|an|the|my|his|her|its|their)\b|\b[Aa]n? (?:an|the|my|his|her|its|their)\b",
    "the wrong article": r"\b[Aa] (?:apple|egg|hour|old|ear|inch|open|empty|early|order|entry|error|answer|umbrella|onion)\b"
    r"|\b[Aa]n (?:[bcdfgjklmpqrstvwz]\w+)",
    "a blank before a stop": r" [.,;:?!](?!\.)",
    "two stops": r",[.,;]|;[.,]|(?<=\w)\.\.(?!\.)|[?!]\.(?!\.)|\.,|:\.",
    "an empty quotation": r'""',
    "two blanks": r"[a-z,;]  +\S",
    "three line ends": r"\n\n\n",
    "a possessive I": r"\b(?:I|me|my)'s\b",
    "a wrong verb": r"\bI (?:is|has|goes|says|does|knows|keeps)\b|\b[Ii]t am\b|\b(?:[Ss]?[Hh]e) (?:am|are)\b",
}
_COMPILED = {name: re.compile(pattern) for name, pattern in _FAULTS.items()}


def faults(text: str) -> list[str]:
    """What is wrong with the joints of a text, each with the words around it."""
    found = []
    for name, pattern in _COMPILED.items():
        for match in pattern.finditer(text):
            around = text[max(0, match.start() - 40) : match.end() + 40].replace("\n", "/")
            found.append(f"{name}: ...{around}...")
    return found
