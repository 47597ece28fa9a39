"""Where a build tells what it is doing, and what can be said of it: rates, time left, money so far and for the whole.

    with progress.stage("write", documents):
        progress.tell(Status(...))        a few times a second; everything shown is worked out from these

The command line draws it, a bench times it. An unknown price makes a sum unknown (``None``), never zero.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

WINDOW = 60.0  # seconds a rate looks back: long enough to be steady, short enough to notice that a provider slowed down
FIRST_RATE = 3.0  # seconds before which a rate would be noise
STEP = 1.0  # seconds between the points that are remembered: a minute of points is little, however often a build tells


class RoleStatus(NamedTuple):
    """What one role did in this run.

    ``cost`` counts the answers whose price is known, in US dollars; ``unpriced`` is the number of the others. ``tokens_in`` counts all
    of them, ``tokens_cached`` those read from a prompt cache. ``expected`` is how many answers of this role the whole run takes, where
    that is not one for each document.
    """

    role: str
    model: str
    in_flight: int = 0
    answered: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost: float = 0.0
    unpriced: int = 0
    expected: int | None = None


class Status(NamedTuple):
    """A snapshot of the buying. ``roles`` are all roles of the recipe from the start, in the order they act: the projection counts on it.

    ``documents_done`` are the documents of the plan that have come to an end, refused and cut ones too; ``documents_reused`` of them did
    so in an earlier run. ``unanswered`` documents were given up in this run: the next one asks for them again. ``spent_before`` and
    ``spent_now`` are US dollars of known price, of earlier runs and of this one; ``reserved`` is the most that what is in flight can
    still cost. ``retries`` were made in this run, and ``limited`` times a provider said to wait (429). ``batches_pending`` batches with
    ``batch_requests`` requests lie at the provider. ``waiting_seconds`` is how long a provider's limit holds us up from now;
    ``concurrency`` may be in flight, and ``seconds`` have passed since the buying began. ``unpriced_before`` counts the answers of
    earlier runs whose price nobody knows.
    """

    documents_total: int
    documents_done: int = 0
    documents_reused: int = 0
    spent_before: float = 0.0
    spent_now: float = 0.0
    reserved: float = 0.0
    max_cost: float | None = None
    roles: tuple[RoleStatus, ...] = ()
    retries: int = 0
    limited: int = 0
    refusals: int = 0
    unanswered: int = 0
    batches_pending: int = 0
    batch_requests: int = 0
    waiting_seconds: float = 0.0
    concurrency: int = 0
    seconds: float = 0.0
    unpriced_before: int = 0


class Progress(Protocol):
    """Where a build tells what it is doing. Derive from ``Quiet`` to hear only part of it."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[object]:
        """Enter a stage of ``total`` steps."""
        ...

    def advance(self, steps: int = 1) -> None:
        """So many steps of the present stage are done."""
        ...

    def tell(self, status: Status) -> None:
        """How the buying stands; in the present stage this replaces the count of steps."""
        ...

    def say(self, line: str) -> None:
        """One line worth telling at once."""
        ...

    def warn(self, line: str) -> None:
        """One line that the person may want to act on."""
        ...


class Quiet:
    """A progress that says nothing."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[object]:
        return nullcontext()

    def advance(self, steps: int = 1) -> None:
        return None

    def tell(self, status: Status) -> None:
        return None

    def say(self, line: str) -> None:
        return None

    def warn(self, line: str) -> None:
        return None


class Point(NamedTuple):
    """After so many seconds of buying, so many documents were made in this run."""

    seconds: float
    made: int


class Outlook(NamedTuple):
    """What follows from a snapshot and the minute before it; ``None`` is not known.

    ``per_minute`` documents are made now, for the whole plan ``seconds_left`` remain. ``spent`` is US dollars over all runs,
    ``projected`` what they will be when the plan is done, ``over`` whether that is above the cap.
    """

    per_minute: float | None
    seconds_left: float | None
    spent: float | None
    projected: float | None
    over: bool


def made(status: Status) -> int:
    """Documents that this run has brought to an end."""
    return status.documents_done - status.documents_reused


def left(status: Status) -> int:
    """Documents that this run still has to bring to an end."""
    return max(0, status.documents_total - status.documents_done - status.unanswered)


def unpriced(status: Status) -> int:
    """Answers whose price nobody knows, over all runs."""
    return status.unpriced_before + sum(role.unpriced for role in status.roles)


def remember(points: tuple[Point, ...], status: Status) -> tuple[Point, ...]:
    """The points of the last minute with a new one: at most one a second, and one that is as old as the window.

    >>> remember((Point(0.0, 0),), Status(9, documents_done=5, documents_reused=2, seconds=4.0))
    (Point(seconds=0.0, made=0), Point(seconds=4.0, made=3))
    """
    now = Point(status.seconds, made(status))
    if not points or now.seconds < points[-1].seconds:  # the first of a buying
        return (Point(0.0, 0), now)
    kept = points[:-1] if len(points) > 1 and now.seconds - points[-2].seconds < STEP else points
    old = sum(point.seconds <= now.seconds - WINDOW for point in kept)
    return (*kept[max(0, old - 1) :], now)


def per_minute(points: tuple[Point, ...]) -> float | None:
    """Documents a minute over the remembered points; ``None`` before this run has made one.

    >>> per_minute((Point(0.0, 0), Point(30.0, 42)))
    84.0
    """
    if not points or not points[-1].made:
        return None
    first, last = points[0], points[-1]
    seconds = last.seconds - first.seconds
    return (last.made - first.made) * 60 / seconds if seconds >= FIRST_RATE else None


def spent(status: Status) -> float | None:
    """US dollars over all runs."""
    return None if unpriced(status) else status.spent_before + status.spent_now


def projected(status: Status) -> float | None:
    """US dollars over all runs when the plan is done: what is spent, and each role's mean price for each answer still to come.

    ``None`` while a role that has work left has not answered, since what it costs is not known before.
    """
    total, documents = spent(status), left(status)
    if total is None or not documents:
        return total
    to_make = status.documents_total - status.documents_reused
    for role in status.roles:
        expected = to_make if role.expected is None else role.expected
        ahead = min(expected - role.answered, documents * max(1.0, expected / to_make))
        if ahead > 0:
            if not role.answered:
                return None
            total += role.cost / role.answered * ahead
    return total if status.roles else None


def outlook(status: Status, points: tuple[Point, ...]) -> Outlook:
    """Everything that follows from a snapshot. While batches lie at the provider nobody knows how fast they go: no rate, no time."""
    rate = None if status.batches_pending else per_minute(points)
    whole = projected(status)
    return Outlook(
        per_minute=rate,
        seconds_left=left(status) * 60 / rate if rate else None,
        spent=spent(status),
        projected=whole,
        over=status.max_cost is not None and whole is not None and whole > status.max_cost,
    )
