"""Batches and prompt caches of the simulated provider, seen by the real SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import anthropic
import httpx2
import pytest
from calls import MODEL, SHORT, ask, make_batch, open_client

from builder.bench.provider import Provider, Settings, provider


@pytest.fixture(scope="module")
def shared() -> Iterator[Provider]:
    """One provider for the tests that ask nothing of its settings."""
    with provider(Settings(cache_minimum=1000)) as simulated:
        yield simulated


def _cached(text: str, ttl: str = "5m") -> list[Any]:
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}}]


def _usage(message: anthropic.types.Message) -> tuple[int, int, int, int]:
    """Fresh, read, written for five minutes, written for an hour."""
    made = message.usage.cache_creation
    assert made is not None
    written = (made.ephemeral_5m_input_tokens, made.ephemeral_1h_input_tokens)
    return message.usage.input_tokens, message.usage.cache_read_input_tokens or 0, *written


def test_the_first_call_writes_the_prefix_and_later_ones_read_it(shared: Provider) -> None:
    client, constitution = open_client(shared), "Be kind. " * 1000
    assert _usage(ask(client, "x" * 40, system=_cached(constitution))) == (10, 0, 2250, 0)
    assert _usage(ask(client, "y" * 40, system=_cached(constitution))) == (10, 2250, 0, 0)
    assert _usage(ask(client, "x" * 40, system=_cached(constitution + "!" * 40, "1h"))) == (10, 0, 0, 2260)
    assert _usage(ask(client, "x" * 40, system=_cached("Too short to keep."))) == (15, 0, 0, 0)


def test_calls_beside_the_first_do_not_read_what_it_writes() -> None:
    with provider(Settings(latency=0.3, answer_tokens=5, cache_ttl=1.0)) as simulated:
        client, system = open_client(simulated), _cached("Be kind. " * 1000)
        with ThreadPoolExecutor(3) as pool:
            herd = [_usage(message) for message in pool.map(lambda text: ask(client, text, system=system), "abc")]
        assert [(read, written) for _, read, written, _ in herd] == [(0, 2250)] * 3
        assert _usage(ask(client, "d", system=system))[1] == 2250
        time.sleep(1.1)
        assert _usage(ask(client, "e", system=system))[1] == 0, "it has been forgotten"


def test_a_cold_batch_reads_nothing_a_primed_one_does() -> None:
    with provider(Settings(answer_tokens=5)) as simulated:
        client, system = open_client(simulated), _cached("Be kind. " * 1000, "1h")
        ask(client, "live", system=system)
        reads = []
        for texts in (["a", "b"], ["c", "d"]):
            batch = make_batch(client, texts, system=system)
            client.messages.batches.retrieve(batch.id)
            rows = [row.result for row in client.messages.batches.results(batch.id)]
            reads.append([row.message.usage.cache_read_input_tokens for row in rows if row.type == "succeeded"])
    assert reads == [[0, 0], [2250, 2250]], "the live call's cache is another one, and a batch does not read its own"


def test_a_batch_ends_and_its_results_are_in_no_order() -> None:
    with provider(Settings(batch_seconds=0.5, batch_not_found=1, answer_tokens=5)) as simulated:
        client = open_client(simulated)
        batch = make_batch(client, [f"piece {number}" for number in range(20)])
        with pytest.raises(anthropic.NotFoundError):
            client.messages.batches.retrieve(batch.id)
        running = client.messages.batches.retrieve(batch.id)
        assert (running.processing_status, running.request_counts.processing, running.results_url) == ("in_progress", 20, None)
        assert simulated.bill().answers == 0
        time.sleep(0.6)
        ended = client.messages.batches.retrieve(batch.id)
        assert (ended.processing_status, ended.request_counts.succeeded) == ("ended", 20)
        ids = [row.custom_id for row in client.messages.batches.results(batch.id)]
        assert sorted(ids) == sorted(f"n-{number}" for number in range(20))
        assert ids != [f"n-{number}" for number in range(20)]
        assert simulated.bill().answers == 20


def test_results_tell_every_kind_and_a_cancelled_batch_keeps_what_it_has() -> None:
    with provider(Settings(batch_seconds=60, cancel_seconds=0.2, answer_tokens=5)) as simulated:
        client = open_client(simulated)
        batch = make_batch(client, [f"piece {number}" for number in range(40)])
        assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
        time.sleep(0.3)
        counts = client.messages.batches.retrieve(batch.id).request_counts
        assert counts.succeeded + counts.canceled == 40
        assert counts.succeeded == simulated.bill().answers > 5 < counts.canceled
        simulated.set(batch_seconds=0.0)
        mixed = make_batch(client, ["fine", "[[errored]]", "[[invalid]]", "[[expired]]", "[[refusal]]"])
        client.messages.batches.retrieve(mixed.id)
        results = {row.custom_id: row.result for row in client.messages.batches.results(mixed.id)}
    assert [results[f"n-{number}"].type for number in range(5)] == ["succeeded", "errored", "errored", "expired", "succeeded"]
    errors = [result.error.error.type for result in (results["n-1"], results["n-2"]) if result.type == "errored"]
    assert errors == ["api_error", "invalid_request_error"]


def test_the_list_of_batches_turns_its_pages_newest_first() -> None:
    with provider(Settings(batch_seconds=60)) as simulated:
        client = open_client(simulated)
        made = [make_batch(client, ["a"]).id for _ in range(5)]
        assert [batch.id for batch in client.messages.batches.list(limit=2)] == made[::-1]
        page = client.messages.batches.list(limit=2, before_id=made[0])
        assert [batch.id for batch in page.data] == [made[2], made[1]]
        assert page.has_more
        assert client.messages.batches.list(limit=20, after_id=made[2]).data[0].id == made[1]


def test_an_orphaned_batch_is_made_though_nobody_is_told() -> None:
    with provider(Settings(batch_orphans=1.0, batch_overloaded=1, answer_tokens=5)) as simulated:
        client = open_client(simulated)
        with pytest.raises(anthropic.OverloadedError):
            make_batch(client, ["a"])
        assert list(client.messages.batches.list()) == []
        with pytest.raises(anthropic.APIConnectionError):
            make_batch(client, ["a", "b"])
        assert [batch.request_counts.succeeded for batch in client.messages.batches.list()] == [2]
        assert simulated.bill().answers == 2


def test_a_download_of_results_can_break_off() -> None:
    with provider(Settings(batch_cut=1, answer_tokens=5)) as simulated:
        client = open_client(simulated)
        batch = make_batch(client, ["a", "b", "c", "d"])
        got = []
        with pytest.raises(httpx2.RemoteProtocolError):
            for row in client.messages.batches.results(batch.id):
                got.append(row.custom_id)
        assert len(got) == 2
        assert len(list(client.messages.batches.results(batch.id))) == 4


@pytest.mark.parametrize("custom_id", ["", "a b", "ä", "x" * 65, "dot.ted"])
def test_ids_that_the_api_refuses_are_refused(shared: Provider, custom_id: str) -> None:
    params: Any = {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": SHORT}]}
    requests: list[Any] = [{"custom_id": custom_id, "params": params}]
    with pytest.raises(anthropic.BadRequestError, match="custom_id"):
        open_client(shared).messages.batches.create(requests=requests)
    twice: list[Any] = [{"custom_id": "a", "params": params}] * 2
    with pytest.raises(anthropic.BadRequestError, match="more than once"):
        open_client(shared).messages.batches.create(requests=twice)


def _posted(simulated: Provider, body: bytes, length: int) -> tuple[int, str]:
    connection = HTTPConnection(simulated.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/v1/messages/batches")
    for name, value in (("x-api-key", "any"), ("content-length", str(length))):
        connection.putheader(name, value)
    connection.endheaders(body)
    reply = connection.getresponse()
    told = reply.status, reply.read().decode()
    connection.close()
    return told


def test_batches_that_are_too_large_are_refused(shared: Provider) -> None:
    params = {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": SHORT}]}
    body = json.dumps({"requests": [{"custom_id": f"n{number}", "params": params} for number in range(100_001)]}).encode()
    status, said = _posted(shared, body, len(body))
    assert (status, "at most 100000" in said) == (400, True)
    assert _posted(shared, b"", 257 * 1024**2)[0] == 413
