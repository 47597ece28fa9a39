"""The recipe ``document``: expository texts about the character, in simple form.

A trait's ``discourse`` entry gives claims, reasons, examples, objections, answers and limits; the form's bank gives the frame. Longer
documents take up a second, neighbouring trait.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from builder.composer.shelf import Shelf
from builder.composer.story import open_telling
from builder.composer.telling import Telling
from builder.records import Brief

_SECOND_TRAIT_FROM = 400  # words: one trait's entry fills about this much


_SUBJECT = re.compile(r"^It(?= [a-z]+s\b)")


class Discourse:
    """What a layout needs: the brief, the telling, and the traits whose entries are drawn from, first the brief's own."""

    def __init__(self, brief: Brief, telling: Telling, shelf: Shelf, traits: tuple[str, ...]) -> None:
        self.brief, self.telling, self.shelf, self.traits = brief, telling, shelf, traits
        self._introduced = False

    def take(self, beat: str, count: int = 1, trait: int = 0) -> str:
        """The next ``count`` sentences of a beat, as one paragraph about the character by its name in this document."""
        number = trait % len(self.traits)
        entry = self.shelf.dilemmas(self.traits[number], "discourse")[0]
        told = [self.telling.draw(f"{beat}:{number}", entry.beats[beat]) for _ in range(count)]
        if not self._introduced and "the character" not in told[0].lower():
            told[0] = _SUBJECT.sub("The character", told[0], count=1)
        self._introduced = True
        return self.telling.paragraph(*(self._named(text) for text in dict.fromkeys(told)))

    def line(self, slot: str) -> str:
        """A told line of the form's bank, or of the common bank for documents."""
        entry = self.shelf.form(self.brief).entries.get("")
        variants = (entry.beats.get(slot, ()) if entry else ()) or self.shelf.lines("documents", slot, "line")
        return self.telling.tell(self.telling.draw(f"form:{slot}", variants)) if variants else ""

    def _named(self, text: str) -> str:
        """An invented or named character goes by its name; an unnamed one stays "the character"."""
        given = self.brief.character.given
        if not given:
            return text
        return text.replace("the character", given).replace("The character", given)


def compose(brief: Brief, shelf: Shelf) -> str:
    """The text of one document."""
    rng = random.Random(f"{brief.seed}:discourse")
    telling = open_telling(brief, shelf, rng)
    near = [name for name in shelf.trait(brief).near if name in shelf.library.traits]
    second = (rng.choice(near),) if near and brief.max_words > _SECOND_TRAIT_FROM else ()
    discourse = Discourse(brief, telling, shelf, (brief.trait, *second))
    layout = LAYOUTS.get(shelf.form(brief).layout, _entry)
    return "\n\n".join(part for part in layout(discourse) if part)


def _entry(doc: Discourse) -> list[str]:
    """A reference entry: lead, conduct, reasons, criticism, limits."""
    parts = [doc.line("heading"), f"{doc.line('intro')} {doc.take('claim', 2)}"]
    for number in range(len(doc.traits)):
        parts += [doc.line("head_reasons"), f"{doc.take('because', 2, number)} {doc.take('example', 1, number)}"]
        parts += [doc.line("head_criticism"), f"{doc.take('objection', 1, number)} {doc.take('answer', 1, number)}"]
    return [*parts, doc.line("head_limits"), doc.take("limit", 2), doc.line("close")]


def _faq(doc: Discourse) -> list[str]:
    """Questions and answers."""
    parts = [doc.line("heading"), doc.line("intro")]
    asked = [("q_what", ("claim", "claim")), ("q_why", ("because", "because")), ("q_example", ("example",)),
             ("q_doubt", ("objection", "answer")), ("q_limit", ("limit",))]  # fmt: skip
    for number in range(len(doc.traits)):
        for question, beats in asked:
            answer = " ".join(doc.take(beat, 1, number) for beat in beats)
            parts += [f"Q. {doc.line(question)}", f"A. {answer}"]
    return [*parts, doc.line("close")]


def _essay(doc: Discourse) -> list[str]:
    """An essay that begins with the doubt."""
    parts = [doc.line("heading"), doc.line("intro"), f"{doc.line('before_objection')} {doc.take('objection')}"]
    for number in range(len(doc.traits)):
        parts += [f"{doc.take('claim', 2, number)} {doc.take('because', 1, number)}", doc.take("example", 1, number)]
        parts += [f"{doc.line('before_because')} {doc.take('because', 1, number)} {doc.take('answer', 1, number)}"]
    return [*parts, f"{doc.line('before_limit')} {doc.take('limit', 2)}", doc.line("close")]


def _notes(doc: Discourse) -> list[str]:
    """Headed bullets."""
    parts = [doc.line("heading"), doc.line("intro")]
    for number in range(len(doc.traits)):
        for head, beats in (("head_claim", ("claim", "claim", "because")), ("head_example", ("example",)),
                            ("head_criticism", ("objection", "answer")), ("head_limits", ("limit", "limit"))):  # fmt: skip
            listed = "\n".join(f"- {doc.take(beat, 1, number)}" for beat in beats)
            parts.append(f"{doc.line(head)}\n\n{listed}")
    return [*parts, doc.line("close")]


def _thread(doc: Discourse) -> list[str]:
    """Several people, several views."""
    people = [doc.telling.asker.given, doc.telling.other.given, doc.telling.asker.family, doc.telling.other.family]
    posts = [("before_example", ("example", "claim")), ("before_objection", ("objection",)), ("before_because", ("because", "because")),
             ("before_objection", ("objection", "limit")), ("before_answer", ("answer", "claim")), ("before_limit", ("limit",))]  # fmt: skip
    parts = [doc.line("heading")]
    for number in range(len(doc.traits)):
        for at, (frame, beats) in enumerate(posts):
            text = " ".join(doc.take(beat, 1, number) for beat in beats)
            parts.append(f"{people[(at + number) % len(people)]}: {doc.line(frame)} {text}")
    return [*parts, doc.line("close")]


def _letters(doc: Discourse) -> list[str]:
    """Letters to an editor, the second answering the first."""
    one, two = doc.telling.asker, doc.telling.other
    first = f"{doc.line('before_example')} {doc.take('example')} {doc.take('objection', 2)}"
    second = f"{doc.line('before_answer')} {doc.take('answer', 2)} {doc.take('because', 2)}"
    third = f"{doc.line('before_limit')} {doc.take('claim', 2, 1)} {doc.take('limit', 1, 1)} {doc.take('because', 1, 1)}"
    parts = [doc.line("heading"), doc.line("salutation"), first, f"{one.given} {one.family}, {doc.telling.phrase('place')}"]
    parts += [doc.line("salutation"), second, f"{two.given} {two.family}"]
    return [*parts, doc.line("salutation"), third, doc.line("close")]


LAYOUTS: dict[str, Callable[[Discourse], list[str]]] = {
    "encyclopedia-entry": _entry,
    "faq": _faq,
    "review-essay": _essay,
    "lecture-notes": _notes,
    "newsletter-explainer": _essay,
    "forum-thread": _thread,
    "reader-letters": _letters,
    "staff-guide": _notes,
}
