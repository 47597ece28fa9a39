"""What a run keeps outside memory: temporary files without names, which the system removes even when the run is killed.

    shingles     the hashes of every text, one after another
    band 1..20   the keys of one band, one a text, in the order of the input

In memory stay, for each text, where its shingles end (8 bytes), its digest (16 bytes) and its sketch (64 bytes).
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable
from contextlib import ExitStack
from typing import IO

import numpy as np

from builder.dedup.shingles import DIGEST, Hashes, Shingled
from builder.dedup.signatures import SKETCH, Sketches
from builder.errors import BildungError

_WIDTH = 8  # bytes of a hash
_HELD = 1 << 13  # texts whose keys are written together: 64 kB a band


class Names:
    """Ids by number, in one piece of memory: as strings each would take fifty bytes more."""

    def __init__(self) -> None:
        self._body = bytearray()
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        return self._body[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogatepass")

    def extend(self, ids: Iterable[str]) -> None:
        """Append ids."""
        for one in ids:
            self._body += one.encode("utf-8", "surrogatepass")
            self._ends.append(len(self._body))


class Spill:
    """Written once by ``add``, then read at random. A context manager; the files go with it."""

    def __init__(self, bands: int) -> None:
        with ExitStack() as opened:
            self._shingles: IO[bytes] = opened.enter_context(tempfile.TemporaryFile(buffering=0))
            self._bands = [opened.enter_context(tempfile.TemporaryFile(buffering=0)) for _ in range(bands)]
            self._opened = opened.pop_all()
        self._held: list[Hashes] = []
        self._ends = array("q", [0])
        self._digests = bytearray()
        self._sketches = bytearray()

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, batch: Shingled, keys: Hashes, sketches: Sketches) -> None:
        """Append a batch, its band keys ``[bands, texts]`` and its sketches ``[texts, SKETCH]``."""
        _write_whole(self._shingles, batch.hashes)
        self._held.append(keys)
        if sum(some.shape[1] for some in self._held) >= _HELD:
            self._write_keys()
        self._ends.frombytes((batch.first[1:] + self._ends[-1]).astype(np.int64).tobytes())
        self._digests += batch.digests
        self._sketches += sketches.tobytes()

    def keys(self, band: int) -> Hashes:
        """The keys of one band, in the order of the input."""
        self._write_keys()
        file = self._bands[band]
        file.seek(0)
        return np.fromfile(file, np.uint64, len(self))

    def digests(self) -> Hashes:
        """Two numbers a text, equal where two texts have the same shingles."""
        return np.frombuffer(self._digests, np.uint64).reshape(-1, DIGEST // _WIDTH)

    def sketches(self) -> Sketches:
        """One row a text."""
        return np.frombuffer(self._sketches, np.uint8).reshape(-1, SKETCH)

    def shingles(self, number: int) -> Hashes:
        """The set of shingles of one text, sorted."""
        return read_set(self._shingles, self._ends[number], self._ends[number + 1])

    def _write_keys(self) -> None:
        if self._held:
            for file, keys in zip(self._bands, np.concatenate(self._held, axis=1), strict=True):
                _write_whole(file, keys)
            self._held.clear()


def read_set(file: IO[bytes], start: int, end: int) -> Hashes:
    """Hashes number ``start`` to ``end`` of an unbuffered file, each once, sorted."""
    hashes = read_hashes(file, start, end)
    hashes.sort()
    again = hashes[1:] == hashes[:-1]
    return hashes[np.concatenate(([True], ~again))] if np.count_nonzero(again) else hashes


def read_hashes(file: IO[bytes], start: int, end: int) -> Hashes:
    """Hashes number ``start`` to ``end`` of an unbuffered file; ``np.fromfile`` takes three times as long for so few."""
    body = bytearray((end - start) * _WIDTH)
    file.seek(start * _WIDTH)
    view = memoryview(body)
    while view and (taken := file.readinto(view)):  # type: ignore[attr-defined]
        view = view[taken:]
    return np.frombuffer(body, np.uint64)


def _write_whole(file: IO[bytes], hashes: Hashes) -> None:
    """Write all of them: an unbuffered file may take less at once."""
    body = hashes.view(np.uint8).data
    try:
        while body:
            body = body[file.write(body) :]
    except OSError as error:
        raise BildungError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); free some space or set TMPDIR") from error
