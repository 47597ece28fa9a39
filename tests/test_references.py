"""The hand-written references: each says truly what it is, and the gates that every document meets keep them all."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from builder.gates import GateContext
from builder.library import Library
from builder.markdown import Page, read_page
from builder.recipe import BuildRecipe
from builder.records import Candidate

FOLDER = Path(__file__).parent.parent / "corpus/example/reference"
PAGES = {path.stem: read_page(path) for path in sorted(FOLDER.glob("*.md"))}
FIELDS = {
    "recipe", "form", "trait", "principle", "exercised", "shown", "named", "violated", "role", "setting", "identity", "stakes",
    "deliberation", "tone", "pov", "tense", "opening", "ending", "outcome", "eval_shape", "what", "why",
}  # fmt: skip
AXES = ("stakes", "deliberation", "tone", "pov", "tense", "opening", "ending", "outcome")


def test_there_are_enough_of_every_kind() -> None:
    kinds = [page.meta["recipe"] for page in PAGES.values()]
    assert len(kinds) >= 30 and min(kinds.count(kind) for kind in ("story", "document", "advice")) >= 6
    assert {page.meta["exercised"] for page in PAGES.values()} == {"true", "false"}


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_names_what_there_is(name: str, library: Library) -> None:
    meta: dict[str, Any] = PAGES[name].meta
    assert set(meta) == FIELDS
    assert meta["recipe"] in library.forms[meta["form"]].recipes
    assert {meta["trait"], *meta["shown"], *meta["named"], *meta["violated"]} <= set(library.traits)
    assert (meta["trait"] in meta["shown"]) == (meta["exercised"] == "true")
    assert meta["role"] in library.roles and meta["setting"] in library.settings
    assert {axis: meta[axis] for axis in AXES if meta[axis] not in library.axes[axis]} == {}
    assert meta["identity"] in ("named", "unnamed", "invented", "human") and 0 <= int(meta["eval_shape"]) <= 7


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_rests_on_a_heading_of_the_constitution(name: str) -> None:
    lines = (FOLDER.parents[2] / "constitution/bildung.md").read_text(encoding="utf-8").split("\n")
    assert PAGES[name].meta["principle"] in [line.lstrip("#").strip() for line in lines if line[:1] == "#"]


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_has_the_length_that_is_asked_for(name: str) -> None:
    assert 400 <= len(PAGES[name].body.split()) <= 1_500


def test_the_gates_keep_every_reference(library: Library) -> None:
    from builder.stages import dedup, mechanical

    candidates = [Candidate(name, _text(page)) for name, page in PAGES.items()]
    for gate in (mechanical, dedup):
        verdicts = list(gate.open_gate(GateContext(BuildRecipe(), library))(candidates))
        assert [(verdict.document_id, verdict.reason) for verdict in verdicts if not verdict.keep] == []


def test_no_two_begin_or_end_alike() -> None:
    for end in (slice(0, 5), slice(-5, None)):
        words = [tuple(page.body.split()[end]) for page in PAGES.values()]
        assert len(set(words)) == len(words)


def test_the_passages_are_enough_of_every_label_for_every_trait(library: Library) -> None:
    rows = tomllib.loads((FOLDER / "passages.toml").read_text(encoding="utf-8"))["passage"]
    assert len({row["id"] for row in rows}) == len(rows) >= 150
    assert all(set(row) == {"id", "trait", "label", "text", "why"} and 25 <= len(row["text"].split()) <= 115 for row in rows)
    counts = Counter((row["trait"], row["label"]) for row in rows)
    assert min(counts[trait, label] for trait in library.traits for label in ("shown", "named", "near_miss")) >= 3
    assert {trait for trait, _ in counts} == set(library.traits)


def _text(page: Page) -> str:
    return page.body.strip()
