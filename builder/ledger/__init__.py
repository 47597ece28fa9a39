"""The ledger: what was bought, append-only, committed before anyone acts on it.

One SQLite file beside ``recipe.toml``, WAL with ``synchronous=FULL``: an answer that was recorded survives ``kill -9`` and a full disk.
The key is the request's content hash, so the same request is never bought twice. Every try is kept: finished, cut and refused answers
with their texts (zstd-compressed) in ``answers``, failures in ``tries``. Prompts stand there once, by reference; names are numbers.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zstandard

from builder.desk import Failure
from builder.errors import BildungError, UsageError
from builder.ledger.holding import hold as hold
from builder.ledger.journal import SCHEMA as BATCH_SCHEMA
from builder.ledger.journal import Journal
from builder.ledger.rows import Event as Event
from builder.ledger.rows import Failed as Failed
from builder.ledger.rows import Paid as Paid
from builder.ledger.rows import PaidRow as PaidRow
from builder.records import Answer, Request, Turn, Usage

SCHEMA_VERSION = 2
PAGE_BYTES = 8192  # seven answers of a story's size to a page; with SQLite's 4,096 three fit and a quarter of the file is air
_SCHEMA = """
CREATE TABLE IF NOT EXISTS names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS prompts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    document_id TEXT NOT NULL,
    step INTEGER NOT NULL, model INTEGER NOT NULL, prompt INTEGER NOT NULL, stop_reason INTEGER NOT NULL,
    request_id TEXT,
    tokens_in INTEGER, tokens_out INTEGER, tokens_cached INTEGER, tokens_written INTEGER, tokens_written_1h INTEGER,
    cost REAL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS tries (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL, document_id TEXT NOT NULL, step INTEGER NOT NULL, model INTEGER NOT NULL,
    kind INTEGER NOT NULL, final INTEGER NOT NULL, status INTEGER, request_id TEXT, message TEXT, cost REAL, doubt REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, in_flight INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
"""
_VALUES = f"(NULL{',?' * 14})"
_TOGETHER = 64  # rows to one statement: every statement hands Python's lock over twice, which the event loop feels
_COLUMNS = (
    "hash, (SELECT name FROM names WHERE id = stop_reason), request_id, tokens_in, tokens_out, tokens_cached, tokens_written,"
    " tokens_written_1h, cost, body"
)
_RESTORE = "put a copy back, or move the file away to start anew"
_CHUNK = 500  # SQLite's default limit is 32,766 bound variables; 500 keeps statements short
_MESSAGE = 300  # characters of a failure's message that are kept
_PATIENCE = 30.0  # seconds for which another program may keep the file locked
_MOST = 2**40  # tokens: no call has more, and the sums stay within what SQLite can add


class Ledger:
    """The answers bought for one corpus. Safe to use from several threads of one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._decompress = zstandard.ZstdDecompressor().decompress
        self._names: dict[str, int] = {}
        self._lock = threading.RLock()
        with self.failures():
            self.database = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            self._check_version()
            self.database.execute(f"PRAGMA page_size={PAGE_BYTES}")
            self.database.execute("PRAGMA journal_mode=WAL")
            self.database.execute("PRAGMA synchronous=FULL")
            self.database.executescript(_SCHEMA + BATCH_SCHEMA)
            self.database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            self._names = dict(self.database.execute("SELECT name, id FROM names"))

    def close(self) -> None:
        """Close the file; everything recorded is already on disk."""
        self.database.close()

    def journal(
        self, price: Callable[[Usage], float | None] = lambda usage: usage.cost, found: Callable[[Answer], None] = lambda answer: None
    ) -> Journal:
        """The journal of batches, in the same file.

        ``price`` says what an answer cost that comes for an older plan; ``found`` hears of each that the ledger did not have.
        """
        return Journal(self, price, found)

    def known(self, hashes: Sequence[str]) -> set[str]:
        """Which of these requests have been answered."""
        rows = self._where_hash("SELECT hash FROM answers WHERE hash IN", hashes)
        return {row[0].hex() for row in rows}

    def record(self, pairs: Iterable[tuple[Request, Answer]], failures: Iterable[Failed] = ()) -> None:
        """Commit a group of answers and failed tries in one transaction; on return they are on disk."""
        pairs, failures = list(pairs), list(failures)
        with self.transaction():
            self._insert([(answer, request.document_id, request.step, request.model, request.prompt_hash) for request, answer in pairs])
            self.database.executemany(
                f"INSERT INTO tries VALUES (NULL{',?' * 11})", [self._failed(*failed) for failed in failures]
            )

    def insert_answer(self, answer: Answer, document_id: str, step: str, model: str, prompt_hash: str) -> bool:
        """Keep an answer to a request that is known by its names only; call it inside a transaction. Whether it is new."""
        return self._insert([(answer, document_id, step, model, prompt_hash)]) > 0

    def keep_prompts(self, prompts: Mapping[str, str]) -> None:
        """Keep the text of each prompt once, by its hash."""
        with self.transaction():
            self.database.executemany("INSERT INTO prompts VALUES (?, ?) ON CONFLICT DO NOTHING", list(prompts.items()))

    def prompt(self, prompt_hash: str) -> str | None:
        """The text of a prompt that a step was told, by the hash in its provenance."""
        with self.failures():
            row = self.database.execute("SELECT text FROM prompts WHERE hash = ?", (prompt_hash,)).fetchone()
        return row[0] if row else None

    def answers(self, hashes: Sequence[str]) -> dict[str, Answer]:
        """The recorded answers among these requests, by request hash."""
        found: dict[str, Answer] = {}
        for row in self._where_hash(f"SELECT {_COLUMNS} FROM answers WHERE hash IN", hashes):
            key = row[0].hex()
            try:
                found[key] = self._answer(key, row)
            except (zstandard.ZstdError, ValueError, KeyError, TypeError) as error:
                raise BildungError(f"{self.path}: the answer {key[:12]} is damaged ({type(error).__name__}); {_RESTORE}") from error
        return found

    def paid(self) -> Paid:
        """Totals over everything ever bought, failed tries that were billed too."""
        rows = self.spent()
        totals = (sum(row.answers for row in rows), sum(row.tokens_out for row in rows), sum(row.cost for row in rows))
        return Paid(*totals, sum(row.unpriced for row in rows))

    def doubtful(self) -> float:
        """What calls that were lost on the way may have cost at most, in US dollars."""
        with self.failures():
            return float(self.database.execute("SELECT TOTAL(doubt) FROM tries").fetchone()[0])

    def spent(self) -> tuple[PaidRow, ...]:
        """What each step of each model has cost, in order of step and model; tries that were billed and gave no answer cost money too."""
        names = ("tokens_in", "tokens_out", "tokens_cached", "tokens_written", "tokens_written_1h")
        sums = ", ".join(f"SUM({name})" for name in names)
        with self.failures():
            rows = self.database.execute(
                f"SELECT s.name, m.name, SUM(kept), {sums}, TOTAL(cost), SUM(cost IS NULL) FROM ("
                f"SELECT step, model, 1 AS kept, {', '.join(names)}, cost FROM answers"
                " UNION ALL SELECT step, model, 0, 0, 0, 0, 0, 0, cost FROM tries WHERE cost NOTNULL)"
                " JOIN names s ON s.id = step JOIN names m ON m.id = model GROUP BY step, model ORDER BY s.name, m.name"
            ).fetchall()
        return tuple(PaidRow(*row) for row in rows)

    def failed_tries(self) -> dict[str, int]:
        """How many tries failed, by kind."""
        with self.failures():
            return dict(self.database.execute("SELECT name, COUNT(*) FROM tries JOIN names n ON n.id = kind GROUP BY kind ORDER BY name"))

    def history(self, document_id: str) -> tuple[Event, ...]:
        """Every answer and every failed try of one document, answers first, each in the order in which it was recorded."""
        with self.failures():
            answers = self.database.execute(
                "SELECT s.name, m.name, r.name, request_id, tokens_in, tokens_out, cost FROM answers JOIN names s ON s.id = step"
                " JOIN names m ON m.id = model JOIN names r ON r.id = stop_reason WHERE document_id = ? ORDER BY answers.id",
                (document_id,),
            ).fetchall()
            tries = self.database.execute(
                "SELECT s.name, m.name, k.name || ': ' || message, request_id, 0, 0, cost FROM tries JOIN names s ON s.id = step"
                " JOIN names m ON m.id = model JOIN names k ON k.id = kind WHERE document_id = ? ORDER BY tries.id",
                (document_id,),
            ).fetchall()
        return tuple(Event(*row) for row in (*answers, *tries))

    def begin_run(self, in_flight: int) -> int:
        """Note that a run begins which has at most so many live calls in flight; returns the run."""
        with self.transaction():
            return int(self.database.execute("INSERT INTO runs (in_flight) VALUES (?)", (in_flight,)).lastrowid or 0)

    def end_run(self, run: int) -> None:
        """Note that a run ended with nothing in flight."""
        with self.transaction():
            self.database.execute("UPDATE runs SET ended = 1 WHERE id = ?", (run,))

    def killed_in_flight(self) -> int:
        """At most how many live calls were in flight when runs were killed: billed perhaps, and nobody saw their answers."""
        with self.failures():
            return int(self.database.execute("SELECT COALESCE(SUM(in_flight), 0) FROM runs WHERE NOT ended").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction of this thread; on leaving it is on disk, on an error nothing of it is."""
        with self._lock, self.failures():
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.database.execute("COMMIT")
            except BaseException:
                if self.database.in_transaction:  # a full disk has rolled back by itself
                    self.database.execute("ROLLBACK")
                self._names = dict(self.database.execute("SELECT name, id FROM names"))
                raise

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Storage errors as one line; nothing that was committed before is touched."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise BildungError(f"{self.path}: {error}; {_advice(str(error))}") from error

    def number(self, name: str) -> int:
        """The number that stands for a name in this ledger's rows; call it inside a transaction."""
        name = _plain(name) or ""
        if name not in self._names:
            self._names[name] = int(self.database.execute("INSERT INTO names (name) VALUES (?)", (name,)).lastrowid or 0)
        return self._names[name]

    def _check_version(self) -> None:
        version = self.database.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise UsageError(f"was written by a newer bildung (ledger version {version}, this one reads {SCHEMA_VERSION})", self.path)
        if version == 1:
            raise UsageError("was written by an early bildung and holds free rehearsal texts only; move it away and build again", self.path)

    def _where_hash(self, query: str, hashes: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for at in range(0, len(hashes), _CHUNK):
            chunk = [bytes.fromhex(key) for key in hashes[at : at + _CHUNK]]
            with self._lock, self.failures():
                rows = self.database.execute(f"{query} ({','.join('?' * len(chunk))})", chunk).fetchall()
            yield from rows

    def _insert(self, rows: Sequence[tuple[Answer, str, str, str, str]]) -> int:
        """Rows of ``answers``, from an answer and its document, step, model and prompt hash; a hash that stands there already stays."""
        new = 0
        for at in range(0, len(rows), _TOGETHER):
            group = rows[at : at + _TOGETHER]
            bodies = self._compressor.multi_compress_to_buffer([_body(answer) for answer, *_ in group])
            values = [value for number, row in enumerate(group) for value in (*self._columns(*row), bodies[number].tobytes())]
            sql = f"INSERT INTO answers VALUES {','.join([_VALUES] * len(group))} ON CONFLICT (hash) DO NOTHING"
            new += self.database.execute(sql, values).rowcount
        return new

    def _columns(self, answer: Answer, document_id: str, *names: str) -> tuple[object, ...]:
        usage = answer.usage
        tokens = (usage.tokens_in, usage.tokens_out, usage.tokens_cached, usage.tokens_written, usage.tokens_written_1h)
        return (
            bytes.fromhex(answer.request_hash), document_id, *map(self.number, (*names, answer.stop_reason)), _plain(answer.request_id),
            *(max(0, min(count, _MOST)) for count in tokens), usage.cost,
        )  # fmt: skip

    def _failed(self, request: Request, failure: Failure, final: bool, doubt: float = 0.0) -> tuple[object, ...]:
        step, model, kind = (self.number(name) for name in (request.step, request.model, failure.kind))
        cost = failure.usage.cost if failure.usage else None
        key, number, message = bytes.fromhex(request.hash), _plain(failure.request_id), _plain(failure.message[:_MESSAGE])
        return key, request.document_id, step, model, kind, final, failure.status, number, message, cost, doubt

    def _answer(self, key: str, row: tuple[Any, ...]) -> Answer:
        body = json.loads(self._decompress(row[9]))
        body = {"text": body} if isinstance(body, str) else body
        names = ("tokens_in", "tokens_out", "tokens_cached", "tokens_written", "tokens_written_1h", "cost")
        turns = tuple(Turn(**turn) for turn in body.get("turns", ()))
        return Answer(
            request_hash=key, text=body["text"], turns=turns, stop_reason=row[1], detail=body.get("detail", ""),
            mended=body.get("mended", 0), request_id=row[2], usage=Usage(**dict(zip(names, row[3:9], strict=True))),
        )  # fmt: skip


def _body(answer: Answer) -> bytes:
    """What is kept compressed: the text alone, or with whatever else came."""
    more: dict[str, object] = {"turns": [turn.model_dump() for turn in answer.turns]} if answer.turns else {}
    more |= {"detail": answer.detail} if answer.detail else {}
    more |= {"mended": answer.mended} if answer.mended else {}
    return json.dumps({"text": answer.text, **more} if more else answer.text).encode()


def _plain(text: str | None) -> str | None:
    """Without halves of surrogate pairs, which SQLite does not take; headers may hold them."""
    return text and text.encode("utf-8", "replace").decode()


def _advice(fault: str) -> str:
    if "locked" in fault:
        return "another program has it open; close that and run this again, what is paid for is kept"
    if "full" in fault or "disk I/O" in fault:
        return "free some space and run this again; what is paid for is kept"
    if "unable to open" in fault or "readonly" in fault:
        return "check the file and its permissions"
    return _RESTORE
