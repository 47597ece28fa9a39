"""How alike documents are that share no wording: numbers beside those of hand-written references, plans, patterns, over-used words."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from builder.errors import UsageError
from builder.records import Document
from builder.reference_texts import References, references
from builder.report.counted import Counted
from builder.report.page import details, number, percent, quoted, ratio, table
from builder.stages.contamination import NAME as CONTAMINATION
from builder.stages.sameness import NAME
from builder.stages.sameness.keys import plan
from builder.stages.sameness.numbers import (
    BLEU_WORDS,
    GROUP,
    NEIGHBOURS_AMONG,
    effective_number,
    grouped,
    nearest_cosine,
    neighbours,
    self_bleu,
)
from builder.stages.sameness.patterns import AUDITED, PHRASE, Overused, Pattern, audit, favourites_share, overused, word_documents

_PUBLISHED_FAVOURITES = "models 0.88"  # of 20,000 stories by language models hold one of the eleven words (arXiv 2605.26492)
_OFTEN = 0.2  # of the documents under one sentence pattern that prose by hand lacks: a reviewer must not miss it
_SPARED = 0.01  # of the documents: beyond it the gate's limit hides more than it shows
_SHOWN_PLANS = 5
_UNNAMED = "They have no names: no model reads them here."
_NAMED = "They have no names: what a model named stands under *Pattern audit*."


class Alike(NamedTuple):
    """What a section takes over: rows of a table, numbers for ``coverage.json``, findings."""

    body: Sequence[str]
    numbers: dict[str, Any]
    findings: Sequence[str]


def measured(counted: Counted) -> Alike:
    """Numbers of fixed N and length beside those of the references and of published stories."""
    seed, known = str(counted.rows.recipe.corpus.seed), references().numbers
    texts = [document.text for document in _drawn(counted, "alike", NEIGHBOURS_AMONG)]
    favourites = _favourites(counted, texts)
    found = {
        "self_bleu": grouped(texts, seed, self_bleu),
        "neighbour_cosine": grouped(texts, seed, nearest_cosine),
        "favourites_share": favourites,
        "effective_settings": effective_number([document.brief.setting for document in counted.kept]),
        "effective_places": effective_number([document.brief.place for document in counted.kept]),
    }
    rows = [
        (f"self-BLEU-4 (N = {GROUP}, {BLEU_WORDS} words)", found["self_bleu"], known["self_bleu"], ""),
        (f"cosine to the nearest neighbour, TF-IDF + SVD (N = {GROUP})", found["neighbour_cosine"], known["neighbour_cosine"], ""),
        ("documents with one of eleven words that models favour", favourites, known["favourites_share"], _PUBLISHED_FAVOURITES),
        ("effective number of settings (1 / Simpson)", found["effective_settings"], None, f"{len(counted.rows.library.settings)} known"),
        ("effective number of places (1 / Simpson)", found["effective_places"], None, ""),
    ]
    body = [
        f"Self-BLEU and neighbours are means over groups of {GROUP}, as many as there are references written by hand; those are of one"
        " house and no sample of human prose.",
        table(
            ("measure", "this corpus", "written by hand", "published"),
            ((label, number(value, 3), number(by_hand, 3), published or "\u2013") for label, value, by_hand, published in rows),
        ),
    ]
    return Alike(body, {key: None if value is None else round(value, 6) for key, value in found.items()}, [])


def repeated(counted: Counted) -> Alike:
    """Plans that repeat, the nearest pairs, what the gate did, sentence patterns, over-used words and phrases."""
    parts = [_plans(counted), _gate(counted), _nearest(counted), _wording(counted), _contamination(counted)]
    return Alike(
        [text for part in parts for text in part.body],
        {key: value for part in parts for key, value in part.numbers.items()},
        [finding for part in parts for finding in part.findings],
    )


def _plans(counted: Counted) -> Alike:
    """The same form, opening, outcome, ending and deliberation in several documents."""
    plans = Counter(found for document in counted.kept if (found := plan(document.brief)))
    shared = [(found, count) for found, count in sorted(plans.items(), key=lambda row: (-row[1], row[0])) if count > 1]
    numbers = {
        "plans": len(plans),
        "plans_repeated_share": ratio(sum(count for _, count in shared), plans.total()),
        "plan_top_share": ratio(max(plans.values(), default=0), plans.total()),
    }
    told = (
        f"**Plans** (form, opening, outcome, ending, deliberation together): {percent(numbers['plans_repeated_share'], 1)} of documents"
        f" share theirs with another; {len(plans):,} different."
    )
    rows = ((quoted(found), count, percent(count / plans.total(), 1)) for found, count in shared[:_SHOWN_PLANS])
    return Alike([told, details("plans in the most documents", table(("plan", "documents", "share"), rows))], numbers, [])


def _gate(counted: Counted) -> Alike:
    """What the gate took out, and what it would have taken out beyond its limit."""
    verdicts = counted.rows.verdicts.get(NAME, ())
    gone = Counter(verdict.reason for verdict in verdicts if not verdict.keep)
    spared = sum("spared" in verdict.scores for verdict in verdicts)
    most = counted.rows.recipe.gates.sameness_most
    numbers = {"gate_removed_share": ratio(gone.total(), len(verdicts)), "gate_spared_share": ratio(spared, len(verdicts))}
    if not verdicts:
        return Alike([], numbers, [])
    reasons = ", ".join(f"{count} {reason}" for reason, count in gone.most_common()) or "nothing"
    stayed = f"; {spared:,} more were over a limit and stayed, since it takes out {percent(most)} at most" if spared else ""
    told = f"**Gate**: for a repeated opening, ending or plan, or a template, it took out {reasons}{stayed}."
    many = f"{spared + gone.total():,} of {len(verdicts):,} documents repeat an opening, an ending, a plan or a template too often"
    findings = [f"{many}; the gate stopped at {gone.total():,}: change the plan or the writer"] if spared > _SPARED * len(verdicts) else []
    return Alike([told], numbers, findings)


def _nearest(counted: Counted) -> Alike:
    """The pairs of documents that are nearest in subject and vocabulary."""
    drawn = _drawn(counted, "alike", NEIGHBOURS_AMONG)
    found = neighbours([document.text for document in drawn])
    rows = ((f"`{drawn[pair.left].id}`", f"`{drawn[pair.right].id}`", number(pair.cosine, 3)) for pair in found.nearest)
    summary = f"nearest neighbours among {found.texts} documents (mean cosine {number(found.mean, 3)}): read a pair"
    return Alike([details(summary, table(("document", "nearest", "cosine"), rows))], {"neighbour_cosine_sample": round(found.mean, 6)}, [])


def _wording(counted: Counted) -> Alike:
    """The pattern audit, and the words and phrases that stand in far more documents than by hand."""
    known = references()
    drawn = _drawn(counted, "audit", AUDITED)
    texts = [document.text for document in drawn]
    words = overused(word_documents(texts), len(texts), known.words, known.texts)
    phrases = overused(word_documents(texts, PHRASE), len(texts), known.phrases, known.texts, unknown=1)
    patterns = _patterns(counted, texts, known)
    body = [
        f"**Sentence patterns** over {len(texts):,} documents: six tokens in a row, words that are not grammar masked, in three times the"
        f" share of documents as of the {known.texts} references, which are few: under a tenth of the documents it may be chance. Broadly:"
        " the masked pattern; strictly: its commonest wording. " + (_NAMED if counted.rows.audited else _UNNAMED)
        + ("" if patterns else " None stands in 5 % of the documents and in so much more than by hand."),
        table(
            ("pattern", "broadly", "strictly", "wording", "times by hand", "for instance"),
            ((quoted(row.masked), percent(row.broad / len(texts), 1), percent(row.strict / len(texts), 1), quoted(row.wording),
              f"{row.lift:.1f}", ", ".join(f"`{drawn[at].id}`" for at in row.examples)) for row in patterns),
        ),
        details("over-used words", _overused_table(words, "by hand")),
        details("over-used phrases", _overused_table(phrases, "by hand, at most")),
    ]  # fmt: skip
    numbers = {
        "audited": len(texts),
        "pattern_top_share": ratio(max((row.broad for row in patterns), default=0), len(texts)),
        "patterns": [[row.masked, row.broad, row.wording, row.strict, row.lift] for row in patterns],
        "overused_words": [[row.text, row.documents] for row in words],
        "overused_phrases": [[row.text, row.documents] for row in phrases],
    }
    findings = [
        f"the sentence pattern \u201c{quoted(row.masked, 80)}\u201d stands in {percent(row.broad / len(texts))} of documents, by hand"
        f" in {percent(row.broad / len(texts) / row.lift)} at most"
        for row in patterns[:1]
        if row.broad > _OFTEN * len(texts)
    ]
    return Alike(body, numbers, findings)


def _contamination(counted: Counted) -> Alike:
    """What stood in a benchmark, the longest run that was kept, and how many evaluation traits the kept documents have."""
    verdicts = counted.rows.verdicts.get(CONTAMINATION, ())
    against = counted.rows.recipe.gates.contamination_against
    reasons = Counter(verdict.reason.partition(":")[0] for verdict in verdicts if not verdict.keep)
    kept = [verdict.scores for verdict in verdicts if verdict.document_id in counted.rows.kept]
    traits = Counter(int(scores.get("eval_shape", 0)) for scores in kept)
    numbers = {
        "benchmarks": len(against),
        "contaminated": reasons["contaminated"],
        "eval_traits_removed": reasons["eval_traits"],
        "longest_run_kept": max((scores.get("longest_run", 0.0) for scores in kept), default=0.0),
        "eval_shape_mean": ratio(sum(count * many for count, many in traits.items()), len(kept)),
        "eval_shape_top": max(traits, default=0),
    }
    if not verdicts:
        return Alike([], numbers, [])
    names = ", ".join(map(quoted, against)) or "no benchmark (name files in [gates] contamination_against)"
    shown = ", ".join(f"{traits[count]:,} with {count}" for count in sorted(traits)) or "none"
    told = (
        f"**Contamination**: against {names}. {reasons['contaminated']:,} documents held a benchmark's text; the longest run that stayed"
        f" is {numbers['longest_run_kept']:.0f} words. Of the seven evaluation traits of arXiv 2605.28591, documents kept: {shown}."
    )
    return Alike([told], numbers, [])


def _patterns(counted: Counted, texts: Sequence[str], known: References) -> tuple[Pattern, ...]:
    """Empty where the project has no list of function words."""
    grammar = frozenset(_listed(counted, "function_words"))
    return audit(texts, grammar, known.patterns, known.texts) if grammar else ()


def _favourites(counted: Counted, texts: Sequence[str]) -> float | None:
    listed = _listed(counted, "model_favourites")
    return favourites_share(texts, listed) if listed else None


def _listed(counted: Counted, name: str) -> Sequence[str]:
    try:
        return counted.rows.library.words(name)
    except (UsageError, FileNotFoundError):
        return ()


def _overused_table(rows: Sequence[Overused], by_hand: str) -> str:
    cells = ((quoted(row.text), row.documents, percent(row.share, 1), percent(row.reference_share, 1)) for row in rows)
    return table(("wording", "documents", "share", by_hand), cells)


def _drawn(counted: Counted, purpose: str, most: int) -> Sequence[Document]:
    """Up to ``most`` of the scanned documents, drawn by the seed, in plan order."""
    if len(counted.scanned) <= most:
        return counted.scanned
    rng = random.Random(f"{counted.rows.recipe.corpus.seed}:{purpose}")
    return [counted.scanned[at] for at in sorted(rng.sample(range(len(counted.scanned)), most))]
