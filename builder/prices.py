"""What a model costs, from the offline price list of ``genai-prices``; a model that is not in it has no known price, never a price of 0.

    price = price_of("anthropic/claude-haiku-4-5")
    price.cost(answer.usage)        US dollars of one call, exactly
    price.at_most(request)          US dollars that the call cannot exceed, known before it is made
    price.batch                     the same model in a batch

The list is never updated over the network: the same installation gives the same figures.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from builder.records import Request, Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

# Message Batches cost half of the list price, cache reads and writes too:
# https://platform.claude.com/docs/en/build-with-claude/batch-processing#pricing
BATCH_SHARE = {"anthropic": 0.5}
_BATCH = {"processing": "batch"}
_FREE = ("offline", "llamacpp")
# LangChain's names where they differ from those of the list. Deployments of Azure carry names of their own: unknown.
_LANGCHAIN = {
    "google_genai": "google", "google_vertexai": "google", "google_anthropic_vertex": "google",
    "bedrock": "aws", "bedrock_converse": "aws", "anthropic_bedrock": "aws", "mistralai": "mistral", "xai": "x-ai",
}  # fmt: skip
# What a text call without tools never uses; whatever else we cannot count makes a price unknown.
_NEVER_USED = ("searches", "audio", "image", "video", "pages")
_COUNTED = {
    "input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_5m_mtok", "cache_write_1h_mtok", "requests_kcount",
}  # fmt: skip
# What a provider adds around a message (its role, start and end), and around a schema to explain it; both generous.
_TOKENS_PER_TURN = 32
_TOKENS_PER_CALL = 256
_TOKENS_PER_SCHEMA = 1024


class Rates(NamedTuple):
    """US dollars per million tokens: plain input, read from a cache, written to it for 5 minutes or an hour, output; and per call."""

    plain: float
    read: float
    written: float
    written_1h: float
    out: float
    call: float = 0.0


class Step(NamedTuple):
    """The rates of calls with more than ``above`` input tokens."""

    above: int
    rates: Rates


class Price:
    """What one model costs now. Some prices change with the hour or on a day, so rates are looked up again every minute."""

    def __init__(
        self, model: ModelInfo | None = None, share: float = 1.0, context: dict[str, str] | None = None, batch_share: float | None = None
    ) -> None:
        """``model`` is ``None`` for what is free. ``share`` multiplies every rate, ``context`` picks a variant of the price."""
        self._model = model
        self._share = share
        self._context = context
        self._batch_share = batch_share
        self._minute = -1
        self._steps: tuple[Step, ...] = ()
        self._day: tuple[Step, ...] = ()

    @property
    def free(self) -> bool:
        """Whether nothing is ever billed."""
        return self._model is None

    @property
    def known(self) -> bool:
        """Whether tokens are all that is needed to know what a call costs."""
        return bool(self._at(_now()))

    @property
    def batch(self) -> Price | None:
        """The same model in a batch; ``None`` where the price of a batch is not known."""
        if self._model is None:
            return self
        standard, batched = (self._model.get_prices(_now(), context) for context in (None, _BATCH))
        if batched != standard:
            return Price(self._model, context=_BATCH)
        return None if self._batch_share is None else Price(self._model, self._batch_share)

    def rates(self, tokens_in: int = 0) -> Rates:
        """The rates that apply now to a call with so many input tokens, cached ones counted."""
        self._look_up()
        for step in self._steps:
            if tokens_in > step.above:
                break
        return step.rates

    def cost(self, usage: Usage) -> float:
        """US dollars of one call."""
        rates = self.rates(usage.tokens_in)
        written, written_1h, read = usage.tokens_written, usage.tokens_written_1h, usage.tokens_cached
        plain = max(usage.tokens_in - read - written - written_1h, 0)
        tokens = plain * rates.plain + read * rates.read + written * rates.written + written_1h * rates.written_1h
        return rates.call + (tokens + usage.tokens_out * rates.out) / 1e6

    def at_most(self, request: Request) -> float:
        """US dollars that a call cannot exceed: no tokenizer makes more tokens of a text than it has bytes, and each at the dearest rate
        that can apply to so many or fewer, within the day that a batch may take.
        """
        self._look_up()
        tokens_in = tokens_at_most(request)
        met = [step.rates for step in self._day if tokens_in > step.above]
        dearest = max(max(rates[:4]) for rates in met)
        return max(rates.call for rates in met) + (tokens_in * dearest + request.max_tokens * max(rates.out for rates in met)) / 1e6

    def _look_up(self) -> None:
        minute = int(time.time()) // 60
        if minute == self._minute:
            return
        now = _now()
        changes = self._model is not None and (isinstance(self._model.prices, list) or self._context is not None)
        day = {self._at(now + timedelta(minutes=30 * half)) for half in range(49 if changes else 1)}
        self._steps = self._at(now) or self._steps  # a price known when the run began stays known
        self._day, self._minute = tuple(step for steps in (*day, self._steps) for step in steps), minute

    def _at(self, moment: datetime) -> tuple[Step, ...]:
        if self._model is None:
            return (Step(-1, Rates(0, 0, 0, 0, 0)),)
        return _steps(self._model.get_prices(moment, self._context), self._share)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def tokens_at_most(request: Request) -> int:
    """Input tokens that a request cannot exceed."""
    texts = [turn.content for turn in request.turns]
    overhead = _TOKENS_PER_CALL + _TOKENS_PER_TURN * len(texts) + (_TOKENS_PER_SCHEMA if request.schema_text else 0)
    return overhead + sum(len(text.encode("utf-8", "surrogatepass")) for text in (*texts, request.schema_text))


def price_of(model: str) -> Price | None:
    """What ``provider/model`` costs; ``None`` where that is not known."""
    provider, _, name = model.partition("/")
    if provider in _FREE:
        return Price()
    if provider == "langchain":
        provider, _, name = name.partition(":")
        if provider == "ollama" and not name.endswith("-cloud"):
            return Price()
        provider = _LANGCHAIN.get(provider, provider)
    elif provider not in ("anthropic", "anthropic-batch", "openai"):
        return None
    if provider == "openai" and not _own_endpoint():
        return None
    found = _listed(provider.removesuffix("-batch"), name)
    return found.batch if found is not None and provider == "anthropic-batch" else found


def _own_endpoint() -> bool:
    """Whether calls to ``openai/`` go to OpenAI; what another endpoint charges for a model of the same name is not known."""
    places = [os.environ[name] for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE") if os.environ.get(name)]
    return all(urlsplit(place).hostname == "api.openai.com" for place in places)


@cache
def _listed(provider: str, name: str) -> Price | None:
    """The price in the list. Names of providers have to be exact: the list's own search is kinder than a bill."""
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    if not name or provider not in {known.id for known in snapshot.providers}:
        return None
    try:
        model = snapshot.find_provider_model(name, None, provider, None)[1]
    except LookupError:
        return None
    price = Price(model, batch_share=BATCH_SHARE.get(provider))
    return price if price.known else None


def _steps(prices: ModelPrice, share: float) -> tuple[Step, ...]:
    """The rates by number of input tokens, highest threshold first; empty where a text call cannot be priced from its tokens.

    A kind of token without a rate of its own is billed as what it is a part of: a cache write of an hour as one of unnamed length, and
    that, like a read, as plain input. Crossing a threshold prices the whole call.
    """
    from genai_prices.types import TieredPrices

    listed = {key: price for key, price in vars(prices).items() if price is not None and not any(part in key for part in _NEVER_USED)}
    if not {"input_mtok", "output_mtok"} <= set(listed) <= _COUNTED:
        return ()
    starts = {tier.start for price in listed.values() if isinstance(price, TieredPrices) for tier in price.tiers}

    def rate(above: int, *keys: str) -> float:
        price = next((listed[key] for key in keys if key in listed), 0)
        if isinstance(price, TieredPrices):
            price = next((tier.price for tier in reversed(price.tiers) if tier.start <= above), price.base)
        return share * float(price)

    return tuple(
        Step(above, Rates(
            rate(above, "input_mtok"),
            rate(above, "cache_read_mtok", "input_mtok"),
            rate(above, "cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
            rate(above, "cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
            rate(above, "output_mtok"),
            rate(above, "requests_kcount") / 1000,
        ))
        for above in sorted(starts | {-1}, reverse=True)
    )  # fmt: skip
