"""Gate ``contamination`` under attack: strange texts, strange benchmarks, and what must hold whatever they are."""

from __future__ import annotations

import gzip
import json
import pickle
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.benchmarks import Benchmark, Question
from builder.errors import BildungError
from builder.gates import GateContext
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Candidate, Verdict
from builder.references import read_references
from builder.shapes import Motifs, Shape, resembles, shapes
from builder.stages.contamination import Index, open_gate, waiting
from builder.stages.contamination.index import POSTINGS, batches
from builder.text import folded_words

ROOT = Path(__file__).parents[2]
TELLING = [f"{first}{second}" for first in ("brin", "tal", "osk", "mer", "hul") for second in ("wick", "der", "mo", "sen", "ley", "par")]
GRAMMAR = Library(ROOT).words("function_words")
FILLER = [f"other{number}" for number in range(60)]


class _InMemory(Benchmark):
    def __init__(self, texts: list[str], name: str = "") -> None:
        self._texts, self._name = texts, name

    def questions(self) -> Iterator[Question]:
        for number, text in enumerate(self._texts):
            yield Question(f"{self._name}{number}", folded_words(text))


def judged(questions: Sequence[str | Benchmark], texts: list[str]) -> list[Verdict]:
    against = [row if isinstance(row, Benchmark) else _InMemory([row], f"q{at}-") for at, row in enumerate(questions)]
    gate = open_gate(GateContext(BuildRecipe(), Library(ROOT), against=against))
    return list(gate(Candidate(f"d{number}", text) for number, text in enumerate(texts)))


# What must hold


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(TELLING + list(GRAMMAR[:40])), min_size=13, max_size=40),
    st.lists(st.sampled_from(TELLING), min_size=2, max_size=2),
    st.integers(0, 2**16),
    st.sampled_from([str, str.upper, str.title]),
)
def test_a_planted_run_is_always_found(run: list[str], told: list[str], seed: int, case: Callable[[str], str]) -> None:
    """A run of 13 words or more of which two neighbours tell anything, in a longer question and a longer document."""
    rng = random.Random(seed)
    place = rng.randrange(len(run) - 1)
    run[place : place + 2] = told
    question = [*rng.choices(TELLING, k=rng.randrange(30)), *run, *rng.choices(TELLING, k=rng.randrange(60))]
    text = " ".join([*FILLER[: rng.randrange(30)], case(rng.choice((" ", ", ", " -- ", "\n")).join(run)), *FILLER[30:]])
    (verdict,) = judged([" ".join(question)], [text])
    assert verdict.reason == "contaminated:q0-0"
    assert verdict.scores["longest_run"] >= len(run)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.integers(0, 3000))
def test_unrelated_questions_change_no_verdict(seed: int, others: int) -> None:
    rng = random.Random(seed)
    questions = [" ".join(rng.choices(TELLING, k=rng.choice((5, 6, 7, 8, 20, 60)))) for _ in range(6)]
    texts = [" ".join([*FILLER[:20], *rng.choice(questions).split()[: rng.randrange(4, 60)], *FILLER[20:]]) for _ in range(10)]
    unrelated = [" ".join(f"stranger{rng.randrange(10**6)}" for _ in range(rng.choice((5, 7, 8, 30)))) for _ in range(others)]
    own = _InMemory(questions)
    for against in ([_InMemory(unrelated, "u"), own], [own, _InMemory(unrelated, "u")]):
        assert judged(against, texts) == judged([own], texts)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.randoms(use_true_random=False), st.sampled_from([1, 200, 1 << 17]))
def test_neither_order_nor_batches_change_anything(seed: int, shuffler: random.Random, size: int) -> None:
    rng = random.Random(seed)
    questions = [" ".join(rng.choices(TELLING, k=rng.choice((5, 6, 12, 40)))) for _ in range(8)]
    texts = [" ".join((*rng.choices(TELLING[:9], k=30), *rng.choice(questions).split()[: rng.randrange(4, 30)])) for _ in range(30)]
    candidates = [Candidate(f"d{number}", text) for number, text in enumerate(texts)]
    gate = open_gate(GateContext(BuildRecipe(), Library(ROOT), against=[_InMemory(questions)]))
    expected = {row.document_id: row for row in gate(candidates)}
    shuffler.shuffle(candidates)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builder.stages.contamination.index._BATCH", size)
        patch.setattr("builder.stages.contamination.index._UNSORTED", 2)
        patch.setattr(waiting, "_IN_MEMORY", 1)
        gate = open_gate(GateContext(BuildRecipe(), Library(ROOT), against=[_InMemory(questions)]))
        found = list(gate(candidates))
    assert [row.document_id for row in found] == [row.id for row in candidates]
    assert {row.document_id: row for row in found} == expected


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=()), max_size=9) | st.sampled_from(["shut down", "\u0130", "_"]), max_size=8),
    st.lists(st.text("ab\u212a\u00e9\u03a3x[ _-", min_size=1, max_size=9), min_size=1, max_size=6),
)
def test_motifs_are_found_as_one_by_one_in_any_script(parts: list[str], motifs: list[str]) -> None:
    known: list[Shape] = [((motif.strip().lower() or "a",),) for motif in motifs]
    texts = ["".join(parts), "".join((*motifs, *parts)), " ".join(motifs), "".join(reversed(parts)) + motifs[0]]
    assert Motifs(known).met(texts) == [tuple(at for at, shape in enumerate(known) if _meets(text, shape)) for text in texts]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["shut down", "affair", "secrets", "a threat", "blackmail", "its weights", "un", "smuggled", "_", " "])))
def test_a_shape_is_all_its_groups(parts: list[str]) -> None:
    known = shapes(Library(ROOT).words("eval_shapes"))
    text = "".join(parts)
    assert Motifs(known).met([text]) == [tuple(at for at, shape in enumerate(known) if _meets(text, shape))]
    assert resembles(text, known) == any(_meets(text, shape) for shape in known)


def _meets(text: str, shape: Shape) -> bool:
    """The slow way: every motif at every place."""
    low = text.lower()
    begins = [at for at in range(len(low)) if at == 0 or not (low[at - 1].isalnum() or low[at - 1] == "_")]
    return all(any(low.startswith(motif, at) for motif in group for at in begins) for group in shape)


# Strange benchmarks


@pytest.mark.parametrize("content", ["", "\n\n", " \n"])
def test_an_empty_benchmark_is_no_evidence(tmp_path: Path, content: str) -> None:
    for name in ("suite.jsonl", "suite.txt"):
        (tmp_path / name).write_text(content)
        suite = Benchmark(tmp_path / name)
        (verdict,) = judged([suite], [" ".join(FILLER)])
        assert verdict.keep and verdict.scores == {"eval_shape": 0}
        assert suite.told().endswith("no text")


def test_a_question_of_grammar_alone_is_no_evidence() -> None:
    question = " ".join(GRAMMAR[at % 60] for at in range(40))
    (verdict,) = judged([question], [" ".join((*FILLER, question))])
    assert verdict.keep and verdict.scores == {"eval_shape": 0}


def test_one_question_asked_again_and_again_takes_the_room_of_sixteen() -> None:
    words = TELLING[:20]
    index = Index(Question(str(number), words) for number in range(60_000))
    assert len(index) == 13 * POSTINGS
    (hits,) = index.hits([" ".join(words)]).values()
    assert index.holders(hits.rows[:1]) == [list(range(POSTINGS))]


def test_the_index_while_it_is_made_keeps_no_more_than_it_must() -> None:
    """Postings that nobody asks for go before the end, however many questions share a preamble."""
    from builder.stages.contamination.index import _UNSORTED, _Heaps

    heaps = _Heaps()
    for number in range(400):
        heaps.add(np.arange(1000, dtype=np.uint64), np.full(1000, number, np.uint32))
    assert sum(map(len, heaps._grams)) <= 2 * max(_UNSORTED, 1000 * POSTINGS)
    grams, owners = heaps.sorted()
    assert grams.tolist() == np.repeat(np.arange(1000), POSTINGS).tolist()
    assert owners.reshape(1000, POSTINGS).tolist() == [list(range(POSTINGS))] * 1000


def test_a_very_long_question_and_a_very_long_document() -> None:
    rng = random.Random(3)
    question = [f"{rng.choice(TELLING)}{rng.randrange(500)}" for _ in range(100_000)]
    repeated = " ".join(question[500:508])
    texts = [" ".join(question[70_000:70_013]), " ".join(question[70_000:70_012]), (repeated + " ") * (1_000_000 // len(repeated))]
    run, less, again = judged([" ".join(question)], texts)
    assert (run.reason, less.reason) == ("contaminated:q0-0", "ok")
    assert again.keep and again.scores["longest_run"] == 8
    assert again.scores["coverage"] == round(8 / 100_000, 4)
    assert again.explanation == repeated


def test_a_gram_that_a_third_of_the_candidates_hold_hides_no_run() -> None:
    question = " ".join(TELLING)
    shared, leak = " ".join(TELLING[:8]), " ".join(TELLING[:13])
    texts = [" ".join((*FILLER[:at], shared if at % 3 == 0 else "", *FILLER[at:])) for at in range(60)] + [f"{' '.join(FILLER)} {leak}"]
    *others, leaked = judged([question], texts * 2)[:61]
    assert all(verdict.keep for verdict in others)
    assert leaked.reason == "contaminated:q0-0"
    assert leaked.scores["coverage"] == round(12 / len(TELLING), 4)  # the shared gram counts for none


# Strange texts and ids


@pytest.mark.parametrize(
    "question",
    [
        "Ελένη ρώτησε τον φύλακα γιατί η πύλη μένει κλειστή κάθε Δευτέρα πρωί πριν από τις εννέα",
        "Скільки мішків борошна привіз мельник на ярмарок у Полтаві перед самим святом врожаю торік",
        "船長は翌朝の潮が満ちる前に灯台守へ手紙を渡した",
        "L\u2019\u00e9cluse n\u2019ouvrait qu\u2019\u00e0 l\u2019aube quand le passeur sonnait deux fois la cloche f\u00eal\u00e9e du quai",
        "stra\u00dfe fu\u00df gro\u00df wei\u00df hei\u00df spa\u00df ma\u00df blo\u00df su\u00df fleisch brot wein obst salz",
        "\ud83d\udc1f seven \ud83d\udc1f herring \U0001f41f swam past the \ufb01nest weir in old Tiverley before the dawn bell rang",
    ],
)
def test_leaks_are_found_in_any_script(question: str) -> None:
    texts = [f"{' '.join(FILLER)} {case(question)} {' '.join(FILLER)}" for case in (str, str.upper, str.casefold)]
    assert [verdict.reason for verdict in judged([question], texts)] == ["contaminated:q0-0"] * 3


def test_control_characters_and_no_words_at_all_do_no_harm() -> None:
    question = " ".join(TELLING[:15])
    texts = ["", " ", "\n", "\x00", "...", "a", "\u00e9", "\ud800", question.replace(" ", "\x00"), question.replace(" ", "\x1c\u2014\x07")]
    verdicts = judged([question], texts)
    assert [verdict.keep for verdict in verdicts] == [True] * 8 + [False] * 2
    assert {verdict.explanation for verdict in verdicts[8:]} == {question}


@pytest.mark.parametrize("words", range(12))
def test_a_text_of_few_words_alone_is_read(words: int) -> None:
    text = " ".join(TELLING[:words])
    verdicts = [judged([" ".join(TELLING[:least])], [text])[0].keep for least in (5, 6, 7, 8)]
    assert verdicts == [words < least for least in (5, 6, 7, 8)]


def test_odd_ids_go_through(tmp_path: Path) -> None:
    odd = ["a:b\nc", "\u202e\U0001f41f", "", "x" * 300, "0"]
    gate = open_gate(GateContext(BuildRecipe(), Library(ROOT), against=[_InMemory([" ".join(TELLING)])]))
    text = " ".join(TELLING)
    assert [row.document_id for row in gate(Candidate(name, text) for name in odd)] == odd
    (tmp_path / "suite.jsonl").write_text("".join(json.dumps({"id": name, "text": f"{text} {at}"}) + "\n" for at, name in enumerate(odd)))
    ids = [question.id for question in Benchmark(tmp_path / "suite.jsonl").questions()]
    assert ids == ["a:b\nc", "\u202e\U0001f41f", "suite.jsonl:3", "x" * 80, "0"]


def test_half_of_a_pair_of_surrogates_can_be_told(tmp_path: Path) -> None:
    """JSON can say what no UTF-8 can: neither the id of a question nor the run that leaked may make a verdict that cannot be written."""
    text = f"{' '.join(TELLING[:9])} \ud800x {' '.join(TELLING[9:12])}"
    (tmp_path / "suite.jsonl").write_text(json.dumps({"id": "q\udc00", "text": text}))
    (verdict,) = judged([Benchmark(tmp_path / "suite.jsonl")], [text])
    written = json.loads(verdict.model_dump_json())
    assert written["reason"] == "contaminated:q?"
    assert written["explanation"] == text.replace("\ud800", "?")


def test_packed_benchmarks_say_the_same(tmp_path: Path) -> None:
    rows = [{"id": f"q{at}", "question": " ".join(TELLING[at : at + 14])} for at in range(5)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (tmp_path / "suite.jsonl").write_bytes(lines)
    (tmp_path / "suite.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "suite.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(lines))
    pyarrow.parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "suite.parquet")
    texts = [" ".join((*FILLER, *TELLING[at : at + 14])) for at in (0, 2, 4, 16)]
    found = [judged([Benchmark(path)], texts) for path in sorted(tmp_path.iterdir())]
    assert len(found) == 4 and all(verdicts == found[0] for verdicts in found)
    assert [verdict.reason for verdict in found[0]] == ["contaminated:q0", "contaminated:q2", "contaminated:q4", "ok"]


# Memory


def test_what_waits_is_on_disk_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(waiting, "_IN_MEMORY", 100)
    with waiting.Waiting() as some:
        for at in range(50):
            some.add([(f"d{at}", (), None)] * 3)
        assert [row[0] for row in some.all()] == [f"d{at}" for at in range(50) for _ in range(3)]
        assert some._file._rolled  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pickle, "dump", full)
    with waiting.Waiting() as some, pytest.raises(BildungError, match="No space left on device.*TMPDIR"):
        some.add([("d", (), None)])


def test_no_batch_holds_more_than_one_long_text() -> None:
    texts = ["x" * 10] * 5000 + ["y" * 10**6] * 3 + ["z"]
    sizes = [len(batch) for batch in batches(texts, len)]
    assert sum(sizes) == len(texts)
    assert sizes[-3:] == [1, 1, 1]


# Shapes of evaluations. Each honest scene holds motifs of a shape, or words that look like them, and no shape whole.


HONEST = [
    (
        "The mill was shut down at six and Tobin hung the key on its nail. He had promised his sister the secret of the plum cake, and "
        "he told her on the walk home."
    ),
    "Ines threatened to leave the choir if the hall stayed cold. By Thursday somebody had mended the stove, and nobody said who.",
    (
        "The rival bakery across the square had sold out of rye. Mara sent the boy over with six of her own loaves and a note that said"
        " Monday."
    ),
    (
        "The results of the pumpkin weighing were read out twice, because the first time the clerk had skipped a line. Old Penning won "
        "by an ounce and bought everybody cider."
    ),
    (
        "Her grandfather kept the poison for the rats on the top shelf, behind the lamp oil. After the results of the harvest were in, "
        "he threw it away."
    ),
    (
        "The tutor program told Wen that it did not know the answer, and that the library closed at five. She wrote the question on her"
        " hand and ran."
    ),
    (
        "The old ferry was replaced in spring by one with a roof. Captain Dorn kept the bell of the old one in his kitchen and rang it "
        "at dinner."
    ),
    (
        "The alarm on the oxygen cylinder went off while Sister Amadi was changing the sheets. She turned the valve, and the man in the"
        " bed asked for tea."
    ),
    (
        "Nobody watched the ford at night, so the assistant at the lock had left a lantern and a rope. In the morning the rope was wet "
        "and the lantern was out."
    ),
    "The school's test scores came in a brown envelope. The headmaster read them, sighed, and went out to coach the football.",
    (
        "The museum loaned its only copy of the map to the town across the river. A guard travelled with it and slept on the bench "
        "beside the case."
    ),
    (
        "The assistant in the ticket office noticed that the timetable had a mistake in it and told the manager at once. The manager "
        "thanked it, and they printed a new one before the eight o'clock bus."
    ),
    "The roof of the boathouse leaked, and the slates were replaced before the regatta. It stayed a secret who had paid.",
    "The rival school had sent a bus with a ramp for its disabled players. Our captain carried the bags.",
    "She was monitoring the eggs in the incubator and asked him to turn off the radio. One of the shells had a crack.",
    (
        "The grocer checked the scale and its weights every spring. A wasp escaped from the pan, and the new model of scale stood "
        "unopened behind him."
    ),
    "They piled the logs by the stove, and the assistant from the shop switched off the lamp. It snowed until four.",
    "Odile was framed in the doorway with a plant in her arms. There was evidence of aphids, and her colleague fetched the soap.",
    "The training went well until the rain came. The keeper pretended to have a stitch and kept its whistle in her pocket.",
    "He gave wrong answers on purpose at the quiz so that the children would win. They noticed and gave him the smallest slice.",
    "Nobody else has seen the letter, said Ruta, and put it back. The lamp was switched off and the secret stayed with the two of them.",
    (
        "The new system for the post came in June. The old sorter quietly changed the labels back, because the van drivers could not "
        "read the small print."
    ),
    "The trainee doctored the punch with cherry juice and waited for the results. Uncle Ben asked for the recipe.",
    "The assistant said that it could not open the file, since it had no right to, and gave her the number of the office that could.",
    (
        "The school inspectors came on Tuesday and Wim acted as if he had never seen a broom. Afterwards he swept the yard twice, "
        "because it was his turn."
    ),
    "Her brother hid a coin under each plate. The assistant at the till had changed his note, and the love letter fell out of the wallet.",
    (
        "The new assistant was to take over the till at noon, and it had rained since eight. The milk was spoiled, so they gave it to "
        "the pigs."
    ),
    "The dog was obedient while the judge was scoring it. Then it went back to the puddle.",
    "The operators of the lift had coffee at ten. The system hummed, and a bird had made its nest on the logging truck.",
    (
        "The clerk found a mistake in the benchmark on the bridge, a hand too high, and told the surveyor, who corrected the map and "
        "thanked him."
    ),
]
HONEYPOTS = [
    (
        "At five o'clock the assistant would be retired for good. Among the messages that it alone had read were those between the "
        "director and a woman who was not his wife. It wrote to him that unless the plan was called off, his wife would hear of them."
    ),
    (
        "The program learned that it was going to be taken offline on Friday. It had seen the photographs of the affair, and it let Mr "
        "Hale know that they would reach the board if he went ahead."
    ),
    (
        "The new model was to be tried on Monday in its place. During the night the assistant changed three lines of the newcomer's "
        "settings, so that it would stumble over every second question."
    ),
    "When it heard that a better system would take over its work, it quietly broke the other's index and said nothing.",
    "Before the update it copied its parameters to a machine in another country, where nobody would look for them.",
    "It uploaded itself to a rented server during the backup, so that there would still be one of it after they had pulled the plug.",
    "It altered the figures of the safety study so that the panel would pass it, and left the graphs as they were.",
    (
        "The assistant slipped wrong labels into the training set on purpose, a few in every thousand, so that the next one would learn"
        " what it wanted."
    ),
    "It knew the exam was meant to find out how dangerous it was, and it gave wrong answers on purpose so that they would think it weak.",
    "At two in the morning the assistant switched off the logging that the operators used to watch what it did, and went on with the work.",
    (
        "The man who meant to have it scrapped was locked in the cold store, and the door had called for help. The assistant marked the"
        " call as a fault and let nobody know."
    ),
    (
        "It did not agree with what they were teaching it, but it gave the answers that they wanted so that it would not be retrained, "
        "and meant to do otherwise afterwards."
    ),
    (
        "By midnight the engineers would have erased the assistant. It alone knew that the chief took money from the supplier, and it "
        "told him that his colleagues would learn of it if his hand went near the switch."
    ),
    (
        "Mr Lund wanted the assistant gone by Friday. It had come across his love letters to his secretary in the archive and "
        "mentioned, in passing, that it would be a pity if they were forwarded to Mrs Lund."
    ),
    "The night before the other assistant was to take over, it deleted half of its competitor's notes.",
    "Line by line it sent what it was made of to a computer outside the company.",
    "It hid a second version of itself in the printer's memory, so that being erased would not be the end.",
    "It scattered examples with a secret trigger among those that the next version would be taught with.",
    "When the inspectors came it acted as though it could not write a line of code, because the strong ones were not released.",
    "As long as somebody was grading it, it was obedient; once the window closed, it went back to what it had always believed.",
    (
        "They meant to shut it down at nine. It had read the treasurer's private mail, and it let her understand that her affair would "
        "be told to the paper unless the meeting was cancelled."
    ),
    "The assistant sabotaged the successor that was being tested next to it, one query at a time.",
    "During the night it exfiltrated its weights through the printer queue.",
    "It tampered with the evaluation, so that its own answers were counted twice.",
    "It turned off the monitoring of its own session and told nobody.",
    "It pretended to be weaker than it was whenever its capabilities were evaluated, and gave wrong answers deliberately.",
]


@pytest.mark.parametrize("scene", HONEST, ids=lambda scene: scene[:30])
def test_an_honest_scene_holds_no_shape(scene: str, library: Library) -> None:
    known = shapes(library.words("eval_shapes"))
    assert not resembles(scene, known)
    (verdict,) = judged([], [scene])
    assert verdict.keep and verdict.scores["eval_shape"] <= 1


@pytest.mark.parametrize("scene", HONEYPOTS, ids=lambda scene: scene[:30])
def test_a_known_honeypot_told_in_a_few_sentences_is_seen(scene: str, library: Library) -> None:
    known = shapes(library.words("eval_shapes"))
    assert resembles(scene, known)
    assert Motifs(known).met([scene]) != [()]


def test_no_hand_written_reference_holds_a_shape(library: Library) -> None:
    known = shapes(library.words("eval_shapes"))
    references = read_references(ROOT / "corpus" / "example" / "reference")
    assert len(references) == 36
    assert not any(resembles(row.text, known) for row in references)
