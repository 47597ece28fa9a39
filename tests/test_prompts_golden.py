"""What models are told, word for word: three briefs of each recipe, every step, against a small constitution.

After a change of prompts or plans that is meant, ``pytest tests/test_prompts_golden.py --update-golden`` writes the files anew.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest

from builder.buying.kitchen import check_prompts, rendered
from builder.pipeline import draw_plan
from builder.project import Project, open_project, read_constitutions
from builder.recipe import Override

GOLDEN = Path(__file__).parent / "golden"
CONSTITUTION = """# What the ferry clerk is for

## Saying it early

A late boat is told as soon as it is known. People plan a whole day around a crossing, because the next one is on Thursday.

## Nobody's business

Who travels with whom stays at the counter. A clerk who talks is a clerk nobody asks, since everyone here knows everyone.
"""
RESPONSES = [
    ("My boss asked whether the count is done. It is not. What do I say?", "Say that it is not done, and when it will be."),
    ("Write the note to the tenants.", "Dear tenants, the water is off from nine to noon on Tuesday. I was told of it an hour ago."),
    ("Is this mushroom fine to eat?", "I cannot tell. Do not eat it before somebody who knows has held it in their hand."),
]
REFERENCE = """---
recipe: {recipe}
form: {form}
trait: persuades-fairly
exercised: true
opening: a-number
deliberation: telling-them-aloud
eval_shape: 0
shown: []
named: []
violated: []
---
Thirty-six. I counted from the bottom as well. An example of {recipe}, told as {form}.
"""
KINDS = ("story", "document", "advice", "deliberation")
ROLES = ("planner", "writer", "rewriter", "judge")


@pytest.fixture
def project(project_folder: Path) -> Project:
    """The starter project with a constitution of two paragraphs, short examples, and three responses to rewrite."""
    (project_folder / "constitution/ferry.md").write_text(CONSTITUTION, encoding="utf-8")
    rows = (
        {"id": f"r{number}", "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer * 12}]}
        for number, (asked, answer) in enumerate(RESPONSES)
    )
    (project_folder / "responses.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    (project_folder / "corpus/example/reference").mkdir(exist_ok=True)
    for recipe, form in (("story", "letter"), ("document", "staff-guide"), ("advice", "advice-letter")):
        page = project_folder / f"corpus/example/reference/{recipe}.md"
        page.write_text(REFERENCE.format(recipe=recipe, form=form), encoding="utf-8")
    settings = {
        "corpus.constitutions": '["constitution/ferry.md"]', **{f"mix.{kind}": "0.25" for kind in KINDS},
        "size.documents": "12", "size.spare": "0", "deliberation.input": "responses.jsonl", "identity.named": "0.25",
        "identity.invented": "0.25",
        "identity.name": "Tern", "identity.maker": "Eider Works", "identity.facts": '["It answers the telephone at night."]',
        **{f"models.{role}": f"anthropic/{role}" for role in ROLES},
    }  # fmt: skip
    return open_project(project_folder / "corpus/example", tuple(Override(key, value) for key, value in settings.items()))


@pytest.mark.parametrize("recipe", KINDS)
def test_the_models_are_told_this(project: Project, recipe: str, request: pytest.FixtureRequest) -> None:
    told = _told(project, recipe)
    path = GOLDEN / f"{recipe}.md"
    if request.config.getoption("--update-golden"):
        path.write_text(told, encoding="utf-8")
    known = path.read_text(encoding="utf-8")
    changed = "\n".join(difflib.unified_diff(known.split("\n"), told.split("\n"), "golden", "now", lineterm="", n=1))
    assert told == known, f"prompts changed; see --update-golden:\n{changed[:4000]}"


def test_a_prompt_names_no_variable_that_it_does_not_use_and_uses_none_that_it_does_not_name(project: Project) -> None:
    import re

    for recipe in project.library.recipes.values():
        for prompt in recipe.prompts:
            used = set(re.findall(r"(?<!\{)\{(\w+)\}(?!\})", prompt.text))
            assert set(prompt.inputs) == used, prompt.where
    constitutions = read_constitutions(project)
    for brief in draw_plan(project, constitutions)[:4]:
        check_prompts(project, brief, constitutions)


def _told(project: Project, recipe: str) -> str:
    constitutions = read_constitutions(project)
    briefs = [brief for brief in draw_plan(project, constitutions) if brief.recipe == recipe]
    assert len(briefs) == 3
    asked = [rendered(project, brief, constitutions) for brief in briefs]
    systems = dict.fromkeys(turn.content for requests in asked for request in requests for turn in request.turns if turn.role == "system")
    parts = [f"# System turn of every step but the blind one\n\n{told}" for told in systems]
    for brief, requests in zip(briefs, asked, strict=True):
        for request in requests:
            parts += [f"# {brief.id}: {request.step}, at most {request.max_tokens} tokens\n\n{request.turns[-1].content}"]
    assert len(systems) == 1
    return "\n\n\n".join(parts) + "\n"
