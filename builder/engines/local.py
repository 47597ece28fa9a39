"""Ranks in processes of this machine. No extra is needed."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from pydantic import Field

from builder.engines import EngineSettings, cores, left, lost, stopped, tidy, tried, work_in
from builder.errors import BildungError
from builder.sharded import Step, Work

_PATIENCE = 5.0  # seconds for a process to remove what it left unfinished


class Settings(EngineSettings):
    """The shared settings: a worker is a process."""

    workers: int = Field(0, ge=0, description="processes at once, each with the memory of one rank; 0: one a processor")


_Workers = dict[Connection, BaseProcess]  # the end of a pipe to each process: it closes when the process is gone


def run(folder: Path, steps: Sequence[Step], settings: Settings) -> None:
    """Run the ranks of each step in ``settings.workers`` processes; a rank whose process dies is run again in a new one."""
    work = work_in(folder)
    with _workers(folder) as workers:
        for step in steps:
            _run_step(work, step, workers, settings)
            tidy(work, step)


@contextmanager
def _workers(folder: Path) -> Iterator[_Workers]:
    """The processes, as they come and go; none is left when this ends."""
    workers: _Workers = {}
    try:
        yield workers
    except KeyboardInterrupt as interrupt:
        raise stopped(folder) from interrupt
    finally:
        for process in workers.values():
            process.terminate()
        for process in workers.values():
            process.join(_PATIENCE)
            process.kill()


def _run_step(work: Work, step: Step, workers: _Workers, settings: Settings) -> None:
    """Ranks are given out in order, and those in flight end: so the lowest rank that fails is the same for any number of workers."""
    waiting, busy, deaths = deque(left(work, step)), dict[Connection, int](), Counter[int]()
    failed: dict[int, BildungError] = {}
    while busy or (waiting and not failed):
        while waiting and not failed and len(busy) < (settings.workers or cores()):
            pipe = next((pipe for pipe in workers if pipe not in busy), None) or _start(workers)
            busy[pipe] = waiting.popleft()
            with suppress(OSError):  # it is gone, and the end of its pipe will say so
                pipe.send((work.folder, step.name, busy[pipe]))
        for pipe in [ready for ready in wait(busy) if isinstance(ready, Connection)]:
            rank = busy.pop(pipe)
            try:
                error: BildungError | None = pipe.recv()
            except (EOFError, OSError):
                code = _exit_code(pipe, workers)
                deaths[rank] += 1
                if code <= 0 and deaths[rank] < settings.attempts:
                    waiting.appendleft(rank)
                    continue
                error = lost(work, step, rank, _reason(code, deaths[rank]))
            if error is not None:
                failed[rank] = error
    if failed:
        raise failed[min(failed)]


def _start(workers: _Workers) -> Connection:
    """A fresh interpreter, as other machines would have it; what this process has open or holds in memory does not reach it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there,), daemon=True)
    process.start()
    there.close()  # so that this end closes with the process
    workers[here] = process
    return here


def _work(pipe: Connection) -> None:
    """What a process does: ranks, until the pipe closes; that it also does when the one who started it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the first one ends the others
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # by way of what removes unfinished files
    with suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(tried(*pipe.recv()))


def _exit_code(pipe: Connection, workers: _Workers) -> int:
    """How the process behind a closed pipe ended: the negative number of the signal that killed it, or what it exited with."""
    process = workers.pop(pipe)
    process.join()
    pipe.close()
    return process.exitcode or 0


def _reason(code: int, deaths: int) -> str:
    if code > 0:
        return "ended by a bug, shown above"
    return f"was killed {deaths} times, the last time by signal {-code} (9: often for want of memory, which fewer workers need less of)"
