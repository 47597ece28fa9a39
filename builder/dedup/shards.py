"""What the ranks of a job have read, by number: texts are numbered through all shards, in the order of the input."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.dedup.batches import Entry, prepared
from builder.dedup.shingles import DIGEST, Hashes, Numbers
from builder.dedup.signatures import SKETCH, Sketches, layout
from builder.dedup.spill import read_set
from builder.sharded import Work
from builder.sharded.job import candidates

_SMALL = 1 << 16  # bytes; an empty array cannot be mapped, and a small one need not be
_OPEN = 200  # shards whose files are open at once; the usual limit of a process is 1,024 files


class _Shard(NamedTuple):
    ends: NDArray[np.int64]
    shingles: IO[bytes]
    id_ends: NDArray[np.int64]
    ids: IO[bytes]


def read(work: Work, rank: int, out: Path) -> None:
    """Read one shard: everything that later stages need of its texts."""
    job, bands = work.job, layout(work.job.gates.near_duplicate)
    entries = (Entry(row.id, row.text, row.score) for row in candidates(job.shards[rank]))
    ends, id_ends = [np.zeros(1, np.int64)], [0]
    scores: list[float] = []
    keys, sketches, digests = [np.empty((bands.bands, 0), np.uint64)], [np.empty((0, SKETCH), np.uint8)], bytearray()
    with (out / "shingles.bin").open("wb") as shingles, (out / "ids.bin").open("wb") as ids:
        for batch in prepared(entries, bands, job.gates.dedup_engine):
            batch.shingled.hashes.tofile(shingles)
            ends.append(batch.shingled.first[1:] + ends[-1][-1])
            digests += batch.shingled.digests
            scores += batch.scores
            keys.append(batch.keys)
            sketches.append(batch.sketches)
            for one in batch.ids:
                id_ends.append(id_ends[-1] + ids.write(one.encode()))
    np.save(out / "ends.npy", np.concatenate(ends))
    np.save(out / "id_ends.npy", np.array(id_ends))
    np.save(out / "scores.npy", np.array(scores, np.float64))
    np.save(out / "digests.npy", np.frombuffer(digests, np.uint64).reshape(-1, DIGEST // 8))
    np.save(out / "keys.npy", np.concatenate(keys, axis=1))
    np.save(out / "sketches.npy", np.concatenate(sketches))


def load(folder: Path, name: str) -> NDArray[Any]:
    """An array that a rank has made; only what is touched is read."""
    found: NDArray[Any] = np.load(folder / f"{name}.npy", "r" if (folder / f"{name}.npy").stat().st_size > _SMALL else None)
    return found


class Shards:
    """The texts of all shards."""

    def __init__(self, work: Work) -> None:
        self._folders = [work.made("read", rank) for rank in range(work.world("read"))]
        self.sizes = [len(load(folder, "scores")) for folder in self._folders]
        self.first: Numbers = np.cumsum([0, *self.sizes])
        self._shard = lru_cache(_OPEN)(self._opened)

    def __len__(self) -> int:
        return int(self.first[-1])

    def scores(self) -> NDArray[np.float64]:
        """The score of every text."""
        return np.concatenate([load(folder, "scores") for folder in self._folders])

    def digests(self) -> Hashes:
        """Two numbers a text, equal where two texts have the same shingles."""
        return np.concatenate([load(folder, "digests") for folder in self._folders])

    def keys(self, band: int) -> Hashes:
        """The keys of one band."""
        return np.concatenate([load(folder, "keys")[band] for folder in self._folders])

    def sketches(self, shard: int) -> Sketches:
        """The sketches of one shard."""
        return load(self._folders[shard], "sketches")

    def ids(self, shard: int) -> list[str]:
        """The ids of one shard."""
        ends, body = load(self._folders[shard], "id_ends").tolist(), (self._folders[shard] / "ids.bin").read_bytes()
        return [body[start:end].decode() for start, end in zip(ends, ends[1:], strict=False)]

    def id(self, number: int) -> str:
        """The id of one text."""
        shard, at = self._place(number)
        start, end = int(shard.id_ends[at]), int(shard.id_ends[at + 1])
        shard.ids.seek(start)
        return shard.ids.read(end - start).decode()

    def shingles(self, number: int) -> Hashes:
        """The set of shingles of one text, sorted."""
        shard, at = self._place(number)
        return read_set(shard.shingles, int(shard.ends[at]), int(shard.ends[at + 1]))

    def _place(self, number: int) -> tuple[_Shard, int]:
        which = int(np.searchsorted(self.first, number, "right")) - 1
        return self._shard(which), number - int(self.first[which])

    def _opened(self, which: int) -> _Shard:
        folder = self._folders[which]
        shingles, ids = (folder / "shingles.bin").open("rb", 0), (folder / "ids.bin").open("rb", 0)
        return _Shard(load(folder, "ends"), shingles, load(folder, "id_ends"), ids)
