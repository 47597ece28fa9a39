from __future__ import annotations

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from desks import BRIEF

from builder.desk import Failure
from builder.errors import BildungError, Busy, UsageError
from builder.ledger import Ledger, hold
from builder.records import Answer, Request, Turn, Usage, digest

H1, H2 = digest("h1"), digest("h2")


def asked(number: int) -> Request:
    key = digest(f"h{number}")
    return Request(hash=key, document_id=f"story-{number}", step="draft", model="offline/composer", prompt_hash="p", brief=BRIEF)


def answered(number: int, text: str = "Text.") -> Answer:
    usage = Usage(tokens_in=3, tokens_out=5, cost=0.25)
    return Answer(request_hash=digest(f"h{number}"), text=text, turns=(Turn(role="user", content="Q"),), usage=usage, request_id="req_1")


def test_what_is_recorded_is_read_back_whole(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        ledger.record([(asked(1), answered(1, "A \u2028 line\nand 中文 \x00"))])
        assert ledger.answers([H1, H2]) == {H1: answered(1, "A \u2028 line\nand 中文 \x00")}


def test_the_same_request_is_kept_once_and_the_first_answer_stands(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        ledger.record([(asked(1), answered(1, "first"))])
        ledger.record([(asked(1), answered(1, "second"))])
        assert ledger.answers([H1])[H1].text == "first"
        assert ledger.paid() == (1, 5, 0.25, 0)


def test_thousands_are_found_across_chunks(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        ledger.record((asked(n), answered(n)) for n in range(1234))
        assert len(ledger.known([digest(f"h{n}") for n in range(3000)])) == 1234


def test_a_recorded_answer_is_on_disk_for_another_reader(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        ledger.record([(asked(1), answered(1))])
        with closing(sqlite3.connect(tmp_path / "l.sqlite")) as other:
            assert other.execute("SELECT COUNT(*) FROM answers").fetchone() == (1,)
            assert ledger.database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert ledger.database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_an_unknown_price_is_unknown_and_not_zero(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        ledger.record([(asked(1), answered(1).model_copy(update={"usage": Usage(cost=None)}))])
        assert ledger.paid().unpriced == 1
        assert ledger.answers([H1])[H1].usage.cost is None


def test_a_file_that_is_no_ledger_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    path.write_text("not a database at all, " * 50)
    with pytest.raises(BildungError, match="not a database"):
        Ledger(path)


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(UsageError, match="newer bildung"):
        Ledger(path)


def _hold_and_report(folder: str, ready: object, release: object) -> None:
    with hold(Path(folder)):
        ready.set()  # type: ignore[attr-defined]
        release.wait(20)  # type: ignore[attr-defined]


def test_a_second_build_is_refused_and_a_killed_holder_is_no_obstacle(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold_and_report, args=(str(tmp_path), ready, release))
    holder.start()
    assert ready.wait(30)
    with pytest.raises(Busy, match="another build"), hold(tmp_path):
        pass
    holder.kill()
    holder.join()
    with hold(tmp_path):
        pass


def test_a_document_has_its_history(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        ledger.record([(asked(1), answered(1))], [(asked(1), Failure("overloaded", "Overloaded", 529, request_id="req_0"), False)])
        ledger.record([(asked(2), answered(2))])
        answer, failed = ledger.history("story-1")
        assert answer == ("draft", "offline/composer", "end_turn", "req_1", 3, 5, 0.25)
        assert (failed.outcome, failed.request_id) == ("overloaded: Overloaded", "req_0")
