"""What stands between a build and a backend: requests are taken from a desk, answers and failures are handed back over it.

    request = await desk.take()            None: nothing will come any more
    await desk.answered(request, answer)   committed to the ledger before anything acts on it
    desk.failed(request, failure, final)   a try that gave no answer; the ledger keeps it too

Behind the desk are the ledger, the budget and the chains of steps; before it, backends know only requests and answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from builder.records import Answer, Request, Usage

# limited, overloaded, server, dropped, timeout: tried again. invalid: this request only. denied, unfunded, missing: the run stops.
# unsent: taken from the desk and given back when the run came to its end; no try at all.
FailureKind = Literal["limited", "overloaded", "server", "dropped", "timeout", "invalid", "denied", "unfunded", "missing", "unsent"]
RETRIED: frozenset[FailureKind] = frozenset({"limited", "overloaded", "server", "dropped", "timeout"})
MAYBE_BILLED: frozenset[FailureKind] = frozenset({"dropped", "timeout"})  # sent, and nobody knows whether it was answered


class Failure(NamedTuple):
    """One try without an answer.

    ``retry_after`` is in seconds, as the provider asked; ``usage`` is set where the try was billed all the same.
    """

    kind: FailureKind
    message: str
    status: int | None = None
    code: str = ""
    request_id: str | None = None
    retry_after: float | None = None
    usage: Usage | None = None


class Allowance(NamedTuple):
    """What a provider's headers say of one limit: how much a full minute (or window) allows, what is left, seconds until it is full."""

    resource: Literal["requests", "input_tokens", "output_tokens", "tokens"]
    limit: float
    remaining: float
    reset: float


class Tried(NamedTuple):
    """How one try ended: an answer or a failure, never both; and the limits that came with it."""

    answer: Answer | None
    failure: Failure | None = None
    allowances: tuple[Allowance, ...] = ()


class PendingBatch(NamedTuple):
    """A batch whose results are not all in the ledger. ``batch_id`` is ``None`` between the intent and the provider's reply.

    ``hashes`` are the requests in it, ``at`` the POSIX time of the intent in seconds.
    """

    nonce: str
    batch_id: str | None
    at: float
    hashes: tuple[str, ...]


class BatchJournal(Protocol):
    """The journal of batches, committed before and after each call: intent -> create -> id -> results."""

    def pending(self, model: str) -> list[PendingBatch]:
        """Every batch of this model that is not settled, oldest first."""
        ...

    def intend(self, nonce: str, requests: Sequence[Request]) -> None:
        """About to create a batch of these requests; on disk when this returns."""
        ...

    def created(self, nonce: str, batch_id: str) -> None:
        """The provider knows the batch under this id."""
        ...

    def settled(self, nonce: str) -> None:
        """All that the batch holds is in the ledger, or it was never created."""
        ...

    def foreign(self, batch_id: str) -> None:
        """A batch on the provider's list that is none of ours."""
        ...

    def known_ids(self) -> frozenset[str]:
        """Ids of all batches ever created by, adopted into, or found foreign to this ledger."""
        ...

    async def answered_by_hash(self, model: str, answer: Answer) -> None:
        """Commit an answer to a request that this run has not asked for (its batch is older than the plan); it is paid for."""
        ...


class Desk(Protocol):
    """One model's desk."""

    model: str
    timeout: float

    @property
    def batches(self) -> BatchJournal:
        """Where batches are noted before and after each call."""
        ...

    @property
    def concurrency(self) -> int:
        """How many requests may be in flight now; it can change while the run goes on."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether the run is winding up: what is in flight is finished, nothing new is started."""
        ...

    async def take(self) -> Request | None:
        """The next request, when there is one and the budget has room for it; ``None`` when none will come any more."""
        ...

    def take_ready(self) -> Request | None:
        """The next request if it is there now."""
        ...

    async def answered(self, request: Request, answer: Answer) -> None:
        """Hand back an answer. It is on its way to disk when this returns; ``saved`` waits until it is there."""
        ...

    async def saved(self) -> None:
        """Wait until everything handed back so far is on disk; ``BildungError`` where it cannot be."""
        ...

    def failed(self, request: Request, failure: Failure, final: bool) -> None:
        """Report a failed try; ``final`` ends the request for this run."""
        ...

    def waits(self, seconds: float) -> None:
        """Tell that the provider's limit holds this model up for so many seconds from now; 0 when it goes on."""
        ...

    def lies(self, batches: int, requests: int) -> None:
        """Tell how much lies at the provider in batches."""
        ...

    def say(self, line: str) -> None:
        """One line worth telling the person at once."""
        ...
