"""What a plan will cost before anything is bought: low, expected and high, live and in batches, with the shared prefix cached or not.

Figures follow from three things that are known before a call (prompts, the length asked for, ``max_tokens``) and two that are not: how
many tokens a provider's tokenizer makes of a text, and how often its cache is met. What is assumed of those is said with the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from builder.prices import Price, price_of
from builder.records import Usage

# cl100k makes about 4.5 characters a token of English; Claude's tokenizers 4.3 (to 4.6) and 3.6 (4.7 and later), and up to 1.5 times
# as many tokens of some texts: https://www.claudecodecamp.com/p/i-measured-claude-4-7-s-new-tokenizer-here-s-what-it-costs-you
TOKENS_OF_CLAUDE = 1.2
TOKENS_AT_WORST = 1.5
# We mark a prefix of 1,024 tokens for the cache; models take it from 512 to 4,096 on: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
CACHED_AT_BEST, CACHED_SURELY = 1_024, 4_096
CALLED_AGAIN = 0.05  # share of calls made a second time, at worst: a lost call, a cut text continued, an answer repaired
WAYS = ("live", "live_cached", "batch", "batch_cached")
WORDS = {
    "live": "live, nothing cached", "live_cached": "live, prefix cached",
    "batch": "in batches, nothing cached", "batch_cached": "in batches, prefix cached",
}  # fmt: skip


class Work(NamedTuple):
    """The calls of one step: how many, and the mean of what each reads and writes, in cl100k tokens (``out_high`` is ``max_tokens``).

    ``stable`` tokens are the prefix that calls share, and ``prefixes`` how many different ones there are. ``most`` is set where not every
    document needs the call: ``calls`` are then those expected, at best none, at worst so many.
    """

    role: str
    model: str
    calls: int
    stable: int
    varying: int
    out_low: int
    out_expected: int
    out_high: int
    prefixes: int = 1
    step: str = ""
    most: int = 0

    @property
    def name(self) -> str:
        """As a table shows it."""
        return f"{self.step} ({self.role})" if self.step else self.role


class Span(NamedTuple):
    """US dollars, at best, as expected, and at worst."""

    low: float
    expected: float
    high: float


class RoleEstimate(NamedTuple):
    """What one role will cost: a span for each way of buying; an empty mapping where the price is unknown."""

    work: Work
    way: str
    tokens_in: int
    tokens_out: int
    spans: dict[str, Span]


class Estimate(NamedTuple):
    """What a plan will cost, role by role. ``documents`` is how many of its documents are to be kept."""

    roles: tuple[RoleEstimate, ...]
    documents: int

    @property
    def free(self) -> bool:
        """Whether no call is ever billed."""
        return all(role.spans and not any(span.high for span in role.spans.values()) for role in self.roles)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Models without a known price; with any, every sum is a lower bound."""
        return tuple(dict.fromkeys(role.work.model for role in self.roles if not role.spans))

    def sum(self, way: str | None = None) -> Span:
        """Over the roles of known price, bought in one way, or each in that of the recipe."""
        spans = [role.spans[way or role.way] for role in self.roles if role.spans]
        return Span(*(sum(column) for column in zip(*spans, strict=True))) if spans else Span(0, 0, 0)

    def as_json(self) -> dict[str, Any]:
        """For programs: US dollars; ``null`` where a price is unknown."""
        return {
            "roles": [
                {**role.work._asdict(), "way": role.way, "tokens_in": role.tokens_in, "tokens_out": role.tokens_out,
                 "ways": {way: span._asdict() for way, span in role.spans.items()} or None}
                for role in self.roles
            ],
            "sum": self.sum()._asdict(), "ways": {way: self.sum(way)._asdict() for way in WAYS}, "unknown": list(self.unknown),
            "lower_bound": bool(self.unknown), "per_1000_kept_documents": _times(self.sum(), 1000 / self.documents)._asdict(),
        }  # fmt: skip

    def as_text(self) -> str:
        """For people: a table, and a line for what each column assumes."""
        rows: list[tuple[str, ...]] = [("", "model", "calls", "tokens in", "tokens out", "low", "expected", "high")]
        for role in self.roles:
            told = _told(role.spans[role.way]) if role.spans else ("unknown",) * 3
            rows.append((role.work.name, role.work.model, f"{role.work.calls:,}", f"{role.tokens_in:,}", f"{role.tokens_out:,}", *told))
        sums = {"sum": self.sum(), "1,000 kept documents": _times(self.sum(), 1000 / self.documents)}
        sums |= {WORDS[way]: self.sum(way) for way in self._other_ways()}
        bound = "at least" if self.unknown else ""
        rows += [(name, bound, "", "", "", *(_told(span) if span.high or not bound else ("unknown",) * 3)) for name, span in sums.items()]
        return "\n".join((*columns(rows), *(f"  {note}" for note in self._notes())))

    def per_1000(self, way: str) -> Span:
        """Of 1,000 kept documents, bought in one way."""
        return _times(self.sum(way), 1000 / self.documents)

    def _other_ways(self) -> list[str]:
        """Ways of buying that cost something else than that of the recipe, and than the same without a cache."""
        found: list[str] = []
        for way in WAYS:
            if self.sum(way) not in (self.sum(), *(self.sum(other) for other in found)):
                found.append(way)
        return found

    def _notes(self) -> list[str]:
        notes = [
            "low: the short end of every length, each prefix read from the cache",
            f"expected: the middle of every length; a prefix of {CACHED_SURELY:,} tokens or more is written to the cache once, then read;"
            " a shorter one may not be cached",
            f"high: max_tokens every time, prefixes written to the cache and never read, {TOKENS_AT_WORST:g} times the tokens in, and"
            f" {CALLED_AGAIN:.0%} of the calls made again",
            f"tokens: counted with cl100k, for Claude times {TOKENS_OF_CLAUDE:g}; thinking is not in them",
            f"kept: {self.documents:,} documents; the spare ones are paid for too",
            *(f"{work.step}: {work.calls:,} of {work.most:,} documents assumed to need it" for work, *_ in self.roles if work.most),
            "prices: those of the installed genai-prices, without tax",
        ]
        if any(role.spans and role.spans["batch"] == role.spans["live"] for role in self.roles) and "batch" in self._other_ways():
            notes.append("in batches: a role whose model has none counts as live")
        if self.unknown:
            notes.append(f"no price is known for {', '.join(self.unknown)}: every sum is a lower bound")
        return notes


def estimate(works: Sequence[Work], documents: int, priced: Callable[[str], Price | None] = price_of) -> Estimate:
    """Price the calls of a plan of which ``documents`` are to be kept."""
    return Estimate(tuple(_role(work, priced) for work in works), documents)


def _role(work: Work, priced: Callable[[str], Price | None]) -> RoleEstimate:
    provider, _, name = work.model.partition("/")
    batched = provider.endswith("-batch")
    live = priced(f"{provider.removesuffix('-batch')}/{name}")
    batch = live.batch if live and provider.removesuffix("-batch") == "anthropic" else live
    factor = TOKENS_OF_CLAUDE if "claude" in name else 1.0
    work_in_own = work._replace(
        stable=round(work.stable * factor), varying=round(work.varying * factor),
        out_low=min(round(work.out_low * factor), work.out_high), out_expected=min(round(work.out_expected * factor), work.out_high),
    )  # fmt: skip
    spans = {}
    if live and batch:
        for way in WAYS:
            price = batch if way.startswith("batch") else live
            spans[way] = _span(work_in_own, price, cached=way.endswith("cached"), hour=way.startswith("batch"))
    tokens_in = work_in_own.calls * (work_in_own.stable + work_in_own.varying)
    tokens_out = work_in_own.calls * work_in_own.out_expected
    return RoleEstimate(work, "batch_cached" if batched else "live_cached", tokens_in, tokens_out, spans)


def _span(work: Work, price: Price, cached: bool, hour: bool) -> Span:
    """One role bought in one way. Live calls write to the cache for five minutes, the call that primes a batch for an hour."""
    whole = work.stable + work.varying

    def call(out: int, read: int = 0, written: int = 0, times: float = 1.0) -> float:
        total, write = round(whole * times), round(written * times)
        return price.cost(
            Usage(
                tokens_in=total, tokens_out=out, tokens_cached=read, tokens_written=0 if hour else write,
                tokens_written_1h=write if hour else 0,
            )
        )  # fmt: skip

    at_best = work.stable if cached and work.stable >= CACHED_AT_BEST else 0
    surely = work.stable if cached and work.stable >= CACHED_SURELY else 0
    first = min(work.prefixes, work.calls)
    return Span(
        (0 if work.most else work.calls) * call(work.out_low, read=at_best),
        first * call(work.out_expected, written=surely) + (work.calls - first) * call(work.out_expected, read=surely),
        (work.most or work.calls) * (1 + CALLED_AGAIN) * call(work.out_high, written=at_best, times=TOKENS_AT_WORST),
    )


def _times(span: Span, factor: float) -> Span:
    return Span(*(figure * factor for figure in span))


def _told(span: Span) -> tuple[str, ...]:
    return tuple(dollars(figure) for figure in span)


def dollars(figure: float) -> str:
    """US dollars in as many digits as say something.

    >>> dollars(0), dollars(0.01234), dollars(3.456), dollars(12345.6)
    ('$0.00', '$0.0123', '$3.46', '$12,346')
    """
    digits = 0 if figure >= 1000 else 2 if figure >= 0.1 or figure == 0 else 4
    return f"${figure:,.{digits}f}"


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines: words flush left, figures flush right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if at < 2 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines
