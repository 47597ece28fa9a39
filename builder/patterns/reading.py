"""Reading: few sentences can hold any pattern, and only those are tokenised.

One Aho-Corasick pass over the text tells which words of which pattern each sentence may hold. A pattern is tried on a
sentence when a word of its rarest part is there (its anchor) and every other part that the pass can see.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import ahocorasick
from spacy.lang.en.stop_words import STOP_WORDS

from builder.patterns.language import Pattern, Sentence, tokens
from builder.text import Span, lowered, sentences

# What one alternative costs as an anchor, by its letters, against 1 for a rare word: the pass finds short words inside others, too.
_COMMON_WORD, _SHORT_WORDS = 50, {1: 400, 2: 80, 3: 10}
_WORTH_SEEING = 160  # a part that costs more is not looked for, but for the anchor: it is in nearly every sentence
_EXAMPLE_NAMES = frozenset({"i", "it", "aule"})


class Hit(NamedTuple):
    """A pattern found in the sentence at ``span``."""

    pattern: Pattern
    span: Span


class Reader:
    """Finds many patterns in many texts."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        bits: dict[tuple[str, ...], int] = {}
        words: dict[str, tuple[int, set[int]]] = {}
        self._needs = [0] * len(patterns)
        for number, pattern in enumerate(patterns):
            anchor, *others = _seen_parts(pattern)
            for keys in (anchor, *others):
                bit = bits.setdefault(keys, 1 << len(bits))
                self._needs[number] |= bit
                for key in keys:
                    mask, anchored = words.get(key, (0, set()))
                    words[key] = (mask | bit, anchored | {number} if keys == anchor else anchored)
        self._automaton = ahocorasick.Automaton()
        for key, (mask, anchored) in words.items():
            self._automaton.add_word(key, (mask, tuple(sorted(anchored))))
        self._automaton.make_automaton()

    def read(self, text: str, names: frozenset[str]) -> Iterator[Hit]:
        """Every pattern that holds somewhere, once for each sentence it holds in; ``names`` stand for ``{AI}``."""
        for span, numbers in self._candidates(text):
            sentence = Sentence(tokens(text[span.start : span.end]))
            for number in numbers:
                if self._patterns[number].matches(sentence, names):
                    yield Hit(self._patterns[number], span)

    def _candidates(self, text: str) -> Iterator[tuple[Span, list[int]]]:
        """The sentences worth tokenising, each with the patterns worth trying."""
        if not self._patterns:
            return
        hits = self._automaton.iter(lowered(text))
        at, (mask, anchored) = next(hits, (len(text), (0, ())))
        for span in sentences(text):
            held, tried = 0, set[int]()
            while at < span.end:
                held |= mask
                if anchored:
                    tried.update(anchored)
                at, (mask, anchored) = next(hits, (len(text), (0, ())))
            numbers = [number for number in sorted(tried) if held & self._needs[number] == self._needs[number]]
            if numbers:
                yield span, numbers


def unlike_examples(reader: Reader, kind: str, hits: Collection[str], misses: Collection[str]) -> list[str]:
    """Where patterns disagree with their own examples: hits that none of this kind finds, misses that one finds.

    In an example the character is called Aule, or speaks as *I*.
    """
    read = {text: reader.read(text, _EXAMPLE_NAMES) for text in (*hits, *misses)}
    found = {text: [pattern.source for pattern, _ in pairs if pattern.kind == kind] for text, pairs in read.items()}
    missed = [f"no {kind} pattern finds {text!r}" for text in hits if not found[text]]
    return missed + [f"{found[text][0]!r} finds the miss {text!r}" for text in misses if found[text]]


def _seen_parts(pattern: Pattern) -> list[tuple[str, ...]]:
    """The parts that the pass looks for, as their words, the cheapest first: all of rare words, and one in any case."""
    parts = sorted((part.keys() for part in pattern.parts if not part.character), key=_cost)
    return [keys for number, keys in enumerate(parts) if number == 0 or _cost(keys) < _WORTH_SEEING]


def _cost(keys: tuple[str, ...]) -> int:
    return sum(map(_cost_of, keys))


def _cost_of(key: str) -> int:
    common = _COMMON_WORD if key in STOP_WORDS else 0
    return max(1, common + _SHORT_WORDS.get(len(key), 0))
