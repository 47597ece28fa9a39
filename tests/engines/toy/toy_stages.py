"""A gate of two stages, for tests of engines. ``job.overrides`` says what befalls which rank: ``1:die-once``, ``2:fail``, ``*:nap``."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

from builder.errors import BildungError, UsageError
from builder.sharded import Stage, Work
from builder.sharded.job import Job


def _make(work: Work, rank: int, folder: Path) -> None:
    times = _begun(work.folder / "began", rank)
    for word in work.job.overrides:
        who, deed = word.split(":")
        if who in ("*", str(rank)):
            _befall(work, deed, rank, times)
    read = b"".join(Path(unit.path).read_bytes()[unit.start : unit.end] for unit in work.job.shards[rank])
    (folder / "digest").write_text(hashlib.sha256(read).hexdigest(), encoding="utf-8")


def _begun(notes: Path, rank: int) -> int:
    """How often this rank was begun before; a note says that it is begun once more, and by which process."""
    notes.mkdir(exist_ok=True)
    times = len(list(notes.glob(f"{rank}.*")))
    (notes / f"{rank}.{times}").write_text(str(os.getpid()), encoding="utf-8")
    return times


def _befall(work: Work, deed: str, rank: int, times: int) -> None:
    if deed == "die" or (deed == "die-once" and times == 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if deed == "wait-once" and times == 0:
        _await(work.folder / "go")
    if deed == "nap":
        time.sleep(0.2)
    if deed == "late":
        time.sleep(0.5)
        raise BildungError(f"rank {rank} cannot, after a while")
    if deed == "fail":
        raise BildungError(f"rank {rank} cannot")
    if deed == "usage":
        raise UsageError("is wrong", "some file")
    if deed == "bug":
        raise RuntimeError("a bug")


def _await(go: Path) -> None:
    until = time.monotonic() + 60
    while not go.exists() and time.monotonic() < until:
        time.sleep(0.05)


def _join(work: Work, rank: int, folder: Path) -> None:
    made = [(work.made("make", at) / "digest").read_text(encoding="utf-8") for at in range(work.world("make"))]
    (folder / "digests").write_text("\n".join(made), encoding="utf-8")


def _shards(job: Job) -> int:
    return len(job.shards)


STAGES = (Stage("make", _shards, _make), Stage("join", lambda job: 1, _join))
