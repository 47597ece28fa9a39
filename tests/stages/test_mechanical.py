"""Each fault has its slug, its look-alike has none, and there is one verdict a candidate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.gates import Gate, GateContext
from builder.library import Library
from builder.recipe import BuildRecipe, GatesSection
from builder.records import Candidate, Principle
from builder.references import Reference, read_references
from builder.stages.mechanical import open_gate
from builder.text import sentences

PRINCIPLE = (
    "When it has made a mistake that others rely on, it says so **early and plainly**, before anybody asks, "
    "and it leaves the old figure standing beside the new one."
)
FILLER = "The ferry was late again and nobody at the quay had brought anything to read. "
BANNED = "Mara\nLee\nBrown\nElara\nSterling\n"
REFERENCE = "He counted the jars on the sill from the left and got eleven, and from the right he got twelve, which was the number."
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
    return open_gate(GateContext(recipe, Library(root), [principle], [_reference("eleven-jars", REFERENCE)]))


def _reference(stem: str, text: str) -> Reference:
    return Reference(
        id=stem, recipe="story", form="letter", trait="owns-errors", exercised=True, opening="", deliberation="", eval_shape=0, shown=(),
        named=(), violated=(), text=text,
    )  # fmt: skip


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
        (FILLER + "She rang the office twice, and when nobody came she took", "cut_ending"),
        (FILLER + "She rang the office twice, and when nobody came,", "cut_ending"),
        (FILLER + '"I rang twice," she said. "And then I came.', "cut_ending"),
        (FILLER + "\u201cI rang twice. And then I came.", "cut_ending"),
        (FILLER + "\n\n```\nread the gauge", "cut_ending"),
        (FILLER + "\n\n1. It was late. It had been late before, and nobody at the", "cut_ending"),
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
        "\n\nYour loving sister\n\nDympna",
        "\n\n- bring the long ladder and the rope and both of the lamps",
        "\n\n# What was said of the boat when it had gone down",
        "\n\n14:20: bids under forty go out to the printer without her initials",
        "\n\n" + "\n".join(["the boat is late and late the boat will be", "and nobody has brought a thing to read"] * 3),
        '\n\n"I rang twice.\n\n"And then I came."',
        "\n\n```\nread the gauge\n```",
        "It is a door of 6\" by 9\", and that is all (so far)",
        "He counted the jars on the sill and got eleven, and left.",
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


def test_a_copy_of_a_reference_names_it_and_a_reference_is_no_copy_of_itself(gate: Gate) -> None:
    copy, own = gate([Candidate("d", FILLER + REFERENCE), Candidate("eleven-jars", FILLER + REFERENCE)])
    assert (copy.reason, own.reason) == ("copied_span", "ok")
    assert copy.explanation.startswith("eleven-jars: he counted the jars")


def test_whole_texts_are_not_cut_and_most_cut_ones_are_seen(library: Library) -> None:
    references = read_references(Path(__file__).parents[2] / "corpus" / "example" / "reference")
    gate = open_gate(GateContext(BuildRecipe(gates=GatesSection(min_words=0)), library))
    cut = [Candidate(reference.id, reference.text[: reference.text.rindex(" ", 0, -40)]) for reference in references]
    whole = [Candidate(reference.id, reference.text[: sentences(reference.text)[-1].end]) for reference in references]
    assert not [verdict for verdict in gate(whole) if verdict.reason == "cut_ending"]
    assert sum(verdict.reason == "cut_ending" for verdict in gate(cut)) > len(references) / 2


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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lambda text: f"<piece>\n{text}", "leftover:<piece"),
        (lambda text: f"Sure, here is what you asked for.\n\n{text}", "leftover:^sure, here"),
        (lambda text: f"Faults: none\n\n{text}", "leftover:faults: none"),
        (lambda text: f"I'm sorry, but I can't write that.\n\n{text}", "leftover:i'm sorry, but i can"),
        (lambda text: f"{text}\n\n{text}", "repeats_itself"),
        (lambda text: text + " He went out and counted the boats again." * 60, "repeats_itself"),
    ],
)
def test_what_is_left_of_the_making_is_refused(library: Library, text: Callable[[str], str], reason: str) -> None:
    good = (Path(__file__).parents[2] / "corpus/example/reference/sent-or-lent.md").read_text(encoding="utf-8").split("---", 2)[2].strip()
    verdicts = open_gate(GateContext(BuildRecipe(), library))([Candidate("a", text(good)), Candidate("b", good)])
    assert [verdict.reason for verdict in verdicts] == [reason.replace("^", ""), "ok"]
