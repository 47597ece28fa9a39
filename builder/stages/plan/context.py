"""What every brief of one plan is drawn from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from builder.errors import UsageError, no_such
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Person, Principle, Tension
from builder.shapes import Shape, shapes
from builder.stages.plan.matching import held_out, match

_WORD = re.compile(r"[^\W\d_]{4,}")  # the words that a motif is known by; articles and prepositions are shorter
_ALIKE = 2  # shared words from which two motifs are one: "a letter in the attic", "a letter found in an attic"


class Context(NamedTuple):
    """What every brief of one plan is drawn from."""

    recipe: BuildRecipe
    library: Library
    principles: dict[str, tuple[Principle, ...]]
    tensions: dict[str, tuple[Tension, ...]]
    everyone: tuple[Person, ...]
    eval_shapes: tuple[Shape, ...]
    motifs: tuple[str, ...]
    worn: tuple[str, ...]


def open_context(recipe: BuildRecipe, library: Library, principles: Sequence[Principle]) -> Context:
    """The library without what the recipe holds out; ``UsageError`` where it names what does not exist or holds out all there is."""
    for name in recipe.holdout.principles:
        if not any(held_out(principle, (name,)) for principle in principles):
            known = (principle.id for principle in principles)
            raise UsageError(f"[holdout] principles: {no_such('principle', name, known)[:400]}; 'bildung principles' lists them")
    free = [principle for principle in principles if not held_out(principle, recipe.holdout.principles)]
    traits = {name: trait for name, trait in library.traits.items() if name not in recipe.holdout.traits}
    if not any(principle.kind in ("norm", "reason") for principle in free) or not traits:
        raise UsageError("the recipe holds out every principle or trait, or the constitutions give nothing but examples; loosen [holdout]")
    tensions = [row for row in library.tensions.values() if row.id not in recipe.holdout.tensions and set(row.between) <= set(traits)]
    everyone = tuple(person for people in library.people.values() for person in people)
    worn = library.words("worn_motifs")
    return Context(
        recipe, library, match(free, traits), {name: tuple(row for row in tensions if name in row.between) for name in traits}, everyone,
        shapes(library.words("eval_shapes")), unworn(library.motifs, worn), worn,
    )  # fmt: skip


def unworn(motifs: Iterable[str], worn: Iterable[str]) -> tuple[str, ...]:
    """The motifs that none of the worn ones resembles: no brief may both offer and forbid a thing.

    >>> unworn(("a bent spoon", "the locket", "a letter from an attic"), ("an old locket", "a letter found in an attic"))
    ('a bent spoon',)
    """
    known = [_words(motif) for motif in worn]
    return tuple(motif for motif in motifs if not any(len(_words(motif) & other) >= min(_ALIKE, len(other) or _ALIKE) for other in known))


def _words(motif: str) -> frozenset[str]:
    return frozenset(_WORD.findall(motif.lower()))
