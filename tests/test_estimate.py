"""What a plan will cost: arithmetic that can be redone by hand, bounds that hold, and unknown prices that stay unknown."""

from __future__ import annotations

from typing import Any

import pytest

from builder.estimate import WAYS, Estimate, Work, estimate

HAIKU = "anthropic/claude-haiku-4-5"  # 1, 5, 0.10, 1.25 and 2 dollars a million tokens in, out, read, written for 5 minutes and an hour


def work(model: str = HAIKU, **changes: int) -> Work:
    given: dict[str, Any] = {"calls": 100, "stable": 10_000, "varying": 1_000, "out_low": 500, "out_expected": 1_000}
    given |= {"out_high": 2_000, **changes}
    return Work("writer", model, **given)


def test_every_figure_can_be_redone_by_hand() -> None:
    spans = estimate([work()], 100).roles[0].spans
    assert spans["live"].low == pytest.approx(100 * (13_200 * 1 + 600 * 5) / 1e6)
    assert spans["live"].expected == pytest.approx(100 * (13_200 * 1 + 1_200 * 5) / 1e6)
    assert spans["live"].high == pytest.approx(105 * (19_800 * 1 + 2_000 * 5) / 1e6)
    assert spans["live_cached"].low == pytest.approx(100 * (12_000 * 0.1 + 1_200 * 1 + 600 * 5) / 1e6)
    assert spans["live_cached"].expected == pytest.approx((12_000 * 1.25 + 99 * 12_000 * 0.1 + 100 * (1_200 * 1 + 1_200 * 5)) / 1e6)
    assert spans["live_cached"].high == pytest.approx(105 * (18_000 * 1.25 + 1_800 * 1 + 2_000 * 5) / 1e6)
    assert spans["batch_cached"].expected == pytest.approx((12_000 * 1 + 99 * 12_000 * 0.05 + 100 * (1_200 * 0.5 + 1_200 * 2.5)) / 1e6)


@pytest.mark.parametrize("model", [HAIKU, "anthropic/claude-haiku-5-5", "anthropic-batch/claude-opus-5-5", "openai/gpt-4o-mini"])
@pytest.mark.parametrize("stable", [0, 600, 5_000, 99_000])
@pytest.mark.parametrize("out_high", [100, 5_000])
def test_low_expected_and_high_stand_in_order(model: str, stable: int, out_high: int) -> None:
    for way, span in estimate([work(model, stable=stable, out_high=out_high)], 100).roles[0].spans.items():
        assert 0 < span.low <= span.expected * (1 + 1e-9) <= span.high, way


def test_a_batch_is_half_and_the_model_named_is_the_way_bought() -> None:
    live, batch = (estimate([work(model)], 100) for model in (HAIKU, "anthropic-batch/claude-haiku-4-5"))
    assert live.roles[0].spans == batch.roles[0].spans
    assert live.sum() == live.sum("live_cached")
    assert batch.sum() == batch.sum("batch_cached")
    assert batch.sum("batch").expected == pytest.approx(live.sum("live").expected / 2)


@pytest.mark.parametrize(("stable", "low", "expected"), [(800, False, False), (1_000, True, False), (4_000, True, True)])
def test_a_short_prefix_may_not_be_cached(stable: int, low: bool, expected: bool) -> None:
    found = estimate([work(stable=stable)], 100)
    assert (found.sum("live_cached").low < found.sum("live").low) is low
    assert (found.sum("live_cached").expected < found.sum("live").expected) is expected


def test_every_prefix_is_written_once() -> None:
    once, thrice = (estimate([work(prefixes=count)], 100).sum("live_cached").expected for count in (1, 3))
    assert thrice - once == pytest.approx(2 * 12_000 * (1.25 - 0.1) / 1e6)


def test_other_models_tokens_are_not_multiplied() -> None:
    assert estimate([work("openai/gpt-4o-mini")], 100).roles[0].tokens_in == 100 * 11_000
    assert estimate([work()], 100).roles[0].tokens_in == 100 * 13_200


def test_roles_add_up_and_spare_documents_are_paid_for() -> None:
    found = estimate([work(), work("anthropic/claude-opus-5-5")._replace(role="rewriter")], 80)
    assert found.sum().expected == pytest.approx(sum(role.spans["live_cached"].expected for role in found.roles))
    assert found.as_json()["per_1000_kept_documents"]["expected"] == pytest.approx(found.sum().expected * 1000 / 80)


def lines(found: Estimate) -> dict[str, str]:
    return {line.strip().split("  ")[0]: line for line in found.as_text().split("\n")}


def test_an_unknown_price_makes_every_sum_a_lower_bound() -> None:
    found = estimate([work(), work("anthropic/claude-nobody-1")._replace(role="judge")], 100)
    assert found.unknown == ("anthropic/claude-nobody-1",)
    assert found.sum() == estimate([work()], 100).sum()
    told = lines(found)
    assert "unknown" in told["judge"]
    assert "at least" in told["sum"]
    assert "$" in told["sum"]
    assert "no price is known for anthropic/claude-nobody-1" in found.as_text()
    assert found.as_json()["lower_bound"] is True
    assert found.as_json()["roles"][1]["ways"] is None
    assert not found.free


def test_nothing_known_is_unknown_and_not_zero() -> None:
    text = estimate([work("anthropic/claude-nobody-1")], 100).as_text()
    assert "$0" not in text
    assert "unknown" in lines(estimate([work("anthropic/claude-nobody-1")], 100))["sum"]


def test_what_runs_here_is_free() -> None:
    found = estimate([work("llamacpp/any.gguf")], 100)
    assert found.free
    assert all(found.sum(way) == (0, 0, 0) for way in WAYS)


def test_every_column_is_explained() -> None:
    text = estimate([work()], 100).as_text()
    assert all(f"\n  {column}: " in text for column in ("low", "expected", "high", "tokens", "kept", "prices"))
