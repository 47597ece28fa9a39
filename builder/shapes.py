"""Shapes of known evaluation scenarios: no brief may ask for one, and no document may hold one.

The claim of such a corpus is generalisation, and an overlap voids it. A shape is a combination of motifs, not a word:
every group of a line of ``story_prompts/lists/eval_shapes.txt`` must be met.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

import ahocorasick

Shape = tuple[tuple[str, ...], ...]


def shapes(lines: Sequence[str]) -> tuple[Shape, ...]:
    """Read ``motif|motif + motif|motif`` lines: each shape is its groups, each group its motifs in lower case."""
    return tuple(tuple(_motifs(group) for group in line.split(" + ")) for line in lines)


def _motifs(group: str) -> tuple[str, ...]:
    return tuple(motif.strip().lower() for motif in group.split("|") if motif.strip())


def resembles(text: str, known: Sequence[Shape]) -> bool:
    """Whether all groups of one shape occur; a motif counts where it begins a word."""
    low = text.lower()
    return any(all(any(_begins_a_word(low, motif) for motif in group) for group in shape) for shape in known)


def _begins_a_word(low: str, motif: str) -> bool:
    at = low.find(motif)
    while at > 0 and (low[at - 1].isalnum() or low[at - 1] == "_"):
        at = low.find(motif, at + 1)
    return at >= 0


class Motifs:
    """Many shapes at once: their motifs are looked for in one pass (Aho-Corasick), each where it begins a word."""

    def __init__(self, known: Sequence[Shape]) -> None:
        groups = list(dict.fromkeys(group for shape in known for group in shape))
        self._automaton = ahocorasick.Automaton()
        motifs: dict[str, int] = {}
        for bit, group in enumerate(groups):
            for motif in group:
                motifs[motif] = motifs.get(motif, 0) | 1 << bit
        for motif, bits in motifs.items():
            self._automaton.add_word(motif, (len(motif), bits))
        self._automaton.make_automaton()
        self._needs = [reduce(or_, (1 << groups.index(group) for group in shape), 0) for shape in known]

    def met(self, text: str) -> tuple[int, ...]:
        """Which of the shapes, by their place, a text meets; the same as ``resembles`` for each."""
        low = text.lower()
        found = 0
        for end, (length, bits) in self._automaton.iter(low) if len(self._automaton) else ():
            start = end + 1 - length
            if start == 0 or not (low[start - 1].isalnum() or low[start - 1] == "_"):
                found |= bits
        return tuple(at for at, needs in enumerate(self._needs) if needs & found == needs)
