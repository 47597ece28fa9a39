"""Rows of levels in an order that covers interactions early and then keeps to the target shares.

First a covering array of every feasible pair (``coverwise``), then one of every triple over the factors that shape a story most, then
rows drawn by deficit. Weights enter the arrays as copies of a level.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import coverwise

from builder.errors import UsageError
from builder.stages.plan.factors import Space, copies

TRIPLES = ("trait", "form", "deliberation", "stakes", "outcome", "tone")

_PATIENCE = 1_000  # rows in succession that cannot be completed
_NO_WAY = "the traits, forms and settings of this recipe do not go together; see what their files ask of each other (identities, needs)"

Row = dict[str, str]


def rows(space: Space, seed: str) -> Iterator[Row]:
    """An endless stream of complete rows; the same space and seed give the same rows."""
    counts: dict[str, Counter[str]] = {factor: Counter() for factor in space.factors}
    dead_ends = 0
    for number, partial in enumerate(_partials(space, seed)):
        rng = random.Random(f"{seed}:{number}")
        kept = {factor: level for factor, level in partial.items() if space.has_room(factor, level, counts[factor][level], number)}
        row = _completed(space, kept, counts, rng, number)
        dead_ends = 0 if row else dead_ends + 1
        if dead_ends > _PATIENCE:
            raise UsageError(_NO_WAY)
        if row is None:
            continue
        for factor, level in row.items():
            counts[factor][level] += 1
        yield row


def _partials(space: Space, seed: str) -> Iterator[Row]:
    yield from _array(space, tuple(space.factors), 2, seed)
    triples = tuple(factor for factor in TRIPLES if factor in space.factors)
    if len(triples) >= 3:
        shuffled = _array(space, triples, 3, seed)
        random.Random(f"{seed}:triples").shuffle(shuffled)
        yield from shuffled
    while True:
        yield {}


def _array(space: Space, factors: Sequence[str], strength: int, seed: str) -> list[Row]:
    """A covering array as rows of level names."""
    try:
        return _generated(space, factors, strength, seed)
    except coverwise.CoverwiseError:  # to prove of dozens of levels that none goes with a dead one takes more search than the tool allows
        try:
            return _generated(_living(space), factors, strength, seed)
        except coverwise.CoverwiseError as error:
            raise UsageError(f"{_NO_WAY} ({error})") from error


def _living(space: Space) -> Space:
    """The space without the levels that every level of some other factor rules out: humans, where each form is for AIs only."""

    def dead(factor: str, level: str) -> bool:
        return any(
            all(level not in space.allowed.get((other, name), {}).get(factor, {level}) for name in names)
            for other, names in space.factors.items()
        )  # fmt: skip

    return space._replace(factors={
        factor: {level: weight for level, weight in levels.items() if not dead(factor, level)} for factor, levels in space.factors.items()
    })  # fmt: skip


def _generated(space: Space, factors: Sequence[str], strength: int, seed: str) -> list[Row]:
    """What the tool makes of the space. Levels travel as ``f3_7`` (factor 3, entry 7), since the tool reads no hyphens."""
    entries = {factor: copies(space.factors[factor]) for factor in factors}
    codes = {factor: f"f{number}" for number, factor in enumerate(factors)}
    model = {codes[factor]: [f"{codes[factor]}_{at}" for at in range(len(levels))] for factor, levels in entries.items()}
    asked = {"parameters": model, "strength": strength, "seed": random.Random(seed).randrange(2**31)}
    tests = _tests(json.dumps({**asked, "constraints": _rules(space, entries, codes)}))
    if isinstance(tests, coverwise.CoverwiseError):
        raise tests
    decoded = {code: (factor, entries[factor]) for factor, code in codes.items()}
    return [
        {decoded[code][0]: decoded[code][1][int(value.rpartition("_")[2])] for code, value in test.items()}
        for test in tests
    ]


@lru_cache(maxsize=64)
def _tests(asked: str) -> Any:
    """The tool's rows for one question, or its error; asked once a process, since a plan and its replans ask the same."""
    try:
        return coverwise.generate(**json.loads(asked))["tests"]
    except coverwise.CoverwiseError as error:
        return error


def _rules(space: Space, entries: Mapping[str, list[str]], codes: Mapping[str, str]) -> list[str]:
    rules = []
    for (factor, level), limits in space.allowed.items():
        for other, fitting in limits.items():
            if factor not in entries or other not in entries:
                continue
            left = [f"{codes[factor]}_{at}" for at, name in enumerate(entries[factor]) if name == level]
            right = [f"{codes[other]}_{at}" for at, name in enumerate(entries[other]) if name in fitting]
            rules.append(f"IF {codes[factor]} IN {{{', '.join(left)}}} THEN {codes[other]} IN {{{', '.join(right)}}}")
    return rules


def _completed(space: Space, partial: Row, counts: Mapping[str, Counter[str]], rng: random.Random, drawn: int) -> Row | None:
    """Fill the missing factors, most constrained first, each with a level that its target share still misses.

    ``None`` where the levels there are leave a factor without one that fits.
    """
    row = dict(partial)
    for factor, levels in space.factors.items():
        if factor not in row:
            fitting = [level for level in levels if space.fits(row, factor, level)]
            if not fitting:
                return None
            roomy = [level for level in fitting if space.has_room(factor, level, counts[factor][level], drawn)]
            row[factor] = _by_deficit(levels, roomy or fitting, counts[factor], rng)
    return {factor: row[factor] for factor in space.factors}


def _by_deficit(levels: Mapping[str, float], fitting: Sequence[str], counts: Counter[str], rng: random.Random) -> str:
    total = sum(levels.values())
    drawn = sum(counts.values()) + 1
    deficits = [max(levels[level] / total * drawn - counts[level], 0.0) for level in fitting]
    weights = [deficit**2 + 1e-3 * levels[level] / total for deficit, level in zip(deficits, fitting, strict=True)]
    return rng.choices(fitting, weights)[0]
