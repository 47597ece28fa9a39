"""How various the texts are: measures beside human and model fiction, and the wordings that come again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from builder import measures
from builder.errors import UsageError
from builder.measures import REFERENCES, SAMPLE_TEXTS, SAMPLE_WORDS, Reference, Repeat, Wordings
from builder.records import Document
from builder.reference_texts import references
from builder.report import alike
from builder.report.counted import SCANNED, Counted
from builder.report.page import Picture, Section, details, image, number, percent, quoted, ratio, table
from builder.report.pictures import Range, ranges
from builder.stages.sameness.keys import ending, known_names, opening

_WORSE = "worse than the models"
_SHOWN = 8
_ALIKE = 0.2  # of the openings, the endings, or all wording: a corpus written by one hand from few moulds
_SHOWN_NAMES = 25
_OFTEN = {"opening": 0.05, "ending": 0.05, "phrase": 0.1}  # from such a share on, a model may learn the wording with the character


def diversity(counted: Counted) -> Section:
    """Five measures that tell human from model fiction, on a sample of fixed size and length."""
    sample = counted.sample
    found = {
        "first_word_entropy": measures.first_word_entropy(sample),
        "effective_names": measures.effective_names(sample),
        "overused_per_1000_words": _overused(counted),
        "not_but_per_1000_characters": measures.not_but_per_1000_characters(sample),
        "sentence_length_variation": measures.sentence_length_variation(sample),
    }
    short = len(sample) < SAMPLE_TEXTS
    by_hand, more = references(), alike.measured(counted)
    median = sorted(len(text.split()) for text in sample)[len(sample) // 2] if sample else 0
    body = [
        f"N = {len(sample)} documents drawn by the seed, the first {SAMPLE_WORDS} words of each (median {median}). The ranges are of 166"
        f" human stories and the fiction of 22 models at N = {SAMPLE_TEXTS}; other code and another word list measured them, so read"
        f" distances, not decimals. Written by hand: the references of this project, of one house, N = {by_hand.texts}. Names"
        " come from the plan's pool and the word list is also a gate: their good values are the plan's and"
        " the gate's work, and no sign of good prose."
        + (f" **N is under {SAMPLE_TEXTS}: the first two measures come out too low.**" if short else ""),
        table(
            ("measure", "this corpus", "written by hand", "human", "22 models", "reads as"),
            (
                (row.label, number(found[row.key], 3), number(by_hand.numbers[row.key], 3), f"{row.human:g}",
                 f"{row.models_low:g} to {row.models_high:g}", _reads_as(row, found[row.key]))
                for row in REFERENCES
            ),
        ),
    ]  # fmt: skip
    picture = Picture(
        "diversity",
        "Dot plot of five diversity measures, each on a scale of its own: this corpus, the human value, the range of 22 models.",
        ranges([Range(row.label, found[row.key], row.human, row.models_low, row.models_high) for row in REFERENCES]),
    )
    worse = [row.label for row in REFERENCES if _reads_as(row, found[row.key]) == _WORSE]
    findings = [f"further from human fiction than all 22 models: {label}" for label in worse]
    numbers: dict[str, Any] = {"sample": len(sample), "median_words": median}
    numbers |= {key: None if value is None else round(value, 6) for key, value in found.items()}
    return Section("diversity", "Diversity", [*body, image(picture), *more.body], {**numbers, **more.numbers}, (picture,), findings)


def _overused(counted: Counted) -> float | None:
    """``None`` where the project has no list of over-used words."""
    try:
        listed = counted.rows.library.words("slop")
    except (UsageError, FileNotFoundError):
        return None
    return measures.overused_per_1000_words(counted.sample, listed)


def _reads_as(row: Reference, value: float | None) -> str:
    if value is None:
        return "not measured: no list"
    if row.models_low <= value <= row.models_high:
        return "like the models"
    up = row.higher_is_human
    if (value < row.models_low) if up else (value > row.models_high):
        return _WORSE
    return "beyond human" if (value > row.human if up else value < row.human) else "between models and human"


def patterns(counted: Counted) -> Section:
    """Openings, endings, phrases and names that recur."""
    scanned = counted.scanned
    openings = _wordings(scanned, opening)
    endings = _wordings(scanned, ending)
    wordings = measures.phrases([document.text for document in scanned])
    named = Counter(name for document in scanned for name in set(measures.names(document.text)))
    body = [
        f"{len(scanned):,} documents read{' (a sample drawn by the seed)' if len(counted.kept) > SCANNED else ''}. Names and"
        " numbers are masked in openings and endings: the first and last sentence, or as many as make four words, and twelve words at"
        f" most. Template coverage, the share of 5-word runs that stand in"
        f" {measures.TEMPLATE_DOCUMENTS} documents or more: **{percent(wordings.template_coverage, 1)}**. All three"
        " shares grow with the number of documents: compare builds of one size.",
        f"**Openings**: {_told(openings, scanned)}",
        _table(openings, scanned),
        f"**Endings**: {_told(endings, scanned)}",
        _table(endings, scanned),
        details("phrases in the most documents", _table(wordings.phrases, scanned, 15)),
        details("names in the most documents", ", ".join(f"{quoted(name)} {count}" for name, count in _commonest(named))),
    ]
    numbers = {
        "documents": len(scanned),
        "openings_repeated_share": _share(openings, scanned), "openings_top_share": _top(openings, scanned),
        "endings_repeated_share": _share(endings, scanned), "endings_top_share": _top(endings, scanned),
        "template_coverage": round(wordings.template_coverage, 6), "phrase_top_share": _top(wordings.phrases, scanned),
        "name_top_share": ratio(max(named.values(), default=0), len(scanned)), "names": dict(_commonest(named)),
        **{key: [[row.text, row.documents] for row in rows[:50]] for key, rows in
           (("openings", openings), ("endings", endings), ("phrases", wordings.phrases))},
    }  # fmt: skip
    findings = _often(openings, endings, wordings, len(scanned)) if scanned else []
    more = alike.repeated(counted)
    return Section("patterns", "Recurring patterns", [*body, *more.body], {**numbers, **more.numbers}, (), [*findings, *more.findings])


def _often(openings: Sequence[Repeat], endings: Sequence[Repeat], wordings: Wordings, documents: int) -> list[str]:
    """What a model may learn with the character: one wording that is everywhere, or wording that is nowhere new."""
    found = [
        f"one {kind} in {percent(rows[0].documents / documents)} of documents: \u201c{quoted(rows[0].text, 80)}\u201d"
        for kind, rows in (("opening", openings), ("ending", endings), ("phrase", wordings.phrases))
        if rows and rows[0].documents > max(3, _OFTEN[kind] * documents)
    ]
    for verb, rows in (("open", openings), ("end", endings)):
        share = sum(row.documents for row in rows) / documents
        if share > _ALIKE:
            found.append(f"{percent(share)} of documents {verb} like another, but for names and numbers")
    if wordings.template_coverage > _ALIKE:
        least = measures.TEMPLATE_DOCUMENTS
        found.append(f"{percent(wordings.template_coverage)} of the wording stands in {least} documents or more: few moulds, often filled")
    return found


def _wordings(documents: Sequence[Document], key: Callable[[str, Sequence[str]], str]) -> tuple[Repeat, ...]:
    return measures.repeats([key(document.text, known_names(document.text, document.brief)) for document in documents])


def _told(rows: Sequence[Repeat], documents: Sequence[Document]) -> str:
    if not rows:
        return "no two are alike."
    return f"{percent(_share(rows, documents), 1)} of documents share theirs with another; the commonest stands in {rows[0].documents}."


def _table(rows: Sequence[Repeat], documents: Sequence[Document], most: int = _SHOWN) -> str:
    lines = (
        (quoted(row.text), row.documents, percent(row.documents / len(documents), 1), f"`{documents[row.example].id}`")
        for row in rows[:most]
    )
    return table(("wording", "documents", "share", "for instance"), lines)


def _share(rows: Sequence[Repeat], documents: Sequence[Document]) -> float | None:
    return ratio(sum(row.documents for row in rows), len(documents))


def _top(rows: Sequence[Repeat], documents: Sequence[Document]) -> float | None:
    return ratio(rows[0].documents if rows else 0, len(documents))


def _commonest(named: Counter[str]) -> list[tuple[str, int]]:
    return sorted(named.items(), key=lambda row: (-row[1], row[0]))[:_SHOWN_NAMES]
