"""Calls that make no document, bought like documents: with the till, the dial and the ledger, and a progress that counts calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.buying import Counter, run_jobs
from builder.buying.dial import Dial
from builder.buying.run import Job
from builder.buying.tally import Tally
from builder.buying.till import Till, refuse_unknown
from builder.ledger import Ledger
from builder.prices import price_of
from builder.progress import Progress, Quiet, Status
from builder.prompts import Prompt


class Steps(Quiet):
    """A progress that counts calls: there are no documents to count."""

    def __init__(self, progress: Progress, expected: int) -> None:
        self._progress, self._left, self._answered = progress, expected, 0

    def begin(self) -> None:
        """Another round begins, and its status starts from nothing."""
        self._answered = 0

    def tell(self, status: Status) -> None:
        """As many steps as there are new answers; never more than were expected."""
        answered = sum(role.answered for role in status.roles)
        new = min(answered - self._answered, self._left)
        self._answered, self._left = answered, self._left - new
        if new:
            self._progress.advance(new)

    def say(self, line: str) -> None:
        """Handed on."""
        self._progress.say(line)

    def warn(self, line: str) -> None:
        """Handed on."""
        self._progress.warn(line)


def buy_calls(
    counter: Counter, ledger: Ledger, role: str, prompts: Mapping[str, Prompt], jobs: Iterable[Job], count: int, steps: Steps,
    allow_unknown_price: bool,
) -> None:  # fmt: skip
    """Drive ``count`` generators of requests to the model of one role as far as they go."""
    model: str = getattr(counter.project.recipe.models, role)
    prices = {name: price_of(name) for name in counter.backends}
    refuse_unknown({name: price for name, price in prices.items() if counter.backends[name].wants_turns}, allow_unknown_price)
    ledger.keep_prompts({prompt.hash: f"{prompt.preamble}\n\n{prompt.text}".strip() for prompt in prompts.values()})
    budget, paid = counter.budget, ledger.paid()
    till = Till(prices, budget.max_cost, paid.cost, ledger.doubtful())
    tally = Tally(steps, count, max_cost=budget.max_cost, unpriced_before=paid.unpriced, roles={role: model})
    dial = Dial(counter.project.corpus / "recipe.toml", budget.concurrency, steps.warn)
    steps.begin()
    run_jobs(ledger, {model: counter.backends[model]}, jobs, till, tally, dial.now, budget.timeout)
