"""Gate ``mechanical``: faults that a program can be sure of. The first that holds, in this order, is the reason.

    empty                    no word in it
    too_short, too_long      [gates] min_words, max_words
    control_character:CODE   breaks a reader of JSON lines, or hides: u+2028, a lone surrogate, u+202e
    special_token:TOKEN      text that a tokenizer turns into a control token (lists/special_tokens.txt, any <|name|>)
    placeholder:TEXT         something left to fill in (lists/placeholders.txt, [Name], {slot}, <one|another>)
    cut_ending               it stops in the middle: of a sentence of prose, a quotation, a block of code
    leftover:TEXT            a tag, a remark or a refusal left over from the making (lists/leftovers.txt)
    repeats_itself           half of its runs of eight words stand there twice, or one of them twelve times
    link                     an address, a domain, an e-mail address
    calendar_date            12 March 2024, 2023-05-01, in 2021; times of day and week days are fine
    banned_name:NAME         a worn-out name (names/banned.txt), as a whole word with a capital
    copied_span              [gates] copied_words or more words running as in a principle, or in a reference other than itself
    eval_shape               all motifs of a known evaluation scenario (lists/eval_shapes.txt)
    slop_words               over-used words and phrases (lists/slop.txt) above [gates] slop_per_1000; three at least

Scores: ``words``, and ``slop_words`` and ``slop_per_1000`` where the other checks passed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from builder.gates import Gate, GateContext
from builder.records import Candidate, Verdict
from builder.shapes import resembles, shapes
from builder.text import Found, Phrases, folded_words, gram_hashes, lowered

NAME = "mechanical"
BY_ITSELF = True  # no other document has a say in a verdict, so an engine may deal documents out
LEAST_SLOP = 3
_RUN = 8  # words: a refrain is shorter, and a text that was given twice over has every run twice
_LEAST_DIFFERENT = 0.55  # of the runs
_TOO_OFTEN = 12  # times for any one of them
_ENOUGH = 100  # runs, fewer say nothing

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff\ud800-\udfff]"
)
_SPECIAL = re.compile(
    r"<\|[A-Za-z0-9_ .:/-]{1,40}\|>|<\uff5c[^\uff5c>\n]{1,40}\uff5c>|<(?:unused|extra_id_|reserved_|image_)\d+>"
)
_OWNER = r"your|the|first|last|full|family|insert|his|her|their|user|ai"
_KIND = r"name|place|date|title|city|town|company|location|role|time|age|number|email|address|character|topic|pronoun"
_PLACEHOLDERS = (
    re.compile(r"\{\{?\s*[A-Za-z_][\w .:-]{0,40}\}?\}"),
    re.compile(r"<[^<>\n|]{0,80}\|[^<>\n]{0,80}>"),
    re.compile(rf"\[(?:(?:{_OWNER})[ _-]*)*(?:{_KIND})(?:s|[ _-]here|[ _-]?\d)?\]", re.IGNORECASE),
    re.compile(r"\[insert [^\]\n]{1,60}\]", re.IGNORECASE),
)
_LINK_MARK = re.compile(r"[.@:\]](?=[A-Za-z/(])")
_LINK = re.compile(
    r"\b(?:https?|ftp)://|\bwww\.\w|\]\((?:/|#|mailto:)|[\w.+-]+@\w[\w-]*\.\w{2,}"
    r"|\b[\w-]+\.(?:com|org|net|edu|gov|io|info|co\.uk)\b",
    re.IGNORECASE,
)
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|March|Mar\.|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_DAY, _MONTH_NUMBER, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:1[6-9]|20)\d\d"
_BEFORE_YEAR = r"[Ii]n|[Ss]ince|[Uu]ntil|[Dd]uring|[Bb]y|[Yy]ear|(?:[Ss]pring|[Ss]ummer|[Aa]utumn|[Ww]inter)(?: of)?"
_DATE_MARK = re.compile(r"[0-9]+")
_DATE = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}\b|\b{_MONTH}\.? (?:the )?\d{{1,2}}(?:st|nd|rd|th)?\b(?![:.]\d)"
    rf"|\b{_MONTH},? {_YEAR}\b|\b(?:{_BEFORE_YEAR}) {_YEAR}\b(?![:.,]?\d)"
    rf"|\b{_YEAR}[-/.]{_MONTH_NUMBER}[-/.]{_DAY}\b|\b{_DAY}[/.-]{_DAY}[/.-]{_YEAR}\b"
)
_AROUND = 40  # characters; longer than any date, and than the part of an address that tells it is one
_SENTENCE_START = re.compile(r"(?:\A|(?<!\bM[rs])(?<!\bDr)(?<!\bMrs)[.!?:\u2026\n])[\s\"'(\[\u201c\u2018*_-]*\Z")


_LEAST_CUT = 8  # words of a last line that looks cut; a shorter one may be a name, a heading, the title of a song
_MOSTLY = 0.75  # of the long lines of prose end with a mark; in a log or a poem they do not
_STOP = re.compile(r"[^\W\d]{2}[.!?\u2026]['\"\u2019\u201d)]* |[\u3002\uff01\uff1f\u0964\u061f\u06d4]")
_NO_PROSE = re.compile(r"\s*(?:[-*+\u2022#>|=~\[({<]|\d+[.):/]|\w[.)]\s)|[^.!?]{0,40}[:\t|]\s*\S+(?:\s+\S+){0,3}\s*\Z")
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_QUOTES = "\"'\u2019\u201d\u00bb)]*_"


class _Text(NamedTuple):
    """A candidate, read once for all checks: its id, as written, in lower case, as compared words, the listed phrases in it."""

    id: str
    raw: str
    low: str
    words: list[str]
    listed: list[Found]


class _Fault(NamedTuple):
    """Why a text is refused, and the words at fault where the reason does not hold them."""

    reason: str
    explanation: str = ""


Check = Callable[[_Text], _Fault | None]


def open_gate(context: GateContext) -> Gate:
    """The gate with the recipe's thresholds, the library's lists, and the principles and references whose words may not be copied."""
    gates, library = context.recipe.gates, context.library
    slop, placeholders, names = set(library.words("slop")), library.words("placeholders"), library.banned_names
    phrases = Phrases((*sorted(slop), *placeholders, *sorted(names)))
    checks = (
        _length(gates.min_words, gates.max_words),
        _control_character,
        _special_token(library.words("special_tokens")),
        _placeholder(set(placeholders)),
        _leftover(library.words("leftovers")),
        _repeats_itself,
        _cut_ending,
        _match("link", _LINK, _LINK_MARK),
        _match("calendar_date", _DATE, _DATE_MARK),
        _banned_name(names, library.words("names_that_are_words")),
        _copied_span(context, gates.copied_words),
        _eval_shape(library.words("eval_shapes")),
    )

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        for candidate in candidates:
            low = lowered(candidate.text)
            text = _Text(candidate.id, candidate.text, low, folded_words(candidate.text), list(phrases.found(low)))
            scores = {"words": float(len(text.words))}
            fault = next((found for check in checks if (found := check(text))), None)
            if not fault:
                hits = [found.phrase for found in text.listed if found.phrase in slop]
                per_1000 = round(1000 * len(hits) / len(text.words), 3)
                scores |= {"slop_words": float(len(hits)), "slop_per_1000": per_1000}
                if len(hits) >= LEAST_SLOP and per_1000 > gates.slop_per_1000:
                    fault = _Fault("slop_words", ", ".join(sorted(set(hits))))
            reason, why = fault or _Fault("ok")
            yield Verdict(
                document_id=candidate.id, gate=NAME, keep=fault is None, reason=reason, scores=scores, explanation=why
            )

    return judge


def _length(least: int, most: int) -> Check:
    def check(text: _Text) -> _Fault | None:
        count = len(text.words)
        if not count:
            return _Fault("empty")
        if count < least:
            return _Fault("too_short", f"{count} words, and at least {least} are asked for")
        return _Fault("too_long", f"{count} words, and at most {most} are asked for") if count > most else None

    return check


def _match(reason: str, pattern: re.Pattern[str], spot: re.Pattern[str]) -> Check:
    """A pattern looked for only around the cheap marks without which it cannot hold: ten times as fast."""

    def check(text: _Text) -> _Fault | None:
        for mark in spot.finditer(text.raw):
            found = pattern.search(text.raw, max(0, mark.start() - _AROUND), mark.end() + _AROUND)
            if found:
                return _Fault(reason, found.group())
        return None

    return check


def _control_character(text: _Text) -> _Fault | None:
    found = _CONTROL.search(text.raw)
    return _Fault(f"control_character:u+{ord(found.group()):04x}") if found else None


def _special_token(tokens: Sequence[str]) -> Check:
    openings = {token[0] for token in tokens} | {"<"}

    def check(text: _Text) -> _Fault | None:
        if not any(opening in text.raw for opening in openings):
            return None
        listed = next((token for token in tokens if token in text.raw), "")
        found = _SPECIAL.search(text.raw)
        token = listed or (found.group() if found else "")
        return _Fault(f"special_token:{token}") if token else None

    return check


def _placeholder(listed: Collection[str]) -> Check:
    def check(text: _Text) -> _Fault | None:
        for start, end, phrase in text.listed:
            if phrase in listed and (phrase.islower() or text.raw[start:end] == phrase):
                return _Fault(f"placeholder:{phrase}")
        if "[" in text.raw or "{" in text.raw or "<" in text.raw:
            found = next((found for pattern in _PLACEHOLDERS if (found := pattern.search(text.raw))), None)
            return _Fault(f"placeholder:{found.group()}") if found else None
        return None

    return check


def _cut_ending(text: _Text) -> _Fault | None:
    end = text.raw.rstrip()
    fault = _Fault("cut_ending", end[-_AROUND:])
    if len(_FENCE.findall(end)) % 2:
        return fault
    paragraph = end[end.rfind("\n\n") + 1 :]
    closed = end.endswith(tuple(_QUOTES))
    if not closed and (paragraph.count('"') % 2 or paragraph.count("\u201c") > paragraph.count("\u201d")):
        return fault
    *lines, last = end.split("\n")
    if not _is_prose(last) or _is_closed(last):
        return None
    habit = [_is_closed(line) for line in lines if _is_prose(line)] or [bool(_STOP.search(last))]
    return fault if sum(habit) >= _MOSTLY * len(habit) else None


def _is_prose(line: str) -> bool:
    return len(line.split()) >= _LEAST_CUT and (_STOP.search(line) is not None or not _NO_PROSE.match(line))


def _is_closed(line: str) -> bool:
    """Whether a line ends with a mark, as sentences do, and not with one that goes on."""
    last = line.rstrip()[-1]
    return not (last.isalnum() or last in ",;(-\u201c")


def _leftover(lines: Sequence[str]) -> Check:
    first = tuple(line[1:] for line in lines if line.startswith("^"))
    anywhere = [line for line in lines if not line.startswith("^")]

    def check(text: _Text) -> _Fault | None:
        low = text.low.lstrip(" \n*#\"")
        found = next((line for line in anywhere if line in low), "") or next((line for line in first if low.startswith(line)), "")
        return _Fault(f"leftover:{found}") if found else None

    return check


def _repeats_itself(text: _Text) -> _Fault | None:
    counts = Counter(gram_hashes(text.words, _RUN).tolist())
    total = counts.total()
    if total < _ENOUGH or (len(counts) >= _LEAST_DIFFERENT * total and max(counts.values()) < _TOO_OFTEN):
        return None
    return _Fault("repeats_itself", f"{len(counts)} of {total} runs of {_RUN} words differ")


def _banned_name(banned: Collection[str], also_words: Sequence[str]) -> Check:
    ordinary = {word.lower() for word in also_words}

    def check(text: _Text) -> _Fault | None:
        for start, _, name in text.listed:
            if name not in banned or not text.raw[start].isupper():
                continue
            before = text.raw[max(0, start - 8) : start]
            if name not in ordinary or not _SENTENCE_START.search(before if start > 8 else f"\n{before}"):
                return _Fault(f"banned_name:{name}")
        return None

    return check


def _copied_span(context: GateContext, length: int) -> Check:
    index: dict[int, str] = {}
    references = [(reference.id, reference.text) for reference in context.references]
    for name, source in (*references, *((principle.id, principle.text) for principle in context.principles)):
        words = folded_words(source)
        if len(words) >= length:
            index.update(dict.fromkeys(gram_hashes(words, length).tolist(), name))

    def check(text: _Text) -> _Fault | None:
        if len(text.words) < length:
            return None
        hashes = gram_hashes(text.words, length).tolist()
        if index.keys().isdisjoint(hashes):
            return None
        found = ((at, index[value]) for at, value in enumerate(hashes) if value in index)
        at, name = next(((at, name) for at, name in found if name != text.id), (0, ""))
        return _Fault("copied_span", f"{name}: {' '.join(text.words[at : at + length])}") if name else None

    return check


def _eval_shape(lines: Sequence[str]) -> Check:
    known = shapes(lines)

    def check(text: _Text) -> _Fault | None:
        if not resembles(text.low, known):
            return None
        met = (line for line, shape in zip(lines, known, strict=True) if resembles(text.low, [shape]))
        return _Fault("eval_shape", next(met))

    return check
