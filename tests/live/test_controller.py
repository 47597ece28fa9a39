"""The controller, in simulated time: limits are kept, strays delay nobody, storms are sat out."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from simulated import CALL, Bucket, Clock, Outcome, simulate

from builder.desk import Allowance, Failure, FailureKind, Tried
from builder.live.controller import Controller
from builder.records import Answer

ROOM = (Allowance("requests", 60_000, 50_000, 0.0),)


def limited_run(limit: float, calls: int, headers: bool = True, retry_after: float | None = 1.0, latency: float = 0.3) -> Outcome:
    clock = Clock()
    bucket = Bucket(clock, limit, headers, retry_after)
    controller = Controller(clock, random.Random(1).random)
    return simulate(clock, controller, calls, 256, bucket, bucket.told, lambda number: latency)


def refusing(
    kind: FailureKind, share: float, told: tuple[Allowance, ...] = (), retry_after: float | None = None
) -> Callable[[int], Tried | None]:
    draw = random.Random(7).random
    return lambda number: Tried(None, Failure(kind, "", retry_after=retry_after), told) if draw() < share else None


def test_a_true_limit_is_used_to_the_full() -> None:
    outcome = limited_run(600, 1000)
    assert outcome.seconds < 42 and outcome.refused < 5, "600 at once and 400 at ten a second take 40 s"


@pytest.mark.parametrize("retry_after", [1.0, None])
def test_a_limit_that_is_not_told_is_learned(retry_after: float | None) -> None:
    outcome = limited_run(600, 1000, headers=False, retry_after=retry_after)
    assert outcome.seconds < 60 and outcome.refused < 500


@pytest.mark.parametrize("told", [(), ROOM])
@pytest.mark.parametrize("share", [0.05, 0.1])
@pytest.mark.parametrize("retry_after", [1.0, None])
def test_stray_refusals_delay_only_their_own_request(share: float, told: tuple[Allowance, ...], retry_after: float | None) -> None:
    clock = Clock()
    outcome = simulate(clock, Controller(clock, random.Random(1).random), 3000, 256, refusing("limited", share, told, retry_after))
    assert outcome.refused > 3000 * share * 0.8
    assert outcome.seconds < 12, "3.6 s is the least; the rest is the tail of the last ones refused"


def test_the_others_go_on_after_a_stray() -> None:
    controller = Controller(Clock())
    ticket = controller.sent(CALL)
    stray = Tried(None, Failure("limited", "", retry_after=7.0), ROOM)
    assert controller.back(ticket, CALL, stray, 1, 8) >= 7.0
    assert controller.wait(CALL) == 0.0


def test_one_window_is_one_pause() -> None:
    clock = Clock()
    controller = Controller(clock)
    tickets = [controller.sent(CALL) for _ in range(20)]
    used_up = Tried(None, Failure("limited", "", retry_after=5.0), (Allowance("requests", 600, 0, 60.0),))
    for ticket in tickets:
        assert controller.back(ticket, CALL, used_up, 1, 8) == 0.0
        clock.now += 0.2
    assert controller.wait(CALL) == pytest.approx(5.0 - 20 * 0.2)
    clock.now += 1.01
    assert controller.wait(CALL) == 0.0
    assert controller.back(controller.sent(CALL), CALL, used_up, 1, 8) == 0.0
    assert controller.wait(CALL) == pytest.approx(5.0), "a refusal of a call sent after the pause is a new window"


def test_input_tokens_are_a_limit_too() -> None:
    clock = Clock()
    controller = Controller(clock)
    told = (Allowance("requests", 600, 599, 0.1), Allowance("input_tokens", 6000, 250, 0.0))
    controller.back(controller.sent(CALL), CALL, Tried(Answer(request_hash="h", text="t"), None, told), 1, 8)
    assert controller.wait(CALL) == 0.0
    controller.sent(CALL)
    controller.sent(CALL)
    assert controller.wait(CALL) == pytest.approx(0.5), "50 of 100 tokens are there, and 100 a second come"


def test_an_older_header_is_not_believed() -> None:
    controller = Controller(Clock())
    old, new = controller.sent(CALL), controller.sent(CALL)
    answer = Answer(request_hash="h", text="t")
    controller.back(new, CALL, Tried(answer, None, (Allowance("requests", 60, 0, 60.0),)), 1, 8)
    controller.back(old, CALL, Tried(answer, None, (Allowance("requests", 60, 60, 60.0),)), 1, 8)
    assert controller.wait(CALL) == pytest.approx(1.0)


def test_scattered_overload_leaves_the_number_in_flight_alone() -> None:
    clock = Clock()
    controller = Controller(clock, random.Random(1).random)
    simulate(clock, controller, 3000, 256, refusing("overloaded", 0.02))
    assert controller.slots(256) == 256


def test_a_storm_lowers_the_number_in_flight_at_most_once_a_second_and_it_recovers() -> None:
    clock = Clock()
    controller = Controller(clock, random.Random(1).random)
    storm = Tried(None, Failure("overloaded", ""))
    for _ in range(50):
        controller.back(controller.sent(CALL), CALL, storm, 100, 100)
    assert controller.slots(100) == 70 and controller.overloaded
    clock.now += 1
    controller.back(controller.sent(CALL), CALL, storm, 70, 100)
    assert controller.slots(100) == 49
    steps = []
    while controller.overloaded:
        steps.append(controller.slots(100))
        controller.back(controller.sent(CALL), CALL, Tried(Answer(request_hash="h", text="t")), 1, 100)
    assert all(later - earlier <= 1 for earlier, later in zip(steps, steps[1:], strict=False)), "additive"
    assert 200 < len(steps) < 600


def test_a_storm_of_a_minute_is_sat_out() -> None:
    clock = Clock()
    controller = Controller(clock, random.Random(1).random)
    began = clock.now
    storm = Tried(None, Failure("overloaded", ""))
    outcome = simulate(clock, controller, 3000, 256, lambda number: storm if began + 2 < clock.now < began + 60 else None)
    assert outcome.seconds < 110 and outcome.refused < 5000


def test_backoff_is_full_jitter_under_a_doubling_bound() -> None:
    low, high = Controller(Clock(), lambda: 0.0), Controller(Clock(), lambda: 1.0)
    dropped = Tried(None, Failure("dropped", ""))
    bounds = [high.back(high.sent(CALL), CALL, dropped, 1, 8, times) for times in range(8)]
    assert bounds == [1, 2, 4, 8, 16, 30, 30, 30]
    assert low.back(low.sent(CALL), CALL, dropped, 1, 8, 5) == 0.0
