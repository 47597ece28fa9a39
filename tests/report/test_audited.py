"""The section on the pattern audit: shares with intervals, what was not read or answered, and nothing that a judge writes breaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rows_by_hand import HOSTILE, rows

from builder.calibration import wilson
from builder.recipe import BuildRecipe, ModelsSection
from builder.report.audited import audit
from builder.report.counted import Counted
from builder.report.page import Section
from builder.rows import AuditedPattern, LayerCount, PatternAudit, Quote

LAMP = AuditedPattern("a lamp is put down", "gesture", "The piece has a lamp.", "It says so.", 40, 25, (Quote("story-1", "the lamp down"),))
ROUNDS = {"scan": LayerCount(5, 40, {"unverified": 3}, {"refused": 1}), "count": LayerCount(100, 65, {}, {})}
WHOLE = PatternAudit(60, 100, 0, 0, 12_000, (LAMP, LAMP._replace(name="rare", broad=3, strict=0)), ROUNDS, "judge")


def section(library: Any, found: PatternAudit | None) -> Section | None:
    recipe = BuildRecipe(models=ModelsSection(judge="anthropic/some-judge"))
    return audit(Counted(rows(library, 8)._replace(recipe=recipe, audited=found)))


def told(library: Any, found: PatternAudit) -> str:
    made = section(library, found)
    assert made
    return made.as_markdown()


def test_no_audit_no_section(library: Any) -> None:
    assert section(library, None) is None


def test_shares_have_intervals_and_what_is_strictly_everywhere_is_a_finding(library: Any) -> None:
    made = section(library, WHOLE)
    low, high = (wilson(40, 100) or (0, 0, 0))[1:]
    assert made and f"| 40 % ({100 * low:.0f} to {100 * high:.0f}) | 25 % (18 to 34) |" in made.as_markdown()
    assert made.findings == ["the judge finds \u201ca lamp is put down\u201d strictly in 25 % of documents"]
    assert made.numbers["patterns"][0]["strict_share"] == 0.25 and made.numbers["strict_top_share"] == 0.25
    assert made.numbers["rounds"]["scan"]["failed"] == {"refused": 1} and "3 unverified" in made.as_markdown()
    assert "`anthropic/some-judge` read 60 documents" in made.as_markdown()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unanswered": 2, "counted": 0}, "**Not complete: 2 calls were not answered.**"), ({"patterns": ()}, "It named nothing"),
        ({"in_both": 7}, "7 of them read before for want of others"), ({"cut": 9}, "9 longer than 12,000 characters were shown without"),
        ({"merged_by": "overlap"}, "Its own merging could not be read"),
    ],
)  # fmt: skip
def test_what_makes_the_counts_less_than_they_seem_is_told(library: Any, change: dict[str, Any], words: str) -> None:
    assert words in told(library, WHOLE._replace(**change)) and words not in told(library, WHOLE)


def test_many_unread_calls_are_a_finding(library: Any) -> None:
    made = section(library, WHOLE._replace(rounds={"count": LayerCount(100, 0, {}, {"unparsed": 6})}, patterns=()))
    assert made and made.findings == ["6 of 100 calls of the pattern audit gave nothing that could be read"]


def test_nothing_that_a_judge_writes_breaks_the_page(library: Any) -> None:
    hostile = AuditedPattern(HOSTILE, "plot", f"{HOSTILE}\n\n## Verdict", HOSTILE, 1, 1, (Quote("story-001", HOSTILE),))
    made = section(library, WHOLE._replace(patterns=(hostile,)))
    assert made
    page = made.as_markdown()
    rows_of_table = [line for line in page.split("\n") if line.startswith("| **")]
    assert len(rows_of_table) == 1 and rows_of_table[0].replace("\\|", "").count("|") == 6
    assert "\n## Verdict" not in page and "<b>" not in page
    assert json.loads(json.dumps(made.numbers, allow_nan=False))["patterns"][0]["name"] == HOSTILE
