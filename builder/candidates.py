"""Rows of any JSONL or Parquet file with ``id`` and ``text``, as candidates for a gate."""

from __future__ import annotations

import gzip
import io
import json
import math
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import orjson
import zstandard

from builder.errors import UsageError
from builder.records import Candidate

_PARQUET_BATCH = 1_000
_COUNTED = 1 << 20  # bytes read at once to count their lines
_ROUNDED = 2.0**63  # orjson makes a float of an integer that is larger


def read_candidates(inputs: Sequence[Path]) -> Iterator[Candidate]:
    """Stream the rows of every input in order; a bad row is a ``UsageError`` with file and line."""
    if [str(path) for path in inputs].count("-") > 1:
        raise UsageError("standard input (-) can be read once only")
    for path in inputs:
        for number, row in read_rows(path, ("id", "text", "score")):
            yield _candidate(row, path, number)


def read_part(path: Path, start: int, end: int) -> Iterator[Candidate]:
    """The rows of a plain JSONL file whose lines begin at byte ``start`` or later, and before ``end``; errors are those of the whole."""
    with _opened(path) as file:
        at = start
        if start:
            file.seek(start - 1)
            at += len(file.readline()) - 1
        for line in _read(file, path):
            if at >= end:
                return
            if not line.isspace():
                yield _of_part(line, path, at)
            at += len(line)


def _of_part(line: bytes, path: Path, at: int) -> Candidate:
    """One row; its number is counted only where something is wrong with it."""
    try:
        return _candidate(_parsed(line, path, 0), path, 0)
    except UsageError:
        with path.open("rb") as file:
            number = 1 + sum(file.read(min(_COUNTED, at - done)).count(b"\n") for done in range(0, at, _COUNTED))
        return _candidate(_parsed(line, path, number), path, number)


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Any]]:
    """Stream the rows of one JSONL or Parquet file, each with its number (from 1); of Parquet the named columns alone."""
    yield from _parquet(path, columns) if path.suffix == ".parquet" else _json_lines(path)


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    with _opened(path) as lines:
        for number, line in enumerate(_read(lines, path), start=1):
            if not line.isspace():
                yield number, _parsed(line, path, number)


def _read(lines: Iterable[bytes], path: Path) -> Iterator[bytes]:
    try:
        yield from lines
    except (OSError, EOFError, ValueError, zlib.error, zstandard.ZstdError) as error:
        raise UsageError(f"cannot be read to its end ({error})", path) from error


def _parsed(line: bytes, path: Path, number: int) -> Any:
    """One row, read by orjson; what that refuses or would round goes to the slower ``json``, which says what is wrong with it, too."""
    try:
        row = orjson.loads(line)
        if not isinstance(row, dict) or not any(isinstance(value, float) and abs(value) >= _ROUNDED for value in row.values()):
            return row
    except ValueError:
        pass
    try:
        return _JSON.decode(line.decode(json.detect_encoding(line), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not JSON ({error})", path, number) from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


_JSON = json.JSONDecoder(parse_constant=_no_number)  # json.loads with an argument would make one a row, which takes as long as the row


def _opened(path: Path) -> IO[bytes]:
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        if path.suffix == ".zst":
            return io.BufferedReader(_Zst(path.open("rb")), 1 << 20)
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb", 1 << 20)  # type: ignore[return-value]
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror or error})", path) from error


class _Zst(io.RawIOBase):
    """The bytes of a zstd file, frame after frame; ``EOFError`` where it is cut short, which ``stream_reader`` takes for its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, b""
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            packed = self._file.read(1 << 17)
            if not packed and self._frame:
                raise EOFError("it is cut short")
            if not packed:
                return 0
            self._left = b"".join(self._unpacked(packed))
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def _unpacked(self, packed: bytes) -> Iterator[bytes]:
        while packed:
            self._frame = frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(packed)
            packed = frame.unused_data if frame.eof else b""
            self._frame = None if frame.eof else frame


def _parquet(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, Any]]:
    import pyarrow as arrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        columns = [name for name in wanted if name in file.schema_arrow.names]
        number = 0
        for batch in file.iter_batches(batch_size=_PARQUET_BATCH, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"cannot be read as Parquet ({error})", path) from error


def _candidate(row: Any, path: Path, number: int) -> Candidate:
    if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not isinstance(row.get("id"), str | int):
        raise UsageError("a row needs a text and an id", path, number)
    score = row.get("score", 0.0)
    if not isinstance(score, int | float):
        score = 0.0
    try:
        identifier = str(row["id"])
        if not identifier.isascii():
            identifier.encode()  # half of a surrogate pair cannot be
        return Candidate(identifier, row["text"], None, float(_finite(score)))
    except (ValueError, OverflowError) as error:
        raise UsageError("an id is Unicode text, and a score a finite number", path, number) from error


def _finite(score: float) -> float:
    if not math.isfinite(score):
        raise ValueError
    return score
