"""A fan-out that asks nobody: its calls are rendered as they would be, with filler for the answers, to be counted and priced."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from builder.prompts import Kind
from builder.records import Answer, Principle, Request
from builder.stages.fanout.asking import asking
from builder.stages.fanout.cites import FEWEST_WORDS
from builder.stages.fanout.layers import fanout
from builder.stages.fanout.tree import Chain, Link, Planner, Reply, entries, normative

_WORDS = {"name": 4, "premise": 55, "type": 5, "about": 40}  # words to a field; others have a sentence
_SENTENCE = 22
_RESTS = 6  # as the prompt asks: one assertion in so many says when a trait should rest


class Rehearsed(NamedTuple):
    """A call as it would be rendered, and an answer of the usual length."""

    layer: str
    request: Request
    answer: str


def rehearse(planner: Planner) -> tuple[Rehearsed, ...]:
    """Every call of a fan-out in which each answer is whole and nothing is said twice. Raises ``UsageError`` for a faulty prompt."""
    found: list[Rehearsed] = []
    growing, filler = fanout(planner), _Filler(normative(planner.principles))
    layer = next(growing)
    while True:
        answers = [_chain(planner, chain, filler, found) for chain in layer]
        try:
            layer = growing.send(answers)
        except StopIteration:
            return tuple(found)


def _chain(planner: Planner, chain: Chain, filler: _Filler, found: list[Rehearsed]) -> tuple[Reply, ...]:
    asked, links = asking(planner, chain), iter(chain.links)
    request = next(asked)
    while True:
        text = filler.answer(next(links))
        found.append(Rehearsed(chain.layer, request, text))
        try:
            request = asked.send(Answer(request_hash=request.hash, text=text))
        except StopIteration as end:
            replies: tuple[Reply, ...] = end.value
            return replies


class _Filler:
    """Answers of the right shape: no two texts alike, and every cite a sentence of the next passage in turn."""

    def __init__(self, principles: Sequence[Principle]) -> None:
        self._number = count(1)
        self._principles = principles
        self._cited = 0
        self._chosen = Counter[str]()  # by field: choices come round, so that every trait has its share

    def answer(self, link: Link) -> str:
        name, grammar = entries(link.prompt)
        rows = [{field: self._value(field, kind, link, at) for field, kind in grammar.items()} for at in range(link.wanted)]
        return json.dumps({name: rows})

    def _value(self, field: str, kind: Kind, link: Link, at: int) -> object:
        if isinstance(kind, tuple):
            self._chosen[field] += 1
            if field == "exercised":
                return "yes" if self._chosen[field] % _RESTS else "no"
            return kind[(self._chosen[field] - 1) % len(kind)]
        if field == "headings":
            share = self._principles[at :: link.wanted]
            return list(dict.fromkeys(principle.heading_path[-1] for principle in share if principle.heading_path))
        if field == "cites":
            return [self._cite() for _ in range(4)]
        if field == "cite":
            return self._cite()
        text = self._text(_WORDS.get(field, _SENTENCE))
        return text if kind == "text" else [self._text(8) for _ in range(3)]

    def _text(self, length: int) -> str:
        return " ".join(f"word {next(self._number)}" for _ in range(max(1, length // 2)))

    def _cite(self) -> str:
        """A run of words of the next passage, long enough to be found there."""
        words = self._principles[self._cited % len(self._principles)].text.split() if self._principles else []
        self._cited += 1
        return " ".join(words[: max(FEWEST_WORDS + 2, _SENTENCE)])
