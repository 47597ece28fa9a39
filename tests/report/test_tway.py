"""t-way coverage against a count by hand, and against brute force."""

from __future__ import annotations

import itertools
import random

import pytest

from builder.report.tway import t_way
from builder.stages.plan.factors import Space

FACTORS = {"a": {"1": 1.0, "2": 1.0}, "b": {"x": 1.0, "y": 1.0, "z": 1.0}, "c": {"p": 1.0, "q": 1.0}}
CLOSED = {("a", "1"): {"b": frozenset({"x", "y"})}}


def test_pairs_by_hand() -> None:
    found = t_way([{"a": "1", "b": "x", "c": "p"}], Space(FACTORS, {}), ("a", "b", "c"), 2)
    assert found.possible == 2 * 3 + 2 * 2 + 3 * 2
    assert found.covered == (3 / 16, 0.0, 0.0)
    assert found.reachable == (3 / 16, 0.0, 0.0)


def test_combinations_the_plan_closes_are_no_holes() -> None:
    every = [dict(zip("abc", row, strict=True)) for row in itertools.product("12", "xyz", "pq") if row[:2] != ("1", "z")]
    for strength in (2, 3):
        found = t_way(every, Space(FACTORS, CLOSED), ("a", "b", "c"), strength)
        assert found.covered[0] == 1.0
    assert t_way(every, Space(FACTORS, CLOSED), ("a", "b", "c"), 3).possible == 10


@pytest.mark.parametrize("strength", [2, 3])
def test_against_brute_force(strength: int) -> None:
    rng = random.Random(7)
    drawn = [{factor: rng.choice(list(levels)) for factor, levels in FACTORS.items()} for _ in range(30)]
    found = t_way(drawn, Space(FACTORS, {}), ("a", "b", "c"), strength)
    counted = 0
    for chosen in itertools.combinations("abc", strength):
        for levels in itertools.product(*(FACTORS[factor] for factor in chosen)):
            counted += sum(all(row[factor] == level for factor, level in zip(chosen, levels, strict=True)) for row in drawn) >= 5
    assert round(found.covered[1] * found.possible) == counted


def test_rows_outside_the_space_are_left_out() -> None:
    assert t_way([{"a": "9", "b": "x", "c": "p"}], Space(FACTORS, {}), ("a", "b", "c"), 2).covered[0] == 0.0
