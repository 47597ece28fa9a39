"""``openai/<model>`` through the real SDK, against the simulated provider."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from desks import TestDesk, asked, run

from builder.backends import BackendContext
from builder.backends.openai import KEY, OpenAI, allowances, answer_of, chat_params, open_backend
from builder.bench.provider import Provider, Settings, provider
from builder.desk import Allowance
from builder.errors import AuthenticationFailed, BildungError, BudgetReached, UsageError
from builder.library import Library
from builder.records import Request, Turn, Usage

MODEL = "openai/m"
SCHEMA = '{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}'


@pytest.fixture(scope="module")
def started() -> Iterator[Provider]:
    with provider() as simulated:
        yield simulated


@pytest.fixture
def simulated(started: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The provider as new but for its counts, reached without a key as a local server is."""
    started.set(**asdict(Settings()))
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", started.openai_url)
    return started


def marked(number: int, mark: str) -> Request:
    """A request whose prompt makes the provider do something."""
    request = asked(number, MODEL)
    return request.model_copy(update={"turns": (Turn(role="user", content=f"Write piece {number}. [[{mark}]]"),)})


def work(desk: TestDesk) -> TestDesk:
    run(OpenAI("m"), desk)
    return desk


def test_faults_on_the_way_are_overcome(simulated: Provider, tmp_path: Path) -> None:
    simulated.set(faults={"429": 0.05, "529": 0.03, "drop": 0.02, "500": 0.02, "malformed": 0.02, "html": 0.02}, retry_after=0.2)
    desk = work(TestDesk(MODEL, [asked(number, MODEL) for number in range(100)], tmp_path))
    assert len(desk.answers) == 100
    assert {failure.kind for _, failure, _ in desk.failures} == {"limited", "overloaded", "dropped", "server"}


def test_stop_reasons_are_those_of_the_messages_api(simulated: Provider, tmp_path: Path) -> None:
    marks = ["none", "refusal", "max_tokens", "surrogate", "invalid"]
    requests = [marked(200 + place, mark) for place, mark in enumerate(marks)] + [asked(299, MODEL)]
    answers = work(TestDesk(MODEL, requests, tmp_path, 1)).answers
    given = [answers[request.hash] for request in requests]
    assert [answer.stop_reason for answer in given[:-1]] == ["end_turn", "refusal", "max_tokens", "end_turn", "invalid_request"]
    assert given[1].detail and given[3].mended == 1
    assert given[0].usage.tokens_in > 0 and given[0].usage.tokens_out > 0 and given[0].usage.cost is None
    assert all(answer.request_id for answer in given)


def test_a_schema_gets_a_structured_answer(simulated: Provider, tmp_path: Path) -> None:
    request = asked(300, MODEL, schema_text=SCHEMA)
    assert set(json.loads(work(TestDesk(MODEL, [request], tmp_path)).answers[request.hash].text)) == {"a"}


@pytest.mark.parametrize(
    ("faults", "error"), [({"401": 1.0}, AuthenticationFailed), ({"spend_limit": 1.0}, BudgetReached), ({"invalid": 1.0}, BildungError)]
)
def test_what_makes_asking_on_futile_stops_the_run(
    simulated: Provider, tmp_path: Path, faults: dict[str, float], error: type[BildungError]
) -> None:
    simulated.set(faults=faults)
    before = simulated.bill().requests
    with pytest.raises(error) as raised:
        work(TestDesk(MODEL, [asked(number, MODEL) for number in range(400, 500)], tmp_path, 8))
    assert type(raised.value) is error
    assert simulated.bill().requests - before <= 16


def test_a_wrong_address_is_the_writers_mistake(simulated: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", simulated.url)
    with pytest.raises(UsageError, match="base URL"):
        work(TestDesk(MODEL, [asked(500, MODEL)], tmp_path))


def test_a_hung_call_is_cut_off_and_asked_again(simulated: Provider, tmp_path: Path) -> None:
    desk = work(TestDesk(MODEL, [marked(600, "hang*1")], tmp_path, timeout=0.5))
    assert len(desk.answers) == 1 and [failure.kind for _, failure, _ in desk.failures] == ["timeout"]


@pytest.mark.parametrize("base", [None, "https://api.openai.com/v1"])
def test_openai_itself_needs_a_key(base: str | None, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    if base:
        monkeypatch.setenv("OPENAI_BASE_URL", base)
    with pytest.raises(AuthenticationFailed, match=KEY):
        open_backend("m", BackendContext(library))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert open_backend("m", BackendContext(library)).fingerprint == "openai/m"


def test_a_missing_package_is_named(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "openai":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'bildung\[openai\]'"):
        open_backend("m", BackendContext(library))


@pytest.mark.parametrize(("own", "name"), [(True, "max_completion_tokens"), (False, "max_tokens")])
def test_the_bound_on_length_is_named_as_the_server_knows_it(own: bool, name: str) -> None:
    body = chat_params("m", asked(1, MODEL, system="Be brief."), own)
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Write piece 1."}],
        name: 600,
    }


def test_cached_tokens_are_counted() -> None:
    usage = {"prompt_tokens": 50, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 40}}
    choice = {"finish_reason": "stop", "message": {"content": "t"}}
    answer = answer_of("h", {"choices": [choice], "usage": usage}, None)
    assert answer.usage == Usage(tokens_in=50, tokens_out=7, tokens_cached=40, cost=None)


@pytest.mark.parametrize("broken", [{}, {"choices": []}, {"choices": [{"message": None, "finish_reason": "stop"}]}, [], "text", None])
def test_what_is_no_whole_completion_is_a_value_error(broken: Any) -> None:
    with pytest.raises(ValueError, match="completion"):
        answer_of("h", broken, None)


@pytest.mark.parametrize(
    ("reset", "seconds"), [(b"6m0s", 360.0), (b"20ms", 0.02), (b"1h2m3.5s", 3723.5), (b"12", 12.0), (b"soon", 60.0)]
)
def test_headers_say_what_is_left(reset: bytes, seconds: float) -> None:
    headers = [(b"X-RateLimit-Limit-Tokens", b"150000"), (b"x-ratelimit-remaining-tokens", b"149000"), (b"x-ratelimit-reset-tokens", reset)]
    (allowance,) = allowances(headers)
    assert allowance == Allowance("tokens", 150_000, 149_000, seconds)
