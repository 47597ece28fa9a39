"""What one line of a batch's results means for its request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.desk import Failure, FailureKind
from builder.live.messages import answer_of, usage_of
from builder.records import Answer, Usage

INVALID = "invalid_request"
MISSING = Failure("server", "the results of its batch do not name it")
LOST = Failure("server", "the provider no longer keeps the results of its batch")
_KINDS: dict[str, FailureKind] = {
    "rate_limit_error": "limited",
    "overloaded_error": "overloaded",
    "authentication_error": "denied",
    "permission_error": "denied",
    "billing_error": "unfunded",
    "not_found_error": "missing",
}


def outcome(request_hash: str, result: Mapping[str, Any], batch_id: str) -> Answer | Failure:
    """The answer, or why there is none. A refused request is an answer too: it would be refused again. Only answers are billed."""
    if result.get("type") == "succeeded":
        return _written(request_hash, result.get("message") or {}, batch_id)
    if result.get("type") != "errored":
        expired = result.get("type") == "expired"
        return Failure("overloaded" if expired else "server", f"{result.get('type')} in its batch", code=str(result.get("type")))
    told = result.get("error") or {}
    fault = told.get("error") or {}
    kind, message = str(fault.get("type")), str(fault.get("message"))
    if kind == "invalid_request_error":
        return Answer(request_hash=request_hash, text="", stop_reason=INVALID, detail=message, request_id=batch_id, usage=Usage())
    return Failure(_KINDS.get(kind, "server"), message, code=kind, request_id=told.get("request_id") or batch_id)


def _written(request_hash: str, message: Mapping[str, Any], batch_id: str) -> Answer | Failure:
    try:
        return answer_of(request_hash, message, batch_id)
    except ValueError as error:
        return Failure("server", str(error), request_id=batch_id, usage=_billed(message))


def _billed(message: Mapping[str, Any]) -> Usage | None:
    try:
        return usage_of(message["usage"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
