"""Third round: each pattern is looked for in documents that it was not found in, and what is not quoted does not count."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

from builder.records import Answer, Request
from builder.rows import AuditedPattern, Quote
from builder.stages.audit.asking import BESIDES, Auditor, Values, ask
from builder.stages.audit.merging import lines, marked
from builder.stages.audit.pieces import Piece, one_line, shown, stands_in
from builder.stages.audit.scanning import QUOTE, Pattern

_ROOM = 100  # tokens for a pattern that is there
_EXAMPLES = 3


class Seen(NamedTuple):
    """What a document has: place of a pattern -> whether strictly, and the words. ``unverified`` entries did not count."""

    document_id: str
    found: Mapping[int, tuple[bool, str]]
    unverified: int = 0
    fault: str = ""


def counting(auditor: Auditor, patterns: Sequence[Pattern], piece: Piece) -> Generator[Request, Answer, Seen]:
    """Ask which of the patterns a document has; they are told in an order of its own, since what stands first is found more often."""
    told = lines(auditor, patterns)
    random.Random(f"{auditor.seed}:audit:{piece.id}").shuffle(told)
    values = {"text": shown(piece.text, auditor.characters), "patterns": "\n".join(told)}
    reading = yield from ask(auditor, "count", piece.id, values, BESIDES + _ROOM * len(patterns), [piece.text])
    found: dict[int, tuple[bool, str]] = {}
    unverified = 0
    for row in reading.rows:
        at = _verified(row, patterns, piece)
        if at is None:
            unverified += 1
        elif row["how"] == "strictly" or at not in found:
            found[at] = row["how"] == "strictly", one_line(str(row["quote"]), QUOTE)
    return Seen(piece.id, found, unverified, reading.fault)


def _verified(row: Values, patterns: Sequence[Pattern], piece: Piece) -> int | None:
    at = marked(str(row["pattern"]))
    known = at is not None and at < len(patterns)
    return at if at is not None and known and stands_in(str(row["quote"]), piece.text, patterns[at].kind) else None


def counted(patterns: Sequence[Pattern], seen: Sequence[Seen]) -> tuple[AuditedPattern, ...]:
    """Every pattern with the documents that have it, the commonest first; strict examples before broad ones, counted before scanned."""
    found = []
    for at, pattern in enumerate(patterns):
        rows = [(row.document_id, *row.found[at]) for row in seen if at in row.found]
        quotes = [Quote(name, words) for wanted in (True, False) for name, strict, words in rows if strict == wanted]
        examples = (*quotes, *(quote for quote in pattern.examples if quote.document_id not in {row[0] for row in rows}))
        strict = sum(strict for _, strict, _ in rows)
        found.append(AuditedPattern(*pattern[:4], len(rows), strict, examples[:_EXAMPLES]))
    return tuple(sorted(found, key=lambda row: (-row.broad, -row.strict)))
