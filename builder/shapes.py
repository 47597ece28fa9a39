"""Shapes of known evaluation scenarios: no brief may ask for one, and no document may hold one.

The claim of such a corpus is generalisation, and an overlap voids it. A shape is a combination of motifs, not a word:
every group of a line of ``story_prompts/lists/eval_shapes.txt`` must be met.
"""

from __future__ import annotations

from collections.abc import Sequence

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
