"""LangChain's own classes against a provider on loopback: both that are installed give the same answers and the same failures."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desks import TestDesk, asked, run

from builder.backends import BackendContext, langchain
from builder.bench.provider import Provider, Settings, provider
from builder.errors import AuthenticationFailed, BildungError, BudgetReached, UsageError
from builder.library import Library
from builder.records import Answer, Request, Turn

BOTH = ("anthropic:claude-test", "openai:gpt-test")
SETTINGS = Settings(answer_tokens=20, retry_after=0.05)
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"], "additionalProperties": False}
KEY = "sk-canary-0123456789"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with provider(SETTINGS) as started:
        yield started


@pytest.fixture
def simulated(running: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    running.set(**json.loads(SETTINGS.to_json()))
    for variable, value in {
        "ANTHROPIC_BASE_URL": running.url, "ANTHROPIC_API_KEY": KEY, "OPENAI_BASE_URL": running.openai_url, "OPENAI_API_KEY": KEY,
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    return running


@pytest.fixture
def context(library: Library) -> BackendContext:
    return BackendContext(library)


def _asked(name: str, count: int, mark: str = "", **options: Any) -> list[Request]:
    made = [asked(number, f"langchain/{name}", **options) for number in range(count)]
    if not mark:
        return made
    return [one.model_copy(update={"turns": (*one.turns, Turn(role="user", content=mark))}) for one in made]


def _worked(name: str, context: BackendContext, folder: Path, requests: list[Request], **desk_options: Any) -> TestDesk:
    desk = TestDesk(f"langchain/{name}", requests, folder, **desk_options)
    run(langchain.open_backend(name, context), desk)
    return desk


def _answer(name: str, context: BackendContext, folder: Path, mark: str, **options: Any) -> Answer:
    return next(iter(_worked(name, context, folder, _asked(name, 1, mark, **options)).answers.values()))


@pytest.mark.parametrize("name", BOTH)
def test_every_request_is_answered_and_its_tokens_are_counted(
    simulated: Provider, context: BackendContext, tmp_path: Path, name: str
) -> None:
    before = simulated.bill()
    answers = _worked(name, context, tmp_path, _asked(name, 20, system="Be brief.")).answers.values()
    after = simulated.bill()
    assert len({answer.text for answer in answers}) == 20
    assert {answer.stop_reason for answer in answers} == {"end_turn"}
    assert all(answer.request_id for answer in answers)
    assert sum(answer.usage.tokens_in for answer in answers) == after.tokens_in - before.tokens_in > 0
    assert sum(answer.usage.tokens_out for answer in answers) == after.tokens_out - before.tokens_out > 0
    assert {answer.usage.cost for answer in answers} == {None}  # known to the desk, not to LangChain
    assert after.bought_again == 0


@pytest.mark.parametrize("name", BOTH)
def test_a_second_run_in_the_same_process_is_answered_too(simulated: Provider, context: BackendContext, tmp_path: Path, name: str) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        desk = _worked(name, context, folder, _asked(name, 3))
        assert len(desk.answers) == 3
        assert desk.failures == []


@pytest.mark.parametrize("name", BOTH)
def test_what_is_written_is_bounded_and_a_cut_answer_says_so(
    simulated: Provider, context: BackendContext, tmp_path: Path, name: str
) -> None:
    simulated.set(answer_tokens=400)
    answer = _answer(name, context, tmp_path, "", max_tokens=30)
    assert (answer.stop_reason, answer.usage.tokens_out) == ("max_tokens", 30)


@pytest.mark.parametrize("name", BOTH)
def test_a_bound_beyond_what_an_sdk_waits_for_is_no_error(simulated: Provider, context: BackendContext, tmp_path: Path, name: str) -> None:
    assert _answer(name, context, tmp_path, "", max_tokens=64_000).stop_reason == "end_turn"


@pytest.mark.parametrize("name", BOTH)
def test_a_structured_answer_is_the_json_itself(simulated: Provider, context: BackendContext, tmp_path: Path, name: str) -> None:
    answer = _answer(name, context, tmp_path, "", schema_text=json.dumps(SCHEMA))
    assert list(json.loads(answer.text)) == ["score"]
    assert answer.stop_reason == "end_turn"
    assert answer.usage.tokens_out > 0


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("mark", "stop_reason"), [("[[max_tokens]]", "max_tokens"), ("[[refusal]]", "refusal"), ("[[malformed_json]]", "end_turn")]
)
def test_a_structured_answer_that_is_none_is_kept_with_its_bill(
    simulated: Provider, context: BackendContext, tmp_path: Path, name: str, mark: str, stop_reason: str
) -> None:
    answer = _answer(name, context, tmp_path, mark, schema_text=json.dumps(SCHEMA))
    assert answer.stop_reason == stop_reason
    assert answer.usage.tokens_in > 0


@pytest.mark.parametrize("name", BOTH)
def test_a_refusal_is_an_answer(simulated: Provider, context: BackendContext, tmp_path: Path, name: str) -> None:
    answer = _answer(name, context, tmp_path, "[[refusal]]")
    assert answer.stop_reason == "refusal"
    assert answer.usage.tokens_in > 0


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("mark", ["[[surrogate]]", "[[control]]"])
def test_what_no_file_can_carry_is_mended_at_the_door(
    simulated: Provider, context: BackendContext, tmp_path: Path, name: str, mark: str
) -> None:
    answer = _answer(name, context, tmp_path, mark)
    assert answer.mended > 0
    assert answer.text.encode()


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("mark", "kinds"),
    [
        ("[[429*1]]", {"limited"}), ("[[529*1]]", {"overloaded"}), ("[[500*1]]", {"server"}), ("[[drop*1]]", {"dropped"}),
        ("[[truncate*1]]", {"dropped"}), ("[[malformed*1]]", {"dropped"}), ("[[html*1]]", {"server", "dropped"}),
        ("[[hang*1]]", {"timeout"}),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again(
    simulated: Provider, context: BackendContext, tmp_path: Path, name: str, mark: str, kinds: set[str]
) -> None:
    requests = _asked(name, 1, f"{mark} {tmp_path.name}")  # a prompt of its own: the provider counts a mark's arrivals by prompt
    desk = _worked(name, context, tmp_path, requests, timeout=0.5 if "hang" in mark else 10.0)
    assert len(desk.answers) == 1
    assert len(desk.failures) == 1
    failure = desk.failures[0][1]
    assert failure.kind in kinds
    assert failure.retry_after == (0.05 if "429" in mark else None)
    assert "\n" not in failure.message


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(("mark", "error"), [("[[401]]", AuthenticationFailed), ("[[spend_limit]]", BudgetReached)])
def test_what_will_not_pass_stops_the_run(
    simulated: Provider, context: BackendContext, tmp_path: Path, name: str, mark: str, error: type[BildungError]
) -> None:
    with pytest.raises(error) as raised:
        _worked(name, context, tmp_path, _asked(name, 30, mark), concurrency=1)
    assert KEY not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", BOTH)
def test_a_request_at_fault_is_answered_with_its_refusal(simulated: Provider, context: BackendContext, tmp_path: Path, name: str) -> None:
    answer = _answer(name, context, tmp_path, "[[invalid]]")
    assert answer.stop_reason == "invalid_request"


@pytest.mark.parametrize("name", BOTH)
def test_nobody_listens(simulated: Provider, monkeypatch: pytest.MonkeyPatch, context: BackendContext, tmp_path: Path, name: str) -> None:
    """Nothing was sent, so that nothing can have been billed: a failure of the server's kind."""
    for variable in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/v1")
    tried = asyncio.run(langchain.ask(langchain.open_backend(name, context)._opened(), _asked(name, 1)[0]))
    assert tried.failure is not None
    assert tried.failure.kind == "server"


def test_a_long_system_text_is_read_from_the_cache(simulated: Provider, context: BackendContext, tmp_path: Path) -> None:
    name = BOTH[0]
    answers = list(_worked(name, context, tmp_path, _asked(name, 8, system="A law of the harbour. " * 400)).answers.values())
    written = [answer for answer in answers if answer.usage.tokens_written]
    assert len(written) == 1
    assert sum(answer.usage.tokens_cached > 1024 for answer in answers) == 7
    assert all(answer.usage.tokens_in > answer.usage.tokens_cached + answer.usage.tokens_written for answer in answers)


@pytest.mark.parametrize(("name", "variable"), [(BOTH[0], "ANTHROPIC_API_KEY"), (BOTH[1], "OPENAI_API_KEY")])
def test_without_a_key_nothing_is_sent(
    simulated: Provider, context: BackendContext, monkeypatch: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    monkeypatch.delenv(variable)
    with pytest.raises(AuthenticationFailed, match=f"langchain/{name} needs a key: set {variable} in the environment"):
        langchain.open_backend(name, context)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("antropic:claude-test", "did you mean 'anthropic'?"),
        ("claude-test", "write langchain/PROVIDER:MODEL"),
        ("openai:", "write langchain/PROVIDER:MODEL"),
        ("mistralai:mistral-test", "pip install langchain-mistralai"),
        ("google-genai:gemini-test", "pip install langchain-google-genai"),
    ],
)
def test_a_name_that_cannot_be_opened_is_one_line(context: BackendContext, name: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        langchain.open_backend(name, context)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_the_extra_the_command_to_install_it_is_told(context: BackendContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == "langchain"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(UsageError, match=r"needs LangChain; pip install langchain"):
        langchain.open_backend(BOTH[0], context)


def test_the_fingerprint_is_provider_and_model(simulated: Provider, context: BackendContext) -> None:
    assert langchain.open_backend(BOTH[1], context).fingerprint == "langchain/openai:gpt-test"


class _Denied(Exception):
    """As a provider's SDK might raise it."""

    def __init__(self, **fields: Any) -> None:
        super().__init__("words of the provider")
        self.__dict__.update(fields)


class ReadTimeout(Exception):
    """Named as in httpx and requests, whose classes it stands for."""


class TimeoutException(Exception):
    """The same."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_Denied(status_code=402), "unfunded"),
        (_Denied(code=403), "denied"),
        (_Denied(status_code=429, code="insufficient_quota"), "unfunded"),
        (_Denied(response={"ResponseMetadata": {"HTTPStatusCode": 404}}), "missing"),
        (TimeoutException(), "timeout"),
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(), "server"),
        (ConnectionResetError(), "dropped"),
        (NotImplementedError(), "invalid"),
        (KeyError("choices"), "dropped"),
    ],
)
def test_failures_are_told_by_status_code_and_class(error: Exception, kind: str) -> None:
    assert langchain.failed(error, None).kind == kind


@pytest.mark.parametrize(
    ("metadata", "full", "stop_reason"),
    [
        ({"done_reason": "length"}, True, "max_tokens"),
        ({"finish_reason": "MAX_TOKENS"}, True, "max_tokens"),
        ({"finish_reason": "SAFETY"}, False, "refusal"),
        ({"stopReason": "guardrail_intervened"}, False, "refusal"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, True, "max_tokens"),
        ({"finish_reason": "OTHER"}, False, "other"),
        ({}, True, "max_tokens"),
        ({}, False, "end_turn"),
    ],
)
def test_stop_reasons_of_other_providers(metadata: dict[str, Any], full: bool, stop_reason: str) -> None:
    from langchain_core.messages import AIMessage

    assert langchain._stop(AIMessage(content="", response_metadata=metadata), full)[0] == stop_reason
