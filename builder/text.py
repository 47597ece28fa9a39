"""Words, word n-grams and sentences of a text, with offsets, in any script.

A word is a run of characters that are neither blank nor punctuation; an apostrophe inside it belongs to it. In
scripts written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) every character counts as a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple
from unicodedata import category, normalize

import ahocorasick
import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_BREAK = (
    r"\s!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf"
    r"\u060c\u061b\u061f\u0964\u0965\u06d4\u2000-\u206f\u20a0-\u20bf"
    r"\u2190-\u2bff\u3000-\u303f\u30fb\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufeff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|[^{_BREAK}{_UNSPACED}]+(?:['\u2019][^{_BREAK}{_UNSPACED}]+)*")
_ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z0-9]+)*")

_STOP = re.compile(
    r"(?:[.!?\u2026]+[\"')\]\u2019\u201d\u00bb*_]*(?=\s)|[\u3002\uff01\uff1f\u0964]+[\u300d\u300f\u201d]*)\s*"
    r"|\n\s*\n\s*|\n(?![a-z])\s*"
)
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|Sr|Jr|Rev|Capt|Col|Lt|Sgt|vs|e\.g|i\.e|[ap]\.m|[A-HJ-Z])\.\Z")
_LONGEST_ABBREVIATION = 12

_MULTIPLIER = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio, odd: a bijection modulo 2**64
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # the first multiplier of the splitmix64 finaliser
_REMEMBERED_WORDS = 1_000_000


class Span(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) of a text."""

    start: int
    end: int


def words(text: str) -> list[str]:
    """The words of a text, in order.

    >>> words("It didn't stick (twice).")
    ['It', "didn't", 'stick', 'twice']
    """
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text)


def folded_words(text: str) -> list[str]:
    """The words of a text as they are compared: case folded, one form for each character (Unicode NFKC)."""
    return words(text.casefold() if text.isascii() else normalize("NFKC", text.casefold()))


def lowered(text: str) -> str:
    """``text`` in lower case with straight apostrophes and every character in its old place.

    ``str.lower`` may lengthen a text (a dotted capital I becomes two characters), which would shift every later offset.
    """
    low = text.lower()
    if len(low) != len(text):
        low = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    return low.replace("\u2019", "'")


def sentences(text: str) -> list[Span]:
    """Where the sentences of a text lie, without the blanks around them.

    A sentence ends after ``.``, ``!``, ``?`` or an ellipsis with any closing quotes, at a blank line, and at a line
    end whose next line does not go on in lower case. This is the rule of spaCy's ``sentencizer``, and line ends,
    without tokenising; but a quotation mark that opens goes with what it opens.
    """
    ends = [match.end() for match in _STOP.finditer(text) if not _goes_on(text, match)]
    spans = []
    for start, end in pairwise(dict.fromkeys((0, *ends, len(text)))):
        piece = text[start:end]
        body = piece.strip()
        if body:
            first = start + len(piece) - len(piece.lstrip())
            spans.append(Span(first, first + len(body)))
    return spans


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """Whether a stop ends no sentence: that of an abbreviation, or dots before a word in lower case."""
    if "\n" in match.group():
        return False
    if match.group().startswith(("...", "\u2026")):
        return text[match.end() : match.end() + 1].islower()
    head = text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start() + 1]
    return head.endswith(".") and _ABBREVIATION.search(head) is not None


class Found(NamedTuple):
    """A phrase of a list, found at characters ``start`` to ``end``."""

    start: int
    end: int
    phrase: str


class Phrases:
    """A list of words and phrases, all looked for in one pass (Aho-Corasick).

    They are found as whole words; a phrase that ends in ``*`` stands for every word that begins so.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._automaton = ahocorasick.Automaton()
        for phrase in phrases:
            key = lowered(phrase.removesuffix("*"))
            self._automaton.add_word(key, (len(key), phrase))
        self._automaton.make_automaton()

    def found(self, low: str) -> Iterator[Found]:
        """The phrases in a text that ``lowered`` gave, left to right.

        Of two that overlap, the one that ends first is found; of two that end together, the longer.
        """
        if len(self._automaton) == 0:
            return
        last = -1
        for at, hits in groupby(self._automaton.iter(low), key=itemgetter(0)):
            for _, (length, phrase) in sorted(hits, key=lambda hit: -hit[1][0]):
                start = at + 1 - length
                if start > last and _stands_free(low, start, at + 1, phrase.endswith("*")):
                    yield Found(start, at + 1, phrase)
                    last = at
                    break


def _stands_free(low: str, start: int, end: int, open_end: bool) -> bool:
    before = start > 0 and low[start].isalnum() and _in_word(low[start - 1])
    return not before and (open_end or end == len(low) or not (low[end - 1].isalnum() and _in_word(low[end])))


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_" or category(char).startswith("M")


class _WordHashes(dict[str, int]):
    """Word -> 64-bit hash, remembered; the same in every process, whatever ``PYTHONHASHSEED`` is."""

    def __missing__(self, word: str) -> int:
        value = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        if len(self) < _REMEMBERED_WORDS:
            self[word] = value
        return value


_HASHES = _WordHashes()


def gram_hashes(folded_words: list[str], length: int) -> Hashes:
    """One 64-bit hash for each run of ``length`` words; a single one over all the words where there are fewer.

    Two different runs share a hash with a chance of about 2**-64, so that sets of hashes may stand for the sets of
    runs.
    """
    if not folded_words:
        return np.empty(0, np.uint64)
    hashes = np.fromiter(map(_HASHES.__getitem__, folded_words), np.uint64, len(folded_words))
    width = min(length, len(folded_words))
    count = len(folded_words) - width + 1
    total = np.zeros(count, np.uint64)
    factor = _MULTIPLIER
    for shift in range(width):
        total += hashes[shift : shift + count] * np.uint64(factor)
        factor = factor * _MULTIPLIER % 2**64
    total ^= total >> np.uint64(30)
    total *= _MIX
    return total ^ (total >> np.uint64(31))
