"""How a command run in the test's own process ended; ``conftest.bildung`` runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Ran(NamedTuple):
    """Exit code, and what was written to stdout and stderr."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]
