"""The bill in the report, in ``coverage.json`` and on the screen: by role and model, and honest where something is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
from rows_by_hand import rows, spent

from builder.ledger import PaidRow
from builder.library import Library
from builder.records import Usage
from builder.report.cost import cost
from builder.report.counted import Counted
from builder.report.page import Section
from builder.rows import BuildRows, Spent
from builder.summary import summary

BILL = (
    PaidRow("draft", "anthropic/claude-haiku-5-5", 44, 44_000, 30_000, 20_000, 1_000, 0, 1.25, 0),
    PaidRow("rewrite", "anthropic/claude-opus-5-5", 41, 60_000, 31_000, 0, 0, 0, 3.75, 0),
)


def built(library: Library, bill: Spent, price: float | None = 0.01) -> BuildRows:
    """The rows of one small build with another bill."""
    made = rows(library)
    usage = Usage(tokens_out=100, cost=price)
    documents = [
        document.model_copy(update={"steps": tuple(step.model_copy(update={"usage": usage}) for step in document.steps)})
        for document in made.documents
    ]
    return BuildRows(*made._replace(documents=documents, spent=bill))


def section(library: Library, bill: Spent, price: float | None = 0.01) -> Section:
    return cost(Counted(built(library, bill, price)))


def row(found: Section, name: str) -> list[str]:
    lines = "\n".join(found.body).split("\n")
    return [cell.strip() for cell in next(line for line in lines if line.startswith(f"| {name} ")).strip("|").split("|")]


def test_each_role_and_model_has_its_row(library: Library) -> None:
    found = section(library, Spent(BILL))
    kept = 37
    assert row(found, "writer")[1:7] == ["`anthropic/claude-haiku-5-5`", "44", "44,000", "20,000", "30,000", "$1.2500"]
    assert row(found, "rewriter")[7] == f"${3.75 / kept:.4f}"
    assert found.numbers["by_role"][0]["role"] == "writer"
    assert found.numbers["by_role"][1]["per_kept_document"] == pytest.approx(3.75 / kept, abs=1e-6)
    assert found.numbers["ledger_cost"] == 5.0
    assert row(found, "everything in the ledger, refused and cut answers too")[1] == "$5.0000"
    assert "lower bound" not in "".join(found.body)


def test_a_million_kept_tokens_has_a_price(library: Library) -> None:
    made = built(library, Spent(BILL))
    tokens = sum(Counted(made).tokens)
    assert cost(Counted(made)).numbers["by_role"][0]["per_million_kept_tokens"] == pytest.approx(1.25e6 / tokens, abs=1e-6)


def test_an_unknown_price_is_a_lower_bound_and_no_unit_price(library: Library) -> None:
    bill = Spent((BILL[0], BILL[1]._replace(cost=0.5, unpriced=4)))
    found = section(library, bill, price=None)
    assert row(found, "rewriter")[6:] == ["\u2265 $0.5000", "unknown", "unknown"]
    assert row(found, "the documents of this build")[1:] == ["unknown", "unknown", "unknown", "40"]
    assert found.numbers["per_kept_document"] is None
    assert found.numbers["by_role"][1]["per_kept_document"] is None
    assert found.numbers["by_role"][0]["per_kept_document"] is not None
    assert "lower bound" in found.body[-2]


def test_lost_tries_are_told(library: Library) -> None:
    found = section(library, Spent(BILL, {"timeout": 2, "limited": 31}, maybe_billed=2))
    assert found.body[-1] == (
        "Tries without an answer: 31 limited, 2 timeout. 2 calls may have been billed all the same: they were sent, and no answer came."
    )
    assert found.numbers["failed_tries"] == {"timeout": 2, "limited": 31}
    assert found.numbers["maybe_billed"] == 2


def test_calls_in_flight_at_a_kill_are_told_without_a_failed_try(library: Library) -> None:
    assert "64 calls may have been billed" in section(library, Spent(BILL, {}, maybe_billed=64)).body[-1]


def test_free_is_said_in_words(library: Library) -> None:
    found = section(library, Spent((BILL[0]._replace(cost=0.0),)), price=0.0)
    assert found.body[0] == "$0.00: every model is free (44 answers in the ledger)."


def test_no_ledger_rows_and_nothing_kept_are_a_section_too(library: Library) -> None:
    made = rows(library)
    found = cost(Counted(BuildRows(*made._replace(documents=[], records=[], spent=Spent()))))
    assert found.numbers["per_kept_document"] is None
    assert found.body[0].startswith("$0.00")


@pytest.mark.parametrize(
    ("bill", "says"),
    [
        (Spent(BILL), f"  cost    $5.00; ${5 / 37:.4f} a kept document, "),
        (Spent(BILL), "; writer $1.25, rewriter $3.75"),
        (Spent(BILL, {"timeout": 3}, 3), "; 3 calls without an answer may have been billed too"),
        (Spent((BILL[0], BILL[1]._replace(cost=0.0, unpriced=41))), "  cost    at least $1.25 (41 answers of unknown price)"),
        (Spent((BILL[1]._replace(cost=0.0, unpriced=41),)), "  cost    unknown (41 answers of unknown price)"),
        (Spent((BILL[1]._replace(cost=0.0),)), "  cost    $0.00\n"),
    ],
)
def test_the_summary_has_the_bill_in_one_line(library: Library, tmp_path: Path, bill: Spent, says: str) -> None:
    assert says in summary(built(library, bill), tmp_path).as_text()


def test_the_summary_for_programs_has_no_unit_price_where_one_is_unknown(library: Library, tmp_path: Path) -> None:
    told = summary(built(library, Spent(BILL)), tmp_path).as_json()
    assert told["cost"] == 5.0
    assert told["cost_by_role"] == {"writer": 1.25, "rewriter": 3.75}
    assert told["cost_per_kept_document"] == pytest.approx(5 / 37)
    assert summary(built(library, spent(40, unpriced=1)), tmp_path).as_json()["cost_per_kept_document"] is None


def test_sums_are_over_all_rows() -> None:
    bill = Spent(BILL)
    assert (bill.answers, bill.tokens_in, bill.tokens_out, bill.tokens_cached, bill.cost, bill.unpriced) == (
        85,
        104_000,
        61_000,
        20_000,
        5.0,
        0,
    )
    assert Spent().cost == 0
