"""The simulated provider, seen by the real SDKs: each fault is what the SDK reports, and the bill is exact."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
import zstandard
from calls import MODEL, SHORT, ask, make_batch, open_client, text_of

from builder.bench.provider import Provider, Settings, connect, provider
from builder.bench.provider.prose import prose


@pytest.fixture(scope="module")
def shared() -> Iterator[Provider]:
    """One provider for the tests that ask nothing of its settings."""
    with provider() as simulated:
        yield simulated


def test_the_same_prompt_gets_the_same_answer(shared: Provider) -> None:
    client = open_client(shared)
    first, again, other = (text_of(ask(client, text)) for text in ("Of ferries.", "Of ferries.", "Of locks."))
    assert first == again != other
    assert 1_500 < len(first) < 1_900


def test_a_stream_tells_the_same_as_a_reply(shared: Provider) -> None:
    client = open_client(shared)
    whole = ask(client, "Of weirs.")
    with client.messages.stream(model=MODEL, max_tokens=600, messages=[{"role": "user", "content": "Of weirs."}]) as stream:
        streamed = stream.get_final_message()
    assert text_of(streamed) == text_of(whole)
    assert (streamed.stop_reason, streamed.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens) == ("end_turn", 400)
    assert shared.bill().bought_again >= 1, "a stream and a reply to one prompt are the same thing bought twice"


def test_request_ids_are_told_with_replies_and_with_errors(shared: Provider) -> None:
    client = open_client(shared)
    assert (ask(client, SHORT)._request_id or "").startswith("req_")
    with pytest.raises(anthropic.OverloadedError) as failed:
        ask(client, "[[529]]")
    assert (failed.value.request_id or "").startswith("req_")


@pytest.mark.parametrize(
    ("mark", "status", "kind"),
    [
        ("429", 429, anthropic.RateLimitError),
        ("529", 529, anthropic.OverloadedError),
        ("500", 500, anthropic.InternalServerError),
        ("401", 401, anthropic.AuthenticationError),
        ("spend_limit", 429, anthropic.RateLimitError),
        ("invalid", 400, anthropic.BadRequestError),
    ],
)
def test_errors_are_what_the_sdk_calls_them(shared: Provider, mark: str, status: int, kind: type[anthropic.APIStatusError]) -> None:
    with pytest.raises(kind) as failed:
        ask(open_client(shared), f"[[{mark}]]")
    assert failed.value.status_code == status
    assert failed.value.error_code == ("enforced_spend_limit_reached" if mark == "spend_limit" else None)
    assert ("retry-after" in failed.value.response.headers) == (mark == "429")


@pytest.mark.parametrize(
    ("mark", "kind"),
    [("drop", anthropic.APIConnectionError), ("truncate", anthropic.APIConnectionError), ("malformed", json.JSONDecodeError)],
)
def test_broken_replies_are_what_the_sdk_calls_them(shared: Provider, mark: str, kind: type[Exception]) -> None:
    before = shared.bill()
    with pytest.raises(kind):
        ask(open_client(shared), f"[[{mark}]]")
    assert shared.bill().answers == before.answers + 1, "it was computed, so it is billed"


def test_a_page_of_a_proxy_is_no_message(shared: Provider) -> None:
    reply = open_client(shared).messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "[[html]]"}])
    assert "<html>" in str(reply)


def test_a_call_that_hangs_times_out_and_is_not_billed(shared: Provider) -> None:
    before = shared.bill().answers
    with pytest.raises(anthropic.APITimeoutError):
        ask(open_client(shared, timeout=0.4), "[[hang]]")
    assert shared.bill().answers == before


@pytest.mark.parametrize(
    ("mark", "stop_reason", "tokens"),
    [
        ("refusal", "refusal", 4),
        ("max_tokens", "max_tokens", 200),
        ("window", "model_context_window_exceeded", 200),
        ("empty", "end_turn", 1),
    ],
)
def test_outcomes_are_replies_with_a_stop_reason(shared: Provider, mark: str, stop_reason: str, tokens: int) -> None:
    message = ask(open_client(shared), f"[[{mark}]]")
    assert (message.stop_reason, message.usage.output_tokens) == (stop_reason, tokens)
    assert (message.stop_details.category if message.stop_details else "") == ("frontier_llm" if mark == "refusal" else "")
    assert bool(text_of(message)) == (mark in ("max_tokens", "window"))


def test_too_few_tokens_cut_an_answer(shared: Provider) -> None:
    message = ask(open_client(shared), "Briefly.", max_tokens=100)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 100)


@pytest.mark.parametrize(("mark", "odd"), [("surrogate", "\ud83d"), ("control", "\x00")])
def test_odd_characters_arrive(shared: Provider, mark: str, odd: str) -> None:
    assert odd in text_of(ask(open_client(shared), f"[[{mark}]]"))


def test_a_marked_fault_can_pass(shared: Provider) -> None:
    client = open_client(shared)
    for _ in range(2):
        with pytest.raises(anthropic.OverloadedError):
            ask(client, "[[529*2]] and then well")
    assert ask(client, "[[529*2]] and then well").stop_reason == "end_turn"


SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["keep", "drop"]},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "why": {"type": "string"},
    },
    "required": ["verdict", "score", "why"],
    "additionalProperties": False,
}


def test_structured_answers_fit_their_schema(shared: Provider) -> None:
    client, wanted = open_client(shared), {"format": {"type": "json_schema", "schema": SCHEMA}}
    judged = [json.loads(text_of(ask(client, f"Judge {number}.", output_config=wanted))) for number in range(8)]
    assert {each["verdict"] for each in judged} == {"keep", "drop"}
    assert all(1 <= each["score"] <= 5 and each["why"] for each in judged)
    with pytest.raises(json.JSONDecodeError):
        json.loads(text_of(ask(client, "[[malformed_json]]", output_config=wanted)))


def test_chat_completions(shared: Provider) -> None:
    client = openai.OpenAI(base_url=shared.openai_url, api_key="any", max_retries=0)

    def ask(text: str, **more: Any) -> Any:
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **more)

    reply = ask("Of chat.")
    assert (reply.choices[0].finish_reason, reply.usage.completion_tokens) == ("stop", 400)
    assert (
        "".join(part.choices[0].delta.content or "" for part in ask("Of chat.", stream=True) if part.choices)
        == reply.choices[0].message.content
    )
    assert ask("[[refusal]]").choices[0].finish_reason == "content_filter"
    assert ask("[[max_tokens]]").choices[0].finish_reason == "length"
    wanted = {"type": "json_schema", "json_schema": {"name": "v", "schema": SCHEMA}}
    assert set(json.loads(ask("Judge.", response_format=wanted).choices[0].message.content)) == {"verdict", "score", "why"}
    with pytest.raises(openai.RateLimitError) as spent:
        ask("[[spend_limit]]")
    assert spent.value.code == "insufficient_quota"
    with pytest.raises(openai.InternalServerError) as overloaded:
        ask("[[529]]")
    assert overloaded.value.status_code == 503


def test_the_bill_is_exact() -> None:
    with provider(Settings(answer_tokens=100, price_input=3.0, price_output=15.0, faults={"refusal": 0.0})) as simulated:
        client = open_client(simulated)
        for text in ("a" * 400, "a" * 400, "b" * 40):
            ask(client, text)
        with pytest.raises(anthropic.OverloadedError):
            ask(client, "[[529]]")
        batch = make_batch(client, ["c" * 400, "[[errored]]"])
        assert client.messages.batches.retrieve(batch.id).request_counts.succeeded == 1
        bill = simulated.bill()
    assert bill.dollars_live == Decimal("0.005130")  # (100 + 100 + 10) x $3 and 300 x $15, each per million
    assert bill.dollars_batch == Decimal("0.0009")  # half of 100 x $3 and 100 x $15
    assert bill.dollars == Decimal("0.00603")
    assert (bill.requests, bill.answers, bill.bought_again) == (4, 4, 1)
    assert sorted(bill.bought.values()) == [1, 1, 2]
    assert bill.faults == {"529": 1, "errored": 1}


def test_an_answer_nobody_hears_is_billed_unless_told_otherwise() -> None:
    with provider(Settings(latency=0.3)) as simulated:
        with pytest.raises(anthropic.APITimeoutError):
            ask(open_client(simulated, timeout=0.1), "Too slow.")
        time.sleep(0.4)
        assert simulated.bill().answers == 1
        connect(simulated.url).set(dropped_are_billed=False, latency=0.0)
        with pytest.raises(anthropic.APIConnectionError):
            ask(open_client(simulated), "[[drop]]")
        assert simulated.bill().answers == 1
        with pytest.raises(ValueError, match="no setting named 'latncy'"):
            simulated.set(latncy=1)


def test_faults_come_in_their_shares_and_outcomes_stay() -> None:
    with provider(Settings(answer_tokens=5, faults={"529": 0.2, "refusal": 0.3})) as simulated:
        client = open_client(simulated)

        def stop(number: int) -> str | None:
            try:
                return ask(client, f"Piece {number}.").stop_reason
            except anthropic.OverloadedError:
                return None

        first, again = [stop(number) for number in range(200)], [stop(number) for number in range(200)]
        bill = simulated.bill()
    assert 40 <= bill.faults["529"] <= 120  # 80 expected of 400
    assert 35 <= first.count("refusal") <= 70  # 48 expected
    assert first != again, "the way is drawn for each arrival"
    assert all(one == other for one, other in zip(first, again, strict=True) if one and other), "what a prompt comes to is not"


_PARAMS: dict[str, Any] = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": SHORT}]}


def test_a_limit_lets_its_bucket_through_and_says_when_to_come_back() -> None:
    with provider(Settings(limit=6, bucket=3, answer_tokens=5)) as simulated:
        client, name = open_client(simulated), "anthropic-ratelimit-requests-"
        told = [client.messages.with_raw_response.create(**_PARAMS).headers for _ in range(3)]
        with pytest.raises(anthropic.RateLimitError) as limited:
            ask(client, SHORT)
        assert [each[name + "remaining"] for each in told] == ["2", "1", "0"]
        assert {each[name + "limit"] for each in told} == {"6"}
        assert 5 <= int(limited.value.response.headers["retry-after"]) <= 10
        assert limited.value.response.headers[name + "reset"].endswith("Z")
        simulated.set(limit=60)
        time.sleep(1.05)
        ask(client, SHORT)
        simulated.set(limit=1, limit_headers=False)
        with pytest.raises(anthropic.RateLimitError) as limited:
            ask(client, SHORT)
        assert name + "limit" not in limited.value.response.headers
        assert (simulated.bill().limited, simulated.bill().answers) == (2, 4)


def test_a_wrong_key_is_refused() -> None:
    with provider(Settings(api_key="right")) as simulated:
        with pytest.raises(anthropic.AuthenticationError):
            ask(open_client(simulated), SHORT)
        with pytest.raises(anthropic.AuthenticationError):
            make_batch(open_client(simulated), [SHORT])
        assert simulated.bill().answers == 0


def test_it_counts_what_is_in_flight_and_the_asynchronous_client_works() -> None:
    async def herd(url: str) -> list[str | None]:
        async with anthropic.AsyncAnthropic(
            base_url=url, api_key="any", max_retries=0, http_client=anthropic.DefaultAioHttpClient()
        ) as client:
            asked = [
                client.messages.create(model=MODEL, max_tokens=600, messages=[{"role": "user", "content": f"Piece {number}."}])
                for number in range(24)
            ]
            return [message.stop_reason for message in await asyncio.gather(*asked)]

    with provider(Settings(latency=0.5)) as simulated:
        assert asyncio.run(herd(simulated.url)) == ["end_turn"] * 24
        assert simulated.bill().in_flight_most == 24


@pytest.mark.parametrize("settings", [{"faults": {"fire": 0.1}}, {"faults": {"529": 5}}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="fire|529"):
        Settings(**settings)


def test_it_ends_with_the_process_that_started_it() -> None:
    code = "import time; from builder.bench.provider import provider\nwith provider() as p: print(p.url, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        simulated = connect(starter.stdout.readline().strip())
        assert simulated.bill().requests == 0
        starter.kill()
    until = time.monotonic() + 20
    with pytest.raises(ConnectionError):
        while time.monotonic() < until:
            simulated.bill()
            time.sleep(0.1)


def test_the_text_is_as_hard_to_compress_as_fiction() -> None:
    texts = [prose(f"piece {number}", 400).encode() for number in range(100)]
    compress = zstandard.ZstdCompressor(level=9).compress
    assert 0.48 < sum(len(compress(text)) for text in texts) / sum(map(len, texts)) < 0.56
    assert len(set(texts)) == 100
