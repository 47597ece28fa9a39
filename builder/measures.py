"""Measures of a whole corpus: how various its texts are, and what they repeat.

Every function is pure. Numbers of different corpora compare only at the same number of texts and the same length of each, so callers
take a sample of ``SAMPLE_TEXTS`` and cut each text with ``first_words``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from builder.text import Hashes, Phrases, Span, gram_hashes, lowered, sentences, words

SAMPLE_TEXTS = 140  # the size at which the ranges of ``REFERENCES`` were measured
SAMPLE_WORDS = 600
GRAM = 5  # words a phrase: long enough to be a phrase, short enough to survive a changed name
TEMPLATE_DOCUMENTS = 5  # a 5-gram that stands in so many documents belongs to a template
_LONGEST_SENTENCE = 600  # characters looked at for a first or last sentence; what is longer is cut
_RUN_KEPT = 0.8  # a phrase grows over neighbouring 5-grams while they stand in so large a share of its documents

_NAME = re.compile(r"(?<=[^\W\d_A-Z][ ,])[^\W\d_a-z][^\W\d_]+|(?<=[,;] )[^\W\d_a-z][^\W\d_]+")
_NOT_NAMES = frozenset(
    f"{name}{plural}"
    for plural in ("", "s")
    for name in (
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march", "april", "may"),
        *("june", "july", "august", "september", "october", "november", "december", "mr", "mrs", "ms", "dr", "sir", "madam", "ok", "ai"),
        *("it", "he", "she", "they", "we", "you", "the", "this", "that", "there", "then", "when", "what", "who", "why", "how", "if", "and"),
        *("but", "so", "not", "no", "yes", "my", "your", "his", "her", "our", "in", "on", "at", "to", "for", "new", "year"),
    )
)
# "not X but Y" and "it was not X. It was Y", both within a sentence or two
_NOT_BUT = re.compile(
    r"\bnot\b[^.!?;\n]{2,60}?[, ]but\b"
    r"|\b(?:is|was|are|were)(?:n't| not)\b[^.!?;\n]{2,60}[.;,\u2014] ?(?:it|they|that|this|he|she)(?:'s| is| was| are| were)\b"
)
_SAYS = re.compile(r"[^\W\d_]{2}")
_NUMBER = re.compile(r"\d+")


class Reference(NamedTuple):
    """What 166 human stories and the fiction of 22 language models measure (140 texts, first 600 words of each)."""

    key: str
    label: str
    human: float
    models_low: float
    models_high: float
    higher_is_human: bool


REFERENCES = (
    Reference("first_word_entropy", "entropy of the first word, bits", 4.84, 0.45, 4.35, True),
    Reference("effective_names", "effective number of names (1 / Simpson)", 214, 25, 117, True),
    Reference("overused_per_1000_words", "over-used words per 1,000", 6.6, 4.6, 43.6, False),
    Reference("not_but_per_1000_characters", '"not X but Y" per 1,000 characters', 0.038, 0.053, 0.71, False),
    Reference("sentence_length_variation", "variation of sentence length (sd / mean)", 0.86, 0.46, 0.82, True),
)


class Repeat(NamedTuple):
    """A wording that several documents share: the wording, how many documents, and where one of them is (0-based)."""

    text: str
    documents: int
    example: int


class Wordings(NamedTuple):
    """The commonest phrases, and the share of all 5-grams that stand in at least five documents (template coverage)."""

    phrases: tuple[Repeat, ...]
    template_coverage: float


class Coverage(NamedTuple):
    """Counts per level against what was wanted: Pielou's J hides holes, so the ratio of the fullest to the emptiest level stands beside it.

    ``ratio`` is ``None`` where a level is empty.
    """

    evenness: float
    ratio: float | None
    empty: int


def first_words(text: str, limit: int = SAMPLE_WORDS) -> str:
    """The text up to the end of its ``limit``-th blank-separated word."""
    for number, match in enumerate(re.finditer(r"\S+", text), start=1):
        if number == limit:
            return text[: match.end()]
    return text


def evenness(counts: Sequence[float], wanted: Sequence[float]) -> Coverage:
    """Evenness of counts over levels, each divided by its wanted share (1 = exactly as wanted).

    >>> evenness([10, 10], [1, 1])
    Coverage(evenness=1.0, ratio=1.0, empty=0)
    """
    weighted = [count / want for count, want in zip(counts, wanted, strict=True) if want > 0]
    total = sum(weighted)
    if not weighted or not total:
        return Coverage(0.0, None, len(weighted))
    shares = [value / total for value in weighted if value]
    entropy = -sum(share * math.log(share) for share in shares)
    least = min(weighted)
    score = entropy / math.log(len(weighted)) if len(weighted) > 1 else 1.0
    return Coverage(min(1.0, score), max(weighted) / least if least else None, sum(value == 0 for value in weighted))


def first_word_entropy(texts: Sequence[str]) -> float:
    """Shannon entropy, in bits, of the first word of each text; at most log2 of the number of texts."""
    firsts = Counter(found[0].lower() for text in texts if (found := words(text[:200])))
    return _entropy_bits(firsts.values())


def names(text: str) -> list[str]:
    """Capitalised words inside sentences, in order: people, places, things with a name. Blind to scripts without capitals.

    >>> names("At dawn Oda asked Remi, and Remi nodded.")
    ['Oda', 'Remi', 'Remi']
    """
    return [name for name in _NAME.findall(text) if name[0].isupper() and not name.isupper() and name.lower() not in _NOT_NAMES]


def effective_names(texts: Iterable[str]) -> float:
    """One over Simpson's index of name occurrences: how many names, if all were equally common."""
    counts = Counter(name for text in texts for name in names(text))
    total = sum(counts.values())
    return total**2 / sum(count**2 for count in counts.values()) if total else 0.0


def overused_per_1000_words(texts: Iterable[str], listed: Iterable[str]) -> float:
    """How many of the ``listed`` words and phrases stand in 1,000 words; ``word*`` stands for every word with that beginning."""
    search = Phrases(listed)
    hits = total = 0
    for text in texts:
        total += len(words(text))
        hits += sum(1 for _ in search.found(lowered(text)))
    return 1000 * hits / total if total else 0.0


def not_but(text: str) -> list[Span]:
    """Where a text denies one thing to assert another.

    >>> not_but("It was not a mistake but a choice.")
    [Span(start=7, end=24)]
    """
    return [Span(*match.span()) for match in _NOT_BUT.finditer(lowered(text))]


def not_but_per_1000_characters(texts: Iterable[str]) -> float:
    """How often a text denies one thing to assert another, per 1,000 characters."""
    hits = length = 0
    for text in texts:
        hits += len(not_but(text))
        length += len(text)
    return 1000 * hits / length if length else 0.0


def sentence_length_variation(texts: Iterable[str]) -> float:
    """Standard deviation over mean of the sentence lengths in words, the mean over the texts that have at least two sentences."""
    found = []
    for text in texts:
        lengths = np.array([len(words(text[span.start : span.end])) for span in sentences(text)], float)
        if len(lengths) > 1 and lengths.mean():
            found.append(float(lengths.std() / lengths.mean()))
    return sum(found) / len(found) if found else 0.0


def first_sentence(text: str) -> str:
    """The first sentence or line of a text."""
    return _sentence(text[:_LONGEST_SENTENCE], 0)


def last_sentence(text: str) -> str:
    """The last sentence or line of a text."""
    return _sentence(text[-_LONGEST_SENTENCE:], -1)


def masked(sentence: str, known_names: Iterable[str]) -> str:
    """A sentence in lower case with names and numbers blanked, so that two fillings of one template are equal.

    >>> masked("At 7, Oda waited.", ["Oda"])
    'at 0, _ waited.'
    """
    for name in sorted(filter(None, known_names), key=len, reverse=True):
        sentence = sentence.replace(name, "_")
    for name in set(names(sentence)):
        sentence = sentence.replace(name, "_")
    return " ".join(_NUMBER.sub("0", lowered(sentence)).split())


def repeats(wordings: Sequence[str]) -> tuple[Repeat, ...]:
    """The wordings that occur more than once, commonest first; one that is nothing but blanked names and numbers says nothing."""
    counts = Counter(wordings)
    first: dict[str, int] = {}
    for at, wording in enumerate(wordings):
        first.setdefault(wording, at)
    found = [Repeat(wording, count, first[wording]) for wording, count in counts.items() if count > 1 and _SAYS.search(wording)]
    return tuple(sorted(found, key=lambda repeat: (-repeat.documents, repeat.text)))


def phrases(texts: Sequence[str], most: int = 15) -> Wordings:
    """The 5-grams that stand in the most documents, grown to the longest run that stands in nearly as many, and template coverage."""
    each = [np.unique(_grams(text)) for text in texts]
    joined = np.concatenate(each) if each else np.empty(0, np.uint64)
    if not joined.size:
        return Wordings((), 0.0)
    ends = np.cumsum([len(grams) for grams in each])
    del each
    known, counts = np.unique(joined, return_counts=True)
    coverage = float(counts[counts >= TEMPLATE_DOCUMENTS].sum() / counts.sum())
    used: set[int] = set()
    found: list[Repeat] = []
    for at in np.lexsort((known, -counts)):
        if len(found) == most or counts[at] < TEMPLATE_DOCUMENTS:
            break
        if int(known[at]) not in used:
            example = int(np.searchsorted(ends, np.argmax(joined == known[at]), side="right"))
            text, grams = _run(texts[example], int(known[at]), known, counts)
            used.update(grams)
            if not any(f" {shorter.text} " in f" {text} " for shorter in found):
                found.append(Repeat(text, int(counts[at]), example))
    return Wordings(tuple(found), coverage)


def _run(text: str, gram: int, known: Hashes, counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[str, list[int]]:
    """The phrase around one 5-gram in one text, and the 5-grams in it."""
    folded = words(lowered(text))
    grams = gram_hashes(folded, GRAM)
    often = counts[np.searchsorted(known, grams)]
    start = end = int(np.argmax(grams == np.uint64(gram)))
    least = often[start] * _RUN_KEPT
    while start > 0 and often[start - 1] >= least:
        start -= 1
    while end + 1 < len(grams) and often[end + 1] >= least:
        end += 1
    return " ".join(folded[start : end + GRAM]), [int(value) for value in grams[start : end + 1]]


def _grams(text: str) -> Hashes:
    return gram_hashes(words(lowered(text)), GRAM)


def _sentence(text: str, at: int) -> str:
    spans = sentences(text) or [Span(0, 0)]
    return text[spans[at].start : spans[at].end]


def _entropy_bits(counts: Iterable[int]) -> float:
    values = list(counts)
    total = sum(values)
    return -sum(value / total * math.log2(value / total) for value in values) if total else 0.0
