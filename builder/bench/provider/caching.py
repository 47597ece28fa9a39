"""The prompt cache of a provider: live calls and batches have one each, and what is being written cannot be read yet."""

from __future__ import annotations

from typing import NamedTuple

from builder.bench.provider.prompts import Prefix, Prompt
from builder.bench.provider.settings import Settings


class Tokens(NamedTuple):
    """The tokens of one call as the bill counts them: ``fresh`` are neither read from the cache nor written to it."""

    fresh: int
    read: int
    written: int
    written_1h: int
    out: int = 0


class PromptCache:
    """Prefixes by hash, with the time at which each is forgotten."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def look_up(self, prompt: Prompt, settings: Settings, now: float) -> Tokens:
        """What a call that starts now reads, and what it writes: everything behind that up to its last breakpoint."""
        prefixes = [prefix for prefix in prompt.prefixes if prefix.tokens >= settings.cache_minimum]
        read = 0
        for prefix in prefixes:
            if self._until.get(prefix.key, 0.0) > now:
                read = prefix.tokens
                self._keep(prefix, settings, now)
        written, written_1h, done = 0, 0, read
        for prefix in prefixes:
            if prefix.tokens > done:
                written += 0 if prefix.hour else prefix.tokens - done
                written_1h += prefix.tokens - done if prefix.hour else 0
                done = prefix.tokens
        return Tokens(prompt.tokens - done, read, written, written_1h)

    def finished(self, prompt: Prompt, settings: Settings, now: float) -> None:
        """A call has been answered: from now on its prefixes can be read."""
        for prefix in prompt.prefixes:
            if prefix.tokens >= settings.cache_minimum:
                self._keep(prefix, settings, now)

    def _keep(self, prefix: Prefix, settings: Settings, now: float) -> None:
        kept = settings.cache_ttl_1h if prefix.hour else settings.cache_ttl
        self._until[prefix.key] = max(self._until.get(prefix.key, 0.0), now + kept)
