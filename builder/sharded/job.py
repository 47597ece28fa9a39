"""What is to be done: a gate, its thresholds, and the input cut into shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.candidates import read_candidates, read_part
from builder.errors import UsageError
from builder.recipe import GatesSection
from builder.records import Candidate, Record, digest

FORMAT = 1

_DIVISIBLE = (".jsonl", ".json", ".ndjson")  # lines can be found from any byte on; what is packed or columnar is read whole


class Unit(Record):
    """One file, or of a plain JSONL file the lines that begin from byte ``start`` on and before byte ``end``.

    ``size`` and ``changed`` (nanoseconds) are the file's: a file that changes makes another job.
    """

    path: str
    start: int
    end: int
    size: int
    changed: int

    @property
    def whole(self) -> bool:
        """Whether it is all of the file."""
        return self.start == 0 and self.end == self.size


class Job(Record):
    """A run: ``shards[i]`` is what rank *i* reads, in the order of the input; the first ``finished`` shards are a finished corpus.

    ``ranks`` is how many shards were asked for. ``root``, ``corpus`` and ``overrides`` say whose recipe and library apply, for gates that
    need them, and ``library`` is a hash of what those say.
    """

    gate: str
    shards: tuple[tuple[Unit, ...], ...]
    finished: int = 0
    ranks: int = 0
    gates: GatesSection = GatesSection()
    root: str = ""
    corpus: str = ""
    overrides: tuple[str, ...] = ()
    library: str = ""
    format: int = FORMAT

    @property
    def hash(self) -> str:
        """What every manifest of this job carries."""
        return digest(self.model_dump_json())


def cut(inputs: Sequence[Path], ranks: int) -> tuple[tuple[Unit, ...], ...]:
    """The inputs in at most ``ranks`` shards of about the same size, none of them empty unless all is."""
    sizes = [_stated(path) for path in inputs]
    total = max(1, sum(unit.size for unit in sizes))
    pieces = [piece for unit in sizes for piece in _pieces(unit, max(1, round(ranks * unit.size / total)))]
    shards: list[list[Unit]] = [[] for _ in range(ranks)]
    before = 0
    for piece in pieces:
        middle = before + (piece.end - piece.start) // 2
        shards[min(ranks - 1, middle * ranks // total)].append(piece)
        before += piece.end - piece.start
    return tuple(tuple(shard) for shard in shards if shard)


def candidates(shard: Sequence[Unit]) -> Iterator[Candidate]:
    """The rows of a shard in order; ``UsageError`` where a file is not what it was when the job began."""
    for unit in shard:
        path = Path(unit.path)
        if _stated(path).changed != unit.changed:
            raise UsageError("has changed since this job began; begin again with another --work", path)
        yield from read_candidates([path]) if unit.whole else read_part(path, unit.start, unit.end)


def _stated(path: Path) -> Unit:
    if str(path) == "-":
        raise UsageError("standard input cannot be cut into shards; write it to a file, or leave --engine out")
    try:
        found = path.stat()
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror or error})", path) from error
    if not path.is_file():
        raise UsageError("is no file", path)
    return Unit(path=str(path.resolve()), start=0, end=found.st_size, size=found.st_size, changed=found.st_mtime_ns)


def _pieces(unit: Unit, count: int) -> list[Unit]:
    if count == 1 or Path(unit.path).suffix not in _DIVISIBLE:
        return [unit]
    borders = [unit.size * at // count for at in range(count + 1)]
    return [unit.model_copy(update={"start": start, "end": end}) for start, end in zip(borders, borders[1:], strict=False)]
