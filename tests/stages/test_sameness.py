"""Gate ``sameness`` and its numbers, by property: what repeats is found behind names, the best stay, and no order matters."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ran import Run
from rows_by_hand import brief, rows

from builder.gates import Gate, GateContext
from builder.library import Library
from builder.recipe import BuildRecipe, GatesSection
from builder.records import Candidate, Verdict
from builder.reference_texts import references
from builder.reference_texts.__main__ import counted
from builder.references import read_references
from builder.stages.sameness import LEAST_COPIES, open_gate
from builder.stages.sameness.keys import ending, known_names, opening, plan
from builder.stages.sameness.numbers import BLEU_GRAMS, GROUP, effective_number, grouped, neighbours, self_bleu
from builder.stages.sameness.patterns import audit, favourites_share, overused, pattern_documents, word_documents
from builder.stages.sameness.template import Templates, common

ROOT = Path(__file__).parents[2]
WORDS = [f"{first}{second}" for first in ("bri", "ta", "os", "me", "hu", "ve", "ra", "go", "li", "ne") for second in
         ("na", "wick", "der", "mo", "sen", "ley", "par", "tun", "ish", "vor", "bel", "cas", "dru", "fen", "gar", "hem")]  # fmt: skip
NAMES = ("Oda", "Remi", "Talwyn", "Brinnic", "Aune", "Sefa", "Kolb", "Irja")
GRAMMAR = frozenset(Library(ROOT).words("function_words"))


def gate(**limits: float) -> Gate:
    recipe = BuildRecipe(gates=GatesSection.model_validate({"sameness_most": 1, **limits}))
    return open_gate(GateContext(recipe, Library(ROOT)))


def prose(seed: int, length: int = 80) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def text(seed: int, first: str = "", last: str = "") -> str:
    begins, ends = first or f"{prose(seed + 1000, 9).capitalize()}.", last or f"{prose(seed + 2000, 9).capitalize()}."
    return f"{begins} {prose(seed).capitalize()}. {ends}"


def reasons(verdicts: list[Verdict]) -> dict[str, str]:
    return {verdict.document_id: verdict.reason for verdict in verdicts}


# Openings, endings, plans


def test_an_opening_is_known_behind_names_numbers_and_a_salutation() -> None:
    first = opening("Dear Oda,\n\nAt 7 Oda waited by the gate. It rained.", ["Oda"])
    assert first == opening("Dear Remi Talwyn,\n\nAt 19 Remi waited by the gate. The sun shone.", ["Remi", "Talwyn"]).replace("_ _,", "_,")
    assert first == "dear _, at 0 _ waited by the gate."
    assert ending("All was said. The gate was shut.", []) == "the gate was shut."
    assert ending("The gate was shut.\n\nYours,\nOda", ["Oda"]) == "the gate was shut. yours, _"


@pytest.mark.parametrize("nothing", ["", "Oda.", "No.", "\u2028", "7 8 9"])
def test_a_text_too_short_for_an_opening_has_none(nothing: str) -> None:
    assert opening(nothing, ["Oda"]) == ending(nothing, ["Oda"]) == ""


def test_without_a_brief_the_text_tells_its_names(library: Library) -> None:
    told = "Oda waited by the gate. Then the clerk asked Oda, and Remi laughed."
    assert known_names(told, None) == ("Oda", "Remi")
    assert opening(told, known_names(told, None)) == "_ waited by the gate."
    assert set(known_names("", brief(library, 1))) == {"Oda", "Remi", "Quay"}


@pytest.mark.parametrize(("part", "reason"), [("first", "repeated_opening"), ("last", "repeated_ending")])
def test_of_a_repeated_wording_the_best_scored_stay(part: str, reason: str) -> None:
    shared = [Candidate(f"s{at}", text(at, **{part: f"It had been {at} days since {NAMES[at]} came."}), None, at) for at in range(8)]
    others = [Candidate(f"o{at}", text(100 + at)) for at in range(40)]
    found = reasons(list(gate()(shared + others)))
    assert [at for at in range(8) if found[f"s{at}"] == reason] == list(range(8 - LEAST_COPIES))
    assert all(value == "ok" for name, value in found.items() if name.startswith("o"))


def test_a_repeated_plan_goes_and_a_recipe_that_varies_little_has_none(library: Library) -> None:
    one = brief(library, 1)
    assert plan(one).count("/") == 4
    assert plan(one.model_copy(update={"opening": "none", "ending": "none"})) == plan(None) == ""
    candidates = [Candidate(f"d{at}", text(at), one, at) for at in range(9)]
    assert list(reasons(list(gate()(candidates))).values()) == ["repeated_plan"] * 4 + ["ok"] * 5


def test_a_template_is_thinned_until_it_is_one_no_more() -> None:
    filled = [Candidate(f"t{at}", f"{prose(at, 5)}. {prose(1, 100)}. {prose(at + 50, 5)}.", None, at) for at in range(12)]
    others = [Candidate(f"o{at}", text(100 + at)) for at in range(20)]
    verdicts = list(gate()(filled + others))
    found = reasons(verdicts)
    assert [found[f"t{at}"] for at in range(12)] == ["template"] * 8 + ["ok"] * 4
    assert verdicts[0].scores["template_share"] > 0.7
    assert all(verdict.keep and verdict.scores["template_share"] == 0 for verdict in verdicts[12:])


def test_the_gate_stops_at_its_limit_and_says_what_it_spared() -> None:
    same = [Candidate(f"s{at:02d}", text(at, first="It had been nine days since the boat came."), None, at) for at in range(40)]
    verdicts = list(gate(sameness_most=0.1)(same))
    assert [verdict.reason for verdict in verdicts] == ["repeated_opening"] * 4 + ["ok"] * 36
    assert sum(verdict.scores.get("spared", 0) for verdict in verdicts) == 40 - LEAST_COPIES - 4
    assert verdicts[5].explanation.startswith("kept, though repeated_opening")


@settings(max_examples=25, deadline=None)
@given(st.integers(LEAST_COPIES + 1, 30), st.integers(0, 99))
def test_of_identical_texts_all_are_repeated_and_a_few_stay(count: int, seed: int) -> None:
    verdicts = list(gate()(Candidate(f"d{at:02d}", text(seed)) for at in range(count)))
    assert all(verdict.scores["opening_copies"] == verdict.scores["ending_copies"] == count for verdict in verdicts)
    assert all(verdict.scores["template_share"] == 1 for verdict in verdicts)
    assert 0 < sum(verdict.keep for verdict in verdicts) < LEAST_COPIES


@st.composite
def _corpora(draw: st.DrawFn) -> list[Candidate]:
    rows = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=40))
    return [
        Candidate(f"d{at}", text(at if body else 7, first=f"{NAMES[at % 8]} came back {first} days too late for it.", last=""), None, score)
        for at, (body, first, score) in enumerate(rows)
    ]


@settings(max_examples=40, deadline=None)
@given(_corpora(), st.floats(0, 1), st.randoms(use_true_random=False))
def test_order_changes_nothing_and_the_limit_holds(corpus: list[Candidate], most: float, rng: random.Random) -> None:
    judge = gate(sameness_most=most)
    verdicts = list(judge(corpus))
    assert [verdict.document_id for verdict in verdicts] == [candidate.id for candidate in corpus]
    assert sum(not verdict.keep for verdict in verdicts) <= most * len(corpus)
    shuffled = list(corpus)
    rng.shuffle(shuffled)
    assert {row.document_id: row for row in judge(shuffled)} == {row.document_id: row for row in verdicts}


def test_template_counts_are_those_of_the_documents() -> None:
    texts = [prose(1, 40)] * 4 + [prose(2, 40)] * 5 + [prose(3, 30) + " " + prose(2, 14)]
    shares = list(Templates(texts).shares(texts))
    assert shares[:4] == [0] * 4
    assert shares[4:9] == [1] * 5
    assert shares[9] == pytest.approx(10 / 40)
    assert (common(10), common(5_000), common(100_000)) == (5, 5, 100)


# Numbers


def test_self_bleu_is_one_for_copies_and_nought_for_strangers() -> None:
    assert self_bleu([prose(1)] * 3) == pytest.approx(1)
    apart = [" ".join(WORDS[at * 40 : at * 40 + 40]) for at in range(4)]
    assert self_bleu(apart) == 0
    assert self_bleu([prose(1)]) == self_bleu([]) == 0


def test_self_bleu_by_hand() -> None:
    """Two texts of six words that share the first five: precisions 5/6, 4/5, 3/4, 2/3."""
    assert self_bleu(["a b c d e f", "a b c d e g"]) == pytest.approx((5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** (1 / BLEU_GRAMS))
    longer = self_bleu(["a b c d", "a b c d e f g h"], words=8)
    assert longer == pytest.approx((np.exp(1 - 8 / 4) + (4 / 8 * 3 / 7 * 2 / 6 * 1 / 5) ** 0.25) / 2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 8), st.randoms(use_true_random=False))
def test_self_bleu_has_no_order(seed: int, count: int, rng: random.Random) -> None:
    texts = [" ".join(random.Random(seed + at).choices(WORDS[:12], k=30)) for at in range(count)]
    shuffled = list(texts)
    rng.shuffle(shuffled)
    assert self_bleu(shuffled) == pytest.approx(self_bleu(texts))


def test_groups_are_of_a_fixed_size_and_drawn_by_the_seed() -> None:
    texts = [prose(at, 20) for at in range(80)]
    groups: list[tuple[str, ...]] = []

    def size(group: Sequence[str]) -> float:
        groups.append(tuple(group))
        return float(len(group))

    assert grouped(texts, "1", size) == GROUP
    assert len(groups) == len(set(groups)) == 2
    assert len({*groups[0], *groups[1]}) == 2 * GROUP
    assert grouped(texts[:35], "1", self_bleu) is None
    assert grouped(texts, "1", self_bleu) == grouped(texts, "1", self_bleu)


def test_neighbours_are_texts_on_one_subject() -> None:
    subjects = [WORDS[:40], WORDS[40:80], WORDS[80:120]]
    texts = [" ".join(random.Random(at).choices(subjects[at % 3], k=120)) for at in range(12)]
    found = neighbours([*texts, texts[0]])
    assert (found.nearest[0].left, found.nearest[0].right) == (0, 12)
    assert found.nearest[0].cosine == pytest.approx(1, abs=1e-3)
    assert all(pair.left % 3 == pair.right % 3 for pair in neighbours(texts).nearest)
    assert neighbours(["", ""]).mean == 0
    assert neighbours([]).nearest == ()


def test_effective_number_counts_what_is_evenly_used() -> None:
    assert effective_number(["a"] * 9) == 1
    assert effective_number(list("abcdefgh")) == 8
    assert effective_number([]) == 0


# Patterns


def test_a_planted_pattern_is_found_broadly_and_strictly() -> None:
    rng = random.Random(1)
    planted = [f"It was not the {rng.choice(WORDS)} but the {rng.choice(WORDS)} of it that she had missed." for _ in range(20)]
    planted[:6] = ["It was not the lamp but the light of it that she had missed."] * 6
    texts = [f"{prose(at, 40)}. {planted[at] if at < 20 else ''} {prose(at + 99, 40)}." for at in range(60)]
    found = audit(texts, GRAMMAR, {}, 36)
    lead = found[0]
    assert lead.broad == 20
    assert lead.masked in ". it was not the _ but the _ of it that she had _ ."
    assert lead.strict == 6
    assert lead.wording in ". it was not the lamp but the light of it that she had missed ."
    assert set(lead.examples) <= set(range(6)) and len(lead.examples) == 3
    assert len(found) <= 3, "what overlaps is one pattern"
    assert audit(texts, GRAMMAR, pattern_documents(texts, GRAMMAR), 60) == (), "by hand it is as frequent"


def test_nothing_recurs_in_texts_that_share_no_sentence() -> None:
    assert audit([prose(at, 200) for at in range(30)], GRAMMAR, {}, 36) == ()
    assert audit([], GRAMMAR, {}, 36) == ()


def test_an_overused_word_is_told_with_its_share_by_hand() -> None:
    texts = [f"The lantern {prose(at, 10)}" if at < 30 else prose(at, 10) for at in range(40)]
    (found, *_) = overused(word_documents(texts), 40, {"lantern": 1, "the": 36}, 36)
    assert (found.text, found.documents, found.share, found.reference_share) == ("lantern", 30, 0.75, 0.0278)
    assert "the" not in {row.text for row in overused(word_documents(texts), 40, {"the": 36}, 36)}
    assert overused(word_documents([]), 0, {}, 36) == ()


def test_names_are_no_overused_words_and_no_phrase_crosses_a_stop() -> None:
    assert word_documents(["Then came Oda. Oda left."], 2) == {"then came": 1}
    assert word_documents(["one two, three four five"], 3) == {"three four five": 1}


def test_favourites_are_whole_words() -> None:
    assert favourites_share(["The keeper slept.", "A bookkeeper slept.", "Mara.", ""], ["keeper", "mara"]) == 0.5


# What is shipped


def test_the_shipped_counts_are_those_of_references_like_ours(library: Library) -> None:
    """Counting anew gives a file of the same shape; its numbers are near those that are shipped, whoever edited a reference since."""
    shipped = references()
    texts = [row.text for row in read_references(ROOT / "corpus" / "example" / "reference")]
    assert counted(texts, library).startswith(f'{{\n"texts": {len(texts)},')
    assert shipped.texts >= 30
    assert shipped.numbers["self_bleu"] < 0.12
    assert shipped.numbers["template_coverage"] < 0.01
    assert min(shipped.phrases.values()) == min(shipped.patterns.values()) == 2
    assert shipped.words["the"] == shipped.texts


def test_the_references_are_not_alike(library: Library) -> None:
    found = read_references(ROOT / "corpus" / "example" / "reference")
    assert all(verdict.keep for verdict in gate()(Candidate(row.id, row.text) for row in found))


# The command line and the build


def test_the_numbers_of_any_file_can_be_had(bildung: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"d{at}", "text": text(at, first=f"At dawn {NAMES[at % 8]} came back {at} days late.")} for at in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = bildung("gate", "sameness", "rows.jsonl", "--corpus", "none", "--numbers", "numbers.json")
    assert ran.code == 0
    assert "sameness: 38 ok, 2 repeated_opening" in ran.err
    found = json.loads((tmp_path / "numbers.json").read_text())
    assert found["openings"][0] == ["at dawn _ came back 0 days late.", 40]
    assert found["openings_repeated_share"] == 1
    assert 0 <= found["self_bleu"] < 1 and found["written_by_hand"]["texts"] == references().texts
    assert set(found["published"]) <= set(found) & set(found["written_by_hand"])
    other = bildung("gate", "mechanical", "rows.jsonl", "--corpus", "none", "--numbers", "numbers.json")
    assert other.code == 2 and "--numbers is for the gate sameness, and this is mechanical" in other.err


def test_a_report_has_the_numbers_and_names_what_the_gate_spared(library: Library, tmp_path: Path) -> None:
    from builder.report import write_report

    small = rows(library)
    spared = [Verdict(document_id=found.id, gate="sameness", keep=True, scores={"spared": 1.0}) for found in small.documents]
    write_report(small._replace(verdicts={**small.verdicts, "sameness": spared}), tmp_path, {})
    found = json.loads((tmp_path / "coverage.json").read_text())
    assert found["patterns"]["gate_spared_share"] == 1
    assert found["patterns"]["plans"] > 0
    assert 0 < found["diversity"]["self_bleu"] <= 1
    assert found["diversity"]["effective_settings"] > 1
    assert "40 of 40 documents repeat an opening, an ending, a plan or a template too often" in (tmp_path / "report.md").read_text()
