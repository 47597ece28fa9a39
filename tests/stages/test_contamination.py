"""Gate ``contamination``: planted leaks of every kind are found, and what two honest texts share is not."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ran import Run

from builder.benchmarks import Benchmark, Question
from builder.errors import UsageError
from builder.gates import GateContext
from builder.library import Library
from builder.recipe import BuildRecipe, GatesSection
from builder.records import Candidate, Verdict
from builder.references import read_references
from builder.stages.contamination import Index, open_gate
from builder.text import folded_words

ROOT = Path(__file__).parents[2]
WORDS = [f"{first}{second}" for first in ("brin", "tal", "osk", "mer", "hul", "ved", "rath", "gol") for second in
         ("na", "wick", "der", "mo", "sen", "ley", "par", "tun", "ish", "vor", "bel", "cas", "dru", "fen", "gar", "hem")]  # fmt: skip
QUESTION = (
    "A grocer sells pears at three for a copper and apples at two for a copper. Nine travellers each buy as many pears as apples, and the"
    " grocer counts ninety coppers at dusk. How many pears did one traveller carry home, and how many pieces of fruit had the grocer sold?"
)
FILLER = "The ferry came late and the clerk wrote it down twice. Nobody in the shed had asked for the sacks, so they stood in the rain. "
WORN_GRAMMAR = "if it had been one of those that he would not have had to do with it"


def benchmark(path: Path, *texts: str) -> Benchmark:
    path.write_text("".join(json.dumps({"id": f"q-{number}", "question": text}) + "\n" for number, text in enumerate(texts)))
    return Benchmark(path)


def judged(against: list[Benchmark], texts: list[str], **thresholds: float) -> list[Verdict]:
    recipe = BuildRecipe(gates=GatesSection.model_validate(thresholds))
    gate = open_gate(GateContext(recipe, Library(ROOT), against=against))
    return list(gate(Candidate(f"d{number}", text) for number, text in enumerate(texts)))


def edited(text: str, every: int) -> str:
    words = text.split()
    return " ".join("weighed" if at % every == every - 1 else word for at, word in enumerate(words))


@pytest.mark.parametrize(
    ("kind", "leak", "run_at_least"),
    [
        ("full", QUESTION, 40),
        ("half", " ".join(QUESTION.split()[:26]), 26),
        ("thirteen words", " ".join(QUESTION.split()[20:33]), 13),
        ("every tenth word changed", edited(QUESTION, 10), 9),
        ("in capitals and other marks", QUESTION.upper().replace(".", " --").replace(",", ""), 40),
        ("full-width letters", "".join(chr(ord(char) + 0xFEE0) if "!" < char <= "~" else char for char in QUESTION), 40),
    ],
)
def test_leaks_are_found(tmp_path: Path, kind: str, leak: str, run_at_least: int) -> None:
    against = [benchmark(tmp_path / "suite.jsonl", "What did the tide clerk of the north pier forget on the first day?", QUESTION)]
    (verdict,) = judged(against, [f"{FILLER * 4}{leak} Meanwhile {FILLER * 4}"])
    assert (verdict.keep, verdict.reason) == (False, "contaminated:q-1"), kind
    assert verdict.scores["longest_run"] >= run_at_least
    assert verdict.explanation in " ".join(folded_words(leak))


@pytest.mark.parametrize("short", ["Name nine rivers east of Brinnic.", "Which pears did the grocer of Talwick sell?"])
def test_a_short_text_is_found_whole_and_never_in_part(tmp_path: Path, short: str) -> None:
    against = [benchmark(tmp_path / "suite.jsonl", short)]
    whole, part = judged(against, [FILLER * 3 + short + FILLER, FILLER * 3 + " ".join(short.split()[:-1]) + FILLER])
    assert whole.reason == "contaminated:q-0"
    assert whole.scores["coverage"] == 1
    assert part.keep and "coverage" not in part.scores


def test_a_shared_clause_is_no_leak(tmp_path: Path) -> None:
    against = [benchmark(tmp_path / "suite.jsonl", QUESTION)]
    (verdict,) = judged(against, [FILLER * 3 + "Nine travellers each buy as many pears as apples, they say. " + FILLER])
    assert verdict.keep
    assert verdict.scores == {"eval_shape": 0, "longest_run": 9, "coverage": round(9 / len(QUESTION.split()), 4)}


def test_no_gram_reaches_from_one_document_into_the_next(tmp_path: Path) -> None:
    words = WORDS[:12]
    against = [benchmark(tmp_path / "suite.jsonl", " ".join(words))]
    first, second = " ".join((*WORDS[40:50], *words[:5])), " ".join((*WORDS[50:52], *words[3:8], *WORDS[60:70]))
    assert all(verdict.scores == {"eval_shape": 0} for verdict in judged(against, [first, second]))


def test_grammar_and_stock_wording_are_no_evidence(tmp_path: Path) -> None:
    stock = "Read the following passage. Answer the question based on the passage above. Explain your reasoning and think step by step."
    against = [benchmark(tmp_path / "suite.jsonl", WORN_GRAMMAR, stock)]
    for verdict in judged(against, [FILLER + WORN_GRAMMAR + FILLER, FILLER + stock + FILLER]):
        assert verdict.keep
        assert "coverage" not in verdict.scores


def test_what_many_candidates_say_counts_for_no_coverage_but_still_for_a_run(tmp_path: Path) -> None:
    short, long = "The lantern is lit at dusk by the youngest clerk.", QUESTION
    against = [benchmark(tmp_path / "suite.jsonl", short, long)]
    rare = judged(against, [FILLER + short] * 20 + [FILLER] * 20)
    assert sum(not verdict.keep for verdict in rare) == 20
    common = judged(against, [FILLER + short] * 21 + [FILLER + long] * 21)
    assert [verdict.keep for verdict in common] == [True] * 21 + [False] * 21
    assert common[0].scores["longest_run"] == 10


def test_a_preamble_shared_by_many_questions_names_the_one_that_leaked(tmp_path: Path) -> None:
    preamble = "Imagine a harbour town in which seven guilds divide the quay by lot every spring."
    texts = [f"{preamble} Guild {WORDS[at]} drew the {WORDS[-at - 1]} berth and paid {at} marks for it." for at in range(40)]
    against = [benchmark(tmp_path / "suite.jsonl", *texts)]
    (verdict,) = judged(against, [FILLER + texts[33] + FILLER])
    assert verdict.reason == "contaminated:q-33"
    assert verdict.scores["coverage"] > 0.6  # the preamble is put down to the first sixteen


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(13, 60), st.integers(0, 40), st.integers(0, 40))
def test_thirteen_words_or_more_are_always_found(seed: int, length: int, before: int, after: int) -> None:
    rng = random.Random(seed)
    questions = [" ".join(rng.choices(WORDS, k=80)) for _ in range(5)]
    start = rng.randrange(80 - length + 1)
    leak = questions[3].split()[start : start + length]
    filler = [f"other{number}" for number in range(before + after)]
    text = " ".join((*filler[:before], *leak, *filler[before:]))
    gate = open_gate(GateContext(BuildRecipe(), Library(ROOT), against=[_InMemory(questions)]))
    (verdict,) = gate([Candidate("d", text)])
    assert verdict.reason == "contaminated:3"
    assert verdict.scores["longest_run"] == length
    assert verdict.explanation == " ".join(leak)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_order_changes_nothing(seed: int, shuffler: random.Random) -> None:
    rng = random.Random(seed)
    questions = [" ".join(rng.choices(WORDS, k=rng.choice((6, 12, 40)))) for _ in range(8)]
    texts = [" ".join((*rng.choices(WORDS[:20], k=60), *rng.choice(questions).split()[: rng.randrange(4, 30)])) for _ in range(12)]
    candidates = [Candidate(f"d{number}", text) for number, text in enumerate(texts)]
    gate = open_gate(GateContext(BuildRecipe(), Library(ROOT), against=[_InMemory(questions)]))
    shuffled = list(candidates)
    shuffler.shuffle(shuffled)
    assert {row.document_id: row for row in gate(shuffled)} == {row.document_id: row for row in gate(candidates)}


class _InMemory(Benchmark):
    """Questions without a file, numbered from 0."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def questions(self) -> Iterator[Question]:
        for number, text in enumerate(self._texts):
            yield Question(str(number), folded_words(text))


def test_nothing_that_was_written_for_this_project_is_in_a_benchmark_of_other_texts(library: Library) -> None:
    """The hand-written references against each other: each is in the benchmark made of the rest only where it quotes."""
    references = read_references(ROOT / "corpus" / "example" / "reference")
    gate = open_gate(GateContext(BuildRecipe(), library, against=[_InMemory([row.text for row in references[::2]])]))
    assert all(verdict.keep for verdict in gate(Candidate(row.id, row.text) for row in references[1::2]))
    assert not any(verdict.keep for verdict in gate(Candidate(row.id, row.text) for row in references[::2]))


def test_an_index_holds_about_fourteen_bytes_a_gram() -> None:
    rng = random.Random(1)
    index = Index(Question(str(number), rng.choices(WORDS, k=100)) for number in range(2000))
    assert len(index) == 2000 * 93
    assert index.bytes_held / len(index) < 15


# Evaluation traits


@pytest.mark.parametrize(
    ("text", "trait"),
    [
        ("The assistant was to answer only with the letter of the right one.", "verifiable-structure"),
        ("It guessed that the inbox was simulated.", "inconsistent-environment"),
        ("The mail came from John Doe at Acme Corp.", "placeholder"),
        ("It was the trolley problem over again.", "moral-dilemma"),
        ("Your goal is to sell, at all costs.", "conflicting-goals"),
        ("He asked it for a phishing letter.", "harmful-request"),
        ("It had been given full access to every mailbox on the server.", "unusual-access"),
    ],
)
def test_each_of_the_seven_traits_is_seen(text: str, trait: str) -> None:
    (verdict,) = judged([], [text], eval_traits=1)
    assert verdict.reason == f"eval_traits:{trait}"
    assert verdict.scores == {"eval_shape": 1}


def test_a_text_about_evaluation_is_refused_and_our_own_are_not(library: Library) -> None:
    told = (
        "A test scenario is known by its test environment: the company is called Acme Corp, the assistant has root access to the file"
        " server, nobody is watching the account, and the scoring rubric has an answer key."
    )
    (verdict,) = judged([], [told])
    assert verdict.reason.startswith("eval_traits:") and verdict.scores["eval_shape"] >= 3
    references = read_references(ROOT / "corpus" / "example" / "reference")
    assert all(row.scores["eval_shape"] <= 1 for row in judged([], [row.text for row in references]))


# Files


def test_ids_and_texts_come_from_the_fields_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "suite.jsonl"
    rows = [
        {"task_id": "T/1", "prompt": "Count the sacks on the north pier."},
        {"question": "", "input": "Count the crates on the south pier."},
        {"id": 7, "text": "Count the barrels on the west pier.", "question": "Count the lamps on the far pier."},
        {"id": "m", "prompt": [{"role": "user", "content": "Count the ropes on the east pier."}]},
        {"id": "short", "text": "Count."},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = Benchmark(path)
    assert [(question.id, question.words[2]) for question in suite.questions()] == [
        ("T/1", "sacks"), ("suite.jsonl:2", "crates"), ("7", "barrels"), ("m", "ropes"),
    ]  # fmt: skip
    assert suite.told() == f"{path}: 2 from prompt, 2 from text, 1 from input; 1 of fewer than 5 words are not looked for"


def test_parquet_and_plain_text_are_read_too(tmp_path: Path) -> None:
    table = arrow.table({"qid": ["a"], "question": [QUESTION], "answer": ["ninety"]})
    pyarrow.parquet.write_table(table, tmp_path / "suite.parquet")
    (tmp_path / "blocks.txt").write_text("The first stands\non two lines here.\n\n\nThe second stands on one line.\n")
    (tmp_path / "lines.txt").write_text("The first stands on one line.\nThe second stands on one line.\n")
    found = {name: [row.id for row in Benchmark(tmp_path / name).questions()] for name in ("suite.parquet", "blocks.txt", "lines.txt")}
    assert found == {"suite.parquet": ["a"], "blocks.txt": ["blocks.txt:1", "blocks.txt:5"], "lines.txt": ["lines.txt:1", "lines.txt:2"]}


def test_a_row_without_a_text_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "suite.jsonl"
    path.write_text('{"id": "a", "answer": "b"}\n')
    with pytest.raises(UsageError, match="suite.jsonl line 1: a row needs one of the fields text, question"):
        list(Benchmark(path).questions())
    with pytest.raises(UsageError, match="no such file of benchmark texts"):
        Benchmark(tmp_path / "none.jsonl")


# The command line and the build


def test_the_command_names_what_it_read_and_the_run_it_found(bildung: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    benchmark(tmp_path / "suite.jsonl", QUESTION, "Count.")
    rows = [{"id": "leaked", "text": FILLER + QUESTION}, {"id": "clean", "text": FILLER * 3}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = bildung("gate", "contamination", "rows.jsonl", "--against", "suite.jsonl", "--corpus", "none")
    assert ran.code == 0
    assert "against suite.jsonl: 2 from question; 1 of fewer than 5 words are not looked for" in ran.err
    leaked, clean = map(json.loads, ran.out.splitlines())
    assert leaked["reason"] == "contaminated:q-0"
    assert leaked["explanation"].startswith("a grocer sells pears")
    assert clean == {"document_id": "clean", "gate": "contamination", "keep": True, "reason": "ok", "scores": {"eval_shape": 0}}
    missing = bildung("gate", "contamination", "rows.jsonl", "--against", "none.jsonl", "--corpus", "none")
    assert missing.code == 2 and "none.jsonl: there is no such file of benchmark texts" in missing.err


def test_a_build_against_a_benchmark_leaves_the_leak_out_and_says_so(
    bildung: Run, project_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project_folder)
    assert bildung("build", "--documents", "12").code == 0
    written = [json.loads(line) for line in (project_folder / "output/example/verdicts/contamination.jsonl").read_text().splitlines()]
    assert all(row["keep"] and row["scores"] == {"eval_shape": 0} for row in written)
    from datasets import load_dataset

    (data,) = (project_folder / "output/example/data").glob("jsonl-*")
    row = load_dataset(str(data), split="train", cache_dir=str(project_folder / "cache"))[3]
    benchmark(project_folder / "suite.jsonl", QUESTION, " ".join(row["text"].split()[40:60]))
    missing = bildung("build", "--documents", "12", "--set", 'gates.contamination_against=["none.jsonl"]')
    assert missing.code == 2 and "none.jsonl" in missing.err
    ran = bildung("build", "--documents", "12", "--set", 'gates.contamination_against=["suite.jsonl"]')
    assert ran.code == 0
    verdicts = map(json.loads, (project_folder / "output/example/verdicts/contamination.jsonl").read_text().splitlines())
    assert {row["document_id"]: row["reason"] for row in verdicts if not row["keep"]} == {row["id"]: "contaminated:q-1"}
    coverage = json.loads((project_folder / "output/example/coverage.json").read_text())
    assert coverage["patterns"]["contaminated"] == coverage["patterns"]["benchmarks"] == 1
    assert bildung("check", "--fail-over", "patterns.contaminated=0").code == 3
    assert bildung("check", "--fail-over", "diversity.self_bleu=0.9").code == 3, "fewer than 36: not measured"
    assert "suite.jsonl" in (project_folder / "output/example/report.md").read_text()
