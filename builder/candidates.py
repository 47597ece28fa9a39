"""Rows of any JSONL or Parquet file with ``id`` and ``text``, as candidates for a gate."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from builder.errors import UsageError
from builder.records import Candidate

_PARQUET_BATCH = 1_000


def read_candidates(inputs: Sequence[Path]) -> Iterator[Candidate]:
    """Stream the rows of every input in order; a bad row is a ``UsageError`` with file and line."""
    for path in inputs:
        yield from _parquet(path) if path.suffix == ".parquet" else _json_lines(path)


def _json_lines(path: Path) -> Iterator[Candidate]:
    with _opened(path) as lines:
        for number, line in enumerate(_read(lines, path), start=1):
            if line.strip():
                yield _candidate(_parsed(line, path, number), path, number)


def _read(lines: Iterable[bytes], path: Path) -> Iterator[bytes]:
    try:
        yield from lines
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(f"cannot be read to its end ({error})", path) from error


def _parsed(line: bytes, path: Path, number: int) -> Any:
    try:
        return json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"is not JSON ({error})", path, number) from error


def _opened(path: Path) -> IO[bytes]:
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        if path.suffix == ".zst":
            import zstandard

            return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True))
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror or error})", path) from error


def _parquet(path: Path) -> Iterator[Candidate]:
    import pyarrow as arrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        columns = [name for name in ("id", "text", "score") if name in file.schema_arrow.names]
        number = 0
        for batch in file.iter_batches(batch_size=_PARQUET_BATCH, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield _candidate(row, path, number)
    except (arrow.ArrowInvalid, OSError) as error:
        raise UsageError(f"cannot be read as Parquet ({error})", path) from error


def _candidate(row: Any, path: Path, number: int) -> Candidate:
    if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not isinstance(row.get("id"), str | int):
        raise UsageError("a row needs a text and an id", path, number)
    score = row.get("score", 0.0)
    return Candidate(str(row["id"]), row["text"], None, float(score) if isinstance(score, int | float) else 0.0)
