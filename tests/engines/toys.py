"""A job of the toy gate, what its runs leave, and a run in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from builder.sharded import Job, Step, begin, cut, steps

TOY = Path(__file__).parent / "toy"
DRIVER = Path(__file__).parent / "driver.py"


def started(folder: Path, ranks: int, *words: str) -> tuple[Path, tuple[Step, ...]]:
    """A work folder with a job of so many ranks, and its steps; ``words`` say what befalls which rank (``toy/toy_stages.py``)."""
    source = folder / "input.jsonl"
    if not source.exists():
        source.write_text("".join(f'{{"text": "line {number}"}}\n' for number in range(40 * ranks)), encoding="utf-8")
    job = Job(gate="toy", shards=cut([source], ranks), overrides=words)
    assert len(job.shards) == ranks
    return begin(folder / "work", job).folder, steps(job)


def made(folder: Path) -> dict[str, bytes]:
    """Every file that ranks made, but for the manifests, by its path."""
    paths = sorted(path for path in folder.glob("*/[0-9]*/*") if path.name != "manifest.json" and path.parts[-3] != "slurm")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def times_begun(folder: Path, rank: int) -> int:
    """How often a rank was begun."""
    return len(list((folder / "began").glob(f"{rank}.*")))


def pid_of(folder: Path, rank: int) -> int:
    """The process that first began a rank, once it has said so."""
    note = folder / "began" / f"{rank}.0"
    await_that(lambda: note.exists() and note.read_text(encoding="utf-8"))
    return int(note.read_text(encoding="utf-8"))


@contextmanager
def child(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, as a shell would start it."""
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
        try:
            yield run
        finally:
            run.kill()


def driven(folder: Path, engine: str, *settings: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """An engine's run of the job in a folder."""
    return child(str(DRIVER), str(folder), engine, *settings)


def await_that(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
