"""Calls on a simulated provider through the real SDK."""

from __future__ import annotations

from typing import Any

import anthropic

from builder.bench.provider import Provider

MODEL = "claude-opus-9"
SHORT = "Write."


def open_client(simulated: Provider, **more: Any) -> anthropic.Anthropic:
    """One that tries once."""
    return anthropic.Anthropic(base_url=simulated.url, api_key="any", max_retries=0, **more)


def ask(client: anthropic.Anthropic, text: str, **more: Any) -> anthropic.types.Message:
    """One live call."""
    message = client.messages.create(model=MODEL, messages=[{"role": "user", "content": text}], **{"max_tokens": 600, **more})
    assert isinstance(message, anthropic.types.Message)
    return message


def text_of(message: anthropic.types.Message) -> str:
    """What it says."""
    return "".join(block.text for block in message.content if block.type == "text")


def make_batch(client: anthropic.Anthropic, texts: list[str], **more: Any) -> anthropic.types.messages.MessageBatch:
    """A batch of these; number n is called ``n-<n>``."""
    params = [{"model": MODEL, "max_tokens": 600, "messages": [{"role": "user", "content": text}], **more} for text in texts]
    requests: list[Any] = [{"custom_id": f"n-{number}", "params": each} for number, each in enumerate(params)]
    return client.messages.batches.create(requests=requests)
