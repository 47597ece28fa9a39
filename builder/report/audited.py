"""What a judge's model named as repeated, and how many documents have it, broadly and strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.calibration import wilson
from builder.report.calibration import interval, shares
from builder.report.counted import Counted
from builder.report.page import Section, details, percent, quoted, ratio, table
from builder.rows import AuditedPattern, PatternAudit, Quote

_ROUNDS = {"scan": "batches read for patterns", "merge": "patterns of all batches put together", "count": "documents searched for them"}
_OFTEN = 0.1  # of the documents, with 95 %: what is strictly in so many is learned as if it were meant
_UNREADABLE = 0.05  # of the calls; a judge that cannot be read so often is misprompted or too small
_MERGED = {"judge": " The judge put together what it had named twice.", "overlap": " Its own merging could not be read: patterns that share"
           " a quote, or over half of their longer words, were put together."}  # fmt: skip


def audit(counted: Counted) -> Section | None:
    """The patterns with their shares, and what could not be read or verified; ``None`` where no model was asked."""
    found = counted.rows.audited
    if found is None:
        return None
    rows = [_row(found, pattern) for pattern in found.patterns if found.counted]
    body = [
        _told(counted, found),
        table(("pattern", "kind", "broadly", "strictly", "for instance"), rows),
        details("what each pattern means, in the judge's words", "\n".join(map(_meaning, found.patterns))),
        table(("round", "calls", "kept", "dropped", "calls that gave nothing"), _rounds(found)),
        "`unverified`: patterns without quotes that stand in two documents, or in the last round entries without one that stands in the"
        " document. `misquoted`: quotes that stand nowhere. `unparsed`: malformed twice, or copied from what was to be read. `surplus`:"
        " more than were asked for, or the rarest of more than can be counted.",
    ]  # fmt: skip
    return Section("audit", "Pattern audit", [part for part in body if part], _numbers(counted, found), (), _findings(found))


def _told(counted: Counted, found: PatternAudit) -> str:
    both = f", {found.in_both:,} of them read before for want of others, which makes shares too high" if found.in_both else ""
    cut = f" {found.cut:,} longer than {found.characters:,} characters were shown without their middle." if found.cut else ""
    read = f"`{counted.rows.recipe.models.judge}` read {found.scanned:,} documents, drawn by the seed, for what they repeat."
    if found.unanswered:
        return f"**Not complete: {found.unanswered:,} calls were not answered.** {read} The next build asks them again.{cut}"
    if not found.patterns:
        return f"{read} It named nothing that stands in two of them.{cut}"
    return (
        f"{read}{_MERGED.get(found.merged_by, '')} Then it looked for each pattern in {found.counted:,} documents{both}. Broadly: as its"
        " description says, in whatever words; strictly: in the narrow form. In brackets the 95 % interval of the sample. Only what it"
        " could quote counts, and no human labels correct it: a share says where to look, and a careless reader finds too little." + cut
    )


def _row(found: PatternAudit, pattern: AuditedPattern) -> tuple[str, ...]:
    broad, strict = (interval(wilson(count, found.counted)) for count in (pattern.broad, pattern.strict))
    return f"**{quoted(pattern.name, 80)}**", pattern.kind, broad, strict, _quote(pattern.examples[0]) if pattern.examples else ""


def _meaning(pattern: AuditedPattern) -> str:
    quotes = "; ".join(map(_quote, pattern.examples))
    return f"- **{quoted(pattern.name, 80)}**. Broadly: {quoted(pattern.broadly, 400)} Strictly: {quoted(pattern.strictly, 400)} {quotes}"


def _quote(quote: Quote) -> str:
    return f"\u201c{quoted(quote.text)}\u201d `{quote.document_id}`"


def _rounds(found: PatternAudit) -> list[tuple[str, ...]]:
    return [
        (_ROUNDS[name], f"{row.calls:,}", f"{row.kept:,}", _listed(row.dropped), _listed(row.failed)) for name, row in found.rounds.items()
    ]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))


def _findings(found: PatternAudit) -> list[str]:
    if found.unanswered:
        return ["the pattern audit is not complete; the next build goes on with it"]
    told = []
    often = [row for row in found.patterns if (found_in := wilson(row.strict, found.counted)) and found_in.low > _OFTEN]
    if often:
        first = max(often, key=lambda row: row.strict)
        more = f", and {len(often) - 1} more in over {percent(_OFTEN)}" if len(often) > 1 else ""
        share = percent(first.strict / found.counted)
        told.append(f"the judge finds \u201c{quoted(first.name, 80)}\u201d strictly in {share} of documents{more}")
    calls = sum(row.calls for row in found.rounds.values())
    failed = sum(sum(row.failed.values()) for row in found.rounds.values())
    if failed > _UNREADABLE * calls:
        told.append(f"{failed:,} of {calls:,} calls of the pattern audit gave nothing that could be read")
    return told


def _numbers(counted: Counted, found: PatternAudit) -> dict[str, Any]:
    rows = found.patterns
    return {
        "model": counted.rows.recipe.models.judge, **found._asdict(),
        "broad_top_share": ratio(max((row.broad for row in rows), default=0), found.counted),
        "strict_top_share": ratio(max((row.strict for row in rows), default=0), found.counted),
        "patterns": [
            {**row._asdict(), **shares(wilson(row.broad, found.counted), "broad_share"),
             **shares(wilson(row.strict, found.counted), "strict_share"), "examples": [quote._asdict() for quote in row.examples]}
            for row in rows
        ],
        "rounds": {name: {**row._asdict(), "dropped": dict(row.dropped), "failed": dict(row.failed)} for name, row in found.rounds.items()},
    }  # fmt: skip
