"""The numbers of ``sameness`` over texts that no build made: any file of rows with id and text."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from builder import measures
from builder.library import Library
from builder.records import Candidate
from builder.reference_texts import references
from builder.stages.sameness.keys import ending, known_names, opening
from builder.stages.sameness.numbers import NEIGHBOURS_AMONG, grouped, nearest_cosine, self_bleu
from builder.stages.sameness.patterns import AUDITED, PHRASE, audit, favourites_share, overused, word_documents

_SCANNED = 20_000  # texts whose 5-grams are counted, as in the report of a build
_SHOWN = 20


def sameness_numbers(candidates: Sequence[Candidate], library: Library, seed: str) -> dict[str, Any]:
    """Corpus-wide numbers as JSON, each on a sample of stated size, with those of the hand-written references and the published ranges."""
    scanned = _drawn(candidates, seed, _SCANNED)
    sample = [measures.first_words(text) for text in _texts(_drawn(candidates, seed, measures.SAMPLE_TEXTS))]
    compared, audited = _texts(_drawn(candidates, seed, NEIGHBOURS_AMONG)), _texts(_drawn(candidates, seed, AUDITED))
    known = references()
    grammar = frozenset(library.words("function_words"))
    words = overused(word_documents(audited), len(audited), known.words, known.texts)
    phrases = overused(word_documents(audited, PHRASE), len(audited), known.phrases, known.texts, unknown=1)
    return {
        "documents": len(candidates), "scanned": len(scanned), "sample": len(sample), "compared": len(compared), "audited": len(audited),
        "first_word_entropy": measures.first_word_entropy(sample),
        "effective_names": measures.effective_names(sample),
        "overused_per_1000_words": measures.overused_per_1000_words(sample, library.words("slop")),
        "not_but_per_1000_characters": measures.not_but_per_1000_characters(sample),
        "sentence_length_variation": measures.sentence_length_variation(sample),
        "self_bleu": grouped(compared, seed, self_bleu),
        "neighbour_cosine": grouped(compared, seed, nearest_cosine),
        "favourites_share": favourites_share(compared, library.words("model_favourites")),
        "template_coverage": measures.phrases(_texts(scanned)).template_coverage,
        **_repeats("openings", opening, scanned), **_repeats("endings", ending, scanned),
        "patterns": [row._asdict() | {"examples": [_drawn(candidates, seed, AUDITED)[at].id for at in row.examples]}
                     for row in audit(audited, grammar, known.patterns, known.texts)],
        "overused_words": [row._asdict() for row in words], "overused_phrases": [row._asdict() for row in phrases],
        "written_by_hand": {"texts": known.texts, **known.numbers},
        "published": {row.key: {"human": row.human, "models": [row.models_low, row.models_high]} for row in measures.REFERENCES},
    }  # fmt: skip


def _repeats(name: str, key: Callable[[str, Sequence[str]], str], scanned: Sequence[Candidate]) -> dict[str, Any]:
    rows = measures.repeats([key(row.text, known_names(row.text, row.brief)) for row in scanned])
    share = sum(row.documents for row in rows) / len(scanned) if scanned else None
    return {f"{name}_repeated_share": share, name: [[row.text, row.documents] for row in rows[:_SHOWN]]}


def _texts(rows: Sequence[Candidate]) -> list[str]:
    return [row.text for row in rows]


def _drawn(rows: Sequence[Candidate], seed: str, most: int) -> Sequence[Candidate]:
    if len(rows) <= most:
        return rows
    return [rows[at] for at in sorted(random.Random(f"{seed}:{most}").sample(range(len(rows)), most))]
