"""How alike the texts of a corpus are, in numbers. Each grows with the number of texts or their length, so both are fixed and stated."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.measures import first_words
from builder.text import folded_words, gram_hashes

GROUP = 36  # texts: as many as there are references written by hand
BLEU_WORDS = 300
BLEU_GRAMS = 4
NEIGHBOURS_AMONG = 500  # texts: their similarities are a square, and a second's work
_GROUPS = 5  # drawn for a mean that another draw would not move much
_DIMENSIONS = 4_096  # hashed words; half of the words of 500 texts share a place with another, mostly rare ones
_COMPONENTS = 100


class Pair(NamedTuple):
    """Two texts, by their places, and the cosine between them."""

    left: int
    right: int
    cosine: float


class Neighbours(NamedTuple):
    """How near each text is to its nearest neighbour: the mean cosine, and the nearest pairs."""

    texts: int
    mean: float
    nearest: tuple[Pair, ...]


def self_bleu(texts: Sequence[str], words: int = BLEU_WORDS) -> float:
    """Mean BLEU-4 of each text with all others as its references: 0 where nothing is shared, 1 where all are the same.

    Texygen (Zhu et al., SIGIR 2018, arXiv 1802.01886) defines it so. An n-gram of a text counts as often as it stands in it, but no more
    often than in the reference that has it most often. Texts are cut to ``words`` words, so that the brevity penalty, over the reference
    nearest in length, only bears on shorter ones; no smoothing.
    """
    cut = [folded_words(text)[:words] for text in texts]
    cut = [found for found in cut if len(found) >= BLEU_GRAMS]
    if len(cut) < 2:
        return 0.0
    logs = np.zeros(len(cut))
    for size in range(1, BLEU_GRAMS + 1):
        counts = [Counter(zip(*(found[shift:] for shift in range(size)), strict=False)) for found in cut]
        with np.errstate(divide="ignore"):
            logs += np.log(_precisions(counts)) / BLEU_GRAMS
    lengths = sorted(map(len, cut))
    return float(np.mean([math.exp(log) * _brevity(len(found), lengths) for log, found in zip(logs, cut, strict=True)]))


def _precisions(counts: Sequence[Counter[tuple[str, ...]]]) -> NDArray[np.float64]:
    """For each text, the share of its n-grams that another text has too, each as often."""
    most: dict[tuple[str, ...], tuple[int, int, int]] = {}  # n-gram -> largest count, whose, and the largest of all others
    for owner, found in enumerate(counts):
        for gram, count in found.items():
            first, held_by, second = most.get(gram, (0, -1, 0))
            most[gram] = (count, owner, first) if count > first else (first, held_by, max(second, count))
    shares = []
    for owner, found in enumerate(counts):
        met = sum(min(count, most[gram][2] if most[gram][1] == owner else most[gram][0]) for gram, count in found.items())
        shares.append(met / found.total())
    return np.array(shares)


def _brevity(length: int, lengths: Sequence[int]) -> float:
    """One, or less for a text shorter than the other one nearest to it in length."""
    others = list(lengths)
    others.remove(length)
    nearest = min(others, key=lambda other: (abs(other - length), other))
    return 1.0 if length >= nearest else math.exp(1 - nearest / length)


def grouped(texts: Sequence[str], seed: str, measure: Callable[[Sequence[str]], float]) -> float | None:
    """The mean of a measure over up to five groups of 36 texts drawn by the seed; ``None`` where there are fewer than 36.

    So that it compares with what the 36 references measure.
    """
    if len(texts) < GROUP:
        return None
    drawn = random.Random(f"{seed}:groups").sample(range(len(texts)), min(len(texts) // GROUP, _GROUPS) * GROUP)
    groups = [drawn[at : at + GROUP] for at in range(0, len(drawn), GROUP)]
    return float(np.mean([measure([texts[at] for at in group]) for group in groups]))


def nearest_cosine(texts: Sequence[str]) -> float:
    """The mean cosine of each text and its nearest neighbour."""
    return neighbours(texts).mean


def neighbours(texts: Sequence[str], most: int = 5) -> Neighbours:
    """Nearest neighbours by topic: TF-IDF over hashed words of the first 600 words, cut to 100 components of its SVD, cosines.

    The components are those of the matrix of all inner products, the cheaper way to the same SVD for texts fewer than words.
    """
    if len(texts) < 2:
        return Neighbours(len(texts), 0.0, ())
    counts = np.zeros((len(texts), _DIMENSIONS), np.float32)
    for row, text in zip(counts, texts, strict=True):
        np.add.at(row, (gram_hashes(folded_words(first_words(text)), 1) % np.uint64(_DIMENSIONS)).astype(np.int64), 1)
    weights = np.log1p(counts) * np.log((1 + len(texts)) / (1 + np.count_nonzero(counts, axis=0))).astype(np.float32)
    weights = _unit(weights)
    values, vectors = np.linalg.eigh((weights @ weights.T).astype(np.float64))
    kept = min(_COMPONENTS, len(texts) // 2)
    places = _unit(vectors[:, -kept:] * np.sqrt(np.maximum(values[-kept:], 0)))
    cosines = places @ places.T
    np.fill_diagonal(cosines, -1)
    nearest = cosines.argmax(axis=1)
    found = {tuple(sorted((left, right))): float(cosines[left, right]) for left, right in enumerate(nearest.tolist())}
    pairs = sorted((Pair(left, right, round(cosine, 4)) for (left, right), cosine in found.items()), key=lambda pair: (-pair.cosine, pair))
    return Neighbours(len(texts), float(cosines.max(axis=1).mean()), tuple(pairs[:most]))


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0))


def effective_number(labels: Sequence[str]) -> float:
    """One over Simpson's index: how many labels, if all were equally common.

    >>> effective_number(["quay", "quay", "mill", "mill"])
    2.0
    """
    counts = Counter(labels).values()
    return sum(counts) ** 2 / sum(count**2 for count in counts) if counts else 0.0
