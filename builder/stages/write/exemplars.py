"""Hand-written references as examples for a writer: of other matters than the brief's, rotated, never two that look alike."""

from __future__ import annotations

import random
from collections.abc import Sequence

from builder.records import Brief
from builder.references import Reference


def exemplars(references: Sequence[Reference], brief: Brief, count: int) -> tuple[Reference, ...]:
    """So many references of the brief's recipe and of other traits; no two share a form, nor an opening kind.

    Each comes as often as the others over a long plan: the n-th brief begins where the one before it ended, in an order drawn anew for
    each time round.
    """
    own = [reference for reference in references if reference.recipe == brief.recipe]
    if not own or not count:
        return ()
    start, round_number = brief.position * count % len(own), brief.position * count // len(own)
    order = random.Random(f"exemplars:{round_number}").sample(own, len(own))
    chosen: list[Reference] = []
    for reference in (*order[start:], *order[:start]):
        apart = all(reference.form != other.form and reference.opening != other.opening for other in chosen)
        if apart and reference.trait != brief.trait and len(chosen) < count:
            chosen.append(reference)
    return tuple(chosen)
