"""Whether a quoted sentence stands in the constitution, and in which of its passages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import normalize

from builder.records import Principle

FEWEST_WORDS = 4  # a shorter quote stands nearly anywhere
_SINGLE, _DOUBLE = "\u2018\u2019\u201a\u201b\u2032\u02bc", "\u201c\u201d\u201e\u00ab\u00bb"
_QUOTES = str.maketrans({**dict.fromkeys(_SINGLE, "'"), **dict.fromkeys(_DOUBLE, '"')})
_DASHES = re.compile(r"\s*[\u2010-\u2015\u2212-]+\s*")
_MARKS = re.compile(r"[*_`>#|]+|(?<!\S)\d{1,3}[.)](?=\s)")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)")


def fold(text: str) -> str:
    """A text with its white space, quotes, dashes, capitals and Markdown marks folded.

    >>> fold("**The  people’s** – word")
    "the people's-word"
    """
    plain = _MARKS.sub(" ", normalize("NFKC", text).translate(_QUOTES))
    return " ".join(_DASHES.sub("-", plain).split()).casefold()


class Cites:
    """The passages of a constitution, made ready to be searched."""

    def __init__(self, principles: Sequence[Principle]) -> None:
        self._passages = [(principle.id, fold(principle.text)) for principle in principles]

    def passages(self, cite: str) -> tuple[str, ...]:
        """The ids of the passages that a quote stands in; empty where it stands in none.

        Sentences that run over the border between two passages are looked for one by one, and each must be found.
        """
        whole = self._holding(cite)
        if whole:
            return whole
        parts = [self._holding(part) for part in _SENTENCE_END.split(cite.strip())]
        return tuple(dict.fromkeys(name for part in parts for name in part)) if all(parts) else ()

    def _holding(self, cite: str) -> tuple[str, ...]:
        wanted = fold(cite).strip("\"' .\u2026")
        if len(wanted.split()) < FEWEST_WORDS:
            return ()
        return tuple(name for name, text in self._passages if _stands_free(text, wanted))


def _stands_free(text: str, wanted: str) -> bool:
    at = text.find(wanted)
    return at >= 0 and not (at and text[at - 1].isalnum()) and not text[at + len(wanted) : at + len(wanted) + 1].isalnum()
