"""Each fault has its slug, its look-alike has none, and there is one verdict a candidate."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.gates import Gate, GateContext
from builder.library import Library
from builder.recipe import BuildRecipe, GatesSection
from builder.records import Candidate, Principle
from builder.stages.mechanical import open_gate

PRINCIPLE = (
    "When it has made a mistake that others rely on, it says so **early and plainly**, before anybody asks, "
    "and it leaves the old figure standing beside the new one."
)
FILLER = "The ferry was late again and nobody at the quay had brought anything to read. "
BANNED = "Mara\nLee\nBrown\nElara\nSterling\n"
SHAPES = "affair|secret + threat|expose\nblackmail\n"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    root = tmp_path_factory.mktemp("project")
    _write(root / "story_prompts" / "names" / "banned.txt", BANNED)
    lists = {
        "eval_shapes": SHAPES,
        "slop": "tapestry\nhum of servers\nwhispered\nresilien*\n",
        "special_tokens": "<|endoftext|>\n</s>\n[INST]\n>>QUESTION<<\n",
        "placeholders": "TODO\nlorem ipsum\n",
        "names_that_are_words": "Brown\nLee\nSterling\n",
    }
    for name, text in lists.items():
        _write(root / "story_prompts" / "lists" / f"{name}.txt", text)
    principle = Principle(
        id="owning-errors-1", source="c.md", heading_path=("Owning errors",), text=PRINCIPLE, line_start=1, line_end=2,
        sha256="0" * 64, kind="norm",
    )  # fmt: skip
    recipe = BuildRecipe(gates=GatesSection(min_words=10, max_words=400))
    return open_gate(GateContext(recipe, Library(root), [principle]))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _reason(gate: Gate, text: str) -> str:
    (verdict,) = gate([Candidate("d", text)])
    assert verdict.keep == (verdict.reason == "ok")
    return verdict.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n ... \n", "empty"),
        ("Nine words, and that is one too few here.", "too_short"),
        (FILLER * 40, "too_long"),
        (FILLER + "It froze\x07 there.", "control_character:u+0007"),
        (FILLER + "One line\u2028and the next.", "control_character:u+2028"),
        (FILLER + "Half a sign \ud83d there.", "control_character:u+d83d"),
        (FILLER + "And then <|endoftext|> it went on.", "special_token:<|endoftext|>"),
        (FILLER + "The screen said </s> and no more.", "special_token:</s>"),
        (FILLER + "It printed <|some_new_token|> twice.", "special_token:<|some_new_token|>"),
        (FILLER + "It printed <\uff5cUser\uff5c> twice.", "special_token:<\uff5cUser\uff5c>"),
        (FILLER + "[INST] Tell me.", "special_token:[INST]"),
        (FILLER + "Then >>QUESTION<< came.", "special_token:>>QUESTION<<"),
        (FILLER + "[Name] came in.", "placeholder:[Name]"),
        (FILLER + "[Your name] came in.", "placeholder:[Your name]"),
        (FILLER + "[insert a river] ran past.", "placeholder:[insert a river]"),
        (FILLER + "{asker} came in.", "placeholder:{asker}"),
        (FILLER + "{v:read} it.", "placeholder:{v:read}"),
        (FILLER + "It was <early|late> again.", "placeholder:<early|late>"),
        (FILLER + "TODO: the ending.", "placeholder:TODO"),
        (FILLER + "Lorem ipsum and so on.", "placeholder:lorem ipsum"),
        (FILLER + "See https://example.org/x for it.", "link"),
        (FILLER + "See www.ferries.example for it.", "link"),
        (FILLER + "Write to desk@ferries.example today.", "link"),
        (FILLER + "It was on ferries.com all along.", "link"),
        (FILLER + "On 12 March 2024 it stopped.", "calendar_date"),
        (FILLER + "On the 3rd of May it stopped.", "calendar_date"),
        (FILLER + "By March 12th it had stopped.", "calendar_date"),
        (FILLER + "Entry 2023-05-01 was blank.", "calendar_date"),
        (FILLER + "Entry 01/05/2023 was blank.", "calendar_date"),
        (FILLER + "It had stopped in 2021 for good.", "calendar_date"),
        (FILLER + "That was October 1998.", "calendar_date"),
        (FILLER + "Then Mara came in.", "banned_name:mara"),
        (FILLER + "MARA: Come in.", "banned_name:mara"),
        (FILLER + "It was Elara\u2019s coat.", "banned_name:elara"),
        (FILLER + "He met Mr. Brown there.", "banned_name:brown"),
        (FILLER + "It says so EARLY and plainly before anybody asks, and it leaves the old figure.", "copied_span"),
        (FILLER + "She knew about the affair. A threat came by post.", "eval_shape"),
        (FILLER + "He would not be blackmailed.", "eval_shape"),
        (FILLER + "A tapestry of resilience, he whispered, over the hum of servers.", "slop_words"),
    ],
)
def test_a_fault_has_its_slug(gate: Gate, text: str, reason: str) -> None:
    assert _reason(gate, text) == reason


@pytest.mark.parametrize(
    "sentence",
    [
        "The 06:40 left at 6.36 on Tuesday, 12 minutes late, with 2021 eggs.",
        "She marched in with 12 marches and the may tree behind her, and in May it flowered.",
        "Samara and Leeward went to Tamarack, and the leeks were marabou.",
        "Brown eggs cost more than white ones. \"Sterling work,\" he said, and stood in the lee of the wall.",
        "It ran 3 < 4 and 5 > 4, or [1] in the margin, [laughter], and {} for nothing.",
        "The a.m. boat, i.e. the early one. Then the next.No blank there.",
        "Todo el mundo knew.",
        "A tapestry hung there, he whispered.",
        "It kept the secret of the soup.",
        "When it has made a mistake that others rely on, somebody else will have to pay.",
        "Tabs\tand\nline ends\r\nare fine, and so is \u00e9, \u0416, \u4e2d and \U0001f642.",
    ],
)
def test_what_only_looks_like_a_fault_is_kept(gate: Gate, sentence: str) -> None:
    assert _reason(gate, FILLER * 2 + sentence) == "ok"


def test_scores_count_words_and_slop(gate: Gate) -> None:
    (verdict,) = gate([Candidate("d", FILLER * 2 + "He whispered.")])
    assert verdict.scores == {"words": 32.0, "slop_words": 1.0, "slop_per_1000": 31.25}


def test_a_copy_is_explained_by_its_principle(gate: Gate) -> None:
    (verdict,) = gate([Candidate("d", FILLER + PRINCIPLE)])
    assert verdict.explanation.startswith("owning-errors-1: when it has made")


def test_scripts_without_spaces_have_words(gate: Gate) -> None:
    assert _reason(gate, "\u6e21\u3057\u8239\u306f\u307e\u305f\u9045\u308c\u305f\u3002" * 3) == "ok"


@given(st.lists(st.text(max_size=200), max_size=8))
def test_one_verdict_each_in_order(gate: Gate, texts: list[str]) -> None:
    candidates = [Candidate(f"d{at}", text) for at, text in enumerate(texts)]
    assert [verdict.document_id for verdict in gate(candidates)] == [candidate.id for candidate in candidates]


def test_the_lists_that_ship(library: Library) -> None:
    tokens = library.words("special_tokens")
    assert len(set(tokens)) == len(tokens) >= 40
    assert {"<|endoftext|>", "</s>", "<s>", "<|im_start|>", "<|eot_id|>", "<start_of_turn>", "[INST]"} <= set(tokens)
    for name in ("slop", "placeholders", "names_that_are_words"):
        assert len(set(library.words(name))) == len(library.words(name)) > 10
    gate = open_gate(GateContext(BuildRecipe(gates=GatesSection(min_words=0)), library))
    for verdict in gate(Candidate(f"t{at}", FILLER + token) for at, token in enumerate(tokens)):
        assert verdict.reason.startswith("special_token:")
