"""Requests as parameters of the Messages API, and messages as answers."""

from __future__ import annotations

from typing import Any

import pytest
from desks import asked

from builder.live.messages import answer_of, params
from builder.records import Usage

LONG = "A rule. " * 600
MESSAGE: dict[str, Any] = {
    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "One\r\n"}, {"type": "text", "text": "two."}],
    "stop_reason": "end_turn",
    "stop_details": None,
    "usage": {
        "input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 4000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 3000},
    },
}  # fmt: skip


def test_a_short_request_is_sent_as_it_is() -> None:
    body = params("m", asked(1, "m", system="Be brief."), "5m")
    assert body == {
        "model": "m",
        "max_tokens": 600,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": "Write piece 1."}],
    }


@pytest.mark.parametrize(("ttl", "mark"), [("5m", {"type": "ephemeral"}), ("1h", {"type": "ephemeral", "ttl": "1h"})])
def test_a_long_system_text_is_marked_for_the_cache(ttl: Any, mark: dict[str, str]) -> None:
    assert params("m", asked(1, "m", system=LONG), ttl)["system"] == [{"type": "text", "text": LONG, "cache_control": mark}]


def test_a_schema_is_asked_for() -> None:
    body = params("m", asked(1, "m", schema_text='{"type": "object"}'), "5m")
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert "system" not in body and "temperature" not in body


def test_a_message_is_an_answer() -> None:
    answer = answer_of("h", MESSAGE, "req_1")
    assert (answer.text, answer.mended, answer.stop_reason, answer.detail, answer.request_id) == ("One\ntwo.", 1, "end_turn", "", "req_1")
    assert answer.usage == Usage(
        tokens_in=4310, tokens_out=20, tokens_cached=300, tokens_written=1000, tokens_written_1h=3000, cost=None
    )


def test_writes_without_their_lifetime_are_of_five_minutes() -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 30}
    assert answer_of("h", {**MESSAGE, "usage": usage}, None).usage == Usage(tokens_in=31, tokens_out=2, tokens_written=30, cost=None)


def test_a_refusal_says_of_which_category() -> None:
    refused = {**MESSAGE, "content": [], "stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "frontier_llm"}}
    answer = answer_of("h", refused, None)
    assert (answer.text, answer.stop_reason, answer.detail) == ("", "refusal", "frontier_llm")


@pytest.mark.parametrize(
    "broken",
    [{}, [], None, "text", *({**MESSAGE, name: None} for name in ("stop_reason", "usage", "content")), {**MESSAGE, "content": [1]}],
)
def test_what_is_no_whole_message_is_a_value_error(broken: Any) -> None:
    with pytest.raises(ValueError, match="message"):
        answer_of("h", broken, None)
