"""Texts become sets of word 5-grams: 64-bit hashes, made for a whole batch of texts in one vectorised pass over its bytes.

    text --fold, clean--> bytes --borders of words--> one hash a word --5 in a row--> one hash a shingle

The words are those of ``builder.text``: case folded, NFKC, an apostrophe inside a word belongs to it, and where there are no spaces every
character is a word. Two things are kinder here: a curly apostrophe is a straight one, and ASCII control characters are blanks everywhere.
A text of fewer than five words is one short shingle; one without words is the empty shingle, so that every text has at least one.

Two different shingles share a hash with a chance of about 2**-64, so that sets of hashes stand for the sets of shingles.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from builder.text import words

SHINGLE_WORDS = 5
DIGEST = 16  # bytes: 128 bits, where a chance collision is out of reach at any size

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]

_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789'" + bytes(range(128, 256))
_TABLE = bytes(byte if byte in _LETTERS else byte + 32 if 65 <= byte <= 90 else 32 for byte in range(256))
BLANK, APOSTROPHE = 32, 39
STEP = 8  # bytes of a word that are mixed at once
LONG = 64  # a word of more bytes is hashed by itself: no word, however long, costs a pass over the others
MASKS = np.array([256**size - 1 for size in range(STEP + 1)], np.uint64)
ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: multiplying by it is a bijection
ODD_TOO = np.uint64(0xD6E8FEB86659FD93)  # another one, for the place of a word in its shingle
MIX = np.uint64(0xBF58476D1CE4E5B9)  # the first multiplier of the splitmix64 finaliser
_BREAK, _WORD, _ALONE = 0, 1, 2
_CODE_POINTS = 0x110000
_UNMET, _HARD = 2**32 - 1, 2**32 - 2
_MARKS = "\u201c\u201d\u2018\u2014\u2013\u2026\u00a0"
_ASCII = bytes(range(128))
_FEW = 32  # characters that are not ASCII: each is replaced in a pass of its own
# Latin, Greek, Cyrillic, punctuation, symbols, kana, Han, Hangul, emoji: nothing in here composes with what stands before it.
_CONTEXT_FREE = (
    range(0x300), range(0x370, 0x483), range(0x48A, 0x530), range(0x1E00, 0x20D0), range(0x2100, 0x2C00), range(0x3000, 0x302A),
    range(0x3041, 0x3097), range(0x30A1, 0x30FF), range(0x4E00, 0xA000), range(0xAC00, 0xD7A4), range(0xFE00, 0xFE10),
    range(0xFF00, 0xFF9E), range(0x1F000, 0x20000),
)  # fmt: skip


class Shingled(NamedTuple):
    """A batch of texts: the shingles of text ``i`` are ``hashes[first[i]:first[i + 1]]``, in reading order, repeats and all.

    ``digests`` holds 16 bytes a text, equal where the shingles are, each as often.
    """

    hashes: Hashes
    first: Numbers
    digests: bytes


class Words(NamedTuple):
    """Cleaned texts in one ``blob``: where its words start, how long they are, and where in them those of each text begin, and the end."""

    blob: bytearray
    starts: Numbers
    lengths: Numbers
    first: Numbers


def shingled(texts: Sequence[str]) -> Shingled:
    """The shingles of every text."""
    found = batch_words(texts)
    hashes, first = _word_hashes(found), found.first
    short = np.flatnonzero(np.diff(first) < SHINGLE_WORDS)
    if len(short):
        missing = SHINGLE_WORDS - np.diff(first)[short]
        hashes = np.insert(hashes, np.repeat(first[short + 1], missing), 0)
        first[1:] += np.cumsum(np.bincount(short, missing, len(texts)).astype(np.int64))
    hashes = _windows(hashes, first)
    first = first - (SHINGLE_WORDS - 1) * np.arange(len(first))
    return Shingled(hashes, first, _digests(hashes, first))


def shingles(text: str) -> Hashes:
    """The set of shingles of one text, sorted."""
    return np.unique(shingled([text]).hashes)


def jaccard(left: Hashes, right: Hashes) -> float:
    """Shared shingles over all shingles of two sorted sets."""
    both = np.concatenate((left, right))
    both.sort(kind="stable")  # which merges two sorted runs
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)


def batch_words(texts: Sequence[str]) -> Words:
    """Where the words of every text are; a blank stands before each text, and enough behind the last to read a step from any place."""
    bodies = cleaned(texts)
    blob = bytearray(b" ").join((b"", *bodies, b" " * STEP)).translate(_TABLE)
    raw = np.frombuffer(blob, np.uint8)
    at = np.flatnonzero(raw == APOSTROPHE)
    before, after = raw[at - 1], raw[at + 1]
    held = (before != BLANK) & (before != APOSTROPHE) & (after != BLANK) & (after != APOSTROPHE)
    raw[at[~held]] = BLANK  # an apostrophe counts where both neighbours are letters
    inside = raw != BLANK
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    edges += 1
    starts, lengths = edges[0::2], edges[1::2] - edges[0::2]
    sizes = np.fromiter(map(len, bodies), np.int64, len(bodies))
    return Words(blob, starts, lengths, np.searchsorted(starts, np.concatenate(([0], np.cumsum(sizes + 1)))))


def eights(blob: bytearray) -> Any:
    """The ``STEP`` bytes from each place on, as one number."""
    return np.ndarray((len(blob) - STEP + 1,), "<u8", blob, strides=(1,))


def _word_hashes(found: Words) -> Hashes:
    """One hash a word: eight bytes at a time, each folded in by a bijection, so that words of up to eight bytes never collide."""
    steps, starts, lengths = eights(found.blob), found.starts, found.lengths
    hashes: Hashes = steps[starts]
    hashes &= MASKS.take(lengths, mode="clip")
    _stir(hashes)
    longer, done = np.flatnonzero(lengths > STEP), STEP
    while len(longer) and done < LONG:
        more = steps[starts[longer] + done]
        more &= MASKS.take(lengths[longer] - done, mode="clip")
        more ^= hashes[longer]
        _stir(more)
        hashes[longer] = more
        done += STEP
        longer = longer[lengths[longer] > done]
    hash_long_words(found, hashes)
    return hashes


def hash_long_words(found: Words, hashes: Hashes) -> None:
    """Words of more than ``LONG`` bytes, each by itself."""
    for word in np.flatnonzero(found.lengths > LONG).tolist():
        body = found.blob[found.starts[word] : found.starts[word] + found.lengths[word]]
        hashes[word] = int.from_bytes(blake2b(body, digest_size=8).digest(), "little")


def _stir(hashes: Hashes) -> None:
    hashes *= ODD
    hashes ^= hashes >> np.uint64(32)


def _digests(hashes: Hashes, first: Numbers) -> bytes:
    """Two sums of 64 bits over the shingles of a text: equal where two texts have the same shingles, each as often."""
    other = hashes ^ (hashes >> np.uint64(29))
    other *= ODD
    return np.stack([np.add.reduceat(lane, first[:-1]) for lane in (hashes, other)], axis=1).tobytes()


def _windows(hashes: Hashes, first: Numbers) -> Hashes:
    """One hash for every five words in a row of one text."""
    count = len(hashes) - SHINGLE_WORDS + 1
    total = hashes[:count].copy()
    for shift in range(1, SHINGLE_WORDS):
        total *= ODD_TOO
        total += hashes[shift : shift + count]
    inner = np.ones(len(hashes), bool)
    inner[(first[1:, None] - np.arange(1, SHINGLE_WORDS)).ravel()] = False
    total = total[inner[:count]]
    total ^= total >> np.uint64(30)
    total *= MIX
    total ^= total >> np.uint64(31)
    return total


def cleaned(texts: Sequence[str]) -> list[bytes]:
    """Each text in bytes whose ASCII letters, digits and apostrophes and whose bytes from 128 on make words, and no others."""
    plain = [text if text.isascii() else _respelled(_without_marks(text)) for text in texts]
    foreign = [at for at, text in enumerate(plain) if text is None]
    bodies = [b"" if text is None else text.encode() for text in plain]
    if foreign:
        for at, body in zip(foreign, _spaced([_without_marks(texts[at]) for at in foreign]), strict=True):
            bodies[at] = body
    return bodies


def _without_marks(text: str) -> str:
    """A text with the quotation marks and dashes of typeset English made ASCII, which most such texts then are."""
    text = text.replace("\u2019", "'")
    for mark in _MARKS:
        text = text.replace(mark, " ")
    return text


def _respelled(text: str) -> str | None:
    """A text folded, one character after the other; ``None`` where many are not ASCII, or their neighbours have a say."""
    if text.isascii():
        return text
    foreign = text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")
    if len(foreign) * 4 > len(text) or len(set(foreign)) > _FEW:
        return None
    for char in set(foreign):
        spelled = _spelled(char)
        if not spelled:
            return None
        text = text.replace(char, spelled)
    return text


@cache
def _spelled(char: str) -> str:
    """What stands for a character wherever it is met; nothing where its neighbours have a say."""
    fold = _fold(ord(char))
    return "" if fold == _HARD else (" ", chr(fold), f" {chr(fold)} ")[_kind(chr(fold))]


def _spaced(texts: list[str]) -> list[bytes]:
    """Texts folded, in UTF-8, with a blank for each break and blanks around each character that is a word by itself."""
    codes, folds = _folded(texts)
    hard = np.flatnonzero(folds == _HARD)
    if len(hard):
        ends = np.cumsum([len(text) + 1 for text in texts])
        for at in np.unique(np.searchsorted(ends, hard, "right")).tolist():
            texts[at] = normalize("NFKC", texts[at].casefold())
        codes, folds = _folded(texts)
        folds = np.where(folds == _HARD, codes, folds)
    kinds = _tables().kinds[folds]
    folds[kinds == _BREAK] = BLANK
    folds[np.cumsum([len(text) + 1 for text in texts]) - 1] = ord("\n")
    alone = kinds == _ALONE
    widths = np.where(alone, 3, 1)
    folds, ends = np.repeat(folds, widths), np.cumsum(widths)[alone]
    folds[ends - 1] = folds[ends - 3] = BLANK
    return folds.tobytes().decode("utf-32-le", "surrogatepass").encode("utf-8", "surrogatepass").split(b"\n")[:-1]


class _Tables(NamedTuple):
    """What each code point folds to, and what it is; filled in as code points are met."""

    folds: NDArray[np.uint32]
    kinds: NDArray[np.uint8]


@cache
def _tables() -> _Tables:
    return _Tables(np.full(_CODE_POINTS, _UNMET, np.uint32), np.zeros(_CODE_POINTS, np.uint8))


def _folded(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The code points of texts, each text ended by one more, and what they fold to; ``_HARD`` where its neighbours have a say."""
    tables = _tables()
    codes = np.frombuffer("\n".join((*texts, "")).encode("utf-32-le", "surrogatepass"), "<u4")
    folds = tables.folds[codes]
    unmet = codes[folds == _UNMET]
    if len(unmet):
        for code in np.unique(unmet).tolist():
            tables.folds[code] = _fold(code)
            for known in (code, int(tables.folds[code])):
                if known != _HARD:
                    tables.kinds[known] = _kind(chr(known))
        folds = tables.folds[codes]
    return codes, folds


def _fold(code: int) -> int:
    """The one code point that another folds to by itself, whatever stands beside it, and that folds to itself."""
    folded = normalize("NFKC", chr(code).casefold())
    if len(folded) > 1 or normalize("NFKC", folded.casefold()) != folded:
        return _HARD
    return ord(folded) if all(any(one in span for span in _CONTEXT_FREE) for one in (code, ord(folded))) else _HARD


def _kind(char: str) -> int:
    if char == "'":
        return _WORD  # for now: its neighbours decide
    return (_BREAK, _WORD, _ALONE)[len(words(char * 2))]
