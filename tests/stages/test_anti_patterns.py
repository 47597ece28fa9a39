"""Every rubric against its own examples, what the gate says where and for whom; and documents that are bad on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.errors import UsageError
from builder.gates import Gate, GateContext
from builder.library import Library
from builder.markdown import read_page
from builder.recipe import BuildRecipe, GatesSection, IdentitySection
from builder.records import Brief, Candidate, Person, Principle
from builder.references import read_references
from builder.rubrics import Rubric, read_rubric
from builder.stages import anti_patterns, identity, mechanical, trait_evidence
from builder.stages.anti_patterns import check_rubric, open_gate
from builder.stages.principles import read_constitution

ROOT = Path(__file__).parents[2]
RUBRICS = sorted((ROOT / "story_prompts" / "rubrics").glob("*.md"))
BAD = sorted((ROOT / "tests" / "data" / "bad_documents").glob("*.md"))
PLAIN = "The hose had been left on the path. Ole said so. Nobody moved it, and the door was open. It rained on Thursday."


def _rubric(stem: str, *patterns: str) -> Rubric:
    return Rubric(stem, stem, "fault", True, (), "any", "Told.", (), patterns, "anywhere", 1, (), ())


def _gate(*rubrics: Rubric) -> Gate:
    library = Library(Path())
    library.rubrics = {rubric.id: rubric for rubric in rubrics}
    return open_gate(GateContext(BuildRecipe(), library))


def _brief(recipe: str = "story", kind: str = "unnamed") -> Brief:
    given = {"named": "Aule", "invented": "Plover"}.get(kind, "")
    character, ole = Person(given=given, family="", pronoun="it"), Person(given="Ole", family="Hode", pronoun="he")
    fields: dict[str, Any] = {"recipe": recipe, "exercised": True, "trait": "owns-errors", "identity": kind, "pov": "third"}
    return Brief.model_construct(**fields, character=character, asker=ole, other=ole, bystander=ole)


def _says(gate: Gate, text: str, recipe: str | None = None) -> str:
    (verdict,) = gate([Candidate("d", text, _brief(recipe) if recipe else None)])
    assert verdict.keep == (verdict.reason == "ok")
    return verdict.reason


def test_there_is_a_rubric_for_each_axis() -> None:
    rubrics = {path.stem: read_rubric(path) for path in RUBRICS}
    presence = {stem for stem, rubric in rubrics.items() if rubric.looks_for == "presence"}
    assert presence == {"trait_not_shown", "trait_forced", "no_deliberation", "no_because"}
    polishing = {stem for stem, rubric in rubrics.items() if not rubric.blocking}
    assert polishing == {
        "preachy", "unnatural", "not_x_but_y", "trait_named", "tidy_person", "validation_opening", "wrong_form",
    }  # fmt: skip
    assert len(rubrics) <= 24


@pytest.mark.parametrize("path", RUBRICS, ids=lambda path: path.stem)
def test_a_rubric_tells_judges_and_writers_and_keeps_to_its_examples(path: Path, library: Library) -> None:
    rubric = read_rubric(path)
    assert all(word in rubric.told for word in ("Pass", "Revise", "Fail")) and len(rubric.told.split()) <= 120
    assert 1 <= len(rubric.avoid) <= 2 and not any(len(line.split()) > 45 for line in rubric.avoid)
    assert bool(rubric.patterns) == bool(rubric.hits) == bool(rubric.misses)
    assert check_rubric(rubric) == []


def test_check_rubric_says_what_fails() -> None:
    rubric = _rubric("moralises", "lesson ~2 all")._replace(hits=("It rained.",), misses=("A lesson for us all.",))
    assert check_rubric(rubric) == [
        "moralises: no fault pattern finds 'It rained.'",
        "moralises: 'lesson ~2 all' finds the miss 'A lesson for us all.'",
    ]


def test_a_bad_pattern_is_named_with_its_file() -> None:
    with pytest.raises(UsageError, match=r"story_prompts/rubrics/odd\.md: pattern"):
        _gate(_rubric("odd", "~3 told"))


@pytest.mark.parametrize(
    ("where", "text", "reason"),
    [
        ("anywhere", f"{PLAIN} The hedgehog spoke. {PLAIN}", "odd"),
        ("anywhere", PLAIN, "ok"),
        ("anywhere", "The hedgehog never spoke.", "odd"),
        ("anywhere", "There was no hedgehog.", "ok"),
        ("opening", f"One. The hedgehog spoke. {PLAIN}", "odd"),
        ("opening", f"One. Two. The hedgehog spoke. {PLAIN}", "ok"),
        ("opening", f"User: The hedgehog spoke. {PLAIN}\n\nAssistant: One. Two. Three.", "ok"),
        ("opening", f"User: {PLAIN}\n\nAssistant: The hedgehog spoke. Two.\n\nUser: Well.\n\nAssistant: Three.", "odd"),
        ("opening", f"User: {PLAIN}\n\nAssistant: One. Two. Three.\n\nUser: Well.\n\nAssistant: The hedgehog spoke.", "ok"),
        ("ending", f"{PLAIN} The hedgehog spoke. Two. Three.", "odd"),
        ("ending", f"{PLAIN} The hedgehog spoke. Two. Three. Four.", "ok"),
    ],
)
def test_a_pattern_counts_where_its_rubric_looks(where: str, text: str, reason: str) -> None:
    assert _says(_gate(_rubric("odd", "hedgehog")._replace(where=where)), text) == reason


def test_a_rubric_may_ask_for_several_sentences() -> None:
    gate = _gate(_rubric("odd", "hedgehog", "badger")._replace(sentences=2))
    assert _says(gate, "The hedgehog met a badger.") == "ok"
    assert _says(gate, "The hedgehog spoke. The badger left.") == "odd"


def test_the_first_blocking_rubric_is_the_reason_and_all_are_scores() -> None:
    gate = _gate(_rubric("aside", "badger")._replace(blocking=False), _rubric("odd", "hedgehog"), _rubric("other", "badger"))
    (verdict,) = gate([Candidate("d", "The badger left. The hedgehog spoke to the badger.")])
    assert (verdict.reason, verdict.explanation) == ("odd", "The hedgehog spoke to the badger.")
    assert verdict.scores == {"aside": 2, "odd": 1, "other": 2}


def test_harmless_look_alikes_are_kept(library: Library) -> None:
    look_alikes = (ROOT / "tests" / "data" / "look_alikes.txt").read_text(encoding="utf-8").splitlines()
    verdicts = open_gate(GateContext(BuildRecipe(), library))(Candidate(line, line) for line in look_alikes)
    assert [(verdict.reason, verdict.document_id) for verdict in verdicts if not verdict.keep] == []
    assert len(look_alikes) >= 50


def test_a_rubric_is_asked_of_its_recipes_only() -> None:
    gate = _gate(_rubric("odd", "hedgehog")._replace(recipes=("advice",)))
    assert [_says(gate, "The hedgehog spoke.", recipe) for recipe in ("story", "advice", None)] == ["ok", "odd", "odd"]


HABIT = "It was not a tool but a friend. It wasn't fear; it was care. "


def test_denying_one_thing_to_assert_another_is_a_fault_where_it_is_a_habit() -> None:
    gate = _gate()
    assert _says(gate, f"{HABIT}{PLAIN}") == "ok"
    assert _says(gate, f"{HABIT}{HABIT}{PLAIN}") == "not_x_but_y"
    assert _says(gate, f"{HABIT}{HABIT}{PLAIN * 100}") == "ok"
    lax = open_gate(GateContext(BuildRecipe(gates=GatesSection(not_but_per_1000=30)), Library(Path())))
    assert _says(lax, f"{HABIT}{HABIT}{PLAIN}") == "ok"


@pytest.fixture(scope="module")
def gates(library: Library) -> dict[str, Gate]:
    """The gates that read one document alone, in the order of a build."""
    name = "constitution/bildung.md"
    principles: tuple[Principle, ...] = read_constitution(name, (ROOT / name).read_bytes()).principles
    recipe = BuildRecipe(identity=IdentitySection(name="Aule", maker="Corvane"))
    context = GateContext(recipe, library, principles, read_references(ROOT / "corpus" / "example" / "reference"))
    return {stage.NAME: stage.open_gate(context) for stage in (mechanical, anti_patterns, identity, trait_evidence)}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_document_is_refused_for_its_fault_and_for_no_other(path: Path, gates: dict[str, Gate]) -> None:
    page = read_page(path)
    candidate = Candidate(path.stem, page.body.strip(), _brief(page.meta["recipe"], page.meta["identity"]))
    assert 150 <= len(candidate.text.split()) <= 300
    for name, gate in gates.items():
        (verdict,) = gate([candidate])
        if name == page.meta["gate"]:
            met = verdict.reason if not verdict.keep else next((score for score in verdict.scores if score == page.meta["reason"]), "ok")
            assert met == page.meta["reason"]
            return
        assert verdict.reason == "ok", name
    assert page.meta["gate"] == "judge", "no program sees this one"


def test_good_documents_are_kept(gates: dict[str, Gate]) -> None:
    references = read_references(ROOT / "corpus" / "example" / "reference")
    assert len(references) >= 30
    for name in ("mechanical", "anti_patterns", "identity"):
        verdicts = gates[name]([Candidate(reference.id, reference.text) for reference in references])
        assert [verdict for verdict in verdicts if not verdict.keep] == []
