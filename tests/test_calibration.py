"""The intervals cover what they say they cover, by simulation; the correction mends what a biased judge says."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ran import Run

from builder.calibration import Blind, Counts, corrected, count, count_blind, same_family, wilson
from builder.gates import GateContext
from builder.labelled import try_checks
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.references import read_references

REFERENCE = Path(__file__).parent.parent / "corpus/example/reference"
DRAWS = 1_500


def test_pairs_are_counted_by_truth_and_answer() -> None:
    pairs = [(True, True)] * 3 + [(True, False)] * 2 + [(False, True)] + [(False, False)] * 4
    assert count(pairs) == Counts(3, 2, 1, 4)
    assert count([]) == Counts(0, 0, 0, 0)


def test_shares_of_a_table_done_by_hand() -> None:
    found = Counts(20, 5, 10, 15)
    assert found.sensitivity and found.specificity and found.precision and found.kappa
    values = [found.sensitivity.value, found.specificity.value, found.precision.value]
    assert values == pytest.approx([0.8, 0.6, 2 / 3])
    assert found.kappa.value == pytest.approx(0.4)
    assert (found.kappa.high - found.kappa.value) / 1.959964 == pytest.approx(0.1270, abs=5e-5)


@pytest.mark.parametrize(("part", "whole", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)])
def test_wilson_intervals_are_the_published_ones(part: int, whole: int, low: float, high: float) -> None:
    """81 of 263 is the example of Newcombe 1998; the ends at 0 and 1 follow from z^2 / (n + z^2)."""
    found = wilson(part, whole)
    assert found and [found.low, found.high] == pytest.approx([low, high], abs=5e-5)


def test_what_nothing_measures_is_no_number() -> None:
    only_no = Counts(0, 0, 1, 35)
    assert only_no.sensitivity is None and only_no.kappa is None and only_no.specificity is not None
    assert Counts(0, 0, 0, 0).precision is None and wilson(0, 0) is None


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.77, 0.97])
def test_wilson_intervals_cover_the_truth(share: float) -> None:
    """Exactly, over every outcome; averaged over three sizes, since the outcomes of one are few."""
    covers = [
        sum(math.comb(whole, part) * share**part * (1 - share) ** (whole - part) for part in range(whole + 1)
            if (found := wilson(part, whole)) and found.low <= share <= found.high)
        for whole in (60, 85, 100)
    ]  # fmt: skip
    assert 0.925 <= sum(covers) / len(covers) <= 0.98


@pytest.mark.parametrize("cells", [(0.35, 0.1, 0.1, 0.45), (0.2, 0.2, 0.03, 0.57), (0.02, 0.38, 0.03, 0.57)])
def test_intervals_of_kappa_cover_the_truth(cells: tuple[float, float, float, float]) -> None:
    both, truth, said = cells[0] + cells[3], cells[0] + cells[1], cells[0] + cells[2]
    chance = truth * said + (1 - truth) * (1 - said)
    kappa = (both - chance) / (1 - chance)
    drawn = np.random.default_rng(1).multinomial(252, cells, DRAWS).tolist()
    covered = sum(found.low <= kappa <= found.high for row in drawn if (found := Counts(*row).kappa))
    assert 0.92 <= covered / DRAWS <= 0.975


@pytest.mark.parametrize(
    ("truth", "sensitivity", "specificity", "documents", "labelled"),
    [(0.7, 0.75, 0.9, 400, (100, 152)), (0.9, 0.83, 0.86, 400, (100, 152)), (0.95, 0.6, 0.8, 400, (100, 152)),
     (0.05, 0.7, 0.8, 400, (100, 152)), (0.95, 0.7, 0.95, 40, (100, 152)), (0.85, 0.7, 0.95, 1_000, (20, 20))],
)  # fmt: skip
def test_the_corrected_interval_covers_the_truth_and_the_raw_one_does_not(
    truth: float, sensitivity: float, specificity: float, documents: int, labelled: tuple[int, int]
) -> None:
    rng, (shown, other) = np.random.default_rng(7), labelled
    said = rng.binomial(documents, truth * sensitivity + (1 - truth) * (1 - specificity), DRAWS).tolist()
    hits, rejections = rng.binomial(shown, sensitivity, DRAWS).tolist(), rng.binomial(other, specificity, DRAWS).tolist()
    mended = raw = 0
    for yes, hit, rejected in zip(said, hits, rejections, strict=True):
        found, plain = corrected(yes, documents, Counts(hit, shown - hit, other - rejected, rejected)), wilson(yes, documents)
        mended += found is not None and found.low <= truth <= found.high
        raw += plain is not None and plain.low <= truth <= plain.high
    assert 0.935 <= mended / DRAWS <= 0.985
    assert raw / DRAWS <= 0.05


def test_the_correction_is_the_formula_and_stays_a_share() -> None:
    judge = Counts(80, 20, 15, 135)
    found = corrected(60, 100, judge)
    assert found and found.value == pytest.approx((0.6 + 0.9 - 1) / (0.9 + 0.8 - 1))
    for said in range(101):
        estimate = corrected(said, 100, judge)
        assert estimate and 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_every_small_table_gives_an_interval_around_its_value_or_none() -> None:
    for cells in itertools.product((0, 1, 2, 9), repeat=4):
        judge, better = Counts(*cells), cells[0] * (cells[2] + cells[3]) + cells[3] * (cells[0] + cells[1])
        found = corrected(3, 7, judge)
        assert (found is not None) == (better > (cells[0] + cells[1]) * (cells[2] + cells[3]))
        assert found is None or 0 <= found.low <= found.value <= found.high <= 1


def test_a_judge_no_better_than_chance_corrects_nothing() -> None:
    assert corrected(50, 100, Counts(50, 50, 50, 50)) is None
    assert corrected(50, 100, Counts(2, 98, 9, 143)) is None
    assert corrected(0, 0, Counts(80, 20, 15, 135)) is None


def test_more_labels_make_a_narrower_interval() -> None:
    few, many = corrected(60, 100, Counts(8, 2, 1, 14)), corrected(60, 100, Counts(800, 200, 100, 1400))
    assert few and many and many.high - many.low < 0.7 * (few.high - few.low)


def test_an_unread_answer_of_the_blind_reader_counts_for_nothing() -> None:
    rows = [Blind("a", "kind", "shown", "kind"), Blind("b", "kind", "shown", "brave"), Blind("c", "kind", "named", "kind"),
            Blind("d", "kind", "near_miss", "none"), Blind("e", "kind", "shown", None)]  # fmt: skip
    assert count_blind(rows) == Counts(1, 1, 1, 1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("anthropic/claude-haiku-4-5", "anthropic-batch/claude-opus-4-1", True),
        ("openai/gpt-5", "langchain/azure_openai:gpt-5-mini", True),
        ("llamacpp/models/qwen2.5-7b-instruct.gguf", "openai/Qwen/Qwen3-8B", True),
        ("langchain/ollama:llama3.2:3b", "openai/meta-llama/Llama-3-8b", True),
        ("openai/ft:gpt-4o-mini:org::id", "openai/gpt-4o", True),
        ("langchain/bedrock:eu.anthropic.claude-sonnet-4-5-v1:0", "anthropic/claude-haiku-4-5", True),
        ("anthropic/claude-haiku-4-5", "openai/gpt-5", False),
        ("langchain/ollama:llama3:70b", "langchain/ollama:gemma3:70b", False),
        ("offline/composer", "anthropic/claude-haiku-4-5", False),
        ("", "", False),
    ],
)
def test_a_family_is_the_first_word_of_the_model(one: str, other: str, same: bool) -> None:
    assert same_family(one, other) is same_family(other, one) is same


def test_a_folder_without_labels_tries_nothing(tmp_path: Path, library: Library) -> None:
    assert try_checks(tmp_path / "reference", GateContext(BuildRecipe(), library)) == ()


def test_every_check_is_tried_on_every_labelled_text(library: Library) -> None:
    rows = try_checks(REFERENCE, GateContext(BuildRecipe(), library, (), read_references(REFERENCE)))
    found = {name: count((row.truth, row.said) for row in rows if row.check == name) for name in {row.check for row in rows}}
    passages = (REFERENCE / "passages.toml").read_text(encoding="utf-8")
    references = len(list(REFERENCE.glob("*.md")))
    for name, label in (("shown", "shown"), ("named", "named"), ("trait_evidence", "named")):
        assert found[name].hits + found[name].misses == passages.count(f'label = "{label}"')
        assert found[name].total == passages.count("[[passage]]")
    assert {found[f"{kind}_in_references"].total for kind in ("shown", "named", "counter")} == {references * len(library.traits)}
    assert all(counts.rejections > 10 * counts.false_alarms for counts in found.values()), "a check that hits everywhere is turned round"
    for gate in ("mechanical", "anti_patterns", "identity", "trait_evidence"):
        assert found[f"{gate}_keeps_references"] == Counts(0, 0, 0, references)
    assert found["eval_shape"].total == references


def test_the_answers_are_those_of_the_patterns_and_gates(tmp_path: Path, library: Library) -> None:
    """A trait's own examples are found, and a text of four words is too short: the answers are not made up."""
    trait = next(trait for trait in library.traits.values() if any("Aule" not in text and " I " in f" {text} " for text in trait.hits))
    hit = next(text for text in trait.hits if "Aule" not in text and " I " in f" {text} ")
    page = (REFERENCE / "lead-seal.md").read_text(encoding="utf-8")
    (tmp_path / "short.md").write_text("---".join(page.split("---")[:2]) + "---\nNothing was said today.\n", encoding="utf-8")
    rows = "".join(f"[[passage]]\nid = '{name}'\ntrait = '{trait.id}'\nlabel = 'shown'\ntext = '''{text}'''\n"
                   for name, text in (("seen", hit), ("unseen", "The boat was late.")))  # fmt: skip
    (tmp_path / "passages.toml").write_text(rows, encoding="utf-8")
    found = {(row.check, row.text): row.said for row in try_checks(tmp_path, GateContext(BuildRecipe(), library))}
    assert (found["shown", "seen"], found["shown", "unseen"]) == (True, False)
    assert (found["mechanical_keeps_references", "short"], found["eval_shape", "short"]) == (True, False)


def test_a_build_reports_what_its_labelled_texts_say(project_folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project_folder)
    shutil.copytree(REFERENCE, project_folder / "corpus/example/reference", dirs_exist_ok=True)
    assert bildung("build", "--documents", "4").code == 0
    assert "labels are one author's" in (project_folder / "output/example/report.md").read_text(encoding="utf-8")
    short = bildung("check", "--fail-under", "calibration.shown.kappa=0.6", "--fail-over", "calibration.shown.n=1000")
    assert short.code == 3 and "calibration.shown.kappa is" in short.err and "calibration.shown.n" not in short.err


def test_labels_of_traits_that_a_project_has_not_are_left_aside(
    project_folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project_folder)
    reference = Path(__file__).parent.parent / "corpus/example/reference"
    shutil.copytree(reference, project_folder / "corpus/example/reference")
    known = project_folder / "constitution/traits"
    for path in known.glob("*.md"):
        if path.stem not in ("owns-errors", "tells-the-truth", "accepts-correction", "keeps-its-composure", "says-how-sure"):
            path.unlink()
    for path in known.glob("*.md"):
        path.write_text(re.sub(r"^near: .*$", "near: []", path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
    (project_folder / "constitution/tensions.toml").write_text("", encoding="utf-8")
    ran = bildung("build", "--documents", "5")
    assert ran.code == 0, ran.err
    counted = json.loads((project_folder / "output/example/coverage.json").read_text(encoding="utf-8"))["calibration"]
    assert 0 < counted["shown"]["n"] < 252
    asked = bildung("plan", "--documents", "5", "--model", "writer=anthropic/claude-haiku-4-5", "--model", "judge=openai/gpt-5", "--json")
    calls = {role["step"]: role["calls"] for role in json.loads(asked.out)["cost"]["roles"]}
    assert calls["identify"] - calls["score"] == counted["shown"]["n"]
