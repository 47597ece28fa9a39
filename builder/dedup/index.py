"""A finished corpus kept for later additions: what judging new documents against it needs, in a folder.

    manifest.json      the format, a hash of everything the numbers depend on, and the parts with their sizes
    part-0001/         one addition, whole or absent
        ids.jsonl      one id a line, the best document first, which is number 0
        scores.npy, digests.npy, sketches.npy, ends.npy
        keys.npy       the keys of each band, sorted, and numbers.npy: whose they are (12 bytes a band and document)
        shingles.bin   the set of shingles of each document, sorted: the exact check reads it

Only the pages that a search touches are read. A part is written under a temporary name and renamed; the manifest, written last, counts.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.dedup.shingles import SHINGLE_WORDS, Hashes, Numbers, shingled
from builder.dedup.signatures import SCHEME, SEED, SKETCH, band_keys, layout, signatures
from builder.dedup.spill import Spill, read_hashes
from builder.errors import BildungError, UsageError
from builder.stores import UNFINISHED, sync, write_text

FORMAT = 1

_MANIFEST = "manifest.json"
_WIDTH = 8  # bytes of a hash
# Their keys go into the configuration: an index made by other hash functions is refused, whatever its version says.
_SAMPLE = ("The ferry left late, and nobody on the quay could say why.", "\u6e21\u3057\u8239\u306f\u307e\u305f\u9045\u308c\u305f")


class Chosen(NamedTuple):
    """Documents to keep, the best first: their ids, scores, and numbers in the run's spill."""

    ids: list[str]
    scores: NDArray[np.float64]
    numbers: Numbers


class _Part(NamedTuple):
    documents: int
    keys: NDArray[np.uint64]
    numbers: NDArray[np.int32]
    ends: NDArray[np.int64]
    shingles: IO[bytes]


class Index:
    """An opened index; documents are numbered from 0 through all parts. A context manager."""

    def __init__(self, folder: Path, threshold: float) -> None:
        self.folder = folder
        self.parts: list[dict[str, Any]] = _read_manifest(folder, threshold)
        self._parts: list[_Part] = []
        self.ids: list[str] = []
        scores, digests, sketches = [np.empty(0)], [np.empty((0, 2), np.uint64)], [np.empty((0, SKETCH), np.uint8)]
        for row in self.parts:
            part = folder / str(row["name"])
            try:
                self._open(part, int(row["documents"]), int(row["hashes"]), layout(threshold).bands)
                scores.append(np.load(part / "scores.npy"))
                digests.append(np.load(part / "digests.npy"))
                sketches.append(np.load(part / "sketches.npy"))
                self.ids += [json.loads(line) for line in (part / "ids.jsonl").read_text(encoding="utf-8").splitlines()]
            except (OSError, ValueError) as error:
                raise UsageError(f"the index is damaged at {part.name} ({error}); make it again with --index", folder) from error
        self.scores = np.concatenate(scores)
        self.digests = np.concatenate(digests)
        self.sketches = np.concatenate(sketches)
        self._first = np.cumsum([0, *(part.documents for part in self._parts)])
        if not len(self.ids) == len(self.scores) == len(self.digests) == len(self.sketches) == self._first[-1]:
            raise UsageError("the index is damaged (its files disagree); make it again with --index", folder)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for part in self._parts:
            part.shingles.close()

    def __len__(self) -> int:
        return len(self.ids)

    def agreeing(self, band: int, keys: Hashes) -> tuple[Hashes, Numbers]:
        """The documents that share a key of one band with any of ``keys``: their keys and numbers."""
        wanted = np.unique(keys)
        found, whose = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for part, first in zip(self._parts, self._first.tolist(), strict=False):
            held = part.keys[band]
            start, end = np.searchsorted(held, wanted, "left"), np.searchsorted(held, wanted, "right")
            counts = end - start
            at = np.repeat(start - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
            found.append(np.array(held[at]))
            whose.append(part.numbers[band][at].astype(np.int64) + first)
        return np.concatenate(found), np.concatenate(whose)

    def shingles(self, number: int) -> Hashes:
        """The set of shingles of one document, sorted."""
        which = int(np.searchsorted(self._first, number, "right")) - 1
        part, at = self._parts[which], number - int(self._first[which])
        return read_hashes(part.shingles, int(part.ends[at]), int(part.ends[at + 1]))

    def _open(self, part: Path, count: int, hashes: int, bands: int) -> None:
        keys, numbers = np.load(part / "keys.npy", "r"), np.load(part / "numbers.npy", "r")
        ends, size = np.load(part / "ends.npy"), (part / "shingles.bin").stat().st_size
        if not (keys.shape == numbers.shape == (bands, count) and len(ends) == count + 1 and size == hashes * _WIDTH):
            raise ValueError("its files disagree")
        self._parts.append(_Part(count, keys, numbers, ends, (part / "shingles.bin").open("rb", buffering=0)))


def check_place(folder: Path, against: Sequence[Path]) -> None:
    """``UsageError`` where an index may not be written: it grows in the folder it is read from, and overwrites no other."""
    if against and folder.resolve() != against[0].resolve():
        raise UsageError(f"an index grows where it is; name {against[0]} with --index, too", folder)
    if not against and (folder / _MANIFEST).exists():
        raise UsageError("there is an index here already; name it with --against, too, to add to it", folder)


def save(folder: Path, known: Index | None, threshold: float, chosen: Chosen, spill: Spill) -> None:
    """Add documents of a run to the index they were judged against, or begin one."""
    parts = known.parts if known else []
    name = f"part-{len(parts) + 1:04}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hashes = _write_part(folder, name, layout(threshold).bands, chosen, spill)
    except OSError as error:
        raise BildungError(f"{folder}: cannot be written ({error.strerror}); check the folder and its space") from error
    rows = [*parts, {"name": name, "documents": len(chosen.ids), "hashes": hashes}]
    write_text(folder / _MANIFEST, json.dumps({"format": FORMAT, "configuration": _configuration(threshold), "parts": rows}) + "\n")


def _write_part(folder: Path, name: str, bands: int, chosen: Chosen, spill: Spill) -> int:
    kept = chosen.numbers
    with tempfile.TemporaryDirectory(prefix=f".{name}.", suffix=UNFINISHED, dir=folder) as temporary:
        part = Path(temporary) / name
        part.mkdir()
        (part / "ids.jsonl").write_text("".join(json.dumps(one) + "\n" for one in chosen.ids), encoding="utf-8")
        np.save(part / "scores.npy", chosen.scores)
        np.save(part / "digests.npy", spill.digests()[kept])
        np.save(part / "sketches.npy", spill.sketches()[kept])
        keys = np.lib.format.open_memmap(part / "keys.npy", "w+", np.uint64, (bands, len(kept)))
        numbers = np.lib.format.open_memmap(part / "numbers.npy", "w+", np.int32, keys.shape)
        for band in range(bands):
            unsorted = spill.keys(band)[kept]
            numbers[band] = np.argsort(unsorted, kind="stable")
            keys[band] = unsorted[numbers[band]]
        del keys, numbers
        ends = [0]
        with (part / "shingles.bin").open("wb") as out:
            for number in kept.tolist():
                found = spill.shingles(number)
                found.tofile(out)
                ends.append(ends[-1] + len(found))
        np.save(part / "ends.npy", np.array(ends, np.int64))
        for path in part.iterdir():
            sync(path)
        shutil.rmtree(folder / name, ignore_errors=True)  # of a run that was killed before its manifest
        part.rename(folder / name)
        sync(folder)
    return ends[-1]


def _read_manifest(folder: Path, threshold: float) -> list[dict[str, Any]]:
    try:
        found = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        version, configuration, parts = found["format"], found["configuration"], list(found["parts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError("is no index of 'bildung gate dedup --index' (its manifest.json cannot be read)", folder) from error
    if version != FORMAT or configuration != _configuration(threshold):
        raise UsageError("the index was made with another threshold or version; make it again with --index", folder)
    return parts


def _configuration(threshold: float) -> str:
    bands = layout(threshold)
    sample = shingled(_SAMPLE)
    asked = f"{threshold!r} {tuple(bands)} {SCHEME} {SEED} {SHINGLE_WORDS} {sample.digests.hex()}"
    return sha256(asked.encode() + band_keys(signatures(sample, bands.size), bands).tobytes()).hexdigest()
