"""``langchain/PROVIDER:MODEL``: whatever chat model LangChain can open, once the provider's package is installed and its key is set.

    langchain/mistralai:mistral-large-2512       pip install langchain-mistralai, MISTRAL_API_KEY

Retries, limits and time-outs are ours, as for every other backend: a class of LangChain is used for one call and its reply.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import json
import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from builder.backends import BackendContext, anthropic, openai
from builder.desk import Desk, Failure, FailureKind, Tried
from builder.door import mended
from builder.errors import AuthenticationFailed, UsageError, no_such
from builder.live.controller import Controller
from builder.live.failures import kind_of, one_line, retry_after
from builder.live.messages import cached_prefix
from builder.live.serve import serve
from builder.records import Answer, Request, Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

_BOUNDS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")  # the same thing in different classes
_A_DAY = 86_400.0  # seconds; the desk's own time-out comes first
_opening = itertools.count()
_NO_MONEY, _DENIED = anthropic.UNFUNDED | openai.UNFUNDED, anthropic.DENIED | openai.DENIED
# Why a model stopped, as the providers spell it, in the words of the Messages API; what is not here is kept as it is.
_STOPS = {
    "stop": "end_turn", "end_turn": "end_turn", "complete": "end_turn", "completed": "end_turn", "eos": "end_turn", "load": "end_turn",
    "tool_use": "end_turn", "tool_calls": "end_turn", "length": "max_tokens", "max_tokens": "max_tokens", "max_output_tokens": "max_tokens",
    "model_length": "model_context_window_exceeded", "content_filter": "refusal", "content_filtered": "refusal", "safety": "refusal",
    "blocklist": "refusal", "prohibited_content": "refusal", "recitation": "refusal", "spii": "refusal", "error_toxic": "refusal",
    "guardrail_intervened": "refusal",
}  # fmt: skip
# Classes of httpx, httpx2, aiohttp, requests, of the SDKs and of Python, and of langchain-core. Told by name: few of them are installed.
_UNSENT = frozenset({"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionRefusedError", "gaierror"})
_BY_CLASS: tuple[tuple[frozenset[str], FailureKind], ...] = (
    (frozenset({"TimeoutException", "TimeoutError", "APITimeoutError", "ModelTimeoutError", "Timeout", "ReadTimeoutError"}), "timeout"),
    (frozenset({"ModelAuthenticationError", "ModelPermissionDeniedError"}), "denied"),
    (frozenset({"ModelNotFoundError"}), "missing"),
    (frozenset({"ModelRateLimitError"}), "limited"),
    (frozenset({"ModelInvalidRequestError", "ContextOverflowError", "NotImplementedError"}), "invalid"),
    (frozenset({"ModelAPIError"}), "server"),
)


class LangChain:
    """One chat model."""

    wants_turns = True
    training_grade = True
    window = 0

    def __init__(self, name: str, opened: Callable[[], BaseChatModel]) -> None:
        self.fingerprint = f"langchain/{name}"
        self._opened = opened
        self._controller = Controller()

    async def work(self, desk: Desk) -> None:
        """Ask one call at a time for each free slot, until the desk has nothing more."""
        await serve(functools.partial(ask, self._opened()), desk, self._controller)


class _Caught:
    """Keeps what a provider raises: its packages share no class, so that nothing narrower than ``Exception`` would do.

    Only calls of LangChain stand inside; what is cancelled or interrupted passes.
    """

    error: Exception | None = None

    def __enter__(self) -> _Caught:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None


def open_backend(model: str, context: BackendContext) -> LangChain:
    """Open ``langchain/PROVIDER:MODEL``; what is missing (a package, a key) is said here, before anything is sent."""
    name = f"langchain/{model}"
    provider, _, rest = model.partition(":")
    if not (provider and rest):
        raise UsageError(f"{name}: write langchain/PROVIDER:MODEL, as in langchain/mistralai:mistral-large-2512")
    made = _class_of(name, provider.replace("-", "_"))
    opened = functools.partial(_opened, model, made)
    with _Caught() as caught:
        chat = opened()
    if caught.error is not None:
        _need_key(name, [env for _, env in _keys(made.model_construct()) if not os.environ.get(env)])
        raise UsageError(f"{name}: {one_line(str(caught.error), None)}") from caught.error
    keys = list(_keys(chat))
    if not any(_plain(getattr(chat, field, None)) for field, _ in keys):
        _need_key(name, [env for _, env in keys])
    if not _bound(chat):
        raise UsageError(f"{name}: {made.__name__} takes no bound on what is written, so that no budget could be kept")
    return LangChain(model, opened)


def _opened(model: str, made: type[BaseChatModel]) -> BaseChatModel:
    """A model with connections of its own: the classes share them by time-out, and those of an event loop that has ended are dead."""
    from langchain.chat_models import init_chat_model

    options: dict[str, Any] = {"max_retries": 0, "timeout": _A_DAY + next(_opening)}
    fields = set(made.model_fields) | {field.alias for field in made.model_fields.values()}
    chat: BaseChatModel = init_chat_model(model, **{option: value for option, value in options.items() if option in fields})
    return chat


def _class_of(name: str, provider: str) -> type[BaseChatModel]:
    """The class that LangChain keeps for a provider."""
    if importlib.util.find_spec("langchain") is None:
        raise UsageError(f"{name} needs LangChain; pip install langchain")
    listed = vars(importlib.import_module("langchain.chat_models.base")).get("_BUILTIN_PROVIDERS")  # there is no public list
    if listed is None:
        raise UsageError(f"{name}: this release of LangChain does not list its providers; pip install 'langchain<2'")
    known: dict[str, tuple[str, str, object]] = listed
    if provider not in known:
        raise UsageError(no_such("provider of LangChain", provider, known))
    module, class_name, _ = known[provider]
    try:
        found: type[BaseChatModel] = getattr(importlib.import_module(module), class_name)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise UsageError(f"{name} needs the package of its provider; pip install {package}") from error
    return found


def _keys(chat: BaseChatModel) -> Iterator[tuple[str, str]]:
    """The fields that hold a key, and the variables they are read from. Credentials that a cloud gives its machines are not among them."""
    return ((field, env) for field, env in chat.lc_secrets.items() if env.endswith("_API_KEY"))


def _need_key(name: str, variables: list[str]) -> None:
    if variables:
        raise AuthenticationFailed(f"{name} needs a key: set {variables[0]} in the environment")


def _plain(secret: Any) -> str:
    return str(secret.get_secret_value() if hasattr(secret, "get_secret_value") else secret or "")


def _bound(chat: BaseChatModel) -> str:
    """The name of the field that bounds what is written; empty where there is none."""
    return next((name for name in _BOUNDS if name in type(chat).model_fields), "")


async def ask(chat: BaseChatModel, request: Request) -> Tried:
    """One call."""
    message: AIMessage | None = None
    with _Caught() as caught:
        bounded = chat.model_copy(update={_bound(chat): request.max_tokens})
        messages = _messages(chat, request)
        if request.schema_text:
            schema = {"title": "answer", **json.loads(request.schema_text)}
            structured = bounded.with_structured_output(schema, method="json_schema", include_raw=True)
            message = (await structured.ainvoke(messages))["raw"]  # type: ignore[index]
        else:
            message = await bounded.ainvoke(messages)
    if caught.error is not None:
        message = _unparsed(caught.error)
    if message is None:
        secrets = [_plain(getattr(chat, field, None)) for field, _ in _keys(chat)]
        return Tried(None, failed(caught.error or ValueError("no message"), next(filter(None, secrets), None)))
    return Tried(_answer(request, message))


def _messages(chat: BaseChatModel, request: Request) -> list[BaseMessage]:
    """The turns; for the Messages API, a long system text is marked for the prompt cache (others cache by themselves, or not at all)."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    if (prefix := cached_prefix(request)) and any(base.__name__ == "ChatAnthropic" for base in type(chat).__mro__):
        block = {"type": "text", "text": prefix, "cache_control": {"type": "ephemeral"}}
        rest = [turn for turn in request.turns if turn.role != "system"]
        kinds = {"user": HumanMessage, "assistant": AIMessage}
        return [SystemMessage(content=[block]), *(kinds[turn.role](content=turn.content) for turn in rest)]
    all_kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [all_kinds[turn.role](content=turn.content) for turn in request.turns]


def _unparsed(error: Exception) -> AIMessage | None:
    """The answer inside an error: OpenAI's SDK raises where a structured one was cut, though it was billed."""
    from langchain_core.messages import AIMessage

    completion: Any = getattr(error, "completion", None)
    if not getattr(completion, "choices", None) or getattr(completion, "usage", None) is None:
        return None
    choice, usage = completion.choices[0], completion.usage
    return AIMessage(
        content=choice.message.content or "",
        response_metadata={"finish_reason": choice.finish_reason, "id": completion.id},
        usage_metadata={"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens, "total_tokens": usage.total_tokens},
    )


def _answer(request: Request, message: AIMessage) -> Answer:
    """A message as an answer. Where a schema could only be had through a tool, its arguments are the text."""
    text = str(message.text)
    if not text and request.schema_text and message.tool_calls:
        text = json.dumps(message.tool_calls[0]["args"])
    whole, mends = mended(text)
    used = _usage(message)
    stop_reason, detail = _stop(message, used.tokens_out >= request.max_tokens)
    request_id = message.response_metadata.get("id") or message.id
    return Answer(
        request_hash=request.hash, text=whole, stop_reason=stop_reason, detail=detail, mended=mends, request_id=request_id, usage=used
    )


def _usage(message: AIMessage) -> Usage:
    """Tokens as LangChain counts them for all providers: those read from a cache and written to one are in ``input_tokens``."""
    counts: dict[str, Any] = dict(message.usage_metadata or {})
    read: dict[str, int] = counts.get("input_token_details") or {}
    hour = read.get("ephemeral_1h_input_tokens") or 0
    return Usage(
        tokens_in=counts.get("input_tokens") or 0, tokens_out=counts.get("output_tokens") or 0, tokens_cached=read.get("cache_read") or 0,
        tokens_written=(read.get("cache_creation") or 0) + (read.get("ephemeral_5m_input_tokens") or 0), tokens_written_1h=hour, cost=None,
    )  # fmt: skip


def _stop(message: AIMessage, full: bool) -> tuple[str, str]:
    """Why it stopped, and what was said with a refusal. A provider that does not say is taken at the length of its answer."""
    said = message.response_metadata
    if refused := message.additional_kwargs.get("refusal"):
        return "refusal", one_line(str(refused), None)
    incomplete = (said.get("incomplete_details") or {}).get("reason")  # the Responses API
    names = ("stop_reason", "finish_reason", "done_reason", "stopReason")
    reason = incomplete or next((str(said[name]) for name in names if said.get(name)), "max_tokens" if full else "end_turn")
    details = said.get("stop_details") or {}
    return _STOPS.get(reason.lower(), reason.lower()), details.get("category") or "" if isinstance(details, dict) else ""


def failed(error: Exception, secret: str | None) -> Failure:
    """What a provider raised, told by status, codes and classes. What is none of these may have been billed, like a lost connection."""
    status = _status(error)
    codes = [code for name in ("error_code", "code", "type") if isinstance(code := getattr(error, name, None), str) and code]
    kind = kind_of(status) if status is not None and status >= 400 else _by_class(error)
    if _NO_MONEY.intersection(codes):
        kind = "unfunded"
    elif _DENIED.intersection(codes):
        kind = "denied"
    elif status == 503 or "overloaded_error" in codes:
        kind = "overloaded"
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    words = "" if kind == "denied" else one_line(f"{type(error).__name__}: {getattr(error, 'message', None) or error}", secret)
    return Failure(kind, words, status, codes[0] if codes else "", getattr(error, "request_id", None), retry_after(headers))


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        candidates = (getattr(error, "status_code", None), getattr(response, "status_code", None), getattr(error, "code", None))
        found = next((status for status in candidates if isinstance(status, int)), None)
    return int(found) if isinstance(found, int) else None


def _by_class(error: Exception) -> FailureKind:
    names: set[str] = set()
    cause: BaseException | None = error
    while cause is not None:
        names.update(base.__name__ for base in type(cause).__mro__)
        cause = cause.__cause__
    if names & _UNSENT:
        return "server"
    return next((kind for classes, kind in _BY_CLASS if names & classes), "dropped")
