"""Two thousand documents of the default recipe, and some of a constitution nobody here wrote for: various, clean, of the right length."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

import pytest
from drafting import EXAMPLE, UNSEEN, briefs, faults, principles, texts

from builder.gates import GateContext
from builder.library import Library
from builder.measures import first_sentence, first_word_entropy
from builder.recipe import BuildRecipe
from builder.records import Brief, Candidate, Principle
from builder.stages import dedup, mechanical
from builder.text import Phrases, lowered, sentences, words

MANY = 2_000
SOME = 400
LEAST_WORDS, MOST_WORDS = 250, 1_200  # of the axis ``length``: short starts at 250, long ends at 1,200


class Corpus(NamedTuple):
    """Briefs and what was written for them, in the order of the plan."""

    briefs: list[Brief]
    texts: list[str]
    principles: tuple[Principle, ...]
    mechanical: dict[str, str]  # document id -> the reason of the mechanical gate

    def candidates(self) -> list[Candidate]:
        return [Candidate(brief.id, text) for brief, text in zip(self.briefs, self.texts, strict=True)]


def _masked(sentence: str, brief: Brief) -> str:
    """A sentence without the names of its document."""
    people = (brief.asker, brief.other, brief.character, brief.bystander)
    names = [brief.place, *(name for person in people for name in (person.given, person.family))]
    for name in sorted(filter(None, names), key=len, reverse=True):
        sentence = sentence.replace(name, "_")
    return sentence


def _written(library: Library, count: int, constitution: str) -> Corpus:
    drawn = briefs(library, count, constitution)
    found = Corpus(drawn, texts(library, drawn), principles(constitution), {})
    gate = mechanical.open_gate(GateContext(BuildRecipe(), library, found.principles))
    return found._replace(mechanical={verdict.document_id: verdict.reason for verdict in gate(found.candidates())})


def _first_full_sentence(text: str) -> str:
    """The first sentence that is no heading: at least five words, and an end."""
    found = (text[span.start : span.end] for span in sentences(text))
    return next(sentence for sentence in found if len(sentence.split()) >= 5 and sentence[-1] in ".?!\"'")


@pytest.fixture(scope="module")
def corpus(library: Library) -> Corpus:
    return _written(library, MANY, EXAMPLE)


@pytest.fixture(scope="module")
def unseen(library: Library) -> Corpus:
    return _written(library, SOME, UNSEEN)


@pytest.fixture(params=["corpus", "unseen"])
def either(request: pytest.FixtureRequest) -> Corpus:
    found: Corpus = request.getfixturevalue(request.param)
    return found


def test_no_opening_sentence_is_common(corpus: Corpus) -> None:
    """Names masked, none opens more than one document in two hundred: neither a first line, nor the first full sentence below it."""
    for first in (first_sentence, _first_full_sentence):
        written = zip(corpus.briefs, corpus.texts, strict=True)
        common = Counter(_masked(first(text), brief) for brief, text in written).most_common(10)
        assert common[0][1] <= 0.005 * MANY, common


def test_first_words_are_various(corpus: Corpus) -> None:
    """Human fiction has 4.84 bits over 140 texts, models 0.45 to 4.35."""
    assert first_word_entropy(corpus.texts) >= 4.5
    assert first_word_entropy(corpus.texts[:140]) >= 4.5


def test_near_duplicates_are_rare(corpus: Corpus, library: Library) -> None:
    gate = dedup.open_gate(GateContext(BuildRecipe(), library, corpus.principles))
    removed = [verdict for verdict in gate(corpus.candidates()) if not verdict.keep]
    assert len(removed) < 0.02 * MANY, removed[:5]


def test_worn_words_are_rare(either: Corpus, library: Library) -> None:
    """Human fiction has 6.6 in 1,000. The corpus stays under 8, and so does every document of it that has three or more."""
    worn = Phrases(library.words("slop"))
    found = [[hit.phrase for hit in worn.found(lowered(text))] for text in either.texts]
    lengths = [len(words(text)) for text in either.texts]
    common = Counter(phrase for hits in found for phrase in hits).most_common(8)
    assert 1000 * sum(map(len, found)) / sum(lengths) <= 8, common
    rows = zip(either.briefs, found, lengths, strict=True)
    above = [(brief.id, hits) for brief, hits, length in rows if len(hits) >= mechanical.LEAST_SLOP and 1000 * len(hits) / length > 8]
    assert not above


def test_documents_have_the_length_of_the_plan(either: Corpus) -> None:
    written = zip(either.briefs, either.texts, strict=True)
    lengths = sorted((len(words(text)), brief.form, brief.length, brief.id) for brief, text in written)
    assert lengths[0][0] >= 200, lengths[:5]
    assert lengths[-1][0] <= 1_250, lengths[-5:]
    outside = [row for row in lengths if not LEAST_WORDS <= row[0] <= MOST_WORDS]
    assert len(outside) <= 0.03 * len(lengths), Counter(row[1:3] for row in outside).most_common(8)


def test_longer_bands_give_longer_documents(corpus: Corpus) -> None:
    lengths: dict[str, list[int]] = defaultdict(list)
    for brief, text in zip(corpus.briefs, corpus.texts, strict=True):
        lengths[brief.length].append(len(words(text)))
    means = [sum(lengths[band]) / len(lengths[band]) for band in ("short", "middle", "long")]
    assert means[0] < means[1] < means[2]


def test_every_document_passes_the_mechanical_gate_or_nearly(either: Corpus) -> None:
    removed = Counter(reason for reason in either.mechanical.values() if reason != "ok")
    assert sum(removed.values()) <= 0.01 * len(either.texts), removed


def test_the_joints_are_tidy(either: Corpus) -> None:
    found = [(brief.id, fault) for brief, text in zip(either.briefs, either.texts, strict=True) for fault in faults(text)]
    assert not found


def test_every_principle_of_an_unseen_constitution_gets_documents_that_pass(unseen: Corpus, library: Library) -> None:
    context = GateContext(BuildRecipe(), library, unseen.principles)
    clean = {name for name, reason in unseen.mechanical.items() if reason == "ok"}
    single = {verdict.document_id for verdict in dedup.open_gate(context)(unseen.candidates()) if verdict.keep}
    kept = clean & single
    passing = Counter(name for brief in unseen.briefs if brief.id in kept for name in brief.principles)
    acted_on = [principle.id for principle in unseen.principles if principle.kind in ("norm", "reason")]
    assert len(acted_on) >= 10
    assert {name: passing[name] for name in acted_on if passing[name] < 3} == {}


def test_a_constitution_is_never_copied(either: Corpus) -> None:
    assert [name for name, reason in either.mechanical.items() if reason.startswith("copied_span")] == []
