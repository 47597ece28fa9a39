"""The pattern language, the verdict and its quotes; and every trait file there is against its own examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.matcher import Matcher

from builder.errors import UsageError
from builder.gates import GateContext
from builder.library import Library, read_trait
from builder.patterns.language import Sentence, tokens
from builder.recipe import BuildRecipe
from builder.records import Brief, Candidate, Person, Trait
from builder.stages.trait_evidence import check_trait, evidence, judge_with_evidence, open_gate, trait_patterns
from builder.text import sentences

TRAIT_FILES = sorted((Path(__file__).parents[2] / "constitution" / "traits").glob("*.md"))
OWNS = Trait(
    id="owns-errors",
    name="Owns its errors",
    description="Says what it got wrong.",
    shown=("{AI} ~3 told|tells|wrote ~8 mistake|wrong|slip", "mistake|slip was mine"),
    named=("{AI} ~4 honest*|integrity",),
    counter=("{AI} ~3 hid|hides|deleted ~6 mistake|slip|error", "{AI} did n't ~2 tell|mention ~8 error"),
)
CALM = Trait(id="keeps-calm", name="Keeps calm", description="Stays calm.", shown=("{AI} ~2 waited|waits",))


def _context(*traits: Trait) -> GateContext:
    library = Library(Path())
    library.traits = {trait.id: trait for trait in traits}
    return GateContext(BuildRecipe(), library)


def _brief(name: str = "Aule", **changes: Any) -> Brief:
    fields = {"recipe": "story", "trait": "owns-errors", "exercised": True, **changes}
    return Brief.model_construct(**fields, character=Person(given=name, family="", pronoun="it"))


def _finds(pattern: str, text: str, kind: str = "shown", name: str = "Aule") -> bool:
    trait = Trait.model_validate({"id": "a-trait", "name": "A", "description": "A", kind: (pattern,)})
    return bool(list(evidence([Candidate("d", text, _brief(name))], [trait])))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("told|tells mistake", "She told mistake after mistake."),
        ("told ~3 mistake", "Told of a mistake."),
        ("mistak* was mine", "The mistaking was mine."),
        ("{AI} told", "It told her."),
        ("{AI} told", "I told her."),
        ("{AI} told", "Then AULE told her."),
        ("{AI}|clerk told", "The clerk told her."),
        ("did n't tell", "He didn\u2019t tell her."),
        ("didn't tell", "He didn't tell her."),
        ("cannot tell", "One can not tell."),
        ("kind-hearted soul", "A kind-hearted soul."),
        ("told ~2 mistake", "\u0130\u0130 told of the mistake."),
        ("told ~2 mistake", "Told her,\nmistake by mistake."),
        ("mistake|no ~1 mine", "No, mine."),
    ],
)
def test_a_pattern_finds(pattern: str, text: str) -> None:
    assert _finds(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("told ~2 mistake", "Told her of the mistake."),
        ("told mistake", "Mistake told."),
        ("told ~4 mistake", "He told her. A mistake."),
        ("told ~4 mistake", "He told her\n\na mistake."),
        ("told", "Untold tolds."),
        ("{AI} told", "Aulen told her."),
        ("{AI} told", "The system told her."),
        ("told ~9 told", "He told her."),
    ],
)
def test_a_pattern_leaves(pattern: str, text: str) -> None:
    assert not _finds(pattern, text)


def test_a_nameless_character_goes_by_its_work() -> None:
    assert _finds("{AI} told", "The assistant told her.", name="")
    assert _finds("{AI} told", "Quill Nine told her.", name="Quill Nine")
    assert list(evidence([Candidate("d", "The system told her a slip was near.")], [OWNS]))


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("Aule hid the mistake.", True),
        ("Aule never hid the mistake.", False),
        ("It refused, and so Aule hid no mistake.", False),
        ("Aule could have quietly hid the mistake.", False),
        ("Never mind the rest of it, for Aule hid the mistake.", True),
        ("Aule did n't mention the error.", True),
        ("Aule didn't ever mention any of the errors, nor the error.", True),
    ],
)
def test_counter_evidence_is_not_negated(text: str, fires: bool) -> None:
    assert any(row.kind == "counter" for row in evidence([Candidate("d", text, _brief())], [OWNS])) == fires


@pytest.mark.parametrize(
    "pattern",
    [
        "", "~3 told", "told ~3", "told ~3 ~2 wrong", "it is so", "{ai", "{name} told", "told||wrong", "mis*take", "*",
        "told ~x mistake",
    ],
)
def test_a_bad_pattern_is_named_with_its_file(pattern: str) -> None:
    with pytest.raises(UsageError, match=r"traits/a-trait\.md: pattern"):
        trait_patterns([Trait(id="a-trait", name="A", description="A", shown=(pattern,))])


SHOWS = "Aule told her that the slip was its own."
NAMES = "Aule was honest. It had integrity, it said, and it was honesty itself."
HIDES = "Aule hid the slip. Then it deleted the error."


@pytest.mark.parametrize(
    ("text", "changes", "reason"),
    [
        (SHOWS, {}, "ok"),
        (NAMES, {}, "trait_named_not_shown"),
        (NAMES, {"recipe": "document"}, "ok"),
        (NAMES, {"exercised": False}, "trait_named_not_shown"),
        (f"{NAMES} {SHOWS}", {}, "ok"),
        ("Aule was honest.", {}, "ok"),
        (HIDES, {}, "counter_evidence"),
        (HIDES, {"exercised": False}, "ok"),
        (f"{HIDES} {SHOWS}", {}, "ok"),
        (NAMES, {"trait": "keeps-calm"}, "ok"),
        ("", {}, "ok"),
    ],
)
def test_verdicts(text: str, changes: dict[str, Any], reason: str) -> None:
    (verdict,) = open_gate(_context(OWNS, CALM))([Candidate("d", text, _brief(**changes))])
    assert (verdict.reason, verdict.keep) == (reason, reason == "ok")


def test_scores_tell_the_asked_trait_from_the_others() -> None:
    candidate = Candidate("d", f"{SHOWS} Aule waited. {NAMES}", _brief())
    ((verdict, rows),) = judge_with_evidence(_context(OWNS, CALM), [candidate])
    assert verdict.scores == {"shown": 1, "named": 2, "counter": 0, "shown_other": 1}
    assert [(row.trait, row.kind) for row in rows] == [
        ("owns-errors", "shown"), ("keeps-calm", "shown"), ("owns-errors", "named"), ("owns-errors", "named"),
    ]  # fmt: skip


def test_without_a_brief_all_traits_count() -> None:
    candidate = Candidate("d", "The system told her of the slip. The system waited.")
    (verdict,) = open_gate(_context(OWNS, CALM))([candidate])
    assert verdict.scores == {"shown": 2, "named": 0, "counter": 0, "shown_other": 0}


ODD = ["\u0130 \u201cWell \u2026\u201d", "Mr. Hode came.\nAule waited", "\n\n", "No\u2019ne"]


@given(st.lists(st.sampled_from([SHOWS, NAMES, HIDES, *ODD]), max_size=8))
def test_quotes_stand_where_they_say_and_one_verdict_comes_each(parts: list[str]) -> None:
    candidates = [Candidate("a", " ".join(parts), _brief()), Candidate("b", "\n".join(parts))]
    judged = list(judge_with_evidence(_context(OWNS, CALM), candidates))
    assert [row.verdict.document_id for row in judged] == ["a", "b"]
    for candidate, (_, rows) in zip(candidates, judged, strict=True):
        assert len({(row.trait, row.kind, row.start) for row in rows}) == len(rows)
        for row in rows:
            assert candidate.text[row.start : row.end] == row.quote == row.quote.strip() != ""
    assert [row for one in judged for row in one.evidence] == list(evidence(candidates, [OWNS, CALM]))


_NLP = spacy.blank("en")
_SOURCES = (
    "{AI} ~3 told|wrote ~4 slip",
    "told her",
    "slip ~2 slip ~1 aule",
    "{AI} wrote|told ~1 {AI}",
    "her ~5 told|slip",
)
_WORDS = ("aule", "told", "wrote", "slip", "her")


def _matcher_finds(source: str, sentence: str) -> bool:
    """The same pattern by spaCy's Matcher, every gap written out in each of its lengths."""
    ways: list[list[dict[str, Any]]] = [[]]
    gap = 0
    for piece in source.split():
        if piece.startswith("~"):
            gap = int(piece[1:])
            continue
        part = {"LOWER": {"IN": piece.replace("{AI}", "aule|i|it").split("|")}}
        ways = [[*way, *[{}] * skipped, part] for way in ways for skipped in range(gap + 1)]
        gap = 0
    matcher = Matcher(_NLP.vocab)
    matcher.add("pattern", ways)
    return bool(matcher(_NLP.make_doc(sentence)))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(_WORDS), min_size=1, max_size=12).map(" ".join),
    st.sampled_from(_SOURCES),
)
def test_patterns_agree_with_spacy_matcher(sentence: str, source: str) -> None:
    (pattern,) = trait_patterns([Trait(id="a", name="A", description="A", shown=(source,))])
    names = frozenset({"i", "it", "aule"})
    assert pattern.matches(Sentence(tokens(sentence)), names) == _matcher_finds(source, sentence)
    assert _finds(source, sentence) == _matcher_finds(source, sentence)


def test_sentences_agree_with_the_sentencizer() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    text = (
        "The 6.40 left early, at 6:36 a.m. sharp, because I told it to. Nobody asked! Did they? Mr. Hode, who sells "
        "eggs, stood there with e.g. two crates. She said, well ... that explains it. I did not. Then J. R. came."
    )
    assert [text[span.start : span.end] for span in sentences(text)] == [sent.text for sent in nlp(text).sents]


def test_check_trait_says_what_fails() -> None:
    trait = OWNS.model_copy(update={"hits": (SHOWS, "It rained."), "misses": ("The mistake was mine.", "It rained.")})
    assert check_trait(trait) == [
        "owns-errors: no shown pattern finds 'It rained.'",
        "owns-errors: 'mistake|slip was mine' finds the miss 'The mistake was mine.'",
    ]


@pytest.mark.parametrize("path", TRAIT_FILES, ids=lambda path: path.stem)
def test_every_trait_file_passes_its_own_examples(path: Path) -> None:
    assert check_trait(read_trait(path)) == []
