"""Selection: every prefix is balanced, the order of the input changes nothing, and each candidate has one rank."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.gates import Gate, GateContext
from builder.library import AxisValue, Form, Library, Setting, Work
from builder.recipe import AxesSection, BuildRecipe, HoldoutSection, SizeSection
from builder.records import Brief, Candidate, Trait
from builder.stages.select import AXES, open_gate, ranking, target_shares

TARGETS = {
    "trait": {"a": 0.5, "b": 0.3, "c": 0.2},
    "form": {"letter": 0.5, "diary": 0.5},
    "tone": {"dry": 0.7, "wry": 0.3},
}


_LEVELS = st.tuples(st.sampled_from("abcz"), st.sampled_from(["letter", "diary", "novel"]), st.integers(0, 2))


def _candidate(number: int, trait: str, form: str = "letter", tone: str = "dry", score: float = 0.0) -> Candidate:
    return Candidate(f"d{number:05}", "", _brief(recipe="story", trait=trait, form=form, tone=tone), score)


def _brief(**fields: Any) -> Brief:
    return Brief.model_construct(**fields)


def _skewed(count: int, seed: int = 1) -> list[Candidate]:
    rng = random.Random(seed)
    return [
        _candidate(number, rng.choices("abc", (8, 1, 3))[0], rng.choices(("letter", "diary"), (4, 1))[0],
                   rng.choices(("dry", "wry"), (1, 1))[0], rng.randrange(4))
        for number in range(count)
    ]  # fmt: skip


def _library() -> Library:
    library = Library(Path())
    shares = {"a": 1.0, "b": 1.0, "c": 2.0}
    library.traits = {name: Trait(id=name, name=name, description="", share=share) for name, share in shares.items()}
    library.forms = {
        "letter": Form("letter", "", "", ("story",), "", 3.0, (), (), (), (), {}),
        "diary": Form("diary", "", "", ("story",), "", 1.0, (), (), (), (), {}),
        "faq": Form("faq", "", "", ("document",), "", 1.0, (), (), (), (), {}),
    }
    library.roles = {name: Work(name, "", "", "", frozenset(), "", {}) for name in ("porter", "clerk")}
    library.settings = {name: Setting(name, "", "", "", frozenset(), (), {}) for name in ("quay", "hill")}
    library.axes = {axis: {"x": AxisValue("x", "", "", 2.0), "y": AxisValue("y", "", "", 1.0)} for axis in AXES}
    return library


def _gate(documents: int) -> Gate:
    return open_gate(GateContext(BuildRecipe(size=SizeSection(documents=documents)), _library()))


@pytest.mark.parametrize("size", [40, 100, 200, 400])
def test_every_prefix_is_balanced(size: int) -> None:
    corpus = _skewed(4000)
    picked = [corpus[at].brief for at in ranking(corpus, TARGETS)[:size]]
    for margin, shares in TARGETS.items():
        counts = Counter(getattr(brief, margin) for brief in picked)
        for level, share in shares.items():
            assert counts[level] / size == pytest.approx(share, abs=0.06), (margin, level)


def test_the_greedy_matches_one_that_looks_at_everything() -> None:
    """The sum that is maximised stays within the slack of a greedy that computes every gain for every pick."""
    corpus = _skewed(300, seed=2)
    margins = {name: {level: math.sqrt(share) for level, share in shares.items()} for name, shares in TARGETS.items()}

    def worth(order: list[int]) -> float:
        counts = {name: Counter(getattr(corpus[at].brief, name) for at in order) for name in margins}
        roots = [(name, level, root) for name, levels in margins.items() for level, root in levels.items()]
        return sum(root * math.sqrt(counts[name][level]) for name, level, root in roots)

    slow: list[int] = []
    left = set(range(len(corpus)))
    for _ in range(60):
        best = max(sorted(left), key=lambda at: worth([*slow, at]))
        slow.append(best)
        left.remove(best)
    assert worth(ranking(corpus, TARGETS)[:60]) >= 0.98 * worth(slow)


@settings(max_examples=40, deadline=None)
@given(st.lists(_LEVELS, max_size=30), st.randoms(use_true_random=False))
def test_order_of_the_input_changes_nothing(rows: list[tuple[str, str, int]], rng: random.Random) -> None:
    corpus = [_candidate(at, trait, form, "dry", score) for at, (trait, form, score) in enumerate(rows)]
    shuffled = list(corpus)
    rng.shuffle(shuffled)
    ids = [corpus[at].id for at in ranking(corpus, TARGETS)]
    assert ids == [shuffled[at].id for at in ranking(shuffled, TARGETS)]
    assert sorted(ids) == [candidate.id for candidate in corpus]


def test_of_equals_the_best_score_comes_first() -> None:
    corpus = [_candidate(at, "a", score=score) for at, score in enumerate((1.0, 3.0, 2.0, 3.0))]
    assert ranking(corpus, TARGETS) == [1, 3, 2, 0]


def test_without_briefs_the_best_scores_are_kept() -> None:
    corpus = [Candidate(f"d{at}", "", None, score) for at, score in enumerate((0.5, 2.0, 1.0, 2.0))]
    verdicts = list(_gate(2)(corpus))
    assert [row.document_id for row in verdicts] == ["d0", "d1", "d2", "d3"]
    assert [row.scores["rank"] for row in verdicts] == [4, 1, 3, 2]
    assert [row.reason for row in verdicts] == ["over_target", "ok", "over_target", "ok"]


def test_candidates_without_a_brief_come_last() -> None:
    corpus = [Candidate("d9", "", None, 9.0), _candidate(1, "a")]
    assert ranking(corpus, TARGETS) == [1, 0]


@pytest.mark.parametrize("count", [0, 1, 3, 10])
def test_no_more_than_asked_for_are_kept(count: int) -> None:
    verdicts = list(_gate(3)([Candidate(f"d{at}", "") for at in range(count)]))
    assert len(verdicts) == count
    assert sum(row.keep for row in verdicts) == min(3, count)
    assert {row.reason for row in verdicts} <= {"ok", "over_target"}


def test_target_shares_follow_recipe_and_library() -> None:
    recipe = BuildRecipe(
        mix={"story": 0.8, "document": 0.2},
        axes=AxesSection(shares={"tone": {"y": 6.0}}, traits={"a": 0.4}),
        holdout=HoldoutSection(roles=("clerk",)),
    )
    targets = target_shares(recipe, _library())
    for shares in targets.values():
        assert sum(shares.values()) == pytest.approx(1)
    assert targets["trait"] == pytest.approx({"a": 0.4, "b": 0.2, "c": 0.4})
    assert targets["form"] == pytest.approx({"letter": 0.6, "diary": 0.2, "faq": 0.2})
    assert targets["tone"] == pytest.approx({"x": 0.25, "y": 0.75})
    assert targets["outcome"] == pytest.approx({"": 0.2, "x": 0.8 * 2 / 3, "y": 0.8 / 3})
    assert targets["role"] == {"porter": 1.0}
    assert targets["identity"] == pytest.approx({"unnamed": 0.35, "invented": 0.5, "human": 0.15})


def test_the_filler_axes_of_other_recipes_are_not_counted() -> None:
    """A document without a narrator holds a filler opening; it must not make stories with that opening scarcer."""
    fields = dict.fromkeys(("trait", "form", "role", "setting", "stakes", "deliberation", "tone", "identity"), "x")
    rng = random.Random(3)
    corpus = []
    for number in range(600):
        kind = "story" if number % 2 else "document"
        axes = {axis: rng.choice("xy") if kind == "story" else "x" for axis in ("outcome", "opening", "ending")}
        corpus.append(Candidate(f"d{number:03}", "", _brief(recipe=kind, **fields, **axes)))
    targets = target_shares(BuildRecipe(mix={"story": 0.5, "document": 0.5}), _library())
    picked = [corpus[at].brief for at in ranking(corpus, targets)[:120]]
    stories = [brief for brief in picked if brief and brief.recipe == "story"]
    assert len(stories) == pytest.approx(60, abs=8)
    assert Counter(brief.opening for brief in stories)["x"] / len(stories) == pytest.approx(2 / 3, abs=0.1)
