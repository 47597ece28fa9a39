"""The journal of batches: intent -> create -> id -> results, so that a batch is neither bought twice nor lost.

It lies in the ledger's file. An intent is on disk before the call that creates the batch, and its nonce is in every ``custom_id``: a
batch whose creation was never confirmed can be told from the provider's list by what its results carry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from builder.desk import PendingBatch
from builder.records import Answer, Request, Usage

if TYPE_CHECKING:
    from builder.ledger import Ledger

SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    nonce TEXT PRIMARY KEY, model INTEGER NOT NULL, at REAL NOT NULL, batch_id TEXT, settled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_requests (
    nonce TEXT NOT NULL, hash BLOB NOT NULL, document_id TEXT NOT NULL, step INTEGER NOT NULL, prompt INTEGER NOT NULL,
    PRIMARY KEY (nonce, hash)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batch_requests_by_hash ON batch_requests (hash);
CREATE TABLE IF NOT EXISTS foreign_batches (batch_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Journal:
    """Implements ``desk.BatchJournal`` on a ledger."""

    def __init__(self, ledger: Ledger, price: Callable[[Usage], float | None], found: Callable[[Answer], None]) -> None:
        self._price, self._found = price, found
        self._ledger = ledger
        self._database = ledger.database

    def pending(self, model: str) -> list[PendingBatch]:
        """Every batch of this model that is not settled, oldest first."""
        with self._ledger.failures():
            rows = self._database.execute(
                "SELECT nonce, batch_id, at FROM batches JOIN names ON names.id = model WHERE name = ? AND NOT settled ORDER BY at, nonce",
                (model,),
            ).fetchall()
            return [PendingBatch(nonce, batch_id, at, self._hashes(nonce)) for nonce, batch_id, at in rows]

    def intend(self, nonce: str, requests: Sequence[Request]) -> None:
        """About to create a batch of these requests of one model; on disk when this returns."""
        number = self._ledger.number
        with self._ledger.transaction():
            row = (nonce, number(requests[0].model), time.time())
            self._database.execute("INSERT INTO batches (nonce, model, at) VALUES (?, ?, ?)", row)
            self._database.executemany(
                "INSERT INTO batch_requests VALUES (?, ?, ?, ?, ?)",
                [(nonce, bytes.fromhex(r.hash), r.document_id, number(r.step), number(r.prompt_hash)) for r in requests],
            )

    def created(self, nonce: str, batch_id: str) -> None:
        """The provider knows the batch under this id."""
        with self._ledger.transaction():
            self._database.execute("UPDATE batches SET batch_id = ? WHERE nonce = ?", (batch_id, nonce))

    def settled(self, nonce: str) -> None:
        """All that the batch holds is in the ledger, or it was never created."""
        with self._ledger.transaction():
            self._database.execute("UPDATE batches SET settled = 1 WHERE nonce = ?", (nonce,))
            self._database.execute("DELETE FROM batch_requests WHERE nonce = ?", (nonce,))

    def foreign(self, batch_id: str) -> None:
        """A batch on the provider's list that is none of ours."""
        with self._ledger.transaction():
            self._database.execute("INSERT INTO foreign_batches VALUES (?) ON CONFLICT DO NOTHING", (batch_id,))

    def known_ids(self) -> frozenset[str]:
        """Ids of all batches ever created by, adopted into, or found foreign to this ledger."""
        with self._ledger.failures():
            rows = self._database.execute(
                "SELECT batch_id FROM batches WHERE batch_id IS NOT NULL UNION SELECT batch_id FROM foreign_batches"
            ).fetchall()
        return frozenset(row[0] for row in rows)

    async def answered_by_hash(self, model: str, answer: Answer) -> None:
        """Commit an answer to a request of an older plan by what its batch says of it; one that the ledger has already changes nothing."""
        with self._ledger.transaction():
            row = self._database.execute(
                "SELECT document_id, s.name, p.name FROM batch_requests JOIN names s ON s.id = step JOIN names p ON p.id = prompt"
                " WHERE hash = ?",
                (bytes.fromhex(answer.request_hash),),
            ).fetchone()
            if row:
                usage = answer.usage.model_copy(update={"cost": self._price(answer.usage)})
                answer = answer.model_copy(update={"usage": usage})
                new = self._ledger.insert_answer(answer, row[0], row[1], model, row[2])
                if not new:
                    self._bought_again(answer, row[0], row[1], model)
        if row and new:
            self._found(answer)

    def _bought_again(self, answer: Answer, document_id: str, step: str, model: str) -> None:
        """Keep the cost of an answer that was bought from another model's desk meanwhile; of this one it is merely read once more."""
        number, key = self._ledger.number, bytes.fromhex(answer.request_hash)
        self._database.execute(
            "INSERT INTO tries (hash, document_id, step, model, kind, final, request_id, message, cost, doubt)"
            " SELECT hash, :document, :step, :model, :kind, 0, :id, '', :cost, 0 FROM answers WHERE hash = :hash AND model != :model"
            " AND NOT EXISTS (SELECT 1 FROM tries WHERE hash = :hash AND kind = :kind)",
            {"hash": key, "document": document_id, "step": number(step), "model": number(model), "kind": number("bought_again"),
             "id": answer.request_id, "cost": answer.usage.cost},
        )  # fmt: skip

    def lying(self) -> dict[str, tuple[int, int]]:
        """How many batches of each model are not settled, and how many requests are in them."""
        with self._ledger.failures():
            rows = self._database.execute(
                "SELECT name, COUNT(DISTINCT b.nonce), COUNT(*) FROM batches b JOIN names n ON n.id = model"
                " JOIN batch_requests r ON r.nonce = b.nonce WHERE NOT settled GROUP BY name ORDER BY name"
            ).fetchall()
        return {name: (batches, requests) for name, batches, requests in rows}

    def _hashes(self, nonce: str) -> tuple[str, ...]:
        rows = self._database.execute("SELECT hash FROM batch_requests WHERE nonce = ? ORDER BY hash", (nonce,))
        return tuple(row[0].hex() for row in rows)
