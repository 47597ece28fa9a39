"""``anthropic-batch/<model>``: Message Batches through the official SDK; half the price, answers within a day.

Nothing is bought twice and nothing is lost, wherever the run is killed: ``builder.batch`` says how. The key is ANTHROPIC_API_KEY.
"""

from __future__ import annotations

import os
from functools import partial

from builder.backends import BackendContext
from builder.backends.anthropic import KEYS, failed_status
from builder.batch import Pace
from builder.desk import Desk
from builder.errors import AuthenticationFailed, UsageError


class AnthropicBatch:
    """Works a desk with batches. The same request that was bought live is not bought again: the fingerprint is the same."""

    wants_turns = True
    training_grade = True

    def __init__(self, model: str, pace: Pace | None = None) -> None:
        self._model, self._pace = model, pace or Pace()
        self.fingerprint = f"anthropic/{model}"
        self.window = self._pace.requests

    async def work(self, desk: Desk) -> None:
        """Until the desk has no more, or winds up: then batches stay at the provider, and the next run collects them."""
        from anthropic import AsyncAnthropic

        from builder.batch.calls import Calls
        from builder.batch.queue import Queue
        from builder.batch.run import Run
        from builder.live.messages import params

        async with AsyncAnthropic() as client:
            told = partial(failed_status, secret=client.api_key or client.auth_token)
            calls = Calls(client, desk.model, told, self._pace.creating)
            await Run(desk, calls, Queue(self._pace, partial(params, self._model, ttl="1h")), self._pace).work()


def open_backend(model: str, context: BackendContext) -> AnthropicBatch:
    """Open ``anthropic-batch/<model>``; the key is looked for here, so that a build without one ends before it starts."""
    if not model:
        raise UsageError("anthropic-batch needs a model: write anthropic-batch/<model>")
    if not any(os.environ.get(name) for name in KEYS):
        raise AuthenticationFailed(f"anthropic-batch/{model} needs a key: set {KEYS[0]} in the environment")
    return AnthropicBatch(model)
