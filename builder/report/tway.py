"""t-way coverage after NIST's combinatorial coverage measurement (Kuhn et al., SP 800-142), over the combinations a plan can draw.

A combination of levels is possible where the plan's pairwise constraints allow each of its pairs; the others are not counted as holes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.stages.plan.factors import Space

DEPTHS = (1, 5, 20)


class TWay(NamedTuple):
    """Combinations of ``strength`` levels that the plan allows, and the share that stands in at least 1, 5 and 20 documents.

    ``reachable`` is the most that so many documents could cover: a table of 600 cells cannot be filled five times by 200 documents.
    """

    strength: int
    possible: int
    covered: tuple[float, ...]
    reachable: tuple[float, ...]


def t_way(rows: Sequence[Mapping[str, str]], space: Space, factors: Sequence[str], strength: int) -> TWay:
    """Coverage of every ``strength``-tuple of factors by ``rows`` (factor -> level). Rows with a level outside the space are left out."""
    used = [factor for factor in factors if factor in space.factors]
    levels = {factor: {level: at for at, level in enumerate(space.factors[factor])} for factor in used}
    inside = [row for row in rows if all(row[factor] in levels[factor] for factor in used)]
    codes = {factor: np.array([levels[factor][row[factor]] for row in inside], np.int64) for factor in used}
    fits = {pair: _fits(space, *pair) for pair in itertools.combinations(used, 2)}
    possible, covered, reachable = 0, np.zeros(len(DEPTHS)), np.zeros(len(DEPTHS))
    for chosen in itertools.combinations(used, strength):
        allowed = _allowed(chosen, fits, levels)
        counts = np.bincount(_joint(chosen, codes, levels), minlength=allowed.size)[allowed.ravel()]
        possible += counts.size
        covered += [int((counts >= depth).sum()) for depth in DEPTHS]
        reachable += [min(counts.size, len(inside) // depth) for depth in DEPTHS]
    whole = max(possible, 1)
    return TWay(strength, possible, tuple((covered / whole).tolist()), tuple((reachable / whole).tolist()))


def _joint(chosen: Sequence[str], codes: Mapping[str, NDArray[np.int64]], levels: Mapping[str, Mapping[str, int]]) -> NDArray[np.int64]:
    joint = np.zeros(len(codes[chosen[0]]), np.int64)
    for factor in chosen:
        joint = joint * len(levels[factor]) + codes[factor]
    return joint


def _fits(space: Space, one: str, two: str) -> NDArray[np.bool_]:
    return np.array([[space.fits({one: first}, two, second) for second in space.factors[two]] for first in space.factors[one]], bool)


def _allowed(
    chosen: Sequence[str], fits: Mapping[tuple[str, str], NDArray[np.bool_]], levels: Mapping[str, Mapping[str, int]]
) -> NDArray[np.bool_]:
    """A boolean array with one dimension a factor: the tuples all of whose pairs are allowed."""
    allowed = np.ones([len(levels[factor]) for factor in chosen], bool)
    for (at, one), (to, two) in itertools.combinations(enumerate(chosen), 2):
        shape = [1] * len(chosen)
        shape[at], shape[to] = fits[one, two].shape
        allowed &= fits[one, two].reshape(shape)
    return allowed
