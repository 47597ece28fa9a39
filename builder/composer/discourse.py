"""The recipe ``document``: expository texts about the character, in simple form.

A trait's ``discourse`` entry gives claims, reasons, examples, objections with their answers, and limits; the form's bank gives the frame,
in the voice of the kind of page it is. Longer documents take up one or two neighbouring traits as well.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from builder.composer.shelf import Lines, Shelf
from builder.composer.story import open_telling
from builder.composer.telling import Telling
from builder.records import Brief

_ANOTHER_TRAIT_FROM = (400, 700)  # words of the longest text allowed: from each on, one more trait's entry is needed to fill it


class Naming:
    """What the character is called in one document: by name and work at first, then for short.

    >>> naming = Naming("the desk at the ferry office", "Kame")
    >>> naming.told("The character waits."), naming.told("People like the character.")
    ('Kame, the desk at the ferry office, waits.', 'People like Kame.')
    """

    def __init__(self, role: str, given: str) -> None:
        self._first = f"{given}, {role}" if given else role
        self._short = given or _HEAD_ENDS.split(role)[0]
        self._apposed = bool(given)
        self.introduced = False

    def told(self, text: str) -> str:
        """The text with "the character" named; unchanged where it speaks of nobody."""
        return _CHARACTER.sub(self._called, text)

    def _called(self, match: re.Match[str]) -> str:
        own = match["own"] or ""
        if self.introduced or (own and self._apposed):
            called = self._short + own
        else:
            self.introduced = True
            called = self._first + own + ("," if self._apposed and match["goes_on"] is not None else "")
        return called[0].upper() + called[1:] if match[0].startswith("T") else called


_CHARACTER = re.compile(r"\b[Tt]he character(?P<own>'s)?(?P<goes_on>(?= \w))?")
_HEAD_ENDS = re.compile(r",| (?:of|that|who|which|for|at|in|on|with|behind|under|over|by|from)\b")


class Discourse:
    """What a layout needs: the brief, the telling, and the traits whose entries are drawn from, first the brief's own."""

    def __init__(self, brief: Brief, telling: Telling, shelf: Shelf, traits: tuple[str, ...]) -> None:
        self.brief, self.telling, self.shelf, self.traits = brief, telling, shelf, traits
        self._naming = Naming(telling.phrase("role"), brief.character.given)

    @property
    def others(self) -> range:
        """The numbers of the traits after the brief's own."""
        return range(1, len(self.traits))

    def take(self, beat: str, count: int = 1, trait: int = 0) -> str:
        """The next ``count`` sentences of a beat, as one paragraph about the character by its name in this document."""
        return " ".join(self.items(beat, count, trait))

    def items(self, beat: str, count: int, trait: int = 0) -> list[str]:
        """The same, each on its own: the first names its subject, the next says "it" for the same one."""
        variants = self._beat(beat, trait)
        first, *rest = (self.telling.draw(f"{beat}:{trait}", variants) for _ in range(min(count, len(variants))))
        once_named = [_SUBJECT.sub("It", later, count=1) if _SUBJECT.match(first) else later for later in rest]
        return [self._told(named_first(first)), *map(self._told, once_named)]

    def contested(self, trait: int = 0) -> tuple[str, str]:
        """An objection and the answer to it: the two lists of the bank run side by side."""
        objections, answers = self._beat("objection", trait), self._beat("answer", trait)
        drawn = self.telling.draw(f"objection:{trait}", objections)
        return self._told(drawn), self._told(named_first(answers[objections.index(drawn) % len(answers)]))

    def line(self, slot: str) -> str:
        """A told line of the form's bank, or of the common bank for documents."""
        entry = self.shelf.form(self.brief).entries.get("")
        variants = (entry.beats.get(slot, ()) if entry else ()) or self.shelf.lines("documents", slot, "line")
        return self._told(self.telling.draw(f"form:{slot}", variants)) if variants else ""

    def _beat(self, beat: str, trait: int) -> Lines:
        return self.shelf.dilemmas(self.traits[trait % len(self.traits)], "discourse")[0].beats[beat]

    def _told(self, variant: str) -> str:
        return self._naming.told(self.telling.tell(variant))


# "It" is the character before a verb of its own; "It is easy", "It may be said" speak of nobody.
_SUBJECT = re.compile(r"^(?:The character|It)(?= (?:(?!is\b|was\b|has been\b)\w+s|(?:can|may|will) (?!be\b|very\b|well\b|excuse\b)\w+)\b)")
_DEPENDENT = re.compile(r"^(Because|Since|When|Where|If) it\b(?!.*the character)")


def named_first(variant: str) -> str:
    """A variant that can begin a paragraph: its leading "it" is the character by name.

    >>> named_first("It does so because people ask."), named_first("It is easy to be calm.")
    ('The character does so because people ask.', 'It is easy to be calm.')
    """
    return _DEPENDENT.sub(r"\1 the character", _SUBJECT.sub("The character", variant, count=1))


def compose(brief: Brief, shelf: Shelf) -> str:
    """The text of one document."""
    rng = random.Random(f"{brief.seed}:discourse")
    telling = open_telling(brief, shelf, rng)
    near = [name for name in shelf.trait(brief).near if name in shelf.library.traits]
    others = rng.sample(near, min(len(near), sum(brief.max_words > words for words in _ANOTHER_TRAIT_FROM)))
    discourse = Discourse(brief, telling, shelf, (brief.trait, *others))
    layout = LAYOUTS.get(shelf.form(brief).layout, _entry)
    return "\n\n".join(part for part in layout(discourse) if part)


def _run(*parts: str) -> str:
    """Sentences that belong together, as one paragraph."""
    return " ".join(part for part in parts if part)


def _bullets(*items: str) -> str:
    return "\n".join(f"- {item}" for item in items if item)


def _entry(doc: Discourse) -> list[str]:
    """A reference entry: lead, reasons, related habits, criticism, limits."""
    parts = [doc.line("heading"), _run(doc.line("intro"), doc.take("claim", 2))]
    parts += [doc.line("head_reasons"), doc.take("because", 2), _run(doc.line("case"), doc.take("example"))]
    for number in doc.others:
        parts += [doc.line("head_turn"), _run(doc.line("turn"), doc.take("claim", 2, number), doc.take("because", 1, number))]
        parts.append(_run(doc.line("case"), doc.take("example", 1, number)))
    parts += [doc.line("head_criticism"), *(_run(*doc.contested(number)) for number in (0, *doc.others))]
    return [*parts, doc.line("head_limits"), doc.take("limit", 2), doc.line("close")]


def _faq(doc: Discourse) -> list[str]:
    """Questions and answers; a question about another habit opens each further trait."""
    parts = [doc.line("heading"), doc.line("intro")]
    for number in (0, *doc.others):
        asked = [("q_also" if number else "q_what", doc.take("claim", 2, number)), ("q_why", doc.take("because", 2, number)),
                 ("q_example", doc.take("example", 1, number)), ("q_doubt", _run(doc.line("grant"), *doc.contested(number))),
                 ("q_limit", doc.take("limit", 1, number))]  # fmt: skip
        parts += [line for question, answer in asked for line in (f"Q. {doc.line(question)}", f"A. {answer}")]
    return [*parts, doc.line("close")]


def _essay(doc: Discourse) -> list[str]:
    """An essay by somebody who is not convinced: the doubt first, then what can be said, then the doubt again."""
    parts = [doc.line("heading"), doc.line("intro"), _run(doc.line("before_claim"), doc.take("claim", 2))]
    parts += [_run(doc.line("before_because"), doc.take("because")), _run(doc.line("before_example"), doc.take("example"))]
    parts += _argued(doc, 0)
    for number in doc.others:
        parts += [_run(doc.line("turn"), doc.take("claim", 2, number), doc.take("because", 1, number))]
        parts += [_run(doc.line("before_example"), doc.take("example", 1, number)), *_argued(doc, number)]
    return [*parts, _run(doc.line("before_limit"), doc.take("limit", 2)), doc.line("close")]


def _argued(doc: Discourse, number: int) -> list[str]:
    objection, answer = doc.contested(number)
    return [_run(doc.line("before_objection"), objection), _run(doc.line("before_answer"), answer)]


def _lecture(doc: Discourse) -> list[str]:
    """Headed bullets, with what was asked from the floor and what was said to it."""
    parts = [doc.line("heading"), doc.line("intro")]
    for number in (0, *doc.others):
        parts += [doc.line("turn") if number else "", doc.line("head_claim"), _bullets(*doc.items("claim", 2, number))]
        parts += [doc.line("head_reasons"), _bullets(*doc.items("because", 2, number))]
        parts += [doc.line("head_example"), _bullets(doc.take("example", 1, number))]
        objection, answer = doc.contested(number)
        parts += [doc.line("head_criticism"), _bullets(_run(doc.line("floor"), objection), _run(doc.line("reply"), answer))]
    return [*parts, doc.line("head_limits"), _bullets(*doc.items("limit", 2)), doc.line("close")]


def _guide(doc: Discourse) -> list[str]:
    """Headed bullets for somebody who starts on Monday, with what to tell the people at the counter."""
    parts = [doc.line("heading"), doc.line("intro"), doc.line("head_claim"), _bullets(*doc.items("claim", 2))]
    for number in doc.others:
        parts += [_run(doc.line("turn"), doc.take("claim", 2, number)), _run(doc.line("before_because"), doc.take("because", 1, number))]
    parts += [doc.line("head_reasons"), _bullets(*doc.items("because", 2))]
    parts += [doc.line("head_example"), *(doc.take("example", 1, number) for number in (0, *doc.others))]
    for number in (0, *doc.others):
        objection, answer = doc.contested(number)
        parts += [doc.line("head_criticism"), _bullets(_run(doc.line("they_say"), objection), _run(doc.line("you_say"), answer))]
    return [*parts, doc.line("head_limits"), _bullets(*doc.items("limit", 2)), doc.line("close")]


def _thread(doc: Discourse) -> list[str]:
    """Several people, several views; nobody answers themselves."""
    people = [doc.telling.asker.given.lower(), *(doc.line("handle").lower() for _ in range(_POSTERS))]
    posts = [doc.line("post_open")]
    for number in (0, *doc.others):
        posts.append(_run(doc.line("post_turn" if number else "post_claim"), doc.take("claim", 2, number)))
        objection, answer = doc.contested(number)
        posts.append(_run(doc.line("post_objection"), objection))
        posts += [_run(doc.line("post_answer"), answer), _run(doc.line("post_because"), doc.take("because", 2, number))]
        posts.append(_run(doc.line("post_example"), doc.take("example", 1, number)))
    posts.append(_run(doc.line("post_limit"), doc.take("limit", 2)))
    signed = [f"{people[at % len(people)]}: {post}" for at, post in enumerate(posts)]
    return [doc.line("heading"), *signed, doc.line("close")]


_POSTERS = 5  # besides the one who asks: a habit takes five posts, so the parts change hands from one habit to the next


def _letters(doc: Discourse) -> list[str]:
    """Letters to an editor: a complaint, an answer to it, and a third who has something to add."""
    one, two, last = doc.telling.asker, doc.telling.other, len(doc.traits) - 1
    parts = [doc.line("heading"), doc.line("salutation")]
    opening = doc.line("letter_one")
    objection, answer = doc.contested()
    parts += [_run(opening, objection), doc.line("one_end")]
    parts += [f"{one.given} {one.family}, {doc.telling.phrase('place')}", doc.line("salutation"), _run(doc.line("letter_two"), answer)]
    parts += [_run(doc.take("claim", 2), doc.take("because", 2)), doc.line("two_end"), f"{two.given} {two.family}"]
    parts += [doc.line("salutation"), _run(doc.line("letter_three"), doc.take("example"))]
    for number in doc.others:
        parts += [_run(doc.line("turn"), doc.take("claim", 2, number), doc.take("because", 1, number)), _run(*doc.contested(number))]
    return [*parts, _run(doc.line("before_limit"), doc.take("limit", 2, last)), doc.line("signature"), doc.line("close")]


LAYOUTS: dict[str, Callable[[Discourse], list[str]]] = {
    "encyclopedia-entry": _entry,
    "faq": _faq,
    "review-essay": _essay,
    "lecture-notes": _lecture,
    "newsletter-explainer": _essay,
    "forum-thread": _thread,
    "reader-letters": _letters,
    "staff-guide": _guide,
}
