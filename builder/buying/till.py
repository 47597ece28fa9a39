"""The till: what is spent, what is reserved for calls in flight, and the cap that the two may not pass."""

from __future__ import annotations

from collections.abc import Mapping

from builder.errors import BudgetReached, UsageError
from builder.prices import Price
from builder.records import Request, Usage

WARN_AT = 0.8


class Till:
    """Reserves the most that a call can cost before it is sent, and settles what it did cost.

    ``spent`` is known spending in US dollars, earlier runs included; ``doubtful`` what lost calls may have been billed at most: nobody
    saw an answer. The cap counts both, so that it holds whatever the provider's bill says.
    """

    def __init__(self, prices: Mapping[str, Price | None], cap: float | None, spent: float) -> None:
        self._prices = prices
        self._cap = cap
        self._reserved: dict[str, float] = {}
        self.spent_before = self.spent = spent
        self.doubtful = self.reserved = 0.0
        self._warned = False

    def reserve(self, request: Request) -> bool:
        """Set money aside for a call; ``False`` when there is no room while others are in flight.

        Raises ``BudgetReached`` when nothing is in flight either, so that no money will come free.
        """
        price = self._prices.get(request.model)
        most = price.at_most(request) if price else 0.0
        if self._cap is not None and self.spent + self.doubtful + self.reserved + most > self._cap + 1e-12:
            if self._reserved:
                return False
            raise BudgetReached(
                f"the budget of ${self._cap:.2f} is reached (${self.spent + self.doubtful:.4f} spent, the next call may cost ${most:.4f});"
                " everything bought is saved: raise max_cost and run this again to go on"
            )
        self._reserved[request.hash] = most
        self.reserved += most
        return True

    def cost(self, model: str, usage: Usage) -> float | None:
        """What a call cost: as the backend says (a free one says 0), else by the model's price; ``None`` when that is unknown."""
        if usage.cost is not None:
            return usage.cost
        price = self._prices.get(model)
        return price.cost(usage) if price else None

    def settle(self, request: Request, cost: float | None, doubtful: bool = False) -> None:
        """A call has ended: what was set aside for it is free again, or in doubt."""
        most = self._reserved.pop(request.hash, 0.0)
        self.reserved = self.reserved - most if self._reserved else 0.0
        self.spent += cost or 0.0
        self.doubtful += most if doubtful else 0.0

    def doubt(self, request: Request) -> None:
        """A call was lost on the way and will be made again: it may be billed twice."""
        self.doubtful += self._reserved.get(request.hash, 0.0)

    def warning(self) -> str | None:
        """Once, when four fifths of the cap are spent."""
        if self._warned or self._cap is None or self.spent + self.doubtful < WARN_AT * self._cap:
            return None
        self._warned = True
        return f"${self.spent + self.doubtful:.2f} of the ${self._cap:.2f} budget is spent; the build pauses there, and can go on later"


def refuse_unknown(prices: Mapping[str, Price | None], allowed: bool) -> None:
    """``UsageError`` where a model's price is unknown and nobody said that this is all right."""
    unknown = sorted(model for model, price in prices.items() if price is None)
    if unknown and not allowed:
        raise UsageError(f"no price is known for {unknown[0]}: its cost can be neither told nor capped; --allow-unknown-price goes on")
