"""The ledger: what was bought, append-only, committed before anyone acts on it.

One SQLite file beside ``recipe.toml``, WAL with ``synchronous=FULL``: an answer that was recorded survives ``kill -9`` and a full disk.
The key is the request's content hash, so the same request is never bought twice. Texts are stored zstd-compressed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import zstandard
from filelock import FileLock, Timeout

from builder.errors import BildungError, Busy, UsageError
from builder.records import Answer, Request, Turn, Usage

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    request_hash TEXT PRIMARY KEY,
    document_id  TEXT NOT NULL,
    step         TEXT NOT NULL,
    model        TEXT NOT NULL,
    prompt_hash  TEXT NOT NULL,
    body         BLOB NOT NULL,
    stop_reason  TEXT NOT NULL,
    request_id   TEXT,
    tokens_in    INTEGER NOT NULL,
    tokens_out   INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    cost         REAL
) WITHOUT ROWID;
"""
_INSERT = "INSERT INTO answers VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (request_hash) DO NOTHING"
_RESTORE = "put a copy back, or move the file away to start anew"
_CHUNK = 500  # SQLite's default limit is 32,766 bound variables; 500 keeps statements short


class Paid(NamedTuple):
    """What the ledger has bought so far; ``cost`` counts known prices only, in US dollars."""

    answers: int
    tokens_out: int
    cost: float
    unpriced: int


@contextmanager
def hold(corpus: Path) -> Iterator[None]:
    """Hold a corpus for one build; ``Busy`` at once when another process has it. A killed holder's lock falls with it."""
    lock = FileLock(corpus / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"{corpus}: another build is at work on this corpus; wait for it, or stop it, then run this again") from error
    except OSError as error:
        raise BildungError(f"{corpus}: cannot be written ({error.strerror}); a build keeps its ledger there") from error
    try:
        yield
    finally:
        lock.release()


class Ledger:
    """The answers bought for one corpus."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._compress = zstandard.ZstdCompressor(level=6).compress
        self._decompress = zstandard.ZstdDecompressor().decompress
        with self._failures():
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._check_version()
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file; everything recorded is already on disk."""
        self._db.close()

    def known(self, hashes: Sequence[str]) -> set[str]:
        """Which of these requests have been answered."""
        found: set[str] = set()
        for chunk in _chunks(hashes):
            marks = ",".join("?" * len(chunk))
            with self._failures():
                found.update(row[0] for row in self._db.execute(f"SELECT request_hash FROM answers WHERE request_hash IN ({marks})", chunk))
        return found

    def record(self, pairs: Iterable[tuple[Request, Answer]]) -> None:
        """Commit a group of answers in one transaction; on return they are on disk."""
        rows = [self._row(request, answer) for request, answer in pairs]
        with self._failures():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(_INSERT, rows)
            except sqlite3.Error:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def answers(self, hashes: Sequence[str]) -> dict[str, Answer]:
        """The recorded answers among these requests, by request hash."""
        found: dict[str, Answer] = {}
        for chunk in _chunks(hashes):
            marks = ",".join("?" * len(chunk))
            with self._failures():
                rows = self._db.execute(
                    "SELECT request_hash, body, stop_reason, request_id, tokens_in, tokens_out, tokens_cached, cost "
                    f"FROM answers WHERE request_hash IN ({marks})",
                    chunk,
                ).fetchall()
            for row in rows:
                try:
                    found[row[0]] = self._answer(row)
                except (zstandard.ZstdError, ValueError, KeyError, TypeError) as error:
                    raise BildungError(f"{self.path}: the answer {row[0][:12]} is damaged ({type(error).__name__}); {_RESTORE}") from error
        return found

    def paid(self) -> Paid:
        """Totals over everything ever bought."""
        with self._failures():
            row = self._db.execute(
                "SELECT COUNT(*), COALESCE(SUM(tokens_out), 0), COALESCE(SUM(cost), 0), COALESCE(SUM(cost IS NULL), 0) FROM answers"
            ).fetchone()
        return Paid(*row)

    def _check_version(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise UsageError(f"was written by a newer bildung (ledger version {version}, this one reads {SCHEMA_VERSION})", self.path)

    def _row(self, request: Request, answer: Answer) -> tuple[object, ...]:
        body = json.dumps({"text": answer.text, "turns": [turn.model_dump() for turn in answer.turns]}, ensure_ascii=True)
        usage = answer.usage
        return (
            request.hash, request.document_id, request.step, request.model, request.prompt_hash, self._compress(body.encode()),
            answer.stop_reason, answer.request_id, usage.tokens_in, usage.tokens_out, usage.tokens_cached, usage.cost,
        )  # fmt: skip

    def _answer(self, row: tuple[str, bytes, str, str | None, int, int, int, float | None]) -> Answer:
        body = json.loads(self._decompress(row[1]))
        usage = Usage(tokens_in=row[4], tokens_out=row[5], tokens_cached=row[6], cost=row[7])
        turns = tuple(Turn(**turn) for turn in body["turns"])
        return Answer(request_hash=row[0], text=body["text"], turns=turns, stop_reason=row[2], request_id=row[3], usage=usage)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Storage errors as one line; nothing that was committed before is touched."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise BildungError(f"{self.path}: {error}; {_advice(str(error))}") from error


def _advice(fault: str) -> str:
    if "full" in fault or "disk I/O" in fault:
        return "free some space and run this again; what is paid for is kept"
    if "unable to open" in fault or "readonly" in fault:
        return "check the file and its permissions"
    return _RESTORE


def _chunks(hashes: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(hashes), _CHUNK):
        yield hashes[at : at + _CHUNK]
