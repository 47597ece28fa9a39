"""One request on its way to a provider, over all its tries."""

from __future__ import annotations

from builder.desk import Failure, FailureKind
from builder.live.messages import cached_prefix
from builder.live.need import need_of
from builder.records import Request


class Call:
    """A request, what it will use of the provider's limits, and what went wrong so far. ``prefix`` names its cached prefix, 0 for none."""

    __slots__ = ("attempts", "failure", "need", "overloaded", "overloaded_since", "prefix", "request", "limited")

    def __init__(self, request: Request, written: float) -> None:
        self.request = request
        prefix = cached_prefix(request)
        self.need = need_of(request, prefix, written)
        self.prefix = hash(prefix) if prefix else 0
        self.attempts = self.limited = self.overloaded = 0
        self.overloaded_since = 0.0
        self.failure = Failure("unsent", "not tried yet")

    def fail(self, failure: Failure, now: float) -> None:
        """Count a failure."""
        self.failure = failure
        if failure.kind == "limited":
            self.limited += 1
        elif failure.kind == "overloaded":
            self.overloaded_since = self.overloaded_since if self.overloaded else now
            self.overloaded += 1
        else:
            self.attempts += 1

    def times(self, kind: FailureKind) -> int:
        """How often it has failed like this."""
        return self.limited if kind == "limited" else self.overloaded if kind == "overloaded" else self.attempts
