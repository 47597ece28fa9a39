"""The dial: how many calls may be in flight, read again from ``recipe.toml`` while a build runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from builder.errors import BildungError
from builder.recipe import read_recipe

LOOK_SECONDS = 1.0


class Dial:
    """Starts at ``concurrency``; a person who edits ``[budget] concurrency`` in the file turns it."""

    def __init__(self, path: Path, concurrency: int, say: Callable[[str], None]) -> None:
        self.concurrency = concurrency
        self._path = path
        self._say = say
        self._looked = time.monotonic()
        self._seen = self._stamp()
        self._written = self._read()

    def now(self) -> int:
        """The present value; the file is looked at once a second at most."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._look()
        return self.concurrency

    def _look(self) -> None:
        """Take over the file's value if it was changed; a file that cannot be read changes nothing, and is told."""
        self._looked = time.monotonic()
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        written = self._read()
        if written is not None and written != self._written:
            self._written = self.concurrency = written
            self._say(f"concurrency is {written} from now on")

    def _stamp(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:  # gone for a moment, as editors save
            return 0

    def _read(self) -> int | None:
        try:
            return read_recipe(self._path).budget.concurrency
        except BildungError as error:
            self._say(f"{error}; the build goes on as it was")
            return None
