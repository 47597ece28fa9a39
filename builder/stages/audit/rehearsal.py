"""An audit that asks nobody: its calls as they would be rendered, with filler for the answers, to be checked and priced."""

from __future__ import annotations

import json
from collections.abc import Generator
from itertools import count
from typing import NamedTuple, TypeVar

from builder.outputs import example
from builder.records import Answer, Request
from builder.stages.audit.asking import Auditor, check_prompts
from builder.stages.audit.counting import counting
from builder.stages.audit.merging import merging
from builder.stages.audit.pieces import Sample
from builder.stages.audit.scanning import batches, scanning

_FOUND = 8  # patterns of a batch, and at most of the corpus in one document: what a reader usually finds
_PRESENT = 4
_WORDS = {"name": 4, "sentence": 25}

Result = TypeVar("Result")


class Rehearsed(NamedTuple):
    """A call as it would be rendered, and an answer of the usual length."""

    request: Request
    answer: str


def rehearse(auditor: Auditor, sample: Sample) -> tuple[Rehearsed, ...]:
    """Every call of an audit in which each answer is whole. Raises ``UsageError`` for a faulty prompt."""
    check_prompts(auditor.prompts)
    calls: list[Rehearsed] = []
    numbers = count(1)

    def words(kind: str) -> str:
        return " ".join(f"w{next(numbers)}" for _ in range(_WORDS[kind]))

    kind = json.loads(example(auditor.prompts["scan"], 1))["patterns"][0]["kind"]
    groups = list(batches(sample.scanned, auditor.together))
    scanned = []
    for number, batch in enumerate(groups):
        rows = [
            {"name": words("name"), "kind": kind, "broadly": words("sentence"), "strictly": words("sentence"),
             "examples": [{"piece": at, "quote": piece.text[:120]} for at, piece in enumerate(batch[:3], start=1)]}
            for _ in range(_FOUND)
        ]  # fmt: skip
        scanned.append(_drive(scanning(auditor, number, batch), {"patterns": rows}, calls))
    found = [pattern for row in scanned for pattern in row.patterns]
    alone = [{"marks": [f"P{at}"], "name": "", "broadly": "", "strictly": ""} for at in range(1, len(found) + 1)]
    merged = _drive(merging(auditor, found), {"groups": alone}, calls)
    for piece in sample.counted:
        present = [{"pattern": f"P{at}", "how": "broadly", "quote": piece.text[:120]} for at in range(1, _PRESENT + 1)]
        _drive(counting(auditor, merged.patterns, piece), {"found": present}, calls)
    return tuple(calls)


def _drive(asked: Generator[Request, Answer, Result], said: dict[str, object], calls: list[Rehearsed]) -> Result:
    text = json.dumps(said)
    request = next(asked)
    while True:
        calls.append(Rehearsed(request, text))
        try:
            request = asked.send(Answer(request_hash=request.hash, text=text))
        except StopIteration as end:
            result: Result = end.value
            return result
