"""Everything that can go wrong in a way a person can mend, as one tree.

    BildungError                 exit 1   the run failed; one line says what, where, what to do
    |-- UsageError               exit 2   a file, a key or a flag that a person wrote is wrong
    |-- GateShort                exit 3   the build finished and a threshold was missed
    |-- BudgetReached            exit 4   the money cap was reached; state is saved, the run resumes
    |-- AuthenticationFailed     exit 5   a provider refused the key
    |-- Interrupted              exit 130 Ctrl-C; what was in flight is finished and saved
    `-- Busy                     exit 1   another build holds this corpus

Only a bug shows a traceback: the command line prints any of these as one line on stderr and leaves with its code.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path


class BildungError(Exception):
    """A failure with a message fit for the person who ran the command."""

    exit_code = 1


class UsageError(BildungError):
    """Bad input or configuration. ``path`` and ``line`` say where, when there is a where."""

    exit_code = 2

    def __init__(self, message: str, path: Path | str | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path} line {line}: "
        super().__init__(f"{where}{message}")


class GateShort(BildungError):
    """The build finished, and something it measures lies under a threshold that was asked for."""

    exit_code = 3


class BudgetReached(BildungError):
    """The cap on spending was reached; what is paid for is saved."""

    exit_code = 4


class AuthenticationFailed(BildungError):
    """A provider refused the credentials."""

    exit_code = 5


class Interrupted(BildungError):
    """A person stopped the run; everything bought is saved, and the same command goes on."""

    exit_code = 130


class Busy(BildungError):
    """Another process is building this corpus."""


def plainly(fault: str) -> str:
    """A fault as pydantic words it, in the words of the files that people write.

    >>> plainly("Value error, named is above 0"), plainly("Input should be a valid tuple")
    ('named is above 0', 'Input should be a list')
    """
    fault = fault.removeprefix("Value error, ").replace("a valid tuple", "a list")
    return re.sub(r"a valid dictionary( or instance of \w+)?", "a table", fault)


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, with the near misses first.

    >>> no_such("backend", "antropic", ["anthropic", "offline"])
    "no backend named 'antropic'; did you mean 'anthropic'? there are: anthropic, offline"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"no {kind} named {name!r}; {hint}there are: {', '.join(names) or 'none'}"
