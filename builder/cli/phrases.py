"""How a build stands, in words: the same on a terminal, in a log and at the end of a stage."""

from __future__ import annotations

from builder.progress import Outlook, RoleStatus, Status, left, unpriced


def money(dollars: float | None) -> str:
    """US dollars; small sums keep four places, so that something paid never reads as nothing.

    >>> money(1234.5), money(0.0031), money(0.0), money(None)
    ('$1,234.50', '$0.0031', '$0.00', 'unknown')
    """
    if dollars is None:
        return "unknown"
    if 0 < dollars < 0.1:
        return f"${dollars:.4f}" if dollars >= 0.0001 else "under $0.0001"
    return f"${dollars:,.2f}"


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> count(1, "batch", "batches"), count(1200, "request")
    ('1 batch', '1,200 requests')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short(number: int) -> str:
    """A count of tokens in three digits.

    >>> short(9_999), short(12_345), short(999_960), short(4_200_000_000)
    ('9,999', '12.3k', '1.00M', '4.20B')
    """
    if number < 10_000:
        return f"{number:,}"
    for scale, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        value = number / scale
        if value >= 0.9995:
            return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}{unit}"
    return f"{number:,}"


def duration(seconds: float) -> str:
    """A time in at most two units.

    >>> duration(12.2), duration(300), duration(11_400), duration(190_000)
    ('12 s', '5 min', '3 h 10 min', '2 d 4 h')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def documents_line(status: Status, ahead: Outlook) -> str:
    """Done, reused, the rate and the time left."""
    parts = [f"{status.documents_done:,} of {status.documents_total:,}"]
    if status.documents_reused:
        parts.append("all reused" if status.documents_reused == status.documents_total else f"{status.documents_reused:,} reused")
    if ahead.per_minute is not None and left(status):
        parts.append(f"{ahead.per_minute:,.{0 if ahead.per_minute >= 10 else 1}f} a minute")
    if ahead.seconds_left:
        parts.append(f"about {duration(ahead.seconds_left)} left")
    return ", ".join(parts)


def money_line(status: Status, ahead: Outlook) -> str:
    """Spent over all runs, the whole and the cap."""
    parts = [_spent(status, ahead)]
    if left(status) and ahead.spent is not None:
        parts.append(f"about {money(ahead.projected)} in all" if ahead.projected is not None else "total known after the first answers")
    if status.max_cost is not None:
        parts.append(f"cap {money(status.max_cost)}")
    return ", ".join(parts)


def _spent(status: Status, ahead: Outlook) -> str:
    known, now = status.spent_before + status.spent_now, status.spent_now > 0
    earlier = f" ({money(status.spent_before)} earlier)" if status.spent_before else ""
    if ahead.spent is None:
        answers = count(unpriced(status), "answer")
        return f"{money(known)} + {answers} of unknown price{earlier}" if known else f"cost unknown ({answers} of unknown price)"
    if not known:
        return "$0.00 spent" if any(role.answered for role in status.roles) else "nothing spent yet"
    return f"{money(known)} spent{earlier}" if now else f"{money(known)} spent earlier"


def tries_line(status: Status) -> str:
    """What did not go well; empty where all did."""
    counts = (
        (status.retries, count(status.retries, "retry", "retries")),
        (status.limited, count(status.limited, "rate limit")),
        (status.refusals, count(status.refusals, "refusal")),
        (status.unanswered, f"{status.unanswered:,} failed"),
    )
    return ", ".join(text for number, text in counts if number)


def load_line(status: Status) -> str:
    """What is in flight, and what holds it up; empty where nothing is."""
    flying = sum(role.in_flight for role in status.roles)
    parts = [f"{flying:,} in flight" + (f" of {status.concurrency:,}" if flying <= status.concurrency else "")] if flying else []
    if flying and status.reserved:
        parts[0] += f" for at most {money(status.reserved)}"
    if status.waiting_seconds > 0:
        parts.append(f"waiting for the provider's limit, {duration(max(1.0, status.waiting_seconds))}")
    return ", ".join(parts)


def batches_line(status: Status) -> str:
    """Batches at the provider; empty where there are none."""
    if not status.batches_pending:
        return ""
    ends = "counts come when it ends" if status.batches_pending == 1 else "counts come when they end"
    return f"{count(status.batches_pending, 'batch', 'batches')} at the provider, {count(status.batch_requests, 'request')}; {ends}"


def cached(role: RoleStatus) -> str:
    """Which share of the tokens in a prompt cache held; rounded down, and empty where it held none."""
    return f"{100 * role.tokens_cached // role.tokens_in}%" if role.tokens_cached and role.tokens_in else ""


def cost(role: RoleStatus) -> str:
    """What a role cost in this run; empty before it has answered."""
    if not role.answered and not role.cost:
        return ""
    if not role.unpriced:
        return money(role.cost)
    return f"{money(role.cost)} + unknown" if role.cost else "unknown"


def role_line(role: RoleStatus) -> str:
    """One role of this run."""
    tokens = f"{short(role.tokens_in)} tokens in{f' ({cached(role)} cached)' if cached(role) else ''}, {short(role.tokens_out)} out"
    return f"{role.role} {role.model}: {count(role.answered, 'answer')}, {tokens}, {cost(role)}"


def status_line(status: Status, ahead: Outlook) -> str:
    """Everything but the roles, on one line."""
    documents = documents_line(status, ahead)
    parts = (f"documents {documents}", money_line(status, ahead), load_line(status), tries_line(status), batches_line(status))
    return "; ".join(part for part in parts if part)


def printable(line: str) -> str:
    """One line that does nothing to a terminal: what a provider says is shown, never obeyed."""
    return "".join(character if character.isprintable() else " " if character.isspace() else repr(character)[1:-1] for character in line)
