"""The live display: a bar, a few lines and one row a role, redrawn at most eight times a second whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from builder.cli import phrases
from builder.cli.progress import end_lines, said

if TYPE_CHECKING:
    from builder.cli.progress import Stage, Watched
    from builder.progress import Outlook, Status

DRAWS, SAYS = 6, 2  # a second: redraws, and prints above the display, which draw it too; more only costs processor time


def open_console(stream: Watched) -> Console:
    """A console on a stream; NO_COLOR and the width of the terminal are its matter."""
    return Console(file=cast(IO[str], stream), highlight=False, markup=False, emoji=False)


class Screen:
    """Implements ``progress.Face``."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._spinner = Spinner("line" if console.options.ascii_only else "dots")
        self._live: Live | None = None
        self._stage: Stage | None = None
        self._lines: list[str] = []  # said since the last redraw
        self._printed = 0.0

    def begin(self, stage: Stage) -> None:
        """Draw it from now on. The cursor stays visible: a process that is killed cannot give it back."""
        self._stage = stage
        self._live = Live(
            get_renderable=self._drawn, console=self._console, refresh_per_second=DRAWS, transient=True, redirect_stdout=False
        )
        self._live.start()
        self._console.show_cursor(True)

    def changed(self, stage: Stage, now: float) -> None:
        """The display redraws itself; what was said is printed when it is time."""
        if self._lines and now - self._printed >= 1 / SAYS:
            self._print(now)

    def end(self, stage: Stage, now: float, whole: bool) -> None:
        """Take the display away and leave what came out."""
        live, self._live = self._live, None
        if live:
            live.stop()
        self._stage = None
        self._lines += end_lines(stage, now, whole)
        self._print(now)

    def line(self, kind: str, text: str, now: float) -> None:
        """Above the display; many at once wait for the next redraw."""
        self._lines.append(said(kind, text))
        if not self._live or now - self._printed >= 1 / SAYS:
            self._print(now)

    def _print(self, now: float) -> None:
        lines, self._lines, self._printed = self._lines, [], now
        if lines:
            self._console.print("\n".join(lines), soft_wrap=True)

    def _drawn(self) -> RenderableType:
        stage = self._stage  # the thread that redraws may come while it is taken away
        return drawn(stage, self._clock(), self._spinner) if stage else ""


def drawn(stage: Stage, now: float, spinner: RenderableType = "") -> RenderableType:
    """A stage as it is shown."""
    parts: list[RenderableType] = [_bar(stage, now, spinner)]
    if stage.status and stage.ahead:
        parts.append(_facts(stage.status, stage.ahead))
        if stage.status.roles:
            parts.append(_roles(stage.status))
    return Group(*parts)


def _bar(stage: Stage, now: float, spinner: RenderableType) -> Table:
    done, total = stage.reached
    row = Table.grid(padding=(0, 1))
    minutes, seconds = divmod(int(now - stage.since), 60)
    bar = ProgressBar(total=total, completed=done, width=30, pulse=total is None)
    share = f"{100 * done // total}%" if total else ""  # rounded down: 100% is all
    steps = f"{done:,}/{total:,}" if total and not stage.status else ""  # documents are told below
    row.add_row(spinner, f"{stage.title:<9}", bar, *([steps] if steps else []), share, f"{minutes // 60}:{minutes % 60:02}:{seconds:02}")
    return row


def _facts(status: Status, ahead: Outlook) -> Table:
    facts = Table.grid(padding=(0, 1))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("documents", phrases.documents_line(status, ahead))
    facts.add_row("money", Text(phrases.money_line(status, ahead), style="red" if ahead.over else ""))
    for name, line, style in (
        ("load", phrases.load_line(status), "yellow" if status.waiting_seconds > 0 else ""),
        ("batches", phrases.batches_line(status), ""),
        ("tries", phrases.tries_line(status), "yellow" if status.unanswered or status.refusals else ""),
    ):
        if line:
            facts.add_row(name, Text(line, style=style))
    return facts


def _roles(status: Status) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("role", no_wrap=True, min_width=9)
    table.add_column("model")  # the one that may shrink: its cells are cut, never wrapped
    for name in ("in flight", "answers", "tok in", "cached", "tok out", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for role in status.roles:
        table.add_row(
            role.role, Text(role.model, no_wrap=True, overflow="ellipsis"), f"{role.in_flight:,}", f"{role.answered:,}",
            phrases.short(role.tokens_in), phrases.cached(role), phrases.short(role.tokens_out), phrases.cost(role),
        )  # fmt: skip
    return table
