"""Prices are those of the kept list, to the last digit, and what is not in it has none."""

from __future__ import annotations

import itertools
import time
from typing import Any

import genai_prices
import pytest
from rows_by_hand import brief

from builder.library import Library
from builder.prices import Price, price_of, tokens_at_most
from builder.records import Request, Turn, Usage

ANTHROPIC = (
    "claude-haiku-4-5",
    "claude-haiku-5-5",
    "claude-sonnet-4-5",
    "claude-opus-4-8",
    "claude-fable-5-1",
    "claude-3-haiku",
    "claude-2",
)
LISTED = [
    *(("anthropic", f"anthropic/{name}", name) for name in ANTHROPIC),
    *(("openai", f"openai/{name}", name) for name in ("gpt-4o-mini", "gpt-6.1-sol", "o3-pro")),
    ("google", "langchain/google_genai:gemini-2.5-pro", "gemini-2.5-pro"),
    ("mistral", "langchain/mistralai:mistral-large-latest", "mistral-large-latest"),
    ("perplexity", "langchain/perplexity:sonar", "sonar"),
]
INPUTS = (0, 1, 999, 100_000, 100_001, 200_000, 200_001, 272_001, 900_000)
SHARES = ((0, 0, 0), (0.5, 0, 0), (0, 0.9, 0), (0, 0, 1), (0.3, 0.3, 0.3))


@pytest.fixture(autouse=True)
def _own_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def usages() -> list[Usage]:
    return [
        Usage(
            tokens_in=count, tokens_out=out, tokens_cached=int(count * read), tokens_written=int(count * five),
            tokens_written_1h=int(count * hour),
        )
        for count, (read, five, hour), out in itertools.product(INPUTS, SHARES, (0, 1, 4096))
    ]  # fmt: skip


def listed(provider: str, model: str, usage: Usage, **context: Any) -> float:
    """What the library itself says."""
    told = genai_prices.Usage(
        input_tokens=usage.tokens_in, output_tokens=usage.tokens_out, cache_read_tokens=usage.tokens_cached,
        cache_write_tokens=usage.tokens_written + usage.tokens_written_1h, cache_write_5m_tokens=usage.tokens_written,
        cache_write_1h_tokens=usage.tokens_written_1h,
    )  # fmt: skip
    return float(genai_prices.calc_price(told, model, provider_id=provider, **context).total_price)


def known(model: str) -> Price:
    price = price_of(model)
    assert price is not None
    return price


def asked(library: Library, text: str, schema: str = "", max_tokens: int = 1000) -> Request:
    turns = (Turn(role="system", content="Be brief."), Turn(role="user", content=text))
    return Request(
        hash="h", document_id="d", step="draft", model="anthropic/claude-haiku-4-5", prompt_hash="p", brief=brief(library, 0), turns=turns,
        max_tokens=max_tokens, schema_text=schema,
    )  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "name"), LISTED, ids=[row[1] for row in LISTED])
def test_a_call_costs_what_the_list_says(provider: str, model: str, name: str) -> None:
    price = known(model)
    for usage in usages():
        assert price.cost(usage) == pytest.approx(listed(provider, name, usage), rel=1e-12, abs=1e-15), usage


@pytest.mark.parametrize("name", ["claude-haiku-5-5", "claude-sonnet-4-5", "claude-fable-5-1"])
def test_a_batch_costs_its_listed_price(name: str) -> None:
    price = known(f"anthropic-batch/{name}")
    for usage in usages():
        assert price.cost(usage) == pytest.approx(listed("anthropic", name, usage, price_context={"processing": "batch"}), rel=1e-12)
        assert price.cost(usage) == pytest.approx(known(f"anthropic/{name}").cost(usage) / 2)


def test_an_unlisted_batch_of_anthropic_is_half_the_list_price() -> None:
    usage = Usage(tokens_in=1000, tokens_out=1000)
    assert known("anthropic-batch/claude-3-haiku").cost(usage) == pytest.approx(known("anthropic/claude-3-haiku").cost(usage) / 2)


def test_a_batch_of_unknown_price_has_none() -> None:
    assert known("openai/gpt-3.5-turbo-instruct").batch is None


def test_a_threshold_prices_the_whole_call() -> None:
    price = known("anthropic/claude-haiku-5-5")
    below, above = (price.cost(Usage(tokens_in=count)) for count in (100_000, 100_001))
    assert above == pytest.approx(5 * below, rel=1e-4)


@pytest.mark.parametrize("model", ["offline/composer", "llamacpp/any.gguf", "langchain/ollama:llama3"])
def test_what_runs_here_is_free(model: str, library: Library) -> None:
    price = known(model)
    assert price.free
    assert price.cost(Usage(tokens_in=10**6, tokens_out=10**6)) == price.at_most(asked(library, "x")) == 0
    assert price.batch is price


@pytest.mark.parametrize(
    "model",
    [
        "anthropic/", "anthropic/claude-haiku-99", "anthropic-batch/nonsense", "anthropic", "openai/my-own", "openai/whisper-1",
        "elsewhere/gpt-4o",
        "langchain/gpt-4o", "langchain/azure_openai:gpt-4o", "langchain/litellm:openai/gpt-4o", "langchain/nobody:gpt-4o",
        "langchain/ollama:qwen3-coder:480b-cloud", "",
    ],
)  # fmt: skip
def test_an_unknown_price_is_unknown_and_not_zero(model: str) -> None:
    assert price_of(model) is None


def test_another_endpoint_is_not_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")
    assert price_of("openai/gpt-4o-mini") is not None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/api.openai.com/v1")
    assert price_of("openai/gpt-4o-mini") is None
    assert price_of("langchain/openai:gpt-4o-mini") is None
    assert price_of("anthropic/claude-haiku-4-5") is not None


@pytest.mark.parametrize("text", ["", "plain words " * 50, "\u5e8f\u6587\U0001f6f6" * 90, "\ud800", "x" * 300_000])
@pytest.mark.parametrize("model", ["anthropic/claude-haiku-4-5", "anthropic/claude-haiku-5-5", "langchain/deepseek:deepseek-v4-pro"])
def test_no_call_exceeds_its_bound(model: str, text: str, library: Library) -> None:
    request = asked(library, text)
    tokens = tokens_at_most(request)
    assert tokens >= len(text.encode("utf-8", "surrogatepass"))
    bound = known(model).at_most(request)
    for read, five, hour in ((0, 0, 0), (tokens, 0, 0), (0, tokens, 0), (0, 0, tokens)):
        used = Usage(tokens_in=tokens, tokens_cached=read, tokens_written=five, tokens_written_1h=hour, tokens_out=request.max_tokens)
        assert known(model).cost(used) <= bound * (1 + 1e-12)


def test_the_bound_grows_with_what_is_sent_and_what_may_come(library: Library) -> None:
    price = known("anthropic/claude-haiku-4-5")
    small = price.at_most(asked(library, "x"))
    assert price.at_most(asked(library, "x" * 1000)) - small == pytest.approx(999 * 2 / 1e6)
    assert price.at_most(asked(library, "x", max_tokens=2000)) - small == pytest.approx(1000 * 5 / 1e6)
    assert price.at_most(asked(library, "x", schema="{}")) > small


@pytest.mark.parametrize("hour", range(0, 24, 6))
def test_a_price_that_changes_with_the_hour_is_bounded_by_the_dearest(hour: int, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    price, request = known("langchain/deepseek:deepseek-v4-pro"), asked(library, "word " * 100)
    used = Usage(tokens_in=tokens_at_most(request), tokens_out=request.max_tokens)
    start = 1_800_000_000 + 3600 * hour
    monkeypatch.setattr("time.time", lambda: start)
    bound, costs = price.at_most(request), set()
    for later in range(24):
        monkeypatch.setattr("time.time", lambda at=start + 3600 * later: at)
        costs.add(price.cost(used))
    assert len(costs) > 1
    assert max(costs) == pytest.approx(bound)


def test_a_cost_takes_microseconds() -> None:
    price, usage = known("anthropic/claude-haiku-5-5"), Usage(tokens_in=2000, tokens_out=900, tokens_cached=1000)
    price.cost(usage)
    best = min(_seconds(price, usage) for _ in range(5))
    assert best < 15e-6


def _seconds(price: Price, usage: Usage) -> float:
    since = time.perf_counter()
    for _ in range(1000):
        price.cost(usage)
    return (time.perf_counter() - since) / 1000
