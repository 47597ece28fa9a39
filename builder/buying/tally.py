"""The tally: what a run has done so far, as the snapshots that progress shows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from builder.buying.till import Till
from builder.desk import Failure
from builder.progress import Progress, RoleStatus, Status
from builder.records import ROLE_OF, Answer, Request, Usage
from builder.stages.write import Made


class _Sums:
    """What one role's model did in this run."""

    def __init__(self) -> None:
        self.answered = self.tokens_in = self.tokens_out = self.tokens_cached = self.unpriced = 0
        self.cost = 0.0

    def add(self, usage: Usage) -> None:
        self.answered += 1
        self.tokens_in += usage.tokens_in
        self.tokens_out += usage.tokens_out
        self.tokens_cached += usage.tokens_cached
        self.cost += usage.cost or 0.0
        self.unpriced += usage.cost is None


class _Held(NamedTuple):
    until: float = 0.0
    batches: int = 0
    requests: int = 0


class Tally:
    """Counts events; ``tell`` hands a snapshot to the progress."""

    def __init__(
        self, progress: Progress, documents: int, reused: int = 0, max_cost: float | None = None, unpriced_before: int = 0,
        roles: Mapping[str, str] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.progress = progress
        self.unanswered = self.refusals = self.retries = self.limited = 0
        self.done = self.reused = reused
        self._documents, self._max_cost, self._unpriced_before = documents, max_cost, unpriced_before
        self._roles: dict[tuple[str, str], _Sums] = {}
        self._flying: dict[tuple[str, str], int] = dict.fromkeys(roles.items(), 0)
        self._held: dict[str, _Held] = {}
        self._since = time.monotonic()

    def sent(self, request: Request) -> None:
        """A request was taken by its backend."""
        key = _role(request)
        self._flying[key] = self._flying.get(key, 0) + 1

    def answered(self, request: Request, answer: Answer) -> None:
        """An answer came, whatever it is."""
        key = _role(request)
        self._flying[key] -= 1
        self._roles.setdefault(key, _Sums()).add(answer.usage)
        self.refusals += answer.stop_reason == "refusal"

    def failed(self, request: Request, failure: Failure, final: bool) -> None:
        """A try failed."""
        self.retries += not final
        self.limited += failure.kind == "limited"
        if final:
            self._flying[_role(request)] -= 1

    def finished(self, made: object, reused: bool) -> None:
        """A document came to its end; ``reused`` when an earlier run had bought all of it."""
        self.done += isinstance(made, Made)
        self.reused += reused

    def waits(self, model: str, seconds: float) -> None:
        """The provider's limit holds a model up."""
        self._held[model] = self._held.get(model, _Held())._replace(until=time.monotonic() + seconds)

    def lies(self, model: str, batches: int, requests: int) -> None:
        """So much lies at the provider in batches."""
        self._held[model] = self._held.get(model, _Held())._replace(batches=batches, requests=requests)

    def in_flight(self) -> int:
        """Requests that backends have taken and not given back, but for those that lie in batches: nobody waits for them."""
        return max(0, sum(self._flying.values()) - sum(row.requests for row in self._held.values()))

    def tell(self, till: Till, concurrency: int) -> None:
        """Hand over how it stands."""
        now = time.monotonic()
        roles = tuple(
            RoleStatus(role, model, self._flying.get((role, model), 0), sums.answered, sums.tokens_in, sums.tokens_out,
                       sums.tokens_cached, sums.cost, sums.unpriced)
            for role, model in self._flying
            if (sums := self._roles.get((role, model), _Sums()))
        )  # fmt: skip
        held = self._held.values()
        self.progress.tell(
            Status(
                documents_total=self._documents, documents_done=self.done, documents_reused=self.reused, spent_before=till.spent_before,
                spent_now=till.spent - till.spent_before, reserved=till.reserved + till.doubtful, max_cost=self._max_cost, roles=roles,
                retries=self.retries, limited=self.limited, refusals=self.refusals, unanswered=self.unanswered,
                batches_pending=sum(row.batches for row in held), batch_requests=sum(row.requests for row in held),
                waiting_seconds=max((row.until - now for row in held if row.until > now), default=0.0), concurrency=concurrency,
                seconds=now - self._since, unpriced_before=self._unpriced_before,
            )
        )  # fmt: skip


def _role(request: Request) -> tuple[str, str]:
    return ROLE_OF[request.step], request.model
