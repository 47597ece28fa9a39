"""The documents of an audit as its judge is shown them, and whether what it quotes stands in one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from heapq import nsmallest
from typing import NamedTuple

from builder.records import digest

LEFT_OUT = "\n\n[...]\n\n"
_FRONT = 0.6  # of what is shown of a long text: an opening takes more room than an ending
_LEAST_WORDS = 3  # of a quote that shows anything but a thing
_LEAST_SIGNS = 12  # the same where words are not set apart
_LEAST_THING = 2
_FOLDED = str.maketrans("\u2018\u2019\u201c\u201d\u2010\u2011\u2013\u2014", "''\"\"----")


class Piece(NamedTuple):
    """A document, and its text as a model is told it, whole."""

    id: str
    text: str


class Sample(NamedTuple):
    """The pieces that are read for patterns, and those in which the patterns are counted."""

    scanned: tuple[Piece, ...]
    counted: tuple[Piece, ...]


def drawn(ids: Iterable[str], seed: str, most: int) -> list[str]:
    """So many documents, by a rank that each has of its own: a few other documents change what is drawn by a few."""
    return nsmallest(most, ids, key=lambda name: digest(f"{seed}:audit:{name}"))


def sample(pieces: Sequence[Piece], scanned: int, counted: int) -> Sample:
    """The first are read, and patterns are counted in the others; in those read too only where others are wanting.

    In the very pieces that a pattern was found in, it is sure to be met.
    """
    read, others = pieces[:scanned], pieces[scanned:]
    return Sample(tuple(read), (*others, *read)[:counted])


def shown(text: str, characters: int) -> str:
    """A text of at most so many characters; a longer one without its middle.

    >>> shown("one two three four five six", 10)
    'one tw\\n\\n[...]\\n\\n six'
    """
    if len(text) <= characters:
        return text
    front = int(_FRONT * characters)
    return text[:front] + LEFT_OUT + text[front - characters :]


def stands_in(quote: str, text: str, kind: str = "") -> bool:
    """Whether a quote is words of a text: white space, quotation marks, dashes and capitals may differ, and nothing may be left out.

    One too short to show anything does not stand anywhere; a thing, such as a name, may be one word.
    """
    wanted = _fold(quote.strip().strip("\"'\u201c\u201d\u2018\u2019"))
    long = len(wanted.split()) >= _LEAST_WORDS or len(wanted) >= _LEAST_SIGNS
    return (long or (kind == "thing" and len(wanted) >= _LEAST_THING)) and wanted in _fold(text)


@lru_cache(maxsize=64)
def _fold(text: str) -> str:
    return " ".join(text.translate(_FOLDED).split()).casefold()


def one_line(text: str, most: int) -> str:
    """What a model wrote, as one line of at most so many characters."""
    return " ".join(text.split())[:most].rstrip()
