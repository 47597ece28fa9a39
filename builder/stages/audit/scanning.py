"""First round: batches of pieces are read for what they repeat. A pattern counts when its quotes stand in two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from builder.records import Answer, Request
from builder.rendering import filled
from builder.rows import Quote
from builder.stages.audit.asking import BESIDES, Auditor, Values, ask
from builder.stages.audit.pieces import Piece, one_line, shown, stands_in

MOST = 12  # patterns of one batch: as many as it has pieces, beyond which a reader lists what is merely there
LEAST_PIECES = 2
NAME, SENTENCE, QUOTE = 80, 400, 300  # characters that are kept of each
_ROOM = 400  # tokens for a pattern with its quotes
_EXAMPLES = 6  # kept of a pattern


class Pattern(NamedTuple):
    """What a judge named, in its words, and where: each quote stands in its document, and no two in the same one."""

    name: str
    kind: str
    broadly: str
    strictly: str
    examples: tuple[Quote, ...]


class Scanned(NamedTuple):
    """What one batch gave. ``fault`` is a slug.

    ``dropped`` counts patterns by reason (``unverified``, ``surplus``, ``blank``), and as ``misquoted`` the quotes that do not stand.
    """

    patterns: tuple[Pattern, ...]
    dropped: Mapping[str, int]
    fault: str = ""


def batches(pieces: Sequence[Piece], together: int) -> Iterator[tuple[Piece, ...]]:
    """Batches as even as may be, so that none is a single piece.

    >>> [len(batch) for batch in batches([Piece(str(number), "") for number in range(25)], 12)]
    [9, 8, 8]
    """
    count, left = -(-len(pieces) // together), iter(pieces)
    for number in range(count):
        yield tuple(islice(left, (len(pieces) - number - 1) // count + 1))


def scanning(auditor: Auditor, number: int, batch: Sequence[Piece]) -> Generator[Request, Answer, Scanned]:
    """Ask what a batch repeats."""
    prompt = auditor.prompts["piece"]
    told = [
        filled(prompt.text, prompt.where, {"number": str(at), "text": shown(piece.text, auditor.characters)})
        for at, piece in enumerate(batch, start=1)
    ]
    values = {"count": str(len(batch)), "most": str(MOST), "pieces": "\n\n".join(told)}
    texts = [piece.text for piece in batch]
    reading = yield from ask(auditor, "scan", f"audit-scan-{number:03d}", values, BESIDES + MOST * _ROOM, texts)
    dropped = Counter(surplus=max(0, len(reading.rows) - MOST))
    found = []
    for row in reading.rows[:MOST]:
        pattern = _pattern(row, batch)
        dropped["misquoted"] += len(row["examples"]) - sum(1 for _ in _standing(row, batch))
        if not (pattern.name and pattern.broadly):
            dropped["blank"] += 1
        elif len(pattern.examples) < LEAST_PIECES:
            dropped["unverified"] += 1
        else:
            found.append(pattern)
    return Scanned(tuple(found), +dropped, reading.fault)


def _pattern(row: Values, batch: Sequence[Piece]) -> Pattern:
    quotes: dict[str, Quote] = {}
    for quote in _standing(row, batch):
        quotes.setdefault(quote.document_id, quote)
    name, broadly, strictly = (one_line(str(row[field]), most) for field, most in
                               (("name", NAME), ("broadly", SENTENCE), ("strictly", SENTENCE)))  # fmt: skip
    return Pattern(name, str(row["kind"]), broadly, strictly or broadly, tuple(quotes.values())[:_EXAMPLES])


def _standing(row: Values, batch: Sequence[Piece]) -> Iterator[Quote]:
    """The examples of a pattern that stand in the piece they name."""
    for example in row["examples"]:
        number, quote = int(example["piece"]), str(example["quote"])
        if number <= len(batch) and stands_in(quote, batch[number - 1].text, str(row["kind"])):
            yield Quote(batch[number - 1].id, one_line(quote, QUOTE))
