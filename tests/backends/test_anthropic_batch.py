from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic, APIStatusError, AsyncAnthropic
from desks import TestDesk, asked, run

from builder import plugins
from builder.backends import BackendContext
from builder.backends.anthropic import failed_status
from builder.backends.anthropic_batch import AnthropicBatch, open_backend
from builder.batch import Pace
from builder.batch.calls import Calls, Refused, Seen, TooLarge, Unconfirmed
from builder.batch.queue import Queue
from builder.bench.provider import Bill, Provider, Settings, provider
from builder.desk import PendingBatch
from builder.errors import AuthenticationFailed, BildungError, BudgetReached, UsageError
from builder.library import Library
from builder.live.messages import params
from builder.records import Answer, Request, Turn

MODEL = "anthropic-batch/claude-test"
QUICK = Pace(linger=0.05, poll=0.02, longest_poll=0.1, patience=1.0)
PREFIX = "The constitution says this and that at some length. " * 120


class Killed(BaseException):
    """Stands for ``kill -9`` at one line."""


SETTINGS = Settings(answer_tokens=20)


class Account:
    """A provider that several tests share, with a bill that begins with the test. Batches of the tests before stay on its list."""

    def __init__(self, running: Provider) -> None:
        self._running, self.url, self.set = running, running.url, running.set
        self.set(**json.loads(SETTINGS.to_json()))
        self._before = running.bill()

    def bill(self) -> Bill:
        """What was billed since the test began."""
        now, before = self._running.bill(), self._before
        counts = {name: getattr(now, name) - getattr(before, name) for name in ("answers", "batches", "tokens_out", "tokens_written")}
        faults = {name: count - before.faults.get(name, 0) for name, count in now.faults.items()}
        bought = {key: times for key, count in now.bought.items() if (times := count - before.bought.get(key, 0))}
        return now._replace(**counts, bought=bought, faults=faults)

    def batch(self, number: int) -> str:
        """The id of the test's first, second ... batch."""
        return f"msgbatch_{self._before.batches + number:08d}"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with provider(SETTINGS) as started:
        yield started


@pytest.fixture
def simulated(running: Provider, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    return Account(running)


def requests(count: int, system: str = "", first: int = 0, mark: str = "") -> list[Request]:
    return [marked(asked(number, MODEL, system), mark) for number in range(first, first + count)]


def marked(request: Request, mark: str) -> Request:
    turns = (*request.turns[:-1], Turn(role="user", content=f"{request.turns[-1].content} {mark}".strip()))
    return request.model_copy(update={"turns": turns})


def backend(**changes: Any) -> AnthropicBatch:
    return AnthropicBatch("claude-test", QUICK._replace(**changes))


def desk_for(wanted: list[Request], folder: Path) -> TestDesk:
    return TestDesk(MODEL, wanted, folder)


def everything_once(desk: TestDesk, bill: Bill, wanted: list[Request]) -> None:
    """Each request was paid once, is in the ledger, and no batch is left open."""
    assert desk.ledger.known([one.hash for one in wanted]) == {one.hash for one in wanted}
    assert sorted(bill.bought.values()) == [1] * len(wanted)
    assert desk.batches.pending(MODEL) == []


def until(desk: TestDesk, meet: Callable[[TestDesk], bool], seconds: float = 10) -> None:
    """Work the desk until something is so, then wind the run up."""

    async def both() -> None:
        work = asyncio.create_task(backend().work(desk))
        while not meet(desk):
            await asyncio.sleep(0.01)
        desk.stopping = True
        await work

    asyncio.run(asyncio.wait_for(both(), seconds))


def test_it_is_a_plugin_with_the_fingerprint_of_live_calls(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    opened = plugins.load("backend", "anthropic-batch").open_backend("claude-test", BackendContext(library))
    assert (opened.fingerprint, opened.wants_turns, opened.training_grade, opened.window) == ("anthropic/claude-test", True, True, 10_000)
    with pytest.raises(UsageError, match="anthropic-batch/<model>"):
        plugins.load("backend", "anthropic-batch").open_backend("", BackendContext(library))


def test_a_window_is_one_batch_and_each_answer_comes_back_whole(simulated: Account, tmp_path: Path) -> None:
    wanted = requests(50)
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    bill = simulated.bill()
    everything_once(desk, bill, wanted)
    assert bill.batches == 1
    assert all(answer.text and answer.stop_reason == "end_turn" and answer.usage.cost is None for answer in desk.answers.values())
    assert sum(answer.usage.tokens_out for answer in desk.answers.values()) == bill.tokens_out
    assert {answer.request_id for answer in desk.answers.values()} == {simulated.batch(1)}


def test_every_custom_id_carries_the_nonce_of_its_intent(simulated: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_for(requests(3), tmp_path)
    nonces: list[str] = []
    intend = desk.batches.intend

    def noted(nonce: str, of: Sequence[Request]) -> None:
        nonces.append(nonce)
        intend(nonce, of)

    monkeypatch.setattr(desk.batches, "intend", noted)
    run(backend(), desk)
    with Anthropic() as client:
        names = {line.custom_id for line in client.messages.batches.results(simulated.batch(1))}
    assert names == {f"{nonces[0]}-{one.hash[:40]}" for one in requests(3)}
    assert max(map(len, names)) <= 64


def test_windows_are_cut_by_count(simulated: Account, tmp_path: Path) -> None:
    wanted = requests(25)
    desk = desk_for(wanted, tmp_path)
    run(backend(requests=10), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert simulated.bill().batches == 3


def test_windows_are_cut_by_the_bytes_that_are_sent(simulated: Account, tmp_path: Path) -> None:
    wanted = requests(20, system="ü" * 1500)
    desk = desk_for(wanted, tmp_path)
    run(backend(size=10_500), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert simulated.bill().batches == 7  # three of 3,200 bytes to a window


def test_the_bytes_counted_are_no_fewer_than_those_sent() -> None:
    from anthropic._utils._json import openapi_dumps

    queue = Queue(QUICK, lambda request: {"text": request.turns[0].content, "n": [1, 2.5, None]})
    for one in requests(9):
        queue.add(one.model_copy(update={"turns": (Turn(role="user", content="ü\n\u2028\"中" * 7),)}))
    entries = queue.cut()
    sent = {"requests": [{"custom_id": f"{'0' * 12}-{entry.request.hash[:40]}", "params": entry.params} for entry in entries]}
    assert len(openapi_dumps(sent)) <= sum(entry.size for entry in entries) < 1.3 * len(openapi_dumps(sent))


def test_a_window_that_is_too_large_for_the_provider_is_halved(simulated: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = Calls.create

    async def small_ones(self: Calls, of: Any) -> str:
        if len(of) > 3 or any("too long" in json.dumps(params) for _, params in of):
            raise TooLarge("413: too large")
        return await create(self, of)

    monkeypatch.setattr(Calls, "create", small_ones)
    wanted, never = requests(10), requests(1, first=99, mark="too long")
    desk = desk_for([*wanted, *never], tmp_path)
    run(backend(), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert [(one.hash, failure.kind, final) for one, failure, final in desk.failures] == [(never[0].hash, "invalid", True)]


def test_a_long_prefix_is_written_once_and_read_by_the_rest(simulated: Account, tmp_path: Path) -> None:
    wanted = requests(12, PREFIX) + requests(3, first=50)
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    bill = simulated.bill()
    everything_once(desk, bill, wanted)
    writes = [answer.usage.tokens_written_1h for answer in desk.answers.values() if answer.usage.tokens_written_1h]
    reads = [answer.usage.tokens_cached for answer in desk.answers.values() if answer.usage.tokens_cached]
    assert len(writes) == 1
    assert reads == writes * 11
    assert bill.tokens_written == 0


def test_three_of_a_prefix_are_not_worth_a_batch_ahead(simulated: Account, tmp_path: Path) -> None:
    desk = desk_for(requests(3, f"Three. {PREFIX}"), tmp_path)
    run(backend(), desk)
    assert simulated.bill().batches == 1


@pytest.mark.parametrize("kind", ["refusal", "max_tokens", "window", "empty", "surrogate", "control"])
def test_every_kind_of_answer_is_kept(simulated: Account, tmp_path: Path, kind: str) -> None:
    wanted = requests(4) + requests(1, first=9, mark=f"[[{kind}]]")
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    everything_once(desk, simulated.bill(), wanted)
    stop = desk.answers[wanted[-1].hash].stop_reason
    assert stop == {"refusal": "refusal", "max_tokens": "max_tokens", "window": "model_context_window_exceeded"}.get(kind, "end_turn")


def test_an_invalid_request_is_answered_for_good_and_costs_nothing(simulated: Account, tmp_path: Path) -> None:
    wanted = requests(4) + requests(1, first=9, mark="[[invalid]]")
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    answer = desk.answers[wanted[-1].hash]
    assert (answer.stop_reason, answer.detail, answer.usage.cost) == ("invalid_request", "this prompt is not accepted", 0.0)
    assert simulated.bill().answers == 4 and simulated.bill().batches == 1


def test_a_batch_of_nothing_but_invalid_requests_stops_the_run_and_is_no_answer(simulated: Account, tmp_path: Path) -> None:
    wanted = requests(6, mark="[[invalid]]")
    desk = desk_for(wanted, tmp_path)
    with pytest.raises(BildungError, match="6 requests in a row were refused"):
        run(backend(), desk)
    assert desk.answers == {} and desk.batches.pending(MODEL) == []


@pytest.mark.parametrize("mark", ["[[errored*2]]", "[[expired*3]]"])
def test_what_failed_or_expired_goes_into_a_later_window(simulated: Account, tmp_path: Path, mark: str) -> None:
    wanted = requests(5) + requests(2, first=9, mark=mark)
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    everything_once(desk, simulated.bill(), wanted)
    times = int(mark[-3])
    assert simulated.bill().batches == 1 + times
    assert [final for _, _, final in desk.failures] == [False] * 2 * times


def test_after_three_later_windows_a_request_has_failed(simulated: Account, tmp_path: Path) -> None:
    wanted = requests(2) + requests(1, first=9, mark="[[expired]]")
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    assert [final for _, _, final in desk.failures] == [False, False, False, True]
    assert desk.answers.keys() == {one.hash for one in wanted[:2]}
    assert simulated.bill().batches == 4 and desk.batches.pending(MODEL) == []


def test_successes_of_a_cancelled_batch_are_kept_and_only_the_rest_is_asked_again(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_seconds=60)
    wanted = requests(40)
    desk = desk_for(wanted, tmp_path)

    async def both() -> None:
        work = asyncio.create_task(backend().work(desk))
        while not desk.batches.known_ids():
            await asyncio.sleep(0.02)
        with Anthropic() as client:
            client.messages.batches.cancel(simulated.batch(1))
        simulated.set(batch_seconds=0)
        await work

    asyncio.run(asyncio.wait_for(both(), 20))
    everything_once(desk, simulated.bill(), wanted)
    kept = sum(answer.request_id == simulated.batch(1) for answer in desk.answers.values())
    assert 5 < kept < 35 and len(desk.failures) == 40 - kept


def test_404_after_create_is_patience(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_not_found=4)
    wanted = requests(5)
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert simulated.bill().batches == 1 and desk.said == []


def test_a_404_that_lasts_is_told_once_and_still_not_bought_again(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_not_found=12)
    wanted = requests(5)
    desk = desk_for(wanted, tmp_path)
    run(backend(patience=0.1), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert [line for line in desk.said if "404" in line] == desk.said and len(desk.said) == 1


def test_results_that_break_off_are_read_again(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_cut=2)
    wanted = requests(600)
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert simulated.bill().batches == 1


def test_two_in_five_lost_creates_cost_nothing(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_orphans=0.4, batch_seconds=0.1)
    wanted = requests(60)
    desk = desk_for(wanted, tmp_path)
    run(backend(requests=3), desk)
    bill = simulated.bill()
    everything_once(desk, bill, wanted)
    assert bill.batches == 20 and bill.faults["orphan"] >= 2


def test_an_overloaded_provider_is_asked_again_and_nothing_was_created(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_overloaded=2)
    wanted = requests(5, f"Five. {PREFIX}")
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert simulated.bill().batches == 2


@pytest.mark.parametrize(("where", "bought_before"), [("intend", 0), ("create", 1), ("created", 1), ("settled", 1)])
def test_killed_anywhere_and_run_again_nothing_is_lost_or_bought_twice(
    simulated: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, bought_before: int
) -> None:
    """After the intent, between the batch and its id, after the id, and when all answers are in but the batch is not settled."""
    wanted = requests(30)
    killed_at(where, monkeypatch, desk := desk_for(wanted, tmp_path))
    with pytest.raises(Killed):
        run(backend(), desk)
    monkeypatch.undo()
    assert simulated.bill().batches == bought_before
    desk.ledger.close()
    again = desk_for([one for one in wanted if one.hash not in known(wanted, tmp_path)], tmp_path)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", simulated.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    run(backend(), again)
    everything_once(again, simulated.bill(), wanted)
    assert simulated.bill().batches == 1


def known(wanted: list[Request], folder: Path) -> set[str]:
    desk = desk_for([], folder)
    found = desk.ledger.known([one.hash for one in wanted])
    desk.ledger.close()
    return found


def killed_at(where: str, monkeypatch: pytest.MonkeyPatch, desk: TestDesk) -> None:
    """Die after ``intend`` or ``create`` has done its work, or before ``created`` or ``settled`` does."""
    intend, create = desk.batches.intend, Calls.create

    def intend_and_die(*given: Any) -> None:
        intend(*given)
        raise Killed

    async def create_and_die(*given: Any) -> None:
        await create(*given)
        raise Killed

    def die(*given: Any) -> None:
        raise Killed

    if where == "create":
        monkeypatch.setattr(Calls, "create", create_and_die)
    else:
        monkeypatch.setattr(desk.batches, where, intend_and_die if where == "intend" else die)


def test_several_orphans_of_one_size_are_told_apart(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_orphans=1.0, batch_seconds=0.5)
    wanted = requests(12)
    desk = desk_for(wanted, tmp_path)
    until_orphans = backend(requests=3, longest_poll=0.05)

    async def both() -> None:
        work = asyncio.create_task(until_orphans.work(desk))
        while sum(batch.batch_id is None for batch in desk.batches.pending(MODEL)) < 4:
            await asyncio.sleep(0.01)
        await work

    asyncio.run(asyncio.wait_for(both(), 20))
    everything_once(desk, simulated.bill(), wanted)
    assert simulated.bill().batches == 4


def test_a_batch_that_appears_late_on_the_list_is_waited_for(simulated: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recent, looks = Calls.recent, list[int]()

    async def late(self: Calls, since: float) -> list[Seen]:
        looks.append(1)
        return [] if len(looks) < 6 else await recent(self, since)

    monkeypatch.setattr(Calls, "recent", late)
    simulated.set(batch_orphans=1.0)
    wanted = requests(4)
    desk = desk_for(wanted, tmp_path)
    run(backend(patience=5), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert simulated.bill().batches == 1


def test_batches_of_others_on_the_list_are_left_alone(simulated: Account, tmp_path: Path) -> None:
    """The same size and the same minute: one of another program, one of a bildung with another ledger, and one that goes on for long."""
    def made_by(custom_id: Callable[[Request], str]) -> None:
        body: Any = [{"custom_id": custom_id(one), "params": params("claude-test", one, "1h")} for one in requests(4, first=100)]
        with Anthropic() as client:
            client.messages.batches.create(requests=body)

    made_by(lambda one: f"theirs-{one.document_id}")
    made_by(lambda one: f"{'ab' * 6}-{one.hash[:40]}")
    wanted = requests(4)
    desk = desk_for(wanted, tmp_path)
    desk.batches.intend("cd" * 6, wanted)
    run(backend(patience=0.3), desk)
    assert desk.ledger.known([one.hash for one in wanted]) == {one.hash for one in wanted}
    assert desk.batches.known_ids() == {simulated.batch(1), simulated.batch(3)}  # foreign, and the one made now
    assert desk.batches.pending(MODEL) == []


def test_a_batch_of_an_earlier_plan_is_collected_though_nobody_asks(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_seconds=0.5)
    older, newer = requests(8), requests(3, first=20)
    desk = desk_for(older, tmp_path)
    until(desk, lambda desk: bool(desk.batches.known_ids()))
    assert any("1 batch goes on at the provider" in line for line in desk.said)
    again = desk_for(newer, tmp_path)
    run(backend(), again)
    assert len(again.answers) == 3
    everything_once(again, simulated.bill(), older + newer)


def test_an_answer_that_comes_before_its_request_is_handed_over_then(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_seconds=0.5)
    wanted = requests(6)
    desk = desk_for(wanted, tmp_path)
    until(desk, lambda desk: bool(desk.batches.known_ids()))

    class LateDesk(TestDesk):
        async def take(self) -> Request | None:
            while len(self.ledger.known([one.hash for one in wanted])) < 6:
                await asyncio.sleep(0.01)
            return self.take_ready()

    late = LateDesk(MODEL, wanted, tmp_path)
    run(backend(), late)
    assert len(late.answers) == 6
    everything_once(late, simulated.bill(), wanted)


def test_ctrl_c_leaves_batches_at_the_provider_and_the_next_run_collects_them(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_seconds=1.0)
    wanted = requests(9)
    desk = desk_for(wanted, tmp_path)
    until(desk, lambda desk: bool(desk.batches.known_ids()), seconds=0.9)
    assert desk.said == ["1 batch goes on at the provider; the same command collects what it holds"]
    again = desk_for(wanted, tmp_path)
    run(backend(), again)
    everything_once(again, simulated.bill(), wanted)
    assert simulated.bill().batches == 1


def test_requests_that_come_of_answers_go_into_later_windows(simulated: Account, tmp_path: Path) -> None:
    """A chain, and a desk that says it has no more only once everything was handed back."""
    drafts, rewrites = requests(7), requests(7, first=50)

    class Chain(TestDesk):
        async def take(self) -> Request | None:
            while not self.waiting and len(self.answers) < 14:
                await asyncio.sleep(0.01)
            return self.take_ready()

        async def answered(self, request: Request, answer: Answer) -> None:
            await super().answered(request, answer)
            if request in drafts:
                self.waiting.append(rewrites[drafts.index(request)])

    desk = Chain(MODEL, drafts, tmp_path)
    run(backend(), desk)
    everything_once(desk, simulated.bill(), drafts + rewrites)
    assert simulated.bill().batches == 2


def test_at_most_four_batches_are_open_at_once(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_seconds=0.2)
    wanted = requests(20)
    most = deque([0], maxlen=1)

    class Watching(TestDesk):
        def lies(self, batches: int, requests: int) -> None:
            most.append(max(most[0], batches))

    desk = Watching(MODEL, wanted, tmp_path)
    run(backend(requests=2), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert most[0] == 4


def test_a_provider_that_is_away_for_a_while_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    desk = desk_for(requests(2), tmp_path)

    async def both() -> None:
        work = asyncio.create_task(backend().work(desk))
        await asyncio.sleep(0.4)
        assert not work.done()
        desk.stopping = True
        await work

    asyncio.run(asyncio.wait_for(both(), 10))
    assert desk.batches.pending(MODEL) == [] and desk.said == []  # a connection that was never made created nothing


def test_a_key_that_is_refused_stops_the_run_and_is_not_repeated(
    simulated: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated.set(api_key="right")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-wrong")
    desk = desk_for(requests(2), tmp_path)
    with pytest.raises(AuthenticationFailed) as refused:
        run(backend(), desk)
    assert "sk-wrong" not in str(refused.value)
    assert desk.batches.pending(MODEL) == []


def test_a_build_without_a_key_ends_before_it_starts(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    with pytest.raises(AuthenticationFailed, match="set ANTHROPIC_API_KEY"):
        open_backend("claude-test", BackendContext(library))


def replied(status: int, code: str = "", headers: Mapping[str, str] | None = None) -> APIStatusError:
    import httpx2

    body = {"error": {"type": "x", "message": "m", "details": {"error_code": code}}}
    reply = httpx2.Response(status, headers=headers, request=httpx2.Request("POST", "http://127.0.0.1"))
    return APIStatusError("m", response=reply, body=body)


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        (replied(429, "enforced_spend_limit_reached"), BudgetReached), (replied(402), BudgetReached), (replied(401), AuthenticationFailed),
        (replied(403), AuthenticationFailed), (replied(413), TooLarge), (replied(400), BildungError), (replied(429), Refused),
        (replied(529), Refused), *((replied(status), Unconfirmed) for status in (408, 499, 500, 502, 503, 504)),
    ],
)  # fmt: skip
def test_what_a_status_means_for_the_batch_that_was_to_be_created(
    monkeypatch: pytest.MonkeyPatch, reply: APIStatusError, meaning: type[Exception]
) -> None:
    async def refuse(**given: Any) -> None:
        raise reply

    async def create() -> None:
        async with AsyncAnthropic(api_key="any") as client:
            calls = Calls(client, MODEL, partial(failed_status, secret=None), 5)
            monkeypatch.setattr(calls._once, "create", refuse)
            await calls.create([("name", {})])

    with pytest.raises(meaning) as told:
        asyncio.run(create())
    assert type(told.value) is meaning


def test_a_refused_batch_waits_as_long_as_it_is_told(simulated: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create, begun = Calls.create, list[float]()

    async def once_refused(self: Calls, of: Any) -> str:
        begun.append(time.monotonic())
        if len(begun) == 1:
            raise Refused("429", 0.7)
        return await create(self, of)

    monkeypatch.setattr(Calls, "create", once_refused)
    wanted = requests(2)
    desk = desk_for(wanted, tmp_path)
    run(backend(), desk)
    everything_once(desk, simulated.bill(), wanted)
    assert begun[1] - begun[0] >= 0.7


def test_results_that_are_no_longer_kept_are_told_and_bought_again(
    simulated: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated.set(batch_seconds=0.3)
    wanted = requests(3)
    desk = desk_for(wanted, tmp_path)
    until(desk, lambda desk: bool(desk.batches.known_ids()))
    look, first = Calls.look, simulated.batch(1)

    async def archived(self: Calls, batch_id: str) -> Seen:
        seen = await look(self, batch_id)
        return seen._replace(ended=True, gone=True) if batch_id == first else seen

    monkeypatch.setattr(Calls, "look", archived)
    again = desk_for(wanted, tmp_path)
    run(backend(), again)
    assert len(again.answers) == 3 and again.batches.pending(MODEL) == []
    assert [line for line in again.said if "no longer keeps" in line] == again.said


def test_work_can_be_cancelled_and_the_next_run_goes_on(simulated: Account, tmp_path: Path) -> None:
    simulated.set(batch_seconds=0.5)
    wanted = requests(30)
    desk = desk_for(wanted, tmp_path)

    async def cut_off() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await backend(requests=10).work(desk)

    asyncio.run(cut_off())
    again = desk_for([one for one in wanted if one.hash not in known(wanted, tmp_path)], tmp_path)
    run(backend(), again)
    everything_once(again, simulated.bill(), wanted)


def test_a_pending_batch_is_told_by_its_nonce_alone() -> None:
    from builder.batch.orphans import custom_id, key_of

    batch = PendingBatch("0" * 12, None, 0.0, ("f" * 64,))
    assert custom_id(batch.nonce, batch.hashes[0]) == f"{'0' * 12}-{key_of('f' * 64)}"
