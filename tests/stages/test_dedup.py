"""Near-duplicates by property: the same is caught, the different is not, and the order of the input changes nothing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.dedup.shingles import jaccard, shingles
from builder.gates import Gate, GateContext
from builder.library import Library
from builder.recipe import BuildRecipe, GatesSection
from builder.records import Candidate, Verdict
from builder.stages.dedup import open_gate
from builder.text import folded_words

LATE_FERRY = "\u6e21\u3057\u8239\u306f\u307e\u305f\u9045\u308c\u305f"
WORDS = [f"w{number}" for number in range(2000)]


def _gate(threshold: float = 0.8) -> Gate:
    return open_gate(GateContext(BuildRecipe(gates=GatesSection(near_duplicate=threshold)), Library(Path())))


def _text(seed: int, length: int = 200) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def _edited(words: list[str], edits: int, seed: int) -> str:
    rng = random.Random(seed)
    changed = list(words)
    for at in rng.sample(range(len(words)), edits):
        changed[at] = f"edit{rng.randrange(10**6)}"
    return " ".join(changed)


def _exact(left: str, right: str) -> float:
    """Jaccard similarity over sets of word 5-grams, the slow way."""
    sets = []
    for text in (left, right):
        words = folded_words("".join(" " if char < " " or char == "\x7f" else char for char in text))
        sets.append({tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))} if words else set())
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1]) if sets[0] | sets[1] else 1.0


def _by_id(verdicts: list[Verdict]) -> dict[str, tuple[str, dict[str, float], str]]:
    return {row.document_id: (row.reason, row.scores, row.explanation) for row in verdicts}


@st.composite
def _corpora(draw: st.DrawFn) -> list[Candidate]:
    """Texts of a few families, edited more or less, with few different scores."""
    rows = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8), st.integers(0, 2)), min_size=1, max_size=14))
    return [
        Candidate(f"d{at}", _edited(_text(family, 80), edits, at), None, float(score))
        for at, (family, edits, score) in enumerate(rows)
    ]


@settings(max_examples=40, deadline=None)
@given(_corpora(), st.randoms(use_true_random=False))
def test_order_changes_nothing_and_every_removal_is_proved(corpus: list[Candidate], rng: random.Random) -> None:
    verdicts = list(_gate()(corpus))
    assert [row.document_id for row in verdicts] == [candidate.id for candidate in corpus]
    shuffled = list(corpus)
    rng.shuffle(shuffled)
    assert _by_id(list(_gate()(shuffled))) == _by_id(verdicts)
    known = {candidate.id: candidate for candidate in corpus}
    kept = {row.document_id for row in verdicts if row.keep}
    for row in (row for row in verdicts if not row.keep):
        best = row.reason.removeprefix("near_duplicate_of:")
        partner = row.explanation.partition("through ")[2].partition(",")[0] or best
        assert best in kept
        assert row.scores["jaccard"] >= 0.8
        assert row.scores["jaccard"] == pytest.approx(_exact(known[row.document_id].text, known[partner].text))
        assert (-known[best].score, best) <= (-known[row.document_id].score, row.document_id)


@given(st.text(max_size=60), st.text(max_size=60))
def test_hashed_shingles_give_the_exact_similarity(left: str, right: str) -> None:
    assert jaccard(shingles(left), shingles(right)) == pytest.approx(_exact(left, right))


@pytest.mark.parametrize("text", ["", "Yes.", "One two three four", LATE_FERRY, " ".join(WORDS)])
def test_identical_texts_are_caught(text: str) -> None:
    kept, *removed = _gate()([Candidate(f"d{at}", text) for at in range(300)])
    assert kept.keep and kept.document_id == "d0"
    assert {(row.reason, row.scores["jaccard"]) for row in removed} == {("near_duplicate_of:d0", 1.0)}


def test_case_and_punctuation_do_not_hide_a_copy() -> None:
    words = _text(1)
    rows = list(_gate()([Candidate("a", " ".join(words)), Candidate("b", ", ".join(words).upper())]))
    assert [row.reason for row in rows] == ["ok", "near_duplicate_of:a"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Yes.", "No."),
        ("One two three four", "One two three five"),
        (LATE_FERRY, "\u5e02\u5834\u306f\u4eca\u65e5\u4f11\u307f\u3067\u3059"),
        ("", "Yes."),
        (" ".join(_text(1)), " ".join(_text(2))),
    ],
)
def test_different_texts_stay(left: str, right: str) -> None:
    assert all(row.keep for row in _gate()([Candidate("a", left), Candidate("b", right)]))


def test_the_best_copy_is_kept_and_a_chain_names_its_link() -> None:
    words = _text(3)
    chain = [" ".join(words[at : at + 150]) for at in (0, 14, 28)]
    middle = _exact(chain[0], chain[1])
    assert _exact(chain[0], chain[2]) < 0.8 <= middle
    verdicts = _gate()([Candidate(f"d{at}", text, None, at) for at, text in enumerate(chain)])
    rows = {row.document_id: row for row in verdicts}
    assert rows["d2"].keep
    assert rows["d1"].reason == rows["d0"].reason == "near_duplicate_of:d2"
    assert rows["d1"].explanation == ""
    assert "through d1" in rows["d0"].explanation
    assert rows["d0"].scores["jaccard"] == pytest.approx(middle)


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.9])
def test_recall_and_precision_on_planted_copies(threshold: float) -> None:
    corpus: list[Candidate] = []
    near: list[str] = []
    far: list[str] = []
    for number in range(150):
        words = _text(number, 120)
        corpus.append(Candidate(f"a{number}", " ".join(words)))
        corpus.append(Candidate(f"b{number}", _edited(words, number % 8, number)))
        exact = _exact(corpus[-2].text, corpus[-1].text)
        (near if exact >= threshold else far).append(f"b{number}")
    removed = {row.document_id for row in _gate(threshold)(corpus) if not row.keep}
    assert not removed & set(far)
    assert len(removed & set(near)) >= 0.97 * len(near)


def test_a_giant_cluster_has_one_survivor() -> None:
    words = _text(4, 150)
    rows = list(_gate()([Candidate(f"d{at:03}", _edited(words, 1, at)) for at in range(300)]))
    assert [row.document_id for row in rows if row.keep] == ["d000"]


def test_shingles_are_the_same_in_every_process() -> None:
    code = (
        "from builder.dedup.shingles import shingles; print(shingles('one two three four five six').tolist())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{shingles('one two three four five six').tolist()}\n"}
