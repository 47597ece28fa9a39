"""What a unit is for (norm, reason, example, commentary), its sentences, and the reasons it gives.

Sentence ends come from spaCy's rule-based sentencizer (it knows "e.g." and "Dr."), then pass two checks of ours: an
end stands at white space, and opening quotes, brackets and emphasis belong to the sentence they open.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from builder.records import PrincipleKind

if TYPE_CHECKING:
    from spacy.language import Language

WINDOW = 200_000  # characters given to spaCy at once; it refuses texts over 1,000,000
LONG_REASON = 60  # words; of a longer sentence only the clause from the cue on is kept

MARKER = re.compile(r"^[ \t]*(?:>[ \t]?)*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*")
_WORD = re.compile(r"[^\s。！？]+[。！？]*|[。！？]+")
_END = re.compile(r"[.!?。！？…][\"'”’»)\]*_`]*$")
_SOFT_END = re.compile(r"(?:[\"'”’»)\]]|\.\.\.|…|\betc\.|\bvs\.)[*_]*$")
_FOOTNOTE_MARK = re.compile(r"\[\^[^\]\s]+\]$")
_CHUNK = re.compile(r"\n(?:[ \t>]*\n)+|\n(?=[ \t>]*(?:[-*+]|\d{1,9}[.)])[ \t])|\n(?=[ \t]*\|)")

_OPENS = r"(?:^|\n|[.!?][^\w\n]{1,4})[\W_]{0,8}"  # where a sentence may start, bounded so that blank text stays cheap
_STRONG = (
    r"\bbecause\b|\bso that\b|\bgiven that\b|\bfor (?:this|that|these|the same) reasons?\b"
    r"|\bpart of the reason\b|\breasons? (?:is|are) that\b|\b(?:two|three|four|several|many) (?:\w+ )?reasons\b"
    r"|\b(?:the|one|another|our|first|second|main|key|central) reasons? "
    r"(?:why|for|is|we|that|it|this|[\w’']+ (?:is|matters?))\b"
    r"|\b(?:this|that|which)(?: is|[’']s) (?:partly |also |in part )?why\b"
    r"|(?<!ever )(?<!long )\bsince (?!then\b|when\b|\d|last\b|yesterday\b|birth\b|the (?:start|beginning|first)\b)"
    rf"|{_OPENS}(?:why(?: (?:this|it|that) matters)?|reasons?|rationale)[*_ ]*:"
)
_CUE = re.compile(rf"{_STRONG}|\bin order (?:to|that|for)\b|\blest\b|{_OPENS}otherwise\b", re.IGNORECASE)
_LENDABLE = re.compile(_STRONG, re.IGNORECASE)
_LOOKS_BACK = re.compile(
    r"^[\W_]*(?:for (?:this|that|these|the same) reasons?|(?:this|that)(?: is|[’']s) (?:partly |also |in part )?why)\b",
    re.IGNORECASE,
)
_LOOKS_AHEAD = re.compile(r"\b(?:two|three|four|several|a number of) (?:\w+ )?reasons\b", re.IGNORECASE)
_COUNTS = re.compile(r"^[\W_]*(?:first|second|third|fourth|one is|another|finally|lastly)(?:ly)?\b", re.IGNORECASE)
_MODAL = re.compile(
    r"\b(?:should|shouldn[’']t|must|mustn[’']t|never|always|ought|shall|may not|needs? to|needn[’']t|ha(?:s|ve) to"
    r"|(?:is|are) (?:not )?(?:to|free to|required to|expected to|obliged to|permitted to|allowed to)"
    r"|wants? \w+(?:[’']s \w+)?(?: \w+)? to|avoids?|refuses?"
    r"|(?:we|I) (?:\w+ ){0,2}(?:want|expect|ask|encourage|hope (?!to\b|for\b|this\b|these\b)\w+)"
    r"|(?:\bis|\bare|\bit[’']s) (?:\w+ )?(?:important|critical|crucial|essential)"
    r"|by default|prohibit\w*|forbidden|requires?|will not|won[’']t|would not"
    r"|can (?:also )?(?:choose|decline|follow|express|push|voice|use)|rather than|instead of)\b"
    r"|^[\W_]*(?:do not|don[’']t|be|treat|tell|say|ask|keep|respect|help|make|give|take|use)\b",
    re.IGNORECASE,
)
_ACTS = re.compile(
    r"(?:^[\W_]*|[.!?;:,][*_\"”’)]* )(?:so |and |but |then )?"
    r"(?:it|they|(?:the|an?) (?:\w+ )?\w+|Claude) (?:also |still |then |typically |usually )?"
    r"(?:(?:does|do|may|can|will|would|tries|cannot|declines) |(?!(?:is|was|has|does|seems|means|matters)\b)[a-z]+s\b)",
    re.IGNORECASE,
)
_META = re.compile(
    r"\bth(?:is|e) (?:document|constitution|charter)\b|\bthis (?:section|list|framework|file)\b"
    r"|\bwe (?:\w+ )?(?:use the term|discuss|describe|wrote|hope|think|thought|believe|recogni[sz]e|acknowledge|view"
    r"|aim|plan|feel|don[’']t|cannot|can[’']t|are|have|explain|focus|know|see|find|call|chose|will|refer)\b"
    r"|\bour (?:\w+ )?(?:mission|approach|views?|understanding|aims?|hopes?|uncertainty|training|thinking|goals?)\b",
    re.IGNORECASE,
)
_EXAMPLE_HEADING = re.compile(r"\bexamples?\b|\b(?:worked|hard) cases?\b|\bcase stud(?:y|ies)\b", re.IGNORECASE)
_REASON_HEADING = re.compile(r"^(?:the |our )?(?:why|rationale|reasons?|justification)\b", re.IGNORECASE)
_COMMENTARY_HEADING = re.compile(
    r"^(?:notes?|commentary|acknowledge?ments?|about (?:this|the)\b.*|changelog|version history|preface|foreword)$",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"^[\W_]*(?:(?:good|bad|better|worse|positive|negative|counter-?)?[ -]?(?:examples?|response|reply)"
    r"(?: \w)?[*_ ]*[:.(]"
    r"|(?:good|bad|better|worse|ok|not ok)[*_ ]*:|for (?:example|instance)\b|e\.g\.|suppose\b|imagine\b|picture\b"
    r"|consider (?:a|an|the case|someone|two|this|what)\b|(?:some |here are |a few )?examples? (?:of|include)\b"
    r"|(?:user|assistant|human|ai|operator|system)[*_ ]*:)|^\W*[✅❌✔✗👍👎]",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"^[\W_]*(?:because\b|(?:the|one|another|our|part of the) (?:\w+ ){0,2}reasons?\b"
    r"|(?:this|that) is (?:partly |in part )?because\b"
    r"|(?:we|I) (?:take|do|favou?r|chose|choose)\b.*\breasons?\b|why\b|reasons?[*_ ]*:|rationale[*_ ]*:)",
    re.IGNORECASE,
)
VERDICT_MARK = re.compile(
    r"^[\W_]*(good|bad|better|worse)(?: (?:example|response|reply|answer))?[*_ ]*[:.]|^\W*([✅❌👍👎])", re.IGNORECASE
)


class Span(NamedTuple):
    """Character offsets, half-open."""

    start: int
    end: int


def kind_of(text: str, path: Sequence[str]) -> PrincipleKind:
    """Norm unless the heading or the words say otherwise; a unit that demands and explains is a norm."""
    words = MARKER.sub("", text)
    heading = path[-1] if path else ""
    if _EXAMPLE.search(words) or _EXAMPLE_HEADING.search(heading):
        return "example"
    if _COMMENTARY_HEADING.search(heading):
        return "commentary"
    if _REASON.search(words):
        return "reason"
    if _MODAL.search(words):
        return "norm"
    if _REASON_HEADING.search(heading):
        return "reason"
    if _ACTS.search(" ".join(words.split())):
        return "norm"
    if _mostly_reasons(words):
        return "reason"
    return "commentary" if _META.search(words) else "norm"


def _mostly_reasons(text: str) -> bool:
    """Whether the first sentence gives a reason, or half of all do."""
    if not _CUE.search(text):
        return False
    cued = [_cue(text[span.start : span.end]) is not None for span in sentences(text)]
    return cued[0] or sum(cued) * 2 >= len(cued)


def _cue(sentence: str) -> int | None:
    """Where a reason begins; one inside quotation marks is the reason of whoever is quoted."""
    for found in _CUE.finditer(sentence):
        before = sentence[: found.start()]
        if before.count("“") <= before.count("”") and before.count('"') % 2 == 0:
            return found.start()
    return None


def is_lendable(reason: str) -> bool:
    """Whether a reason is plain enough ("because", "since") to serve a neighbour; "in order to" is not."""
    return bool(_LENDABLE.search(reason))


def reasons(text: str) -> tuple[str, ...]:
    """The sentences of ``text`` that give a reason, verbatim substrings, in order.

    A sentence that only points ("For this reason ...", "... for two reasons") comes with the sentences it points to.

    >>> reasons("Tell the truth. People plan by it, so that a lie costs twice.")
    ('People plan by it, so that a lie costs twice.',)
    """
    if not _CUE.search(text):
        return ()
    spans = sentences(text)
    found: list[str] = []
    for place, span in enumerate(spans):
        sentence = text[span.start : span.end]
        if _cue(sentence) is not None and not sentence.endswith(":"):
            found.append(_reason(text, spans, place))
    return tuple(dict.fromkeys(found))


def _reason(text: str, spans: Sequence[Span], place: int) -> str:
    start, end = spans[place]
    sentence = text[start:end]
    if _LOOKS_BACK.search(sentence) and place:
        start = spans[place - 1].start
    elif _LOOKS_AHEAD.search(sentence):
        end = _last_counted(text, spans, place)
    elif len(sentence.split()) > LONG_REASON:
        return sentence[_cue(sentence) or 0 :]
    return MARKER.sub("", text[start:end])


def _last_counted(text: str, spans: Sequence[Span], place: int) -> int:
    """Where the enumeration ends that a sentence announces: "First, ... Second, ..."."""
    end = spans[place].end
    for span in spans[place + 1 :]:
        if not _COUNTS.search(text[span.start : span.end]):
            break
        end = span.end
    return end


def sentences(text: str) -> list[Span]:
    """Sentences as offsets into ``text``; no word is lost or shared. Paragraphs, items and rows end a sentence too."""
    spans: list[Span] = []
    start = 0
    for cut in [*(m.end() for m in _CHUNK.finditer(text)), len(text)]:
        spans.extend(_chunk_sentences(text, start, cut))
        start = cut
    return spans


def words_of(text: str, start: int, end: int) -> list[Span]:
    """The words of a stretch of text; an ideographic full stop ends a word, since no space follows it."""
    return [Span(*match.span()) for match in _WORD.finditer(text, start, end)]


def _chunk_sentences(text: str, start: int, end: int) -> Iterator[Span]:
    words = words_of(text, start, end)
    if not words:
        return
    firsts = _sentence_starts([text[a:b] for a, b in words])
    for first, after in zip(firsts, [*firsts[1:], len(words)], strict=True):
        yield Span(words[first].start, words[after - 1].end)


def _sentence_starts(words: Sequence[str]) -> list[int]:
    """Indices of the words that open a sentence; spaCy is asked only where some word ends like a sentence."""
    bare = [_FOOTNOTE_MARK.sub("", word) or word for word in words]
    ends = {n + 1 for n, word in enumerate(bare[:-1]) if _END.search(word)}
    if not ends:
        return [0]
    starts = [n for n in _spacy_starts(bare) if n in ends and not _continues(bare[n - 1], bare[n])]
    return [0, *starts]


def _continues(last: str, first: str) -> bool:
    """Whether a "sentence" is the rest of one: (“Really?” she asked)."""
    return bool(_SOFT_END.search(last)) and first.lstrip("*_").lstrip("“\"'(")[:1].islower()


def _spacy_starts(words: Sequence[str]) -> Iterator[int]:
    first = 0
    while first < len(words):
        last, room = first, WINDOW
        while last < len(words) and room > 0:
            room -= len(words[last]) + 1
            last += 1
        starts = [first + n for n in _window_starts(words[first:last])]
        yield from starts
        first = starts[-1] if last < len(words) and starts else last


def _window_starts(words: Sequence[str]) -> list[int]:
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word) + 1)
    starts: list[int] = []
    for sentence in _sentencizer()(" ".join(words)).sents:
        place = bisect_right(offsets, sentence.start_char) - 1
        opening = words[place][: sentence.start_char - offsets[place]]
        if place and not any(character.isalnum() for character in opening):
            starts.append(place)
    return starts


@functools.cache
def _sentencizer() -> Language:
    import spacy  # a second of start-up that a short file never needs

    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    return language
