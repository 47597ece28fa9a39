"""Failures that stop a run, as errors for the person who started it: one line, and what to do."""

from __future__ import annotations

from builder.desk import Failure
from builder.errors import AuthenticationFailed, BildungError, BudgetReached, UsageError

_AGAIN = "what was bought is saved, and the same command goes on from there"


def reason_to_stop(model: str, failure: Failure) -> BildungError:
    """What a failure of the kinds ``denied``, ``unfunded`` or ``missing`` means for the run."""
    said = _said(failure)
    if failure.kind == "denied":
        return AuthenticationFailed(f"{model}: the provider refused the key ({said}); check it, then {_AGAIN}")
    if failure.kind == "unfunded":
        return BudgetReached(f"{model}: the account has no money left to spend ({said}); raise its limit or add credit, then {_AGAIN}")
    if failure.kind == "missing":
        return UsageError(f"{model}: the provider knows no such model ({said}); check its name, and the base URL if one is set")
    return BildungError(f"{model}: {said}")


def refused_alike(model: str, times: int, failure: Failure) -> BildungError:
    """The same refusal again and again: asking the rest would only repeat it."""
    return BildungError(f"{model}: {times} requests in a row were refused ({_said(failure)}); nothing more was asked; {_AGAIN}")


def lost_too_many(model: str, times: int, failure: Failure) -> BildungError:
    """No request got through any more."""
    return BildungError(f"{model}: {times} requests in a row failed for good ({_said(failure)}); check the connection, then {_AGAIN}")


def _said(failure: Failure) -> str:
    status = "" if failure.status is None else f"{failure.status} "
    code = f"{failure.code}: " if failure.code else ""
    return f"{status}{code}{failure.message}"
