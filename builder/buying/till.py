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

    def __init__(self, prices: Mapping[str, Price | None], cap: float | None, spent: float, doubtful: float = 0.0) -> None:
        self._prices = prices
        self._cap = cap
        self._reserved: dict[str, float] = {}
        self._dearest = 0.0
        self.spent_before = self.spent = spent
        self.doubtful = doubtful
        self.reserved = 0.0
        self._warned = False

    def reserve(self, request: Request) -> bool:
        """Set money aside for a call; ``False`` when there is no room while others are in flight.

        Raises ``BudgetReached`` when nothing is in flight either, so that no money will come free.
        """
        most = self.most(request)
        self._dearest = max(self._dearest, most)
        spare = self._dearest if self._reserved else 0.0  # while others are in flight, one of them may get lost and be made again
        if self._passed(most + spare):
            if self._reserved:
                return False
            raise self.reached(most)
        self._reserved[request.hash] = most
        self.reserved += most
        return True

    def most(self, request: Request) -> float:
        """What a call can cost at most, where its price is known."""
        price = self._prices.get(request.model)
        return price.at_most(request) if price else 0.0

    def cost(self, model: str, usage: Usage) -> float | None:
        """What a call cost: as the backend says (a free one says 0), else by the model's price; ``None`` when that is unknown."""
        if usage.cost is not None:
            return usage.cost
        price = self._prices.get(model)
        return price.cost(usage) if price else None

    def settle(self, request: Request, cost: float | None) -> None:
        """A call has ended: what was set aside for it is free again."""
        most = self._reserved.pop(request.hash, 0.0)
        self.reserved = self.reserved - most if self._reserved else 0.0
        self.spend(cost)

    def spend(self, cost: float | None) -> None:
        """Something was billed that nothing was set aside for."""
        self.spent += cost or 0.0

    def doubt(self, request: Request) -> float:
        """A try was lost on the way and may have been billed, for so much at most; what is set aside is for the next try."""
        most = self._reserved.get(request.hash, 0.0)
        self.doubtful += most
        return most

    @property
    def overdrawn(self) -> bool:
        """Whether what is in flight could pass the cap, so that no lost call can be made again."""
        return self._passed(0.0)

    def _passed(self, more: float) -> bool:
        return self._cap is not None and self.spent + self.doubtful + self.reserved + more > self._cap + 1e-12

    def reached(self, most: float) -> BudgetReached:
        """What to tell when there is no money for a call that may cost ``most``."""
        lost = f", lost calls may have cost ${self.doubtful:.4f}" if self.doubtful else ""
        return BudgetReached(
            f"the budget of ${self._cap or 0:.2f} is reached (${self.spent:.4f} spent{lost}, the next call may cost ${most:.4f});"
            " everything bought is saved: raise max_cost and run this again to go on"
        )

    def warning(self) -> str | None:
        """Once, when four fifths of the cap are spent."""
        if self._warned or self._cap is None or not self.spent + self.doubtful or self.spent + self.doubtful < WARN_AT * self._cap:
            return None
        self._warned = True
        return f"${self.spent + self.doubtful:.2f} of the ${self._cap:.2f} budget is spent; the build pauses there, and can go on later"


def refuse_unknown(prices: Mapping[str, Price | None], allowed: bool) -> None:
    """``UsageError`` where a model's price is unknown and nobody said that this is all right."""
    unknown = sorted(model for model, price in prices.items() if price is None)
    if unknown and not allowed:
        raise UsageError(f"no price is known for {unknown[0]}: its cost can be neither told nor capped; --allow-unknown-price goes on")
