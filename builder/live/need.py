"""What a call will use of each of a provider's limits, reckoned before it is sent."""

from __future__ import annotations

from typing import NamedTuple

from builder.live.messages import CHARACTERS_A_TOKEN
from builder.records import Request

RESOURCES = ("requests", "input_tokens", "output_tokens", "tokens")


class Need(NamedTuple):
    """An amount of each of ``RESOURCES``, in that order. Headers mend what these estimates get wrong."""

    requests: float
    input_tokens: float
    output_tokens: float
    tokens: float

    def plus(self, other: Need) -> Need:
        """The sum."""
        return Need(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.tokens + other.tokens,
        )


def need_of(request: Request, prefix: str, written: float) -> Need:
    """The need of one request, where answers have been ``written`` tokens long on average. A cached prefix is outside of input limits."""
    characters = sum(len(turn.content) for turn in request.turns)
    fresh = max(0, characters - len(prefix))
    return Need(1, fresh / CHARACTERS_A_TOKEN, written, characters / CHARACTERS_A_TOKEN + request.max_tokens)
