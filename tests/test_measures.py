"""The measures against counts by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import measures


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("At dawn Oda asked Remi, and Remi nodded.", ["Oda", "Remi", "Remi"]),
        ("Nobody came. The Monday after, Dr Szab\u00f3 did.", ["Szab\u00f3"]),
        ("on Mondays the NHS and \u00c9lan", ["\u00c9lan"]),
        ("\u5f20\u4e09\u8bf4", []),
        ("", []),
    ],
)
def test_names(text: str, found: list[str]) -> None:
    assert measures.names(text) == found


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("It was not fear, but habit.", 1),
        ("It wasn't a lie. It was a guess.", 1),
        ("She was not there. Nobody was.", 0),
        ("But it was not so.", 0),
        ("It isn\u2019t the rope, it\u2019s the knot.", 1),
    ],
)
def test_not_but(text: str, hits: int) -> None:
    assert measures.not_but_per_1000_characters([text]) == pytest.approx(1000 * hits / len(text))


def test_entropy_of_the_first_word() -> None:
    assert measures.first_word_entropy(["The a", "the b", "A c", "a d"]) == 1.0
    assert measures.first_word_entropy([]) == 0.0


def test_effective_names() -> None:
    assert measures.effective_names(["so Oda met Remi"]) == 2.0
    assert measures.effective_names(["so Oda met Oda"]) == 1.0


def test_overused_words_are_whole_words_or_beginnings() -> None:
    assert measures.overused_per_1000_words(["The tapestries delve, delver and TAPESTRY."], ["tapestr*", "delve"]) == pytest.approx(500)


def test_sentence_length_variation() -> None:
    assert measures.sentence_length_variation(["One two. One two."]) == 0.0
    assert measures.sentence_length_variation(["One. One two three."]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("counts", "wanted", "score", "ratio", "empty"),
    [([5, 5], [1, 1], 1.0, 1.0, 0), ([10, 5], [2, 1], 1.0, 1.0, 0), ([4, 0], [1, 1], 0.0, None, 1), ([0, 0], [1, 1], 0.0, None, 2),
     ([3], [1], 1.0, 1.0, 0), ([], [], 0.0, None, 0)],
)  # fmt: skip
def test_evenness(counts: list[int], wanted: list[int], score: float, ratio: float | None, empty: int) -> None:
    found = measures.evenness(counts, wanted)
    assert found.evenness == pytest.approx(score)
    assert (found.ratio, found.empty) == (ratio, empty)


def test_evenness_of_a_skew() -> None:
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    assert measures.evenness([30, 10], [1, 1]).evenness == pytest.approx(expected)


def test_phrases_grow_to_the_run_that_recurs() -> None:
    texts = [f"word{number} she counted the coins twice before the bell went other{number}" for number in range(6)]
    found = measures.phrases(texts)
    assert [(row.text, row.documents) for row in found.phrases] == [("she counted the coins twice before the bell went", 6)]
    assert found.template_coverage == pytest.approx(5 / 7)


def test_phrases_of_few_or_empty_texts() -> None:
    assert measures.phrases([]) == measures.Wordings((), 0.0)
    assert measures.phrases(["", "  "]).phrases == ()
    assert measures.phrases(["same words in here twice"] * 3).phrases == ()


def test_masking_makes_fillings_of_a_template_equal() -> None:
    one = measures.masked("At 07:10, Oda Remi waited.", ["Oda", "Remi", ""])
    assert one == measures.masked("At 23:45, Bao Tran waited.", ["Bao", "Tran"]) == "at 0:0, _ _ waited."


@given(st.text(), st.integers(1, 20))
def test_first_words_is_a_beginning_of_so_many_words(text: str, limit: int) -> None:
    cut = measures.first_words(text, limit)
    assert text.startswith(cut)
    assert len(cut.split()) <= limit or cut == text


@given(st.lists(st.text(max_size=60), max_size=8))
def test_any_texts_can_be_measured(texts: list[str]) -> None:
    assert 0 <= measures.phrases(texts * 5).template_coverage <= 1
    assert measures.effective_names(texts) >= 0
    assert measures.sentence_length_variation(texts) >= 0
    for text in texts:
        measures.masked(measures.first_sentence(text), ["a"])
        measures.last_sentence(text)
