"""What a plan and a sample promise: calls counted from really rendered prompts, and a spread that is not hidden."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ran import Run
from rows_by_hand import rows

from builder.ledger import PaidRow
from builder.library import Library
from builder.project import Project, open_project
from builder.promise import extrapolated, works
from builder.recipe import Override
from builder.records import Usage
from builder.rows import BuildRows, Spent
from builder.tokens import count_tokens

CLAUDE = "anthropic/claude-haiku-4-5"
PREAMBLE = "You write stories that show a character acting on a principle. " * 200
STEPS = ("draft", "rewrite", "score")


@pytest.fixture
def folder(project_folder: Path) -> Path:
    """A project whose stories are drafted, rewritten and judged below a preamble of their own."""
    for path in (project_folder / "story_prompts").glob("*/recipe.md"):
        path.write_text(f"---\ndescription: d\nsteps: [{', '.join(STEPS)}]\n---\n", encoding="utf-8")
        (path.parent / "preamble.md").write_text(PREAMBLE, encoding="utf-8")
        (path.parent / "draft.md").write_text("Write {min_words} to {max_words} words.", encoding="utf-8")
        (path.parent / "rewrite.md").write_text("Better:\n\n{text}", encoding="utf-8")
        (path.parent / "score.md").write_text("---\noutput:\n  verdict: [pass, fail]\n---\nJudge:\n\n{text}", encoding="utf-8")
    return project_folder


def project(folder: Path, **models: str) -> Project:
    return open_project(folder / "corpus" / "example", tuple(Override(f"models.{role}", model) for role, model in models.items()))


def planned(folder: Path, documents: int = 50, **models: str) -> Any:
    from builder.pipeline import draw_plan
    from builder.project import read_constitutions

    opened = project(folder, **models)
    opened = opened._replace(
        recipe=opened.recipe.model_copy(update={"size": opened.recipe.size.model_copy(update={"documents": documents})})
    )
    constitutions = read_constitutions(opened)
    return opened, constitutions, draw_plan(opened, constitutions)


def test_every_role_is_counted_from_its_prompts(folder: Path) -> None:
    opened, constitutions, briefs = planned(folder, writer=CLAUDE, rewriter="anthropic/claude-opus-5-5", judge=CLAUDE)
    found = {work.step: work for work in works(opened, constitutions, briefs)}
    writer, rewriter, judge = (found[step] for step in STEPS)
    assert set(found) == {*STEPS, "amend", "revise", "score again", "audit"}
    assert (found["revise"].calls, found["revise"].most, found["score again"].calls) == (13, 53, 13)  # a quarter of 53
    assert (writer.role, rewriter.role, judge.role) == ("writer", "rewriter", "judge")
    assert (writer.model, rewriter.model) == (CLAUDE, "anthropic/claude-opus-5-5")
    assert writer.calls == rewriter.calls == judge.calls == len(briefs) == 53
    assert writer.stable == rewriter.stable == count_tokens([PREAMBLE.strip()])[0]
    assert writer.varying < 20
    middle = sum(brief.min_words + brief.max_words for brief in briefs) / 2 / len(briefs)
    assert rewriter.varying == pytest.approx(middle, rel=0.15)  # the draft, of which every filler word is about a token
    assert writer.out_low < writer.out_expected == pytest.approx(1.35 * middle, rel=0.15)
    assert writer.out_expected < writer.out_high
    assert 0 < judge.out_low <= judge.out_expected <= judge.out_high


def test_each_recipe_has_a_prefix_of_its_own(folder: Path) -> None:
    assert works(*planned(folder, writer=CLAUDE))[0].prefixes == 1
    (folder / "story_prompts" / "story" / "preamble.md").write_text("Another one.", encoding="utf-8")
    assert works(*planned(folder, writer=CLAUDE))[0].prefixes == 2


def test_a_free_plan_has_no_table(folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    ran = bildung("plan", "--documents", "5")
    assert ran.code == 0
    assert "cost $0.00: every model is free" in ran.out
    assert "cost in US dollars" not in ran.out
    assert "anthropic/claude-haiku-5-5" in ran.out  # what the same plan would cost with a model


def test_a_plan_prices_every_role_without_a_key(folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    asked = ("plan", "--documents", "50", "--model", f"writer={CLAUDE}", "--model", "rewriter=anthropic/claude-opus-5-5")
    ran = bildung(*asked)
    assert ran.code == 0, ran.err
    assert "50 documents from 53 briefs, 124 calls" in ran.out
    assert re.search(r"draft \(writer\) +anthropic/claude-haiku-4-5 +53 +[\d,]+ +[\d,]+ +\$[\d.]+ +\$[\d.]+ +\$[\d.]+$", ran.out, re.M)
    assert re.search(r"rewrite \(rewriter\) +anthropic/claude-opus-5-5 +53 ", ran.out)
    assert "in batches, prefix cached" in ran.out
    told = json.loads(bildung(*asked, "--json").out)
    assert {role["step"]: role["calls"] for role in told["cost"]["roles"]} == {"draft": 53, "rewrite": 53, "amend": 5, "revise": 13}
    assert told["cost"]["sum"]["low"] < told["cost"]["sum"]["expected"] < told["cost"]["sum"]["high"]
    assert told["cost"]["ways"]["batch"]["expected"] == pytest.approx(told["cost"]["ways"]["live"]["expected"] / 2)
    assert not (folder / "corpus" / "example" / "ledger.sqlite").exists()


def test_what_a_model_would_be_told_is_shown_step_by_step(folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    out = bildung("plan", "--show", "0", "--model", f"writer={CLAUDE}", "--model", f"rewriter={CLAUDE}").out
    assert out.count(PREAMBLE.strip()) == 2
    assert out.index("Write ") < out.index("Better:")


def sampled(library: Library, costs: list[float | None], earlier: float = 0.0) -> BuildRows:
    """A build of as many documents as there are costs."""
    made = rows(library, max(len(costs), 5))
    documents = [
        document.model_copy(update={"steps": (document.steps[0].model_copy(update={"usage": Usage(cost=cost)}),)})
        for document, cost in zip(made.documents, costs, strict=False)
    ]
    known = sum(cost for cost in costs if cost is not None)
    bill = Spent((PaidRow("draft", CLAUDE, len(costs), 0, 0, 0, 0, 0, known + earlier, costs.count(None)),))
    return BuildRows(*made._replace(documents=documents, spent=bill))


def test_a_sample_is_extrapolated_with_its_spread(library: Library) -> None:
    told = extrapolated(sampled(library, [0.01, 0.02, 0.03, 0.04, 0.05]), 1000)
    # mean 0.03, standard deviation 0.0158, t of 4 degrees of freedom 2.78: 0.03 +- 0.0197
    assert "5 of 5 sampled briefs" in told
    assert "1,000 like them would" in told
    assert "cost    about $30.00, between $10.34 and $49.66 with 95 % confidence" in told
    assert re.search(r"tokens  about [\d,]+, between [\d,]+ and [\d,]+ with 95 %", told)


def test_a_wide_sample_never_goes_below_nothing(library: Library) -> None:
    assert "between $0.00 and" in extrapolated(sampled(library, [0.0, 0.0, 0.0, 0.0, 0.5]), 1000)


def test_one_document_says_nothing_of_the_spread(library: Library) -> None:
    told = extrapolated(sampled(library, [0.02]), 1000)
    assert "about $20.00; one document says nothing of the spread" in told


def test_an_unknown_price_is_not_extrapolated(library: Library) -> None:
    told = extrapolated(sampled(library, [0.01, None, 0.01, 0.01, 0.01]), 1000)
    assert "cost    unknown: 1 of 5 have no known price" in told
    assert "$" not in told


def test_what_was_paid_for_nothing_is_told(library: Library) -> None:
    assert "cost $0.25 besides" in extrapolated(sampled(library, [0.01] * 5, earlier=0.25), 1000)
    assert "besides" not in extrapolated(sampled(library, [0.01] * 5), 1000)


def test_no_document_gives_no_figure(library: Library) -> None:
    assert "nothing can be said of 1,000" in extrapolated(sampled(library, []), 1000)
