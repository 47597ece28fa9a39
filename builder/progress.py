"""Where a build tells what it is doing: the command line draws it, a bench times it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Where a build tells what it is doing; the command line draws it, a bench times it."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[object]:
        """Enter a stage of ``total`` steps."""
        ...

    def advance(self, steps: int = 1) -> None:
        """So many steps of the present stage are done."""
        ...

    def say(self, line: str) -> None:
        """One line worth telling at once."""
        ...


class Quiet:
    """A progress that says nothing."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[object]:
        return nullcontext()

    def advance(self, steps: int = 1) -> None:
        return None

    def say(self, line: str) -> None:
        return None
