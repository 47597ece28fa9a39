"""What one document has said so far: its cast, its words, who has been named, which phrases are spent."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

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
_FRESH = frozenset({"detail", "spot", "weather", "time", "food", "sound"})
_SENTENCES_PER_NAME = 4  # a reader loses the thread of a bare pronoun after about this many slots


class Telling:
    """Fills slots for one document. Draws from ``rng`` only, so the same brief gives the same words.

    ``words`` maps a slot to the phrases to draw from: slots of the place come fresh at every use, all others are drawn once and kept.
    """

    def __init__(
        self, rng: random.Random, voice: Voice, character: Person, asker: Person, other: Person, words: Mapping[str, Sequence[str]]
    ) -> None:
        self.rng = rng
        self.voice = voice
        self.character, self.asker, self.other = character, asker, other
        self._words = words
        self._kept: dict[str, str] = {}
        self._decks: dict[str, list[str]] = {}
        self._named: set[str] = set()
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
        told = self._fill(compile_variant(variant), voice or self.voice)
        return told[:1].upper() + told[1:]

    def phrase(self, slot: str) -> str:
        """What a slot says, as a phrase on its own."""
        return self._word(slot, self.voice)

    def _fill(self, pieces: tuple[Piece, ...], voice: Voice) -> str:
        told = "".join(self._piece(piece, voice) for piece in pieces)
        return told.replace("can not ", "cannot ") if "can not " in told else told

    def _piece(self, piece: Piece, voice: Voice) -> str:
        if not piece.slot:
            return piece.text
        if piece.slot == "|":
            told = self._fill(self.rng.choice(piece.choices), voice)
        elif piece.slot in VERB_SLOTS:
            told = finite(piece.slot, piece.text, voice)
        elif piece.slot in MODALS:
            told = piece.slot if voice.tense == "past" else MODALS[piece.slot]
        else:
            told = self._word(piece.slot, voice)
        return told[:1].upper() + told[1:] if piece.start else told

    def _word(self, slot: str, voice: Voice) -> str:
        if slot in CHARACTER_PRONOUNS:
            return self._character(slot, voice)
        if slot in ASKER_PRONOUNS:
            return PRONOUNS[self.asker.pronoun][slot]
        if slot in OTHER_PRONOUNS:
            return PRONOUNS[self.other.pronoun][slot[:-1]]
        if slot in ("asker", "other"):
            return self._full_name(slot)
        if slot in ("asker_short", "other_short", "name"):
            return {"asker_short": self.asker, "other_short": self.other, "name": self.character}[slot].given
        if slot in _FRESH:
            return self._fill(compile_variant(self.draw(slot, self._phrases(slot))), voice)
        if slot not in self._kept:
            self._kept[slot] = self.rng.choice(list(self._phrases(slot)))
        return self._fill(compile_variant(self._kept[slot]), voice)

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
