"""Serving a desk: slots, attempts, refusals, stops and the herd behind a cached prefix, against an ask that does as it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from desks import TestDesk, asked
from simulated import Clock

from builder.desk import Failure, FailureKind, Tried
from builder.errors import AuthenticationFailed, BildungError, BudgetReached, UsageError
from builder.live import Ask
from builder.live.controller import Controller
from builder.live.serve import ATTEMPTS, serve
from builder.records import Answer, Request, Usage

MODEL = "test/m"


def answer(request: Request) -> Tried:
    return Tried(Answer(request_hash=request.hash, text="t", usage=Usage(tokens_out=10)))


def failure(kind: FailureKind, status: int | None = None, code: str = "") -> Tried:
    return Tried(None, Failure(kind, "said so", status, code))


def number_of(request: Request) -> int:
    return int(request.document_id.removeprefix("story-"))


def desk_of(folder: Path, count: int, concurrency: int = 8, system: str = "", timeout: float = 5.0) -> TestDesk:
    return TestDesk(MODEL, [asked(number, MODEL, system) for number in range(count)], folder, concurrency, timeout)


def work(ask: Ask, desk: TestDesk, sleep: Callable[[float], Awaitable[None]] | None = None, controller: Controller | None = None) -> None:
    """Serve to the end; waits between tries are skipped unless a ``sleep`` is given."""
    clock = Clock()

    async def skip(seconds: float) -> None:
        clock.now += seconds
        await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(serve(ask, desk, controller or Controller(clock), sleep or skip), 20))


def test_everything_is_answered_within_the_slots(tmp_path: Path) -> None:
    flying, most = 0, 0

    async def ask(request: Request) -> Tried:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.002)
        flying -= 1
        return answer(request)

    desk = desk_of(tmp_path, 60)
    work(ask, desk)
    assert len(desk.answers) == 60 and most == 8


def test_concurrency_is_raised_while_it_runs(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, 30, concurrency=2)
    flying, most = 0, 0

    async def ask(request: Request) -> Tried:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        if number_of(request) == 4:
            desk.concurrency = 6
        await asyncio.sleep(0.002 if number_of(request) < 4 else 0.05)
        flying -= 1
        return answer(request)

    work(ask, desk)
    assert most == 6


@pytest.mark.parametrize("kind", ["server", "dropped", "timeout"])
def test_a_failing_request_is_given_up_after_some_attempts_and_the_others_go_on(tmp_path: Path, kind: FailureKind) -> None:
    async def ask(request: Request) -> Tried:
        return failure(kind, 500) if number_of(request) == 3 else answer(request)

    desk = desk_of(tmp_path, 20)
    work(ask, desk)
    assert len(desk.answers) == 19
    assert [final for _, _, final in desk.failures] == [False] * (ATTEMPTS - 1) + [True]


def test_a_429_is_no_attempt(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    async def ask(request: Request) -> Tried:
        seen[request.hash] += 1
        return failure("limited", 429) if number_of(request) == 3 and seen[request.hash] <= 3 * ATTEMPTS else answer(request)

    desk = desk_of(tmp_path, 20)
    work(ask, desk)
    assert len(desk.answers) == 20
    assert not any(final for _, _, final in desk.failures)


def test_overload_is_borne_for_ten_minutes_not_for_some_attempts(tmp_path: Path) -> None:
    clock = Clock()
    began, tries = clock.now, 0

    async def sleep(seconds: float) -> None:
        clock.now += seconds
        await asyncio.sleep(0)

    async def ask(request: Request) -> Tried:
        nonlocal tries
        tries += 1
        return failure("overloaded", 529)

    desk = desk_of(tmp_path, 1)
    work(ask, desk, sleep, Controller(clock))
    assert [final for _, _, final in desk.failures] == [False] * (tries - 1) + [True]
    assert tries > 2 * ATTEMPTS and 540 < clock.now - began <= 600


def test_a_hung_call_is_cut_off(tmp_path: Path) -> None:
    hung = 0

    async def ask(request: Request) -> Tried:
        nonlocal hung
        if number_of(request) == 0 and not hung:
            hung += 1
            await asyncio.Event().wait()
        return answer(request)

    desk = desk_of(tmp_path, 3, timeout=0.05)
    work(ask, desk)
    assert len(desk.answers) == 3
    assert [(tried.kind, final) for _, tried, final in desk.failures] == [("timeout", False)]


def test_a_refused_request_is_answered_with_the_refusal(tmp_path: Path) -> None:
    async def ask(request: Request) -> Tried:
        return failure("invalid", 400, "invalid_request_error") if number_of(request) % 4 == 1 else answer(request)

    desk = desk_of(tmp_path, 20, concurrency=1)
    work(ask, desk)
    reasons = Counter(given.stop_reason for given in desk.answers.values())
    assert reasons == {"end_turn": 15, "invalid_request": 5} and desk.failures == []
    assert {given.detail for given in desk.answers.values() if given.text == ""} == {"said so"}


def test_a_last_request_that_is_refused_alone_is_answered_too(tmp_path: Path) -> None:
    async def ask(request: Request) -> Tried:
        return failure("invalid", 400)

    desk = desk_of(tmp_path, 2)
    work(ask, desk)
    assert [given.stop_reason for given in desk.answers.values()] == ["invalid_request"] * 2


def test_refusals_alike_stop_the_run_and_poison_nothing(tmp_path: Path) -> None:
    calls = 0

    async def ask(request: Request) -> Tried:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.001)
        return failure("invalid", 400, "invalid_request_error")

    desk = desk_of(tmp_path, 1000)
    with pytest.raises(BildungError, match="5 requests in a row"):
        work(ask, desk)
    assert calls <= 5 + 8 and desk.answers == {}
    assert len(desk.failures) == calls and all(final for _, _, final in desk.failures)


@pytest.mark.parametrize(
    ("kind", "error"), [("denied", AuthenticationFailed), ("unfunded", BudgetReached), ("missing", UsageError)]
)
def test_what_stops_a_run_lets_those_in_flight_finish(tmp_path: Path, kind: FailureKind, error: type[BildungError]) -> None:
    asked_for: list[str] = []

    async def ask(request: Request) -> Tried:
        asked_for.append(request.hash)
        if number_of(request) == 5:
            return failure(kind, 401)
        await asyncio.sleep(0.05)
        return answer(request)

    desk = desk_of(tmp_path, 100)
    with pytest.raises(error, match=MODEL) as raised:
        work(ask, desk)
    assert "\n" not in str(raised.value)
    assert len(asked_for) == 8 and len(desk.answers) == 7
    assert [(tried.kind, final) for _, tried, final in desk.failures] == [(kind, True)]


def test_an_outage_stops_the_run(tmp_path: Path) -> None:
    async def ask(request: Request) -> Tried:
        return failure("server")

    desk = desk_of(tmp_path, 1000)
    with pytest.raises(BildungError, match="in a row failed for good"):
        work(ask, desk)
    assert len(desk.waiting) > 900


def test_a_stop_takes_nothing_new_and_loses_nothing(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, 100)
    calls = 0

    async def ask(request: Request) -> Tried:
        nonlocal calls
        calls += 1
        if number_of(request) == 1:
            return failure("dropped")
        await asyncio.sleep(0.03)
        if number_of(request) == 10:
            desk.stopping = True
        return answer(request)

    async def never(seconds: float) -> None:
        await asyncio.Event().wait()

    work(ask, desk, never, Controller(draw=lambda: 1.0))
    assert calls == len(desk.answers) + 1 < 40
    assert [(number_of(request), final) for request, _, final in desk.failures] == [(1, False), (1, True)]


def test_an_error_of_ours_is_raised_when_the_others_are_back(tmp_path: Path) -> None:
    async def ask(request: Request) -> Tried:
        if number_of(request) == 2:
            raise ZeroDivisionError
        await asyncio.sleep(0.03)
        return answer(request)

    desk = desk_of(tmp_path, 50)
    with pytest.raises(ZeroDivisionError):
        work(ask, desk)
    assert len(desk.answers) == 7


def test_the_herd_waits_until_the_first_has_filled_the_cache(tmp_path: Path) -> None:
    begun: list[int] = []
    first_back = False

    async def ask(request: Request) -> Tried:
        nonlocal first_back
        begun.append(number_of(request))
        await asyncio.sleep(0.02)
        if len(begun) == 1:
            assert not first_back
            first_back = True
            return failure("dropped")
        return answer(request)

    desk = desk_of(tmp_path, 12, system="A rule. " * 1000)

    async def watch() -> None:
        await asyncio.sleep(0.015)
        assert len(begun) == 1
        await asyncio.sleep(0.02)
        assert len(begun) == 2, "the first was lost: the next one goes alone in its place"

    async def both() -> None:
        await asyncio.gather(serve(ask, desk, Controller(draw=lambda: 1.0)), watch())

    asyncio.run(asyncio.wait_for(both(), 10))
    assert len(desk.answers) == 12


def test_waiting_for_another_try_takes_no_slot(tmp_path: Path) -> None:
    seen: set[str] = set()

    async def ask(request: Request) -> Tried:
        if number_of(request) < 2 and request.hash not in seen:
            seen.add(request.hash)
            return failure("dropped")
        return answer(request)

    desk = desk_of(tmp_path, 30, concurrency=2)
    order: list[int] = []
    answered = desk.answered

    async def note(request: Request, answer: Answer) -> None:
        order.append(number_of(request))
        await answered(request, answer)

    desk.answered = note  # type: ignore[method-assign]
    clock = Controller(draw=lambda: 0.3)
    with contextlib.suppress(asyncio.TimeoutError):
        work(ask, desk, asyncio.sleep, clock)
    assert sorted(order[-2:]) == [0, 1] and len(order) == 30
