"""Documents in batches, each made into shingles and band keys, here or by other processes; the order is that of the input."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import NamedTuple

from builder.dedup.kernels import chosen, kernels
from builder.dedup.shingles import Hashes, Shingled
from builder.dedup.signatures import Layout, Sketches, band_keys, sketches

_BATCH = 1 << 17  # characters: fifty stories, whose hashes stay in the processor's cache
_TEXTS = 1 << 12  # texts, where they are short
_Made = tuple[Shingled, Hashes, Sketches]
_AHEAD = 3  # batches under way for each process: none waits for the reader, and memory stays small


class Entry(NamedTuple):
    """A document as the engine reads it; of near-duplicates the one with the highest score stays. ``form`` says what it is one of."""

    id: str
    text: str
    score: float = 0.0
    form: str = ""


class Batch(NamedTuple):
    """What the engine keeps of some documents."""

    ids: list[str]
    scores: list[float]
    forms: list[str]
    shingled: Shingled
    keys: Hashes
    sketches: Sketches


def prepared(entries: Iterable[Entry], bands: Layout, engine: str, workers: int = 1) -> Iterator[Batch]:
    """Batch after batch, the same for any number of processes."""
    made = 0
    if workers == 1:
        for some in _batches(entries):
            yield _batch(some, _prepare([entry.text for entry in some], bands, chosen(engine, made)))
            made += len(some)
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    waiting: deque[tuple[list[Entry], Future[_Made]]] = deque()
    try:
        for some in _batches(entries):
            waiting.append((some, pool.submit(_prepare, [entry.text for entry in some], bands, chosen(engine, made))))
            made += len(some)
            if len(waiting) >= workers * _AHEAD:
                first, done = waiting.popleft()
                yield _batch(first, done.result())
        for first, done in waiting:
            yield _batch(first, done.result())
    finally:
        pool.shutdown(cancel_futures=True)


def _batch(entries: list[Entry], made: _Made) -> Batch:
    return Batch([entry.id for entry in entries], [entry.score for entry in entries], [entry.form for entry in entries], *made)


def _prepare(texts: list[str], bands: Layout, engine: str) -> _Made:
    loops = kernels(engine)
    found = loops.shingled(texts)
    signed = loops.signatures(found, bands.size)
    return found, band_keys(signed, bands), sketches(signed)


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    held: list[Entry] = []
    size = 0
    for entry in entries:
        held.append(entry)
        size += len(entry.text)
        if size >= _BATCH or len(held) >= _TEXTS:
            yield held
            held, size = [], 0
    if held:
        yield held
