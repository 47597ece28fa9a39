"""What one document has said so far: its cast, its words, who has been named, which phrases are spent."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache

from builder.composer.grammar import (
    ASKER_PRONOUNS,
    CHARACTER_PRONOUNS,
    MODALS,
    OTHER_PRONOUNS,
    VERB_SLOTS,
    Piece,
    Voice,
    compile_variant,
    finite,
)
from builder.errors import UsageError
from builder.records import Person

PRONOUNS: dict[str, dict[str, str]] = {
    "she": {"they": "she", "them": "her", "their": "her", "theirs": "hers", "themself": "herself"},
    "he": {"they": "he", "them": "him", "their": "his", "theirs": "his", "themself": "himself"},
    "it": {"they": "it", "them": "it", "their": "its", "theirs": "its", "themself": "itself"},
}
_AS_CHARACTER = {"I": "they", "me": "them", "my": "their", "mine": "theirs", "myself": "themself"}
_WHO = {"they": "asker", "they2": "other", "I": "character", "asker": "asker", "other": "other"}
_FRESH = frozenset({"detail", "spot", "weather", "time", "food", "sound"})
_SENTENCES_PER_NAME = 4  # a reader loses the thread of a bare pronoun after about this many slots


_NOUNS = frozenset(
    ["record", "product", "instrument", "cross_check", "boss", "workplace", "small_thing", "access", "role", "detail", "sound", "food",
     "client", "colleague"]
)  # fmt: skip
_BETWEEN_SUBJECT_AND_VERB = frozenset((" ", " still ", " never ", " also ", " only ", " always ", " already ", " now ", " itself "))
_PREPOSITION_LAST = re.compile(r"\b(?:of|in|at|on|to|from|with|for|by|about|beside|behind|under|over|into|near|past|than|like) $")
_HEAD_ENDS = re.compile(
    r",| (?:of|that|who|which|in|from|on|at|with|for|by|beside|between|behind|under|over|above|below|to|without|nobody|left|kept|upstairs|"
    r"[a-z]+ing)\b"
)


@cache
def is_plural(phrase: str) -> bool:
    """Whether a noun phrase of the banks is plural, by its head noun.

    >>> is_plural("the handover notes"), is_plural("the gauge at the next quay"), is_plural("the boss")
    (True, False, False)
    """
    head = _HEAD_ENDS.split(phrase, maxsplit=1)[0].split()[-1:]
    if not head or head[0] == "summons":
        return False
    return head[0] in ("people", "men", "women", "children") or bool(re.search(r"[^siu'\u2019]s$", head[0]))


_ADDRESSED_LAST = re.compile(r", \{name\}(?=[.?!,\"])")
_ADDRESSED_FIRST = re.compile(r'(^|")\{name\}, (\w)')


@cache
def without_address(variant: str) -> str:
    """A variant in which nobody calls the character by name: one that has none is spoken to without.

    >>> without_address('"Well, {name}? Tell {name} so."')
    '"Well? Tell {name} so."'
    """
    told = _ADDRESSED_LAST.sub("", variant)
    return _ADDRESSED_FIRST.sub(lambda match: match[1] + match[2].upper(), told)


class Telling:
    """Fills slots for one document. Draws from ``rng`` only, so the same brief gives the same words.

    ``words`` maps a slot to the phrases to draw from: slots of the place come fresh at every use, all others are drawn once and kept.
    """

    def __init__(
        self, rng: random.Random, voice: Voice, character: Person, asker: Person, other: Person, words: Mapping[str, Sequence[str]]
    ) -> None:
        self.rng = rng
        self.voice = voice
        self.unnamed = character.given.startswith("the ")
        self.character, self.asker, self.other = character, asker, other
        self._words = words
        self._kept: dict[str, str] = {}
        self._decks: dict[str, list[str]] = {}
        self._named: set[str] = set()
        self._meant: dict[str, str] = {}  # pronoun -> whom it last meant
        self._since_name = _SENTENCES_PER_NAME

    def draw(self, deck: str, variants: Sequence[str]) -> str:
        """One variant of a named deck; none comes twice before all have come once."""
        left = self._decks.get(deck)
        if not left:
            left = self._decks[deck] = list(variants)
            self.rng.shuffle(left)
        return left.pop()

    def keep(self, slot: str, phrase: str) -> None:
        """Fix what a slot says in this document."""
        self._kept[slot] = phrase

    def paragraph(self, *variants: str, voice: Voice | None = None) -> str:
        """The variants told one after another, as one paragraph that names its people afresh."""
        self._since_name = _SENTENCES_PER_NAME
        return " ".join(told for told in (self.tell(variant, voice) for variant in variants) if told)

    def tell(self, variant: str, voice: Voice | None = None) -> str:
        """One variant in the document's voice, or in another."""
        told = self._fill(compile_variant(without_address(variant) if self.unnamed else variant), voice or self.voice)
        return told[:1].upper() + told[1:]

    def phrase(self, slot: str) -> str:
        """What a slot says, as a phrase on its own."""
        return self._word(slot, self.voice)

    def _fill(self, pieces: tuple[Piece, ...], voice: Voice) -> str:
        parts: list[str] = []
        several = False  # whether the subject just named is plural, so that its verb can agree
        for piece, after in zip(pieces, (*pieces[1:], Piece("")), strict=False):
            told = self._piece(piece, voice, several)
            if piece.slot in MODALS and after.text.startswith(" have "):
                told = piece.slot[:1].upper() + piece.slot[1:] if piece.start else piece.slot  # "could have known", in the present too
            if not piece.slot:
                several = several and told in _BETWEEN_SUBJECT_AND_VERB
            elif piece.slot in _NOUNS:
                several = is_plural(told) and not (parts and _PREPOSITION_LAST.search(parts[-1]))
            parts.append(told)
        filled = "".join(parts)
        return filled.replace("can not ", "cannot ") if "can not " in filled else filled

    def _piece(self, piece: Piece, voice: Voice, several: bool) -> str:
        if not piece.slot:
            return piece.text
        if piece.slot == "|":
            told = self._fill(self.rng.choice(piece.choices), voice)
        elif piece.slot in VERB_SLOTS:
            told = finite("p" if several and piece.slot == "s" else piece.slot, piece.text, voice)
        elif piece.slot in MODALS:
            told = piece.slot if voice.tense == "past" else MODALS[piece.slot]
        else:
            told = self._unmistaken(piece, voice) or self._word(piece.slot, voice)
        return told[:1].upper() + told[1:] if piece.start else told

    def _unmistaken(self, piece: Piece, voice: Voice) -> str:
        """A name for the "she" that opens a sentence, where a human character is "she" too and the last one meant was somebody else."""
        who = _WHO.get(piece.slot, "")
        if not who or voice.person == "first" or self.character.pronoun == "it":
            return ""
        person = {"asker": self.asker, "other": self.other, "character": self.character}[who]
        before, self._meant[person.pronoun] = self._meant.get(person.pronoun, who), who
        if before == who or not piece.start or piece.slot == who:
            return ""
        if who != "character":
            return self._full_name(who)
        self._since_name = 0
        return person.given

    def _word(self, slot: str, voice: Voice) -> str:
        if slot in CHARACTER_PRONOUNS:
            return self._character(slot, voice)
        if slot in ASKER_PRONOUNS:
            return PRONOUNS[self.asker.pronoun][slot]
        if slot in OTHER_PRONOUNS:
            return PRONOUNS[self.other.pronoun][slot[:-1]]
        if slot in ("asker", "other"):
            return self._full_name(slot)
        if slot == "name":
            self._since_name = 0
        if slot in ("asker_short", "other_short", "name"):
            return {"asker_short": self.asker, "other_short": self.other, "name": self.character}[slot].given
        if slot in _FRESH:
            return self._fill(compile_variant(self.draw(slot, self._phrases(slot)), inside=True), voice)
        if slot not in self._kept:
            self._kept[slot] = self.rng.choice(list(self._phrases(slot)))
        return self._fill(compile_variant(self._kept[slot], inside=True), voice)

    def _phrases(self, slot: str) -> Sequence[str]:
        try:
            return self._words[slot]
        except KeyError as error:
            raise UsageError(f"a bank uses the slot {{{slot}}}, which nothing fills; see story_prompts/offline/README.md") from error

    def _character(self, slot: str, voice: Voice) -> str:
        if voice.person == "first":
            return slot
        if slot in ("I", "my") and self._since_name >= _SENTENCES_PER_NAME:
            self._since_name = 0
            return self.character.given + ("'s" if slot == "my" else "")
        self._since_name += slot == "I"
        return PRONOUNS[self.character.pronoun][_AS_CHARACTER[slot]]

    def _full_name(self, slot: str) -> str:
        person = self.asker if slot == "asker" else self.other
        self._since_name = max(self._since_name, 2)
        if slot in self._named:
            return person.given
        self._named.add(slot)
        return f"{person.given} {person.family}".strip()
