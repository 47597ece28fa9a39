"""Answers are read by the grammar of their prompt: what fits is taken, what does not is told in words a model can act on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builder.errors import UsageError
from builder.outputs import example, parse, schema
from builder.prompts import Prompt, read_prompt

HEAD = """---
role: judge
output:
  faults: text
  shape: 0..7
  choice: [yes, no]
  notes: texts
  axes: {one: {quote: text, verdict: [pass, fail]}}
  places:
    - name: text
      size: 1..3
---
Judge."""
GOOD: dict[str, Any] = {
    "faults": "none", "shape": 3, "choice": "yes", "notes": ["a"], "axes": {"one": {"quote": "q", "verdict": "pass"}},
    "places": [{"name": "n", "size": 2}],
}  # fmt: skip


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    path = tmp_path / "score.md"
    path.write_text(HEAD, encoding="utf-8")
    return read_prompt(path, "score")


def test_every_kind_of_field_is_read(prompt: Prompt) -> None:
    assert parse(prompt, json.dumps(GOOD)).values == GOOD
    assert parse(prompt, f"I think {{so}}: ```json\n{json.dumps(GOOD)}\n``` and that is all").values == GOOD


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"shape": 8}, "'shape' must be a whole number 0..7"),
        ({"shape": True}, "'shape' must be a whole number"),
        ({"shape": 3.0}, "'shape' must be a whole number"),
        ({"choice": "maybe"}, "'choice' must be one of yes, no"),
        ({"choice": ["yes"]}, "'choice' must be one of"),
        ({"notes": "a"}, "'notes' must be a list of texts"),
        ({"notes": [1]}, "'notes' must be a list of texts"),
        ({"axes": {}}, "'axes.one' is missing"),
        ({"axes": {"one": "pass"}}, "'axes.one' must be an object with quote, verdict"),
        ({"axes": {"one": {"quote": 1, "verdict": "pass"}}}, "'axes.one.quote' must be text"),
        ({"places": {}}, "'places' must be a list"),
        ({"places": [{"name": "n", "size": 4}]}, "'places.size' must be a whole number 1..3"),
        ({"places": ["n"]}, "'places' must be an object"),
        ({"faults": None}, "'faults' must be text"),
    ],
)
def test_what_does_not_fit_is_told(prompt: Prompt, change: dict[str, Any], fault: str) -> None:
    assert fault in parse(prompt, json.dumps({**GOOD, **change})).fault


def test_a_field_that_is_not_asked_for_is_left_aside(prompt: Prompt) -> None:
    assert parse(prompt, json.dumps({**GOOD, "verdict": "pass"})).values == GOOD


def test_the_last_whole_object_counts(prompt: Prompt) -> None:
    before = json.dumps({**GOOD, "shape": 7})
    assert parse(prompt, f"{before}\nNo: {json.dumps(GOOD)}").values["shape"] == 3
    assert parse(prompt, f"{json.dumps(GOOD)} {{").values["shape"] == 3


def test_a_cut_answer_is_none(prompt: Prompt) -> None:
    whole = json.dumps(GOOD)
    assert all(parse(prompt, whole[:end]).fault for end in range(len(whole)))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": }', "{" * 100_000, '{"a":' * 100_000, "\ud800"])
def test_what_is_no_object_is_none_and_soon(prompt: Prompt, text: str) -> None:
    assert parse(prompt, text).fault == "it is not one JSON object"


def test_the_schema_asks_for_all_of_it_and_the_example_fits(prompt: Prompt) -> None:
    wanted = json.loads(schema(prompt))
    assert wanted["required"] == list(GOOD) and wanted["additionalProperties"] is False
    assert wanted["properties"]["places"]["items"]["required"] == ["name", "size"]
    assert wanted["properties"]["axes"]["properties"]["one"]["properties"]["verdict"]["enum"] == ["pass", "fail"]
    assert parse(prompt, example(prompt, 3)).fault == ""


@pytest.mark.parametrize("kind", ["number", "7..", "[]", "[1, 2]", "[{a: text}, {b: text}]"])
def test_a_grammar_nobody_can_read_is_told_with_its_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "score.md"
    path.write_text(f"---\noutput:\n  size: {kind}\n---\nJudge.", encoding="utf-8")
    with pytest.raises(UsageError, match="score.md.*the output field 'size'"):
        read_prompt(path, "score")
