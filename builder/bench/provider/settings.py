"""How a simulated provider behaves, and what it has billed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, Literal, NamedTuple, get_args

# What goes wrong on the way, drawn for each arrival.
Accident = Literal["429", "529", "500", "401", "spend_limit", "hang", "drop", "truncate", "malformed", "html"]
# What comes of a prompt, drawn from its content: asked again, it comes out the same.
Outcome = Literal["refusal", "max_tokens", "window", "empty", "surrogate", "control", "malformed_json", "invalid", "errored", "expired"]
Fault = Literal[Accident, Outcome]
ACCIDENTS: tuple[str, ...] = get_args(Accident)
OUTCOMES: tuple[str, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Settings:
    """What the provider does; every share is between 0 and 1, every time in seconds.

    ``faults`` maps a fault to its share of requests (``{"429": 0.05, "drop": 0.01}``). ``errored`` and ``expired`` happen to requests
    in batches only, ``malformed_json`` where a schema is asked for. A prompt forces a fault by a marker in a user's turn: ``[[refusal]]``
    always, ``[[529*2]]`` for the first two arrivals of that prompt. Prices are US dollars per million tokens; a token is four characters.
    """

    seed: int = 1
    latency: float = 0.0
    answer_tokens: int = 400
    api_key: str = ""  # the only key that is accepted; empty: any
    faults: Mapping[str, float] = field(default_factory=dict)
    retry_after: float = 1.0  # what a stray 429 asks for
    error_code: str = ""  # error.details.error_code of a stray 429
    refusal_category: str = "frontier_llm"
    dropped_are_billed: bool = True
    limit: float | None = None  # requests a minute
    bucket: float | None = None  # how many at once; the limit itself where it is None
    limit_headers: bool = True
    price_input: float = 3.0
    price_output: float = 15.0
    price_cache_read: float = 0.1  # times the input price
    price_cache_write: float = 1.25
    price_cache_write_1h: float = 2.0
    price_batch: float = 0.5
    cache_minimum: int = 1024  # tokens
    cache_ttl: float = 300.0
    cache_ttl_1h: float = 3600.0
    batch_seconds: float = 0.0
    batch_not_found: int = 0  # the first retrievals of every batch that answer 404
    batch_orphans: float = 0.0  # share of create calls whose batch is made and whose reply is lost
    batch_overloaded: int = 0  # the first create calls that answer 529 and make nothing
    batch_cut: int = 0  # the first downloads of every batch's results that break off midway
    cancel_done: float = 0.5  # share of a cancelled batch that was answered before
    cancel_seconds: float = 0.0

    def __post_init__(self) -> None:
        for name, share in self.faults.items():
            if name not in (*ACCIDENTS, *OUTCOMES):
                raise ValueError(f"no fault named {name!r}; there are: {', '.join((*ACCIDENTS, *OUTCOMES))}")
            if not 0 <= share <= 1:
                raise ValueError(f"the share of {name} is {share}; shares are between 0 and 1")

    def but(self, changes: Mapping[str, Any]) -> Settings:
        """The same with changes; an unknown name is a ``ValueError``."""
        unknown = sorted(set(changes) - {each.name for each in fields(self)})
        if unknown:
            raise ValueError(f"no setting named {unknown[0]!r}")
        return replace(self, **changes)

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self))


class Bill(NamedTuple):
    """What the provider counted, whatever its client believes.

    ``requests`` are live calls received, ``answers`` those computed and billed, live and in batches. ``bought`` counts paid answers by the
    content of the prompt (its hash), so that a value above 1 was bought twice. ``faults`` counts each fault by name, and ``limited`` the
    429s of the true limit. Dollars are exact.
    """

    requests: int = 0
    answers: int = 0
    dollars_live: Decimal = Decimal(0)
    dollars_batch: Decimal = Decimal(0)
    bought: Mapping[str, int] = {}
    limited: int = 0
    in_flight_most: int = 0
    faults: Mapping[str, int] = {}
    batches: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    tokens_written: int = 0
    tokens_written_1h: int = 0

    @property
    def dollars(self) -> Decimal:
        """Live and batch together."""
        return self.dollars_live + self.dollars_batch

    @property
    def bought_again(self) -> int:
        """Paid answers beyond the first to the same prompt."""
        return sum(self.bought.values()) - len(self.bought)

    @property
    def sent_429(self) -> int:
        """429s of either kind."""
        return self.limited + self.faults.get("429", 0) + self.faults.get("spend_limit", 0)

    def to_json(self) -> str:
        """As one line; dollars as text, so that they stay exact."""
        return json.dumps(self._asdict(), default=str)


def bill_from(text: str) -> Bill:
    """The inverse of ``Bill.to_json``."""
    read = json.loads(text)
    return Bill(**{**read, "dollars_live": Decimal(read["dollars_live"]), "dollars_batch": Decimal(read["dollars_batch"])})
