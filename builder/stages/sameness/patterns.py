"""The pattern audit: sentence patterns and wording that a corpus repeats and prose by hand does not.

Every word that is no function word is masked, runs of masked words become one ``_``, and six such tokens in a row (punctuation counts as
one) are a structural n-gram: "_ did not _ , but". Counted are documents, not places. What is frequent and far above its share in the
hand-written references is kept, and n-grams that stand in the same documents, and overlap, are told as one pattern. Each is counted

    broadly    documents that hold the masked n-gram
    strictly   documents that hold its commonest wording, word for word

They have no names, and see wording alone. Where a judge's model is named, stage ``audit`` has it name what it finds and count that.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.measures import names
from builder.text import Phrases, lowered

AUDITED = 1_000  # documents: a pattern of 5 % then stands in fifty, and the count takes two seconds
PHRASE = 3  # words

_GRAM = 6
_LEAST_GRAMMAR = 4  # function words in a structural n-gram: of three, most frequent ones are plain English ("the _, and _ it")
_LEAST_SHARE = 0.05  # of the documents
_LEAST_DOCUMENTS = 5
_TWICE = 2.0  # times as many documents as references, for a word: the order is by log-odds
_LIFT = 3.0  # times as frequent as in the references, which are too few to tell less from chance
_CLUSTERED = 300  # n-grams, the most frequent
_SAME = 0.6  # of the documents of the rarer of two n-grams that overlap: they are one pattern
_OVERLAP = 3  # tokens
_EXAMPLES = 3
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[,;:.!?\u2014]")


class Pattern(NamedTuple):
    """A masked n-gram, the documents that hold it, its commonest wording and the documents that hold that, and where (0-based).

    ``lift`` is how many times as frequent as in the references it is, at least: one they never use counts as used by one of them.
    """

    masked: str
    broad: int
    wording: str
    strict: int
    lift: float
    examples: tuple[int, ...]


class Overused(NamedTuple):
    """A word or phrase: the documents that hold it, and the share of documents and of references that do."""

    text: str
    documents: int
    share: float
    reference_share: float


class _Token(NamedTuple):
    masked: str
    wording: str


def audit(texts: Sequence[str], grammar: Collection[str], known: Mapping[str, int], references: int, most: int = 20) -> tuple[Pattern, ...]:
    """The patterns of a sample, the most frequent first. ``known`` counts masked n-grams over so many ``references``."""
    each = [_grams(text, grammar) for text in texts]
    counts = Counter(gram for grams in each for gram in grams)
    least = max(_LEAST_DOCUMENTS, _LEAST_SHARE * len(texts))
    lifts = {gram: _lift(count, len(texts), known.get(gram, 0), references) for gram, count in counts.items() if count >= least}
    often = sorted((gram for gram, lift in lifts.items() if lift >= _LIFT), key=lambda gram: (-counts[gram], gram))[:_CLUSTERED]
    held = np.array([[gram in grams for grams in each] for gram in often], bool).reshape(len(often), len(texts))
    found = []
    for at in _clustered(often, held)[:most]:
        places = np.flatnonzero(held[at]).tolist()
        wordings = Counter(wording for place in places for wording in set(each[place][often[at]]))
        wording, strict = min(wordings.items(), key=lambda row: (-row[1], row[0]))
        examples = [place for place in places if wording in each[place][often[at]]][:_EXAMPLES]
        found.append(Pattern(often[at], len(places), wording, strict, round(lifts[often[at]], 2), tuple(examples)))
    return tuple(found)


def pattern_documents(texts: Sequence[str], grammar: Collection[str]) -> Counter[str]:
    """Masked n-gram -> the number of texts that hold it."""
    return Counter(gram for text in texts for gram in _grams(text, grammar))


def _lift(count: int, documents: int, known: int, references: int) -> float:
    return (count / documents) / (max(known, 1) / references) if references else math.inf


def _clustered(often: Sequence[str], held: NDArray[np.bool_]) -> list[int]:
    """The places of the n-grams that lead a cluster: each other one overlaps a leader and stands mostly in the same documents."""
    split = [gram.split() for gram in often]
    leaders: list[int] = []
    for at, tokens in enumerate(split):
        if not any(_overlap(tokens, split[leader]) and _together(held[at], held[leader]) >= _SAME for leader in leaders):
            leaders.append(at)
    return leaders


def _together(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> float:
    return float((left & right).sum() / max(1, min(left.sum(), right.sum())))


def _overlap(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether an end of one is the beginning of the other, by three tokens or more."""
    sizes = range(_OVERLAP, _GRAM + 1)
    return any(left[-size:] == right[:size] or right[-size:] == left[:size] for size in sizes)


def _grams(text: str, grammar: Collection[str]) -> dict[str, set[str]]:
    """Masked n-gram -> its wordings in one text."""
    tokens = list(_tokens(text, grammar))
    found: dict[str, set[str]] = {}
    for at in range(len(tokens) - _GRAM + 1):
        run = tokens[at : at + _GRAM]
        if sum(token.masked in grammar for token in run) >= _LEAST_GRAMMAR:
            found.setdefault(" ".join(token.masked for token in run), set()).add(" ".join(token.wording for token in run))
    return found


def _tokens(text: str, grammar: Collection[str]) -> Iterable[_Token]:
    masked: list[str] = []
    for word in _TOKEN.findall(lowered(text)):
        if word in grammar or not word[0].isalnum():
            if masked:
                yield _Token("_", " ".join(masked))
                masked = []
            yield _Token(word, word)
        else:
            masked.append(word)
    if masked:
        yield _Token("_", " ".join(masked))


# Over-used words and phrases


def overused(
    documents: Mapping[str, int], texts: int, known: Mapping[str, int], references: int, unknown: int = 0, most: int = 15
) -> tuple[Overused, ...]:
    """Words or phrases in far more documents than of the references, by the log-odds of both shares over its standard error.

    The measure is that of Monroe, Colaresi and Quinn (2008), over documents in place of occurrences, so that one text's subject is no
    over-use; a half is added to each count. ``unknown`` references are taken to hold what ``known`` does not tell.
    """
    if not texts or not references:
        return ()
    scored = []
    for text, count in documents.items():
        held = known.get(text, unknown)
        share, reference = count / texts, held / references
        if share >= _LEAST_SHARE and count >= _LEAST_DOCUMENTS and share >= _TWICE * reference:
            found = Overused(text, count, round(share, 4), round(reference, 4))
            scored.append((_log_odds(count, texts, held, references), found))
    scored.sort(key=lambda row: (-row[0], row[1].text))
    return tuple(row for _, row in scored[:most])


def _log_odds(count: int, texts: int, known: int, references: int) -> float:
    here, there = (count + 0.5, texts - count + 0.5), (known + 0.5, references - known + 0.5)
    error = math.sqrt(sum(1 / number for number in (*here, *there)))
    return (math.log(here[0] / here[1]) - math.log(there[0] / there[1])) / error


def word_documents(texts: Iterable[str], size: int = 1) -> Counter[str]:
    """Runs of ``size`` words, without those that hold a name, -> the number of texts that hold them; no run crosses punctuation."""
    found: Counter[str] = Counter()
    for text in texts:
        named = {name.lower() for name in names(text)}
        tokens = ["" if not token[0].isalnum() or token in named else token for token in _TOKEN.findall(lowered(text))]
        runs = zip(*(tokens[shift:] for shift in range(size)), strict=False)
        found.update({" ".join(run) for run in runs if all(run)})
    return found


def favourites_share(texts: Sequence[str], listed: Iterable[str]) -> float:
    """The share of texts that hold at least one of the listed words."""
    search = Phrases(listed)
    return sum(any(True for _ in search.found(lowered(text))) for text in texts) / len(texts) if texts else 0.0
