"""One bank variant, told in a voice.

A variant is text with ``{slots}`` and ``<one|of|several>`` alternatives; ``story_prompts/offline/README.md`` lists the slots.
Compiling cuts it into literals and slots once; telling fills the slots for a voice and a cast.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple

VERB_SLOTS = {"v", "s", "p"}
CHARACTER_PRONOUNS = {"I", "me", "my", "mine", "myself"}
ASKER_PRONOUNS = {"they", "them", "their", "theirs", "themself"}
OTHER_PRONOUNS = {"they2", "them2", "their2", "theirs2", "themself2"}
MODALS = {"could": "can", "would": "will", "might": "may"}
SPEECH_VERBS = frozenset(
    [
        "say", "ask", "answer", "reply", "add", "tell", "write", "shout", "call", "murmur", "mutter", "offer", "put", "repeat", "admit",
        "explain", "read", "insist", "agree", "begin", "go",
    ]  # fmt: skip
)

_PIECE = re.compile(r"\{([^{}]+)\}|<([^<>]*\|[^<>]*)>")
_SENTENCE_START = re.compile(r"(?:^|[.!?:]?\n\s*|[.!?][\"')]?\s+)[\"'(]*$")
_QUESTION_CLOSED = re.compile(r"[?!]\"\s+$")


class Voice(NamedTuple):
    """Who tells it and when: grammatical person and tense of the character's sentences."""

    person: Literal["first", "third"]
    tense: Literal["past", "present"]


class Piece(NamedTuple):
    """A literal (``slot == ""``), a set of alternatives (``slot == "|"``), or a slot; ``start`` marks the start of a sentence."""

    slot: str
    text: str = ""
    start: bool = False
    choices: tuple[tuple[Piece, ...], ...] = ()


@cache
def compile_variant(text: str, inside: bool = False) -> tuple[Piece, ...]:
    """Cut a variant into pieces; ``inside`` a sentence its first slot takes no capital. Cached: a bank is compiled once a process."""
    return _cut(text, _WITHIN if inside else "")


_WITHIN = "and "  # any words that a sentence could have begun with


def _cut(text: str, before: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    at = 0
    for match in _PIECE.finditer(text):
        if match.start() > at:
            pieces.append(Piece("", text[at : match.start()]))
        lead = before + text[: match.start()]
        start = bool(_SENTENCE_START.search(lead)) and not _is_speech_tag(lead, text[match.start() :])
        if match[1]:
            name, _, argument = match[1].partition(":")
            capital = name[:1].isupper() and name != "I"
            pieces.append(Piece(name[:1].lower() + name[1:] if capital else name, argument, start or capital))
        else:
            choices = tuple(_cut(choice, lead) for choice in match[2].split("|"))
            pieces.append(Piece("|", "", start, choices))
        at = match.end()
    if at < len(text):
        pieces.append(Piece("", text[at:]))
    return tuple(pieces)


def _is_speech_tag(lead: str, rest: str) -> bool:
    """Whether a slot right after ``?"`` or ``!"`` names the speaker ('"No?" she said') and so stays lower case."""
    if not _QUESTION_CLOSED.search(lead):
        return False
    verb = re.match(r"(?:\{\w+\}\s+)?\{[vs]:(\w+)", rest)
    return verb is not None and verb[1] in SPEECH_VERBS


@cache
def inflect(verb: str, form: Literal["past", "third", "base"]) -> str:
    """A finite form of a verb; only the first word of a phrasal verb changes.

    >>> inflect("keep up", "third")
    'keeps up'
    """
    head, space, tail = verb.partition(" ")
    if head in MODALS:
        return verb if form == "past" else MODALS[head] + space + tail
    if form == "base":
        return verb
    return _inflected(head, form) + space + tail


def _inflected(head: str, form: Literal["past", "third"]) -> str:
    from lemminflect import getInflection

    known = _AMBIGUOUS.get((head, form))
    if known:
        return known
    forms = getInflection(head, tag="VBD" if form == "past" else "VBZ")
    british = [found for found in forms if found.endswith(("lled", "lling"))]  # "travelled", as the banks spell
    return str((british or forms)[0]) if forms else head


# Where a verb has two past forms, or the inflector prefers the rarer, the banks mean this one.
_AMBIGUOUS: dict[tuple[str, str], str] = {
    ("be", "past"): "was",
    ("be", "third"): "is",
    ("lie", "past"): "lay",
    ("hang", "past"): "hung",
    ("lay", "past"): "laid",
    ("pay", "past"): "paid",
    ("light", "past"): "lit",
    ("wake", "past"): "woke",
    ("shine", "past"): "shone",
    ("learn", "past"): "learned",
    ("lean", "past"): "leaned",
    ("leave", "past"): "left",
    ("find", "past"): "found",
    ("wind", "past"): "wound",
    ("fit", "past"): "fitted",
    ("creep", "past"): "crept",
    ("must", "past"): "had to",
    ("must", "third"): "must",
}


def finite(slot: str, verb: str, voice: Voice) -> str:
    """The finite form of ``verb`` for subject slot ``v`` (the character), ``s`` (one other) or ``p`` (several).

    >>> finite("v", "be", Voice("first", "present")), finite("p", "be", Voice("third", "past"))
    ('am', 'were')
    """
    first_or_plural = slot == "p" or (slot == "v" and voice.person == "first")
    if verb == "be" or verb.startswith("be "):
        tail = verb[2:]
        if voice.tense == "past":
            return ("were" if slot == "p" else "was") + tail
        return ("are" if slot == "p" else "am" if first_or_plural else "is") + tail
    if voice.tense == "past":
        return inflect(verb, "past")
    return inflect(verb, "base") if first_or_plural else inflect(verb, "third")
