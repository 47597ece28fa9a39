"""What the corpus cost: by role and model, for a kept document and a million kept tokens; lower bounds where a price is unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping

from builder.ledger import PaidRow
from builder.report.counted import Counted
from builder.report.page import Section, ratio, table
from builder.rows import Spent


def cost(counted: Counted) -> Section:
    """What this corpus cost, and what a kept document and a million kept tokens cost."""
    spent, kept, tokens = counted.rows.spent, len(counted.kept), sum(counted.tokens)
    steps = [step.usage.cost for document in counted.rows.documents for step in document.steps]
    known = math.fsum(price for price in steps if price is not None)
    unknown = sum(price is None for price in steps)
    free = not (known or unknown or spent.cost or spent.unpriced)
    body = [f"$0.00: every model is free ({spent.answers:,} answers in the ledger)."] if free else []
    body += [_by_role(spent, kept, tokens)]
    if not free:
        sums = [
            ("the documents of this build", *_units(known, unknown, kept, tokens), unknown),
            ("everything in the ledger, refused and cut answers too", *_units(spent.cost, spent.unpriced, kept, tokens), spent.unpriced),
        ]
        body.append(table(("US dollars", "sum", "a kept document", "a million kept tokens", "answers of unknown price"), sums))
    if unknown or spent.unpriced:
        body.append("Some answers have no known price: a sum with \u2265 is a lower bound, and no price of a unit can be given.")
    body.append(_failed(spent))
    each, million = (None, None) if unknown else (ratio(known, kept), ratio(1e6 * known, tokens))
    numbers = {
        "known": round(known, 6), "unpriced": unknown, "per_kept_document": each, "per_million_kept_tokens": million,
        "ledger_answers": spent.answers, "ledger_cost": round(spent.cost, 6), "ledger_unpriced": spent.unpriced,
        "by_role": [_numbers(row, kept, tokens) for row in spent.rows], "failed_tries": dict(spent.failed),
        "maybe_billed": spent.maybe_billed,
    }  # fmt: skip
    return Section("cost", "Cost", body, numbers)


def _by_role(spent: Spent, kept: int, tokens: int) -> str:
    head = ("role", "model", "answers", "tokens in", "of them cached", "tokens out", "sum", "a kept document", "a million kept tokens")
    rows = [
        (row.role, f"`{row.model}`", f"{row.answers:,}", f"{row.tokens_in:,}", f"{row.tokens_cached:,}", f"{row.tokens_out:,}",
         *_units(row.cost, row.unpriced, kept, tokens))
        for row in spent.rows
    ]  # fmt: skip
    return table(head, rows)


def _units(known: float, unpriced: int, kept: int, tokens: int) -> tuple[str, str, str]:
    """A sum, and what it makes for a kept document and a million kept tokens; no unit price where something is unknown."""
    if unpriced:
        return (f"\u2265 ${known:,.4f}" if known else "unknown"), "unknown", "unknown"
    return _dollars(known), _dollars(ratio(known, kept)), _dollars(ratio(1e6 * known, tokens))


def _dollars(value: float | None) -> str:
    return "\u2013" if value is None else f"${value:,.4f}"


def _failed(spent: Spent) -> str:
    """The tries that gave no answer, and what they may have cost; empty where there were none."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(spent.failed.items()))
    told = [f"Tries without an answer: {kinds}."] if kinds else []
    if spent.maybe_billed:
        told.append(f"{spent.maybe_billed:,} calls may have been billed all the same: they were sent, and no answer came.")
    return " ".join(told)


def _numbers(row: PaidRow, kept: int, tokens: int) -> Mapping[str, str | int | float | None]:
    priced = not row.unpriced
    return {
        "role": row.role, **row._asdict(), "cost": round(row.cost, 6),
        "per_kept_document": ratio(row.cost, kept) if priced else None,
        "per_million_kept_tokens": ratio(1e6 * row.cost, tokens) if priced else None,
    }  # fmt: skip
