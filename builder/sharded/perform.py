"""One rank of one stage: done once, whole or not at all."""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from builder.errors import BildungError, UsageError
from builder.sharded.job import Job
from builder.stores import UNFINISHED, sync, write_text

_JOB = "job.json"
_MANIFEST = "manifest.json"
_STAGES = {"dedup": "builder.stages.dedup"}  # the module whose STAGES a gate runs through; every other gate goes row by row
_ROW_BY_ROW = "builder.cli.gate_rows"


class Stage(NamedTuple):
    """A step of a job: its name, how many ranks it has, and what a rank does: it reads the work and writes files into a folder."""

    name: str
    world: Callable[[Job], int]
    run: Callable[[Work, int, Path], None]


class Step(NamedTuple):
    """What an engine is told of a stage: run ``perform(folder, name, rank)`` for each rank below ``world``."""

    name: str
    world: int


class Work(NamedTuple):
    """A job and the folder it is done in."""

    folder: Path
    job: Job

    def done(self, stage: str, rank: int) -> bool:
        """Whether a rank is done, by this very job."""
        return _manifest(self.made(stage, rank)) == self.job.hash

    def made(self, stage: str, rank: int) -> Path:
        """Where a rank's files stand once it is done."""
        return self.folder / stage / f"{rank:05}"

    def world(self, stage: str) -> int:
        """How many ranks a stage of this job has."""
        return next(found.world(self.job) for found in _stages(self.job) if found.name == stage)


def begin(folder: Path, job: Job) -> Work:
    """Take a folder for a job, or go on with the same job in it; ``UsageError`` where it holds another."""
    known = begun(folder)
    if known is not None and known.job != job:
        raise UsageError("holds the work of another job, or its input or settings have changed; name another --work, or remove it", folder)
    if known is None:
        write_text(folder / _JOB, job.model_dump_json(indent=1) + "\n")
    return Work(folder, job)


def begun(folder: Path) -> Work | None:
    """The work that a folder holds; ``None`` where it holds none yet."""
    return Work(folder, _read(folder)) if (folder / _JOB).exists() else None


def steps(job: Job) -> tuple[Step, ...]:
    """The stages of a job, in order."""
    return tuple(Step(stage.name, stage.world(job)) for stage in _stages(job))


def perform(folder: Path, stage: str, rank: int) -> None:
    """Do one rank of one stage, unless it is done. A failure that a person can mend is written down and raised."""
    work = Work(folder, _read(folder))
    if work.done(stage, rank):
        return
    run = next(found.run for found in _stages(work.job) if found.name == stage)
    failed = folder / stage / f"{rank:05}.failed"
    failed.unlink(missing_ok=True)
    try:
        _whole(work, stage, rank, run)
    except BildungError as error:
        write_text(failed, json.dumps({"usage": isinstance(error, UsageError), "message": str(error)}) + "\n")
        raise


def failure(folder: Path, step: Step) -> BildungError | None:
    """What the first rank that failed has written down; ``None`` where none has."""
    for rank in range(step.world):
        path = folder / step.name / f"{rank:05}.failed"
        if path.exists():
            told = json.loads(path.read_text(encoding="utf-8"))
            return UsageError(told["message"]) if told["usage"] else BildungError(told["message"])
    return None


def _whole(work: Work, stage: str, rank: int, run: Callable[[Work, int, Path], None]) -> None:
    final = work.made(stage, rank)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(UNFINISHED, f".{rank:05}.", final.parent, ignore_cleanup_errors=True) as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            run(work, rank, made)
            _sync(made.iterdir())
            write_text(made / _MANIFEST, json.dumps({"job": work.job.hash, "stage": stage, "rank": rank}) + "\n")
            if work.done(stage, rank):
                return  # another attempt at the same rank was faster; its bytes are the same
            shutil.rmtree(final, ignore_errors=True)
            made.rename(final)
            sync(final.parent)
    except OSError as error:
        if not work.done(stage, rank):
            raise BildungError(f"{final}: cannot be made ({error}); check the folder and its space, then run this again") from error


def _sync(paths: Iterable[Path]) -> None:
    for path in paths:
        sync(path)


def _stages(job: Job) -> tuple[Stage, ...]:
    module = importlib.import_module(_STAGES.get(job.gate, _ROW_BY_ROW))
    found: tuple[Stage, ...] = module.STAGES
    return found


def _manifest(folder: Path) -> str:
    try:
        return str(json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["job"])
    except FileNotFoundError:
        return ""


def _read(folder: Path) -> Job:
    try:
        return Job.model_validate_json((folder / _JOB).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"has no {_JOB} that can be read ({error})", folder) from error
