"""The banks, read once a process and ready to draw from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from builder.library import Form, Library
from builder.markdown import Entry
from builder.records import Brief, Trait

Lines = tuple[str, ...]


class Dilemma(NamedTuple):
    """One entry of a trait's bank: its kind (situation, idle, advice, discourse), what it needs, and its beats."""

    id: str
    kind: str
    needs: str
    beats: Mapping[str, Lines]


class Shelf:
    """Banks by name, with the nearest trait standing in where a trait has no bank of its own."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._dilemmas: dict[str, tuple[Dilemma, ...]] = {}

    def lines(self, bank: str, entry: str, beat: str = "line") -> Lines:
        """The variants of one beat, empty where a bank lacks it."""
        found = self._bank(bank).get(entry)
        return found.beats.get(beat, ()) if found else ()

    def form(self, brief: Brief) -> Form:
        """The form of a brief."""
        return self.library.forms[brief.form]

    def trait(self, brief: Brief) -> Trait:
        """The trait of a brief."""
        return self.library.traits[brief.trait]

    def dilemmas(self, trait_id: str, kind: str, human: bool = False) -> tuple[Dilemma, ...]:
        """The entries of one kind for a trait, or for its nearest trait that has some; those a human cannot be in left out."""
        for candidate in self._nearest(trait_id):
            found = tuple(
                dilemma
                for dilemma in self._read(candidate)
                if dilemma.kind == kind and not (human and dilemma.needs == "ai")
            )
            if found:
                return found
        return ()

    def _read(self, trait_id: str) -> tuple[Dilemma, ...]:
        if trait_id not in self._dilemmas:
            self._dilemmas[trait_id] = tuple(
                _dilemma(entry) for entry in self.library.bank(f"traits/{trait_id}").values() if entry.id
            )
        return self._dilemmas[trait_id]

    def _nearest(self, trait_id: str) -> list[str]:
        """Trait ids with a bank, the trait itself and its declared neighbours first, then by shared keywords."""
        trait = self.library.traits[trait_id]
        words = set(trait.keywords) | set(trait.description.lower().split())
        rest = sorted(self._banked, key=lambda other: (-self._shared(words, other), other))
        return list(dict.fromkeys([trait_id, *trait.near, *rest]))

    def _shared(self, words: set[str], trait_id: str) -> int:
        other = self.library.traits.get(trait_id)
        return len(words & (set(other.keywords) | set(other.description.lower().split()))) if other else 0

    @cached_property
    def _banked(self) -> tuple[str, ...]:
        return self.library.bank_names("traits")

    def _bank(self, name: str) -> Mapping[str, Entry]:
        if name not in self._banks:
            self._banks[name] = self.library.bank(name)
        return self._banks[name]

    @cached_property
    def _banks(self) -> dict[str, Mapping[str, Entry]]:
        return {}


def _dilemma(entry: Entry) -> Dilemma:
    kind = entry.attributes.get("kind", "situation")
    return Dilemma(entry.id, kind, entry.attributes.get("needs", ""), entry.beats)
