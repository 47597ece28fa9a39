"""``anthropic/<model>`` through the real SDK, against the simulated provider."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from desks import TestDesk, asked, run

from builder.backends import BackendContext
from builder.backends.anthropic import KEYS, STREAM_ABOVE, Anthropic, allowances, open_backend
from builder.bench.provider import Provider, Settings, provider
from builder.desk import Allowance
from builder.errors import AuthenticationFailed, BildungError, BudgetReached, UsageError
from builder.library import Library
from builder.records import Request, Turn

MODEL = "anthropic/m"
SECRET = "sk-canary-0123456789"
SCHEMA = '{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}'


@pytest.fixture(scope="module")
def started() -> Iterator[Provider]:
    with provider() as simulated:
        yield simulated


@pytest.fixture
def simulated(started: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The provider as new but for its counts, and the environment that leads to it."""
    started.set(**asdict(Settings()))
    monkeypatch.setenv(KEYS[0], SECRET)
    monkeypatch.delenv(KEYS[1], raising=False)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", started.url)
    return started


def marked(number: int, mark: str, **changes: Any) -> Request:
    """A request whose prompt makes the provider do something."""
    request = asked(number, MODEL, **changes)
    return request.model_copy(update={"turns": (*request.turns[:-1], Turn(role="user", content=f"Write piece {number}. [[{mark}]]"))})


def work(desk: TestDesk) -> TestDesk:
    run(Anthropic("m"), desk)
    return desk


def test_the_fault_mix_is_answered_in_full(simulated: Provider, tmp_path: Path) -> None:
    broken = {"drop": 0.02, "500": 0.01, "truncate": 0.01, "malformed": 0.01, "html": 0.01}
    simulated.set(latency=0.05, faults={"429": 0.05, "529": 0.02, **broken}, retry_after=0.5)
    desk = work(TestDesk(MODEL, [asked(number, MODEL) for number in range(200)], tmp_path, 64))
    assert len(desk.answers) == 200
    kinds = Counter(failure.kind for _, failure, _ in desk.failures)
    assert kinds["limited"] and kinds["overloaded"] and kinds["dropped"] and kinds["server"]
    assert {failure.status for _, failure, _ in desk.failures if failure.kind == "limited"} == {429}
    assert not any(final for _, _, final in desk.failures)


def test_a_true_limit_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(KEYS[0], "any")
    with provider(Settings(latency=0.05, limit=3000, bucket=50)) as limited:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", limited.url)
        began = time.monotonic()
        desk = work(TestDesk(MODEL, [asked(number, MODEL) for number in range(110)], tmp_path, 32))
        assert len(desk.answers) == 110
        assert time.monotonic() - began < 8, "1.2 s is the least"
        assert limited.bill().limited < 50


def test_strays_pause_nobody(simulated: Provider, tmp_path: Path) -> None:
    simulated.set(faults={"429": 0.05}, retry_after=1.5)
    desk = TestDesk(MODEL, [marked(0, "429*1"), *(asked(number, MODEL) for number in range(1, 40))], tmp_path, 4)
    simulated.set(faults={})
    order: list[tuple[str, float]] = []
    answered = desk.answered

    async def note(request: Request, answer: Any) -> None:
        order.append((request.document_id, time.monotonic()))
        await answered(request, answer)

    desk.answered = note  # type: ignore[method-assign]
    work(desk)
    assert order[-1][0] == "story-000000" and order[-1][1] - order[-2][1] > 0.5


def test_a_hung_call_is_cut_off_and_asked_again(simulated: Provider, tmp_path: Path) -> None:
    desk = work(TestDesk(MODEL, [marked(500, "hang*1"), asked(501, MODEL)], tmp_path, timeout=0.5))
    assert len(desk.answers) == 2
    assert [failure.kind for _, failure, _ in desk.failures] == ["timeout"]


def test_what_comes_of_a_prompt_is_kept_as_it_is(simulated: Provider, tmp_path: Path) -> None:
    marks = ["refusal", "max_tokens", "window", "empty", "surrogate", "control", "invalid"]
    requests = [marked(600 + place, mark) for place, mark in enumerate(marks)] + [asked(699, MODEL)]
    desk = work(TestDesk(MODEL, requests, tmp_path, 1))
    by_mark = {mark: desk.answers[request.hash] for mark, request in zip(marks, requests, strict=False)}
    reasons = {mark: answer.stop_reason for mark, answer in by_mark.items()}
    assert reasons == {
        "refusal": "refusal", "max_tokens": "max_tokens", "window": "model_context_window_exceeded", "empty": "end_turn",
        "surrogate": "end_turn", "control": "end_turn", "invalid": "invalid_request",
    }  # fmt: skip
    assert by_mark["refusal"].detail == "frontier_llm" and by_mark["empty"].text == "" and "not accepted" in by_mark["invalid"].detail
    assert by_mark["surrogate"].mended == 1 and by_mark["control"].mended == 3
    assert all(answer.request_id for answer in by_mark.values())
    assert by_mark["max_tokens"].usage.tokens_out > 0 and by_mark["max_tokens"].usage.cost is None


@pytest.mark.parametrize(
    ("faults", "error", "kind"),
    [
        ({"401": 1.0}, AuthenticationFailed, "denied"),
        ({"spend_limit": 1.0}, BudgetReached, "unfunded"),
        ({"invalid": 1.0}, BildungError, "invalid"),
    ],
)
def test_what_makes_asking_on_futile_stops_the_run(
    simulated: Provider, tmp_path: Path, faults: dict[str, float], error: type[BildungError], kind: str
) -> None:
    simulated.set(faults=faults)
    before = simulated.bill().requests
    desk = TestDesk(MODEL, [asked(number, MODEL) for number in range(700, 900)], tmp_path, 8)
    with pytest.raises(error) as raised:
        work(desk)
    assert type(raised.value) is error and "\n" not in str(raised.value) and SECRET not in str(raised.value)
    assert simulated.bill().requests - before <= 16
    assert {failure.kind for _, failure, _ in desk.failures} == {kind} and desk.answers == {}


def test_an_unknown_path_or_model_is_the_writers_mistake(simulated: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"{simulated.url}/nowhere")
    with pytest.raises(UsageError, match="no such model"):
        work(TestDesk(MODEL, [asked(900, MODEL)], tmp_path))


def test_a_provider_that_cannot_be_reached_is_not_billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS[0], "any")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("builder.live.controller._LONGEST", 0.01)
    desk = work(TestDesk(MODEL, [asked(901, MODEL)], tmp_path))
    assert [(failure.kind, final) for _, failure, final in desk.failures] == [("server", False)] * 4 + [("server", True)]


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_is_found_before_anything_is_sent(key: str | None, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
        if key is not None:
            monkeypatch.setenv(name, key)
    with pytest.raises(AuthenticationFailed, match="ANTHROPIC_API_KEY"):
        open_backend("m", BackendContext(library))


def test_either_kind_of_key_will_do(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEYS[0], raising=False)
    monkeypatch.setenv(KEYS[1], "any")
    assert open_backend("m", BackendContext(library)).fingerprint == "anthropic/m"
    with pytest.raises(UsageError, match="needs a model"):
        open_backend("", BackendContext(library))


@pytest.mark.parametrize("mark", ["", "refusal", "surrogate"])
def test_a_long_answer_is_streamed_to_the_same_end(simulated: Provider, tmp_path: Path, mark: str) -> None:
    (tmp_path / "short").mkdir()
    ends = []
    for number, most in enumerate((STREAM_ABOVE, STREAM_ABOVE + 1)):
        request = marked(1000, mark or "none", max_tokens=most)
        desk = work(TestDesk(MODEL, [request], tmp_path / "short" if number else tmp_path))
        ends.append(desk.answers[request.hash].model_copy(update={"request_id": None}))
        assert desk.failures == []
    assert ends[0] == ends[1] and (ends[0].text or mark == "refusal")


def test_a_broken_stream_is_asked_for_again(simulated: Provider, tmp_path: Path) -> None:
    requests = [marked(1100 + place, f"{mark}*1", max_tokens=30_000) for place, mark in enumerate(("truncate", "malformed", "529"))]
    desk = work(TestDesk(MODEL, requests, tmp_path))
    assert len(desk.answers) == 3
    assert sorted(failure.kind for _, failure, _ in desk.failures) == ["dropped", "dropped", "overloaded"]


def test_a_schema_gets_a_structured_answer(simulated: Provider, tmp_path: Path) -> None:
    request = asked(1200, MODEL, schema_text=SCHEMA)
    assert work(TestDesk(MODEL, [request], tmp_path)).answers[request.hash].text.startswith('{"a"')


def test_a_long_prefix_is_written_to_the_cache_once(simulated: Provider, tmp_path: Path) -> None:
    simulated.set(latency=0.05)
    system = "A rule that holds. " * 500
    before = simulated.bill()
    desk = work(TestDesk(MODEL, [asked(number, MODEL, system) for number in range(1300, 1330)], tmp_path, 16))
    after = simulated.bill()
    written = [answer.usage for answer in desk.answers.values() if answer.usage.tokens_written]
    assert len(written) == 1 and after.tokens_written - before.tokens_written == written[0].tokens_written
    assert after.tokens_cached - before.tokens_cached == 29 * written[0].tokens_written
    assert sum(answer.usage.tokens_in for answer in desk.answers.values()) == after.tokens_in - before.tokens_in


def test_a_stop_drains(simulated: Provider, tmp_path: Path) -> None:
    simulated.set(latency=0.3)
    before = simulated.bill().answers
    desk = TestDesk(MODEL, [asked(number, MODEL) for number in range(1400, 1500)], tmp_path, 10)

    async def stop_soon() -> None:
        while simulated.bill().answers == before:  # one of ten is answered
            await asyncio.sleep(0.05)
        desk.stopping = True

    async def both() -> None:
        await asyncio.gather(Anthropic("m").work(desk), stop_soon())

    asyncio.run(asyncio.wait_for(both(), 20))
    assert 0 < len(desk.answers) < 100
    assert simulated.bill().answers - before == len(desk.answers), "what was paid for was handed back"


def test_headers_say_what_is_left() -> None:
    headers = [
        (b"Anthropic-RateLimit-Requests-Limit", b"600"), (b"anthropic-ratelimit-requests-remaining", b"599"),
        (b"anthropic-ratelimit-requests-reset", b"2026-01-01T00:00:00Z"), (b"anthropic-ratelimit-input-tokens-limit", b"40000"),
        (b"anthropic-ratelimit-input-tokens-remaining", b"39000"), (b"anthropic-ratelimit-output-tokens-limit", b"many"),
    ]  # fmt: skip
    assert allowances(headers) == (Allowance("requests", 600, 599, 60), Allowance("input_tokens", 40000, 39000, 60))
