"""What the ledger is told, and what it tells."""

from __future__ import annotations

from typing import NamedTuple

from builder.desk import Failure
from builder.records import ROLE_OF, Request

Failed = tuple[Request, Failure, bool] | tuple[Request, Failure, bool, float]  # final or not; what it may have cost


class PaidRow(NamedTuple):
    """What one step cost with one model, over the whole ledger: answers, tokens (in: cached and written ones too), US dollars.

    ``cost`` sums the known prices; ``unpriced`` counts the answers without one.
    """

    step: str
    model: str
    answers: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    tokens_written: int
    tokens_written_1h: int
    cost: float
    unpriced: int

    @property
    def role(self) -> str:
        """The model role that takes this step."""
        return ROLE_OF.get(self.step, self.step)


class Event(NamedTuple):
    """One answer or failed try of a document, as the ledger has it; ``cost`` is in US dollars, ``None`` when it is not known."""

    step: str
    model: str
    outcome: str
    request_id: str | None
    tokens_in: int
    tokens_out: int
    cost: float | None


class Paid(NamedTuple):
    """Totals over everything ever bought; ``cost`` counts known prices only, in US dollars."""

    answers: int
    tokens_out: int
    cost: float
    unpriced: int
