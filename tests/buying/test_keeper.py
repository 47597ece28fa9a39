"""The keeper: what it says is on disk is on disk, and a disk that takes nothing more is told."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from desks import asked

from builder.buying.keeper import BACKLOG, Keeper
from builder.errors import BildungError
from builder.ledger import Ledger
from builder.records import Answer

MODEL = "anthropic/claude-sonnet-4-5"


def test_saved_waits_for_the_disk(tmp_path: Path) -> None:
    async def go() -> None:
        with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
            keeper = Keeper(ledger, lambda group: None, lambda error: None)
            for number in range(2 * BACKLOG):
                request = asked(number, MODEL)
                await keeper.keep(request, Answer(request_hash=request.hash, text="Text."))
            await keeper.saved()
            with closing(sqlite3.connect(tmp_path / "l.sqlite")) as other:
                assert other.execute("SELECT COUNT(*) FROM answers").fetchone() == (2 * BACKLOG,)
            await keeper.close()

    asyncio.run(asyncio.wait_for(go(), 30))


def test_a_disk_that_takes_nothing_is_told_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    told: list[BaseException] = []

    async def go() -> None:
        with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
            keeper = Keeper(ledger, lambda group: None, told.append)
            ledger.database.execute("PRAGMA max_page_count=20")
            for number in range(3 * BACKLOG):
                request = asked(number, MODEL)
                text = "".join(chr(0x4E00 + (number * 7919 + n * n) % 20_000) for n in range(900))  # as good as incompressible
                await keeper.keep(request, Answer(request_hash=request.hash, text=text))
            with pytest.raises(BildungError, match="full"):
                await keeper.saved()
            await keeper.close()

    asyncio.run(asyncio.wait_for(go(), 30))
    assert len(told) == 1 and "free some space" in str(told[0])
