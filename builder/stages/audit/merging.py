"""Second round: what several batches named alike becomes one pattern, by the judge, or by what the names and quotes share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Sequence
from typing import NamedTuple

from builder.records import Answer, Request
from builder.rendering import filled
from builder.rows import Quote
from builder.stages.audit.asking import BESIDES, Auditor, Values, ask
from builder.stages.audit.pieces import one_line
from builder.stages.audit.scanning import NAME, SENTENCE, Pattern

MOST_MERGED = 120  # patterns in one call: as many as ten batches give
MOST_COUNTED = 20  # patterns looked for in each document; a longer list is read with less care
_ROOM = 120  # tokens for a group
_ALIKE = 0.5  # of the longer words of two patterns; with more they are one
_LONG = 4  # letters
_TOLD = 8  # marks in a complaint
_WORD = re.compile(r"[^\W_]+")


class Merged(NamedTuple):
    """The patterns to be counted, those in most documents first.

    ``by`` is ``judge``, ``overlap``, or empty where there was nothing to merge; ``surplus`` patterns were left out, the rarest.
    """

    patterns: tuple[Pattern, ...]
    by: str = ""
    surplus: int = 0
    fault: str = ""


def merging(auditor: Auditor, found: Sequence[Pattern]) -> Generator[Request, Answer, Merged]:
    """Ask which of the patterns are the same; where the answer cannot be used, compare their words."""
    listed = _commonest(found)[:MOST_MERGED]

    def check(rows: Sequence[Values]) -> str:
        return _misfit(rows, len(listed))

    values = {"patterns": "\n".join(lines(auditor, listed))}
    texts = [quote.text for pattern in listed for quote in pattern.examples]
    reading = yield from ask(auditor, "merge", "audit-merge", values, BESIDES + _ROOM * len(listed), texts, check)
    if reading.fault:
        groups, by = _overlapping(listed), "overlap"
    else:
        groups, by = [_group(row, listed) for row in reading.rows if row["marks"]], "judge"
    ranked = _commonest(groups)
    surplus = len(found) - len(listed) + max(0, len(ranked) - MOST_COUNTED)
    return Merged(tuple(ranked[:MOST_COUNTED]), by, surplus, reading.fault)


def lines(auditor: Auditor, patterns: Sequence[Pattern], examples: bool = True) -> list[str]:
    """Each pattern as a judge is told it, by its mark: P1, P2 and so on."""
    prompt = auditor.prompts["pattern"]
    return [
        filled(
            prompt.text, prompt.where,
            {"mark": f"P{number}", "name": row.name, "kind": row.kind, "broadly": row.broadly, "strictly": row.strictly,
             "quote": row.examples[0].text if examples and row.examples else ""},
        )
        for number, row in enumerate(patterns, start=1)
    ]  # fmt: skip


def marked(mark: str) -> int | None:
    """The place of a pattern by its mark; ``None`` where that is none.

    >>> marked("P7"), marked(" p12 "), marked("seven")
    (6, 11, None)
    """
    found = re.fullmatch(r"\s*[Pp]?0*([1-9]\d{0,5})\s*", mark)
    return int(found[1]) - 1 if found else None


def _misfit(rows: Sequence[Values], count: int) -> str:
    """What keeps groups from being a partition of so many patterns, in words for the judge; empty where nothing does."""
    said = [str(mark) for row in rows for mark in row["marks"]]
    places = Counter(map(marked, said))
    unknown = [mark for mark in said if marked(mark) is None or not 0 <= (marked(mark) or 0) < count]
    twice = [f"P{at + 1}" for at, times in places.items() if at is not None and times > 1]
    lacking = [f"P{at + 1}" for at in range(count) if at not in places]
    faults = (("these marks are not of the list", unknown), ("these stand there more than once", twice), ("these are missing", lacking))
    return "; ".join(f"{fault}: {', '.join(one_line(mark, NAME) for mark in marks[:_TOLD])}" for fault, marks in faults if marks)


def _group(row: Values, listed: Sequence[Pattern]) -> Pattern:
    """The patterns of a group as one: in the judge's words where it has any, else in those of the commonest member."""
    members = [listed[at] for mark in row["marks"] if (at := marked(str(mark))) is not None]
    whole = _joined(_commonest(members))
    if len(members) < 2:
        return whole
    name, broadly, strictly = (one_line(str(row[field]), most) for field, most in
                               (("name", NAME), ("broadly", SENTENCE), ("strictly", SENTENCE)))  # fmt: skip
    return whole._replace(name=name or whole.name, broadly=broadly or whole.broadly, strictly=strictly or whole.strictly)


def _joined(members: Sequence[Pattern]) -> Pattern:
    quotes: dict[str, Quote] = {}
    for member in members:
        for quote in member.examples:
            quotes.setdefault(quote.document_id, quote)
    return members[0]._replace(examples=tuple(quotes.values()))


def _commonest(patterns: Sequence[Pattern]) -> list[Pattern]:
    """Those with quotes from most documents first; what is as common stays in order."""
    return sorted(patterns, key=lambda pattern: -len(pattern.examples))


def _overlapping(listed: Sequence[Pattern]) -> list[Pattern]:
    """Groups of patterns of which each shares a quote, or over half of its longer words, with the commonest of its group."""
    groups: list[list[Pattern]] = []
    for pattern in listed:
        home = next((group for group in groups if _alike(pattern, group[0])), None)
        if home is None:
            groups.append([pattern])
        else:
            home.append(pattern)
    return [_joined(group) for group in groups]


def _alike(one: Pattern, other: Pattern) -> bool:
    if any(mine.document_id == theirs.document_id and (mine.text in theirs.text or theirs.text in mine.text)
           for mine in one.examples for theirs in other.examples):  # fmt: skip
        return True
    left, right = _words(one), _words(other)
    return len(left & right) > _ALIKE * len(left | right)


def _words(pattern: Pattern) -> frozenset[str]:
    told = f"{pattern.name} {pattern.broadly} {pattern.strictly}".casefold()
    return frozenset(word for word in _WORD.findall(told) if len(word) >= _LONG)
