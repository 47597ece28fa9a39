"""The till keeps its cap whatever comes, and the dial turns while a run goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from desks import asked

from builder.buying import dial as dial_module
from builder.buying.dial import Dial
from builder.buying.till import Till, refuse_unknown
from builder.errors import BudgetReached, UsageError
from builder.prices import price_of
from builder.records import Usage

MODEL = "anthropic/claude-haiku-4-5"
PRICE = price_of(MODEL)
ONE, TWO = asked(1, MODEL), asked(2, MODEL)


def most() -> float:
    assert PRICE
    return PRICE.at_most(ONE)


def test_what_is_in_flight_counts_against_the_cap() -> None:
    till = Till({MODEL: PRICE}, 1.5 * most(), 0.0)
    assert till.reserve(ONE) and not till.reserve(TWO)
    till.settle(ONE, 0.1 * most())
    assert till.reserve(TWO) and till.spent == pytest.approx(0.1 * most())


def test_with_nothing_in_flight_a_full_till_is_the_end() -> None:
    till = Till({MODEL: PRICE}, 0.5 * most(), 0.0)
    with pytest.raises(BudgetReached, match="raise max_cost"):
        till.reserve(ONE)
    with pytest.raises(BudgetReached):
        Till({MODEL: PRICE}, 2 * most(), 1.5 * most()).reserve(ONE)


def test_a_call_that_may_have_been_billed_stays_against_the_cap() -> None:
    till = Till({MODEL: PRICE}, 2.5 * most(), 0.0)
    assert till.reserve(ONE)
    till.doubt(ONE)
    till.settle(ONE, 0.1 * most())
    assert till.spent == pytest.approx(0.1 * most()) and till.doubtful == pytest.approx(most())
    assert till.reserve(ONE) and not till.reserve(TWO)


def test_four_fifths_are_told_once() -> None:
    till = Till({MODEL: PRICE}, 10.0, 7.9)
    assert till.warning() is None
    till.settle(ONE, 0.2)
    assert "$8.10 of the $10.00" in (till.warning() or "") and till.warning() is None


def test_the_backend_s_own_word_on_cost_comes_first_and_unknown_is_not_zero() -> None:
    till = Till({MODEL: PRICE, "x/y": None}, None, 0.0)
    assert till.cost(MODEL, Usage(tokens_out=1_000_000, cost=0.0)) == 0.0
    assert till.cost(MODEL, Usage(tokens_out=1_000_000, cost=None)) == pytest.approx(5.0)
    assert till.cost("x/y", Usage(tokens_out=1, cost=None)) is None


def test_an_unknown_price_needs_a_word() -> None:
    refuse_unknown({MODEL: PRICE}, False)
    refuse_unknown({"x/y": None}, True)
    with pytest.raises(UsageError, match="no price is known for x/y"):
        refuse_unknown({MODEL: PRICE, "x/y": None}, False)


def test_editing_the_recipe_turns_the_dial_and_a_broken_one_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial_module, "LOOK_SECONDS", -1.0)
    path, told = tmp_path / "recipe.toml", list[str]()

    def write(text: str, tick: int) -> None:
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(tick, tick))

    write("[budget]\nconcurrency = 8\n", 1)
    dial = Dial(path, 32, told.append)  # 32 came from the command line
    assert dial.now() == 32
    write("[budget]\nconcurrency = 8\nmax_cost = 3.0\n", 2)
    assert dial.now() == 32 and not told
    write("[budget]\nconcurrency = 200\n", 3)
    assert dial.now() == 200 and told == ["concurrency is 200 from now on"]
    write("[budget]\nconcurrency = many\n", 4)
    assert dial.now() == 200 and "goes on as it was" in told[-1]
    path.unlink()
    assert dial.now() == 200
