"""How the corpus came to be: the funnel, duplicates, lengths, provenance, and what this report cannot say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from builder import __version__
from builder.dedup.signatures import stated
from builder.records import Verdict
from builder.report.counted import OVER_TARGET, Counted
from builder.report.page import Picture, Section, details, image, number, percent, quoted, ratio, table
from builder.report.pictures import histogram

SEQUENCES = (1024, 2048, 4096, 8192, 16384, 32768)
_SHOWN_CLUSTERS = 5
_SHOWN_MEMBERS = 3
_REMOVED_MUCH = 0.25


def funnel(counted: Counted) -> Section:
    """What each gate removed and why, with one document each to look at."""
    rows, steps = [], {}
    for gate, judged in counted.rows.verdicts.items():
        removed = [verdict for verdict in judged if not verdict.keep]
        reasons = Counter(verdict.reason.partition(":")[0] for verdict in removed)
        steps[gate] = {"read": len(judged), "removed": len(removed), "reasons": dict(reasons.most_common())}
        rows.append((f"**{gate}**", f"{len(judged):,}", f"{len(removed):,}", percent(ratio(len(removed), len(judged)), 1), "", ""))
        for reason, count in reasons.most_common():
            example = next(verdict for verdict in removed if verdict.reason.partition(":")[0] == reason)
            detail = example.reason.partition(":")[2] or example.explanation
            rows.append((reason, "", f"{count:,}", percent(count / len(judged), 1), quoted(detail, 60), f"`{example.document_id}`"))
    faulty = sum(verdict.reason.partition(":")[0] != OVER_TARGET for verdict in counted.removed.values())
    briefs, kept = len(counted.rows.briefs), len(counted.kept)
    body = [
        f"{briefs:,} briefs, {len(counted.rows.documents):,} documents written, **{kept:,} kept**. `{OVER_TARGET}` is no fault: more good"
        " documents than were asked for.",
        table(("gate, reason", "read", "removed", "share", "detail of the example", "example"), rows),
    ]
    findings = [f"the gates removed {percent(faulty / briefs)} of what was asked"] if briefs and faulty > _REMOVED_MUCH * briefs else []
    if kept < counted.rows.recipe.size.documents:
        findings.append(f"{kept:,} documents of the {counted.rows.recipe.size.documents:,} asked for")
    numbers = {
        "briefs": briefs,
        "written": len(counted.rows.documents),
        "kept": kept,
        "faulty_share": ratio(faulty, briefs),
        "gates": steps,
    }
    return Section("funnel", "Funnel", body, numbers, (), findings)


def clusters(counted: Counted) -> Section:
    """Near-duplicates: each cluster, the copy that was kept, and the others."""
    found: dict[str, list[Verdict]] = {}
    for verdict in counted.rows.verdicts.get("dedup", ()):
        reason, _, kept = verdict.reason.partition(":")
        if not verdict.keep and reason == "near_duplicate_of":
            found.setdefault(kept, []).append(verdict)
    largest = sorted(found.items(), key=lambda row: (-len(row[1]), row[0]))
    texts = {document.id: document.text for document in counted.rows.documents} if found else {}
    threshold = counted.rows.recipe.gates.near_duplicate
    body = [
        f"Clusters: {len(found):,}; documents removed as copies: {sum(map(len, found.values())):,} (exact Jaccard over 5-word runs of at"
        f" least {threshold:g}; {stated(threshold)}). Sameness that shares no wording is not seen here; see recurring patterns."
    ]
    body += [_cluster(kept, removed, texts) for kept, removed in largest[:_SHOWN_CLUSTERS]]
    thinned = _thinned(counted)
    numbers = {
        "clusters": len(found), "removed": sum(map(len, found.values())), "largest": 1 + len(largest[0][1]) if largest else 0,
        "members": {kept: [verdict.document_id for verdict in removed] for kept, removed in largest[:100]},
        "removed_share": thinned,
    }  # fmt: skip
    findings = [f"near-duplicates took {percent(share)} of {form}: a template may pass for copies" for form, share in thinned.items()]
    return Section("clusters", "Duplicate clusters", body, numbers, (), findings)


def _thinned(counted: Counted) -> dict[str, float]:
    """The forms that lost more to near-duplicates than the recipe expects, and the share of each."""
    form = {document.id: f"{document.brief.recipe}/{document.brief.form}" for document in counted.rows.documents}
    judged = counted.rows.verdicts.get("dedup", ())
    shares = {form.get(verdict.document_id, ""): verdict.scores["removed_share"] for verdict in judged if "removed_share" in verdict.scores}
    return dict(sorted(shares.items()))


def _cluster(kept: str, removed: Sequence[Verdict], texts: Mapping[str, str]) -> str:
    rows = [(f"kept `{kept}`", "", quoted(texts.get(kept, ""), 140))]
    for verdict in removed[:_SHOWN_MEMBERS]:
        rows.append((f"`{verdict.document_id}`", number(verdict.scores.get("jaccard"), 3), quoted(texts.get(verdict.document_id, ""), 140)))
    return details(f"{1 + len(removed)} documents around <code>{kept}</code>", table(("document", "Jaccard", "begins"), rows))


def lengths(counted: Counted) -> Section:
    """Words and tokens, and how many documents a trainer's sequence length would cut."""
    shares = {length: ratio(sum(count > length for count in counted.tokens), len(counted.tokens)) for length in SEQUENCES}
    rows = [_quantiles("words", counted.words), _quantiles("tokens (cl100k)", counted.tokens)]
    body = [
        table(("", "least", "10 %", "median", "90 %", "most", "mean", "all"), rows),
        table(
            ("longer than", *(f"{length // 1024}k tokens" for length in SEQUENCES)),
            [("documents", *(percent(share, 1) for share in shares.values()))],
        ),
        "Trainers that pack with a drop policy lose what is beyond the sequence length; pick a packing that splits.",
    ]  # fmt: skip
    numbers = {
        "words": sum(counted.words), "tokens": sum(counted.tokens),
        "median_tokens": int(np.median(counted.tokens)) if counted.tokens else 0,
        "over": {str(length): share for length, share in shares.items()},
    }  # fmt: skip
    picture = Picture(
        "lengths",
        f"Histogram of the tokens of {len(counted.tokens):,} documents; the table holds its quantiles.",
        histogram(counted.tokens, "tokens a document"),
    )
    return Section("lengths", "Lengths", [*body, image(picture)], numbers, (picture,))


def _quantiles(label: str, counts: Sequence[int]) -> tuple[str, ...]:
    if not counts:
        return (label, *("\u2013",) * 7)
    cuts = np.quantile(np.array(counts), (0, 0.1, 0.5, 0.9, 1))
    return (label, *(f"{cut:,.0f}" for cut in cuts), f"{np.mean(counts):,.0f}", f"{sum(counts):,}")


def provenance(counted: Counted, exports: Mapping[str, Path], output: Path) -> Section:
    """Sources, models, prompts, licence, exports."""
    rows = counted.rows
    sources = [(quoted(found.source), f"`{found.sha256[:16]}`", len(found.principles), len(found.left_out)) for found in rows.constitutions]
    steps = Counter((step.name, step.model, step.prompt_hash) for document in counted.kept for step in document.steps)
    places = {name: _relative(path, output) for name, path in exports.items()}
    body = [
        table(("constitution", "SHA-256", "principles", "passages left out"), sources),
        table(
            ("step", "model", "prompt", "documents"), ((*(f"`{part}`" for part in step), count) for step, count in sorted(steps.items()))
        ),
        f"Licence of the corpus: **{quoted(rows.recipe.corpus.licence)}**. Seed {rows.recipe.corpus.seed}, bildung {__version__}. Every"
        " record's metadata holds its brief, principles with their hashes, steps, scores and licence.",
        table(("export", "folder"), ((name, f"`{place}`") for name, place in places.items())),
    ]
    numbers = {
        "bildung": __version__, "seed": rows.recipe.corpus.seed, "licence": rows.recipe.corpus.licence, "exports": places,
        "constitutions": {found.source: found.sha256 for found in rows.constitutions},
        "models": sorted({model for _, model, _ in steps}),
    }  # fmt: skip
    return Section("provenance", "Provenance and licence", body, numbers)


def _relative(path: Path, output: Path) -> str:
    return path.relative_to(output).as_posix() if path.is_relative_to(output) else path.name


def limits(counted: Counted) -> Section:
    """What none of these numbers says."""
    told = [
        "Whether a text is good, true to the constitution or worth training on: nobody has read it. Read twenty documents.",
        _of_judging(counted),
        "Whether texts are alike in plot or theme while their words differ.",
        "What a model trained on this corpus does: measure that on evaluations the recipe holds out.",
    ]
    if not counted.rows.training_grade:
        told.insert(
            0, "The documents were put together by the embedded rehearsal writer: they exercise the line, and nobody should train on them."
        )
    return Section("limits", "Limits", ["\n".join(f"- {line}" for line in told)], {})


def _of_judging(counted: Counted) -> str:
    if not counted.rows.verdicts.get("judge"):
        return "Whether a trait is *shown*: patterns see wording, and the calibration says how little; no blind reader was run."
    if not counted.rows.blind:
        return "How often the judge and the blind reader err: nothing corrects their rates."
    return "How often the judge errs on its axes: only the blind reader is corrected, by one author's labels on short passages."
