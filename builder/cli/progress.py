"""Progress on stderr: bars on a terminal, one line a stage elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Told:
    """Implements ``progress.Progress``; quiet when asked."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=quiet)
        self._bars = (
            Progress(SpinnerColumn(), TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                     console=self._console, transient=True)
            if sys.stderr.isatty() and not quiet
            else None
        )  # fmt: skip
        self._task: int | None = None

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Show one stage and its time."""
        since = time.monotonic()
        with self._drawing(name, total):
            yield
        seconds = time.monotonic() - since
        if seconds >= 0.5:
            self._console.print(f"  {name.replace('_', ' '):<18} {seconds:6.1f} s" + (f"   {total:,}" if total else ""))

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        if self._bars and self._task is not None:
            self._bars.update(self._task, advance=steps)  # type: ignore[arg-type]

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._console.print(line)

    @contextmanager
    def _drawing(self, name: str, total: int | None) -> Iterator[None]:
        if not self._bars:
            yield
            return
        with self._bars:
            self._task = self._bars.add_task(name.replace("_", " "), total=total)
            try:
                yield
            finally:
                self._bars.remove_task(self._task)
                self._task = None
