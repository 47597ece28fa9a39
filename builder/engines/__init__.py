"""Where and when the ranks of sharded work run, one file an engine; the file's name is the engine's name.

Each module has its ``Settings``, a subclass of ``EngineSettings``, and one function:

    def run(folder: Path, steps: Sequence[Step], settings: Settings) -> None

It calls ``perform(folder, step.name, rank)`` for every rank of every step that is not done, on any machine that sees the folder, and begins
a step when the one before it is done. A rank that dies with its process or its machine is run again; a ``BildungError`` in a rank ends the
run, with the words of the lowest rank that failed. Stages can be done twice, so an engine that is in doubt runs a rank again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from pydantic import Field, ValidationError

from builder import plugins
from builder.errors import BildungError, Interrupted, UsageError, no_such, plainly
from builder.records import Record
from builder.sharded import Step, Work, begun, failure, perform
from builder.stores import sweep

_S = TypeVar("_S", bound="EngineSettings")


class EngineSettings(Record):
    """What every engine is told. Engines add their own; ``--engine-set KEY=VALUE`` fills them."""

    workers: int = Field(0, ge=0, description="ranks at once; 0: as many as the engine has room for")
    attempts: int = Field(3, ge=1, description="how often a rank may be lost with its process or machine; some die every time")


class ClusterSettings(EngineSettings):
    """What engines of more than one machine are told besides."""

    settle_seconds: float = Field(60, ge=0, description="for files of other nodes to be seen here; NFS may hold one for absent so long")


def opened(name: str, words: Sequence[str] = ()) -> tuple[ModuleType, EngineSettings]:
    """The module of an engine, and its settings from ``KEY=VALUE`` words; ``UsageError`` with the near misses for an unknown name."""
    try:
        module = plugins.load("engine", name)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise UsageError(f"--engine {name} needs {package}, which is not installed; run: pip install 'bildung[cluster]'") from error
    return module, filled(module.Settings, words, name)


def filled(model: type[_S], words: Sequence[str], engine: str) -> _S:
    """Settings from ``KEY=VALUE`` words; the value of a key that is no text is JSON: ``8``, ``true``, ``{"account": "a1"}``."""
    given = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--engine-set {word}: write KEY=VALUE, for instance workers=8")
        if key not in model.model_fields:
            raise UsageError(f"--engine-set {word}: {no_such(f'setting of {engine}', key, model.model_fields)}")
        given[key] = value if model.model_fields[key].annotation is str else _value(value)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--engine-set {'.'.join(map(str, first['loc']))}: {plainly(str(first['msg']))}") from error


def _value(text: str) -> object:
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return text


def work_in(folder: Path) -> Work:
    """The work whose job lies in a folder."""
    work = begun(folder)
    if work is None:
        raise UsageError("has no job to be done", folder)
    return work


def tried(folder: Path, stage: str, rank: int) -> BildungError | None:
    """``perform`` in another process: an error that a person can mend is an answer, which comes back whole."""
    try:
        perform(folder, stage, rank)
    except BildungError as error:
        return error
    return None


def left(work: Work, step: Step) -> list[int]:
    """The ranks of a step that are not done, in order."""
    return [rank for rank in range(step.world) if not work.done(step.name, rank)]


def forget_failures(work: Work, step: Step) -> None:
    """Remove what an earlier run wrote down of ranks that failed, so that what is found later is of this one."""
    for path in (work.folder / step.name).glob("*.failed"):
        path.unlink(missing_ok=True)


def settle(work: Work, step: Step, settings: ClusterSettings) -> None:
    """Wait until this machine sees what others wrote last: that every rank is done, or that one has failed."""
    until = time.monotonic() + settings.settle_seconds
    while left(work, step) and not failure(work.folder, step) and time.monotonic() < until:
        time.sleep(0.2)


def tidy(work: Work, step: Step) -> None:
    """Remove what lost ranks left unfinished, once every rank of a step is done."""
    sweep(work.folder / step.name)


def lost(work: Work, step: Step, rank: int, why: str) -> BildungError:
    """The error for a rank that ended without a manifest and without words of its own."""
    return BildungError(f"{work.folder}: rank {rank} of {step.name} {why}; what is done is kept, and the same command goes on")


def stopped(folder: Path) -> Interrupted:
    """What Ctrl-C says."""
    return Interrupted(f"stopped; what is done is kept in {folder}, and the same command goes on")


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
