"""A fifth of everything goes wrong: every request is answered or recorded, and only what was lost on the way is paid again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from desks import asked

from builder.backends import BackendContext
from builder.bench.provider import Settings, provider
from builder.buying import run_jobs
from builder.buying.run import Job
from builder.buying.tally import Tally
from builder.buying.till import Till
from builder.ledger import Ledger
from builder.library import Library
from builder.plugins import load
from builder.prices import price_of
from builder.progress import Quiet
from builder.stages.write import Made

MODEL = "anthropic/claude-sonnet-4-5"
FAULTS = {
    "429": 0.04, "529": 0.02, "500": 0.02, "hang": 0.005, "drop": 0.02, "truncate": 0.02, "malformed": 0.01, "html": 0.005,
    "refusal": 0.02, "max_tokens": 0.02, "empty": 0.01, "surrogate": 0.01, "control": 0.005,
}  # fmt: skip


def test_every_request_is_answered_or_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _all_recorded(tmp_path, monkeypatch, 500)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_ten_thousand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _all_recorded(tmp_path, monkeypatch, 10_000)


def _all_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch, documents: int) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    requests = [asked(number, MODEL) for number in range(documents)]

    def jobs() -> Iterator[Job]:
        for request in requests:
            yield _job(request)

    def _job(request: object) -> Job:
        yield request  # type: ignore[misc]
        return Made(None)

    with provider(Settings(latency=0.02, answer_tokens=60, faults=FAULTS, retry_after=0.2)) as running, closing(
        Ledger(folder / "ledger.sqlite")
    ) as ledger:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        backend = load("backend", "anthropic").open_backend("claude-sonnet-4-5", BackendContext(Library(folder)))
        till, tally = Till({MODEL: price_of(MODEL)}, None, 0.0), Tally(Quiet(), documents)
        run_jobs(ledger, {MODEL: backend}, jobs(), till, tally, lambda: 64, 2.0)
        bill = running.bill()
        answers = ledger.answers([request.hash for request in requests])
        failed = {row[0].hex() for row in ledger.database.execute("SELECT hash FROM tries WHERE final")}
        tries = ledger.failed_tries()
        spent = ledger.paid().cost
    assert answers.keys() | failed == {request.hash for request in requests} and not answers.keys() & failed
    assert len(answers) >= 0.995 * documents
    stops = {answer.stop_reason for answer in answers.values()}
    assert stops == {"end_turn", "refusal", "max_tokens"}
    assert all(answer.request_id for answer in answers.values())
    assert all(not set(answer.text) & {"\x00", "\x07", "\x1b", "\ud83d"} for answer in answers.values())
    assert sum(answer.mended for answer in answers.values()) >= 1
    sent = bill.faults
    assert tries.get("limited", 0) == sent["429"] and tries.get("overloaded", 0) == sent["529"]
    lost = sum(sent.get(kind, 0) for kind in ("drop", "truncate", "malformed", "html", "hang"))
    assert bill.bought_again <= lost and len(bill.bought) == documents
    assert float(bill.dollars) - spent <= lost * float(bill.dollars) / bill.answers * 1.5
