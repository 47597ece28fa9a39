"""The provider's own counting, its limit, and its dice."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from builder.bench.provider.caching import PromptCache, Tokens
from builder.bench.provider.prompts import CHARACTERS_PER_TOKEN, Dialect, Prompt, Script, read_prompt
from builder.bench.provider.settings import ACCIDENTS, OUTCOMES, Bill, Settings

_MILLION = Decimal(1_000_000)
_STRUCTURED_TOKENS = 40
_REFUSED_TOKENS = 4
_BATCH_ONLY = ("errored", "expired")


def draw(*parts: object) -> float:
    """A number from 0 to 1 that depends on nothing else."""
    return int.from_bytes(blake2b(":".join(map(str, parts)).encode(), digest_size=8).digest()) / 2**64


class Bucket:
    """A limit of requests a minute that fills up continuously."""

    def __init__(self) -> None:
        self._taken = 0.0  # requests not yet made up for
        self._at = time.monotonic()

    def left(self, settings: Settings) -> float:
        """How many requests may come at once now."""
        now = time.monotonic()
        self._taken = max(0.0, self._taken - (now - self._at) * (settings.limit or 0.0) / 60)
        self._at = now
        return self.size(settings) - self._taken

    def size(self, settings: Settings) -> float:
        """How many may come at once when it is full."""
        return settings.bucket if settings.bucket is not None else settings.limit or 0.0

    def take(self, settings: Settings) -> bool:
        """Let one request in, if there is room."""
        if settings.limit is None:
            return True
        if self.left(settings) < 1:
            return False
        self._taken += 1
        return True


class Books:
    """Everything that one provider remembers, apart from its batches."""

    def __init__(self, settings: Settings, script: Script | None = None) -> None:
        self.settings = settings
        self.script = script
        self.bucket = Bucket()
        self.caches = {False: PromptCache(), True: PromptCache()}
        self.requests = self.limited = self.in_flight = self.in_flight_most = self.batches = 0
        self.dollars = {False: Decimal(0), True: Decimal(0)}
        self.bought: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._marked: Counter[tuple[str, str]] = Counter()
        self._tokens = [0, 0, 0, 0, 0]

    def read(self, body: Any, dialect: Dialect) -> Prompt:
        """What a request asks for, and what the script says to it, where there is one."""
        prompt = read_prompt(body, dialect)
        return prompt._replace(said=self.script(body)) if self.script else prompt

    def accident(self, prompt: Prompt, arrival: int) -> str:
        """What happens to this arrival on its way; empty for nothing."""
        return self._fault(prompt, ACCIDENTS, draw(self.settings.seed, "arrival", arrival))

    def outcome(self, prompt: Prompt, batch: bool) -> str:
        """What comes of this prompt; empty for a finished answer."""
        if prompt.said:
            return prompt.said.outcome
        among = OUTCOMES if batch else tuple(name for name in OUTCOMES if name not in _BATCH_ONLY)
        return self._fault(prompt, among, draw(self.settings.seed, "prompt", prompt.key))

    def tokens_out(self, prompt: Prompt, outcome: str) -> int:
        """How many tokens are written: of prose the settings' number, within what was asked for."""
        if prompt.said:
            return max(1, len(prompt.said.text) // CHARACTERS_PER_TOKEN)
        if outcome == "refusal":
            return _REFUSED_TOKENS
        if outcome == "empty":
            return 1
        if prompt.schema is not None:
            return min(_STRUCTURED_TOKENS, prompt.max_tokens)
        whole = self.settings.answer_tokens
        return min(prompt.max_tokens, whole // 2 if outcome in ("max_tokens", "window") else whole)

    def charge(self, prompt: Prompt, tokens: Tokens, batch: bool) -> None:
        """Put one computed answer on the bill."""
        settings = self.settings
        price, write, hour = Decimal(str(settings.price_input)), str(settings.price_cache_write), str(settings.price_cache_write_1h)
        weighed = tokens.fresh + Decimal(str(settings.price_cache_read)) * tokens.read
        weighed += Decimal(write) * tokens.written + Decimal(hour) * tokens.written_1h
        dollars = (price * weighed + Decimal(str(settings.price_output)) * tokens.out) / _MILLION
        self.dollars[batch] += dollars * Decimal(str(settings.price_batch)) if batch else dollars
        self.bought[prompt.key] += 1
        self._tokens = [total + more for total, more in zip(self._tokens, tokens, strict=True)]

    def bill(self) -> Bill:
        """What stands on the bill now."""
        fresh, read, written, written_1h, out = self._tokens
        return Bill(
            requests=self.requests, answers=self.bought.total(), dollars_live=self.dollars[False], dollars_batch=self.dollars[True],
            bought=dict(self.bought), limited=self.limited, in_flight_most=self.in_flight_most, faults=dict(self.faults),
            batches=self.batches, tokens_in=fresh + read + written + written_1h, tokens_out=out, tokens_cached=read,
            tokens_written=written, tokens_written_1h=written_1h,
        )  # fmt: skip

    def _fault(self, prompt: Prompt, among: tuple[str, ...], drawn: float) -> str:
        for name, times in prompt.marks:
            if name in among:
                self._marked[prompt.key, name] += 1
                if self._marked[prompt.key, name] <= times:
                    self.faults[name] += 1
                    return name
        for name in among:
            drawn -= self.settings.faults.get(name, 0.0)
            if drawn < 0:
                self.faults[name] += 1
                return name
        return ""
