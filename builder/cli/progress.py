"""Progress on stderr: a live display on a terminal, plain lines elsewhere, JSON lines for programs, nothing when asked."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TextIO

from builder.cli.phrases import duration, money, printable, role_line, status_line
from builder.progress import Outlook, Point, Status, made, outlook, remember

LINE_SECONDS = 30.0  # between two lines of a log
TOLD_SECONDS = 0.5  # a stage that takes less is not worth a line
SURE = 20  # documents of this run before a projection is worth a warning


@dataclass
class Stage:
    """The present stage: what it is, since when, and how far it is."""

    name: str
    total: int | None
    since: float
    steps: int = 0
    status: Status | None = None
    points: tuple[Point, ...] = ()

    @property
    def title(self) -> str:
        """For people."""
        return self.name.replace("_", " ")

    @property
    def reached(self) -> tuple[int, int | None]:
        """Done and total: documents where the buying was told, steps elsewhere."""
        return (self.status.documents_done, self.status.documents_total) if self.status else (self.steps, self.total)

    @property
    def ahead(self) -> Outlook | None:
        """What follows from what was told."""
        return outlook(self.status, self.points) if self.status else None

    @property
    def bought(self) -> bool:
        """Whether anything came in this run."""
        return self.status is not None and (made(self.status) > 0 or any(role.answered for role in self.status.roles))


class Face(Protocol):
    """One way to show a build; ``now`` is the clock's."""

    def begin(self, stage: Stage) -> None:
        """A stage begins."""

    def changed(self, stage: Stage, now: float) -> None:
        """It got further."""

    def end(self, stage: Stage, now: float, whole: bool) -> None:
        """It is over; not ``whole`` where it was broken off."""

    def line(self, kind: str, text: str, now: float) -> None:
        """A line of the kind ``say`` or ``warning``."""


class Told:
    """Implements ``progress.Progress``: keeps what was told and lets a face show it."""

    def __init__(
        self, quiet: bool = False, as_json: bool = False, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._face = None if quiet else _face(as_json, Watched(stream or sys.stderr))
        self._stage: Stage | None = None
        self._warned = False

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Show one stage; however it ends, the display ends with it."""
        stage, whole = Stage(name, total, self._clock()), False
        self._stage = stage
        try:
            if self._face:
                self._face.begin(stage)
            yield
            whole = True
        finally:
            self._stage = None
            if self._face:
                self._face.end(stage, self._clock(), whole)

    def advance(self, steps: int = 1) -> None:
        """Steps of the present stage."""
        if self._stage and self._face:
            self._stage.steps += steps
            self._face.changed(self._stage, self._clock())

    def tell(self, status: Status) -> None:
        """How the buying stands; warns once when the whole will cost more than the cap."""
        stage = self._stage
        if not (stage and self._face):
            return
        stage.points, stage.status = remember(stage.points, status), status
        self._face.changed(stage, self._clock())
        if not self._warned and made(status) >= SURE and (ahead := outlook(status, stage.points)).over:
            self._warned = True
            cap, whole = money(status.max_cost), money(ahead.projected)
            self.warn(f"about {whole} in all is above the cap of {cap}; the build stops at the cap and goes on with a higher --max-cost")

    def say(self, line: str) -> None:
        """A line at once."""
        if self._face:
            self._face.line("say", line, self._clock())

    def warn(self, line: str) -> None:
        """A line at once, marked as a warning."""
        if self._face:
            self._face.line("warning", line, self._clock())


def _face(as_json: bool, stream: Watched) -> Face:
    if as_json:
        from builder.cli.events import Events

        return Events(stream)
    if stream.isatty():
        from builder.cli.screen import Screen, open_console

        console = open_console(stream)
        if not console.is_dumb_terminal:
            return Screen(console)
    return Log(stream)


class Log:
    """Plain lines: one every half minute, and one for each stage that took a while."""

    def __init__(self, stream: Watched) -> None:
        self._stream, self._last = stream, 0.0

    def begin(self, stage: Stage) -> None:
        """Nothing yet: the first line comes after half a minute."""
        self._last = stage.since

    def changed(self, stage: Stage, now: float) -> None:
        """A line when it is time."""
        if now - self._last >= LINE_SECONDS:
            self._last = now
            self._stream.tell(state_line(stage, now))

    def end(self, stage: Stage, now: float, whole: bool) -> None:
        """What came out."""
        for line in end_lines(stage, now, whole):
            self._stream.tell(line)

    def line(self, kind: str, text: str, now: float) -> None:
        """At once."""
        self._stream.tell(said(kind, text))


def said(kind: str, text: str) -> str:
    """A line as it is shown."""
    return printable(f"warning: {text}" if kind == "warning" else text)


def state_line(stage: Stage, now: float, mark: str = "", over: bool = False) -> str:
    """One stage on one line; one that is ``over`` has no speed and waits for nothing."""
    done, total = stage.reached
    if stage.status and stage.ahead:
        status, ahead = stage.status, stage.ahead
        if over:
            status, ahead = status._replace(waiting_seconds=0.0), ahead._replace(per_minute=None, seconds_left=None)
        told = status_line(status, ahead)
    else:
        told = (f"{done:,} of {total:,}" if done < (total or 0) else f"{total:,}") if total else ""
    seconds = now - stage.since
    taken = f"{seconds:.1f} s" if seconds < 100 else duration(seconds)
    return f"  {stage.title + mark:<18} {taken:>8}   {told}".rstrip()


def end_lines(stage: Stage, now: float, whole: bool) -> list[str]:
    """What a stage leaves on the screen: nothing where it was short and bought nothing; with several roles or costs one line a role."""
    if not stage.bought and (not whole or now - stage.since < TOLD_SECONDS):
        return []
    if not stage.status:
        stage.steps = stage.total or 0
    lines = [state_line(stage, now, "" if whole else " (stopped)", over=True)]
    roles = [role for role in stage.status.roles if role.answered] if stage.status else []
    if len(roles) > 1 or any(role.cost or role.unpriced for role in roles):
        lines += [f"    {role_line(role)}" for role in roles]
    return lines


class Watched:
    """A stream whose reader may go away: a build that costs money goes on without being watched."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """As far as there is somebody."""
        try:
            return self._stream.write(text)
        except OSError:
            self._leave()
            return len(text)

    def flush(self) -> None:
        """As far as there is somebody."""
        try:
            self._stream.flush()
        except OSError:
            self._leave()

    def tell(self, line: str) -> None:
        """One whole line, at once."""
        self.write(line + "\n")
        self.flush()

    def isatty(self) -> bool:
        """Whether a person watches."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Of the stream."""
        return self._stream.fileno()

    def _leave(self) -> None:
        """The rest goes nowhere; Python would otherwise fail once more when it flushes at its end."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
