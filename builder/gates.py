"""What every gate is: candidates in, one verdict each out, in the same order.

A gate is a module of ``builder.stages`` with ``open_gate(context) -> Gate``; ``bildung gate NAME`` opens it by the module's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Candidate, Principle, Verdict
from builder.references import Reference

Gate = Callable[[Iterable[Candidate]], Iterator[Verdict]]


class GateContext(NamedTuple):
    """What a gate may read: thresholds and targets from the recipe, people's lists from the library, principles, references."""

    recipe: BuildRecipe
    library: Library
    principles: Sequence[Principle] = ()
    references: Sequence[Reference] = ()
