"""The constitution and the quotes: which principles are reached, and what shows a trait."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from builder.records import Evidence, Principle
from builder.report.counted import Counted
from builder.report.page import Section, details, quoted, ratio, table

_NORMATIVE = ("norm", "reason")
_SHOWN_UNREACHED = 25
_SHOWN_QUOTES = 6
_REJECTING = ("trait_named_not_shown", "counter_evidence")


def principles(counted: Counted) -> Section:
    """Which principles of each constitution some kept document acts on, by heading and line."""
    documents = Counter(name for document in counted.kept for name in document.brief.principles)
    normative = [principle for principle in counted.rows.principles.values() if principle.kind in _NORMATIVE]
    unreached = [principle for principle in normative if not documents[principle.id]]
    reached = len(normative) - len(unreached)
    other = len(counted.rows.principles) - len(normative)
    body = [
        f"**{reached} of {len(normative)}** norms and reasons are acted on by at least one document"
        f"{f'; {other} examples and comments are context, not asked for' if other else ''}.",
        table(("constitution, heading", "lines", "reached", "documents"), _headings(normative, documents)),
        _unreached(unreached),
    ]
    findings = [f"in no document: {len(unreached)} of {len(normative)} principles"] if unreached else []
    numbers = {
        "normative": len(normative), "reached": reached, "share_reached": ratio(reached, len(normative)),
        "documents": {principle.id: documents[principle.id] for principle in normative},
        "unreached": [_where(principle) for principle in unreached],
    }  # fmt: skip
    return Section("principles", "Principles", body, numbers, (), findings)


def _headings(normative: Sequence[Principle], documents: Counter[str]) -> Iterable[tuple[object, ...]]:
    """One line for each top heading below the title."""
    groups: dict[tuple[str, str], list[Principle]] = {}
    for principle in normative:
        path = principle.heading_path
        groups.setdefault((principle.source, path[1] if len(path) > 1 else path[0] if path else "(no heading)"), []).append(principle)
    for (source, heading), found in groups.items():
        lines = f"{min(row.line_start for row in found)}\u2013{max(row.line_end for row in found)}"
        hit = sum(documents[row.id] > 0 for row in found)
        yield f"{quoted(source)}: {quoted(heading)}", lines, f"{hit} of {len(found)}", sum(documents[row.id] for row in found)


def _unreached(found: Sequence[Principle]) -> str:
    rows = ((f"`{row.id}`", f"{row.line_start}\u2013{row.line_end}", quoted(row.text, 110)) for row in found[:_SHOWN_UNREACHED])
    more = f"{len(found) - _SHOWN_UNREACHED} more under `principles.unreached` in `coverage.json`." if len(found) > _SHOWN_UNREACHED else ""
    return details(f"in no document: {len(found)}", table(("principle", "lines", "text"), rows), more)


def _where(principle: Principle) -> dict[str, Any]:
    return {
        "id": principle.id, "source": principle.source, "heading": " / ".join(principle.heading_path),
        "line_start": principle.line_start, "line_end": principle.line_end,
    }  # fmt: skip


def evidence(counted: Counted) -> Section:
    """Quotes a reviewer can check: shown, named, and the ones that spoke against a document."""
    asked = {document.id: document.brief.trait for document in counted.rows.documents}
    own = [row for row in counted.rows.evidence if asked.get(row.document_id) == row.trait]
    rejected = {name for name, verdict in counted.removed.items() if verdict.reason.partition(":")[0] in _REJECTING}
    kept = [row for row in own if row.document_id in counted.rows.kept]
    parts = {
        "shown": [row for row in kept if row.kind == "shown"],
        "named": [row for row in kept if row.kind == "named"],
        "counter": [row for row in kept if row.kind == "counter"],
        "rejected": [row for row in own if row.document_id in rejected and row.kind != "shown"],
    }
    titles = {
        "shown": "Shown: an act or an inner reason",
        "named": "Named: the trait is talked about",
        "counter": "Counter, in documents that were kept",
        "rejected": "Named or counter, in documents that were removed for it",
    }
    body = [
        "Sentences the trait patterns marked, drawn by the seed, one a trait at most; `bildung why ID` prints a document's whole chain."
    ]
    for name, found in parts.items():
        drawn = _drawn(counted, name, found, len(counted.by_trait) if name == "shown" else _SHOWN_QUOTES)
        quotes = table(("trait", "quote", "document"), ((row.trait, quoted(row.quote, 220), f"`{row.document_id}`") for row in drawn))
        body += [f"**{titles[name]}** ({len(found):,})", quotes or "None."]
    texts = len({row.document_id for row in parts["shown"]})
    numbers = {**{name: len(found) for name, found in parts.items()}, "documents_shown_share": ratio(texts, len(counted.kept))}
    return Section("evidence", "Evidence", body, numbers)


def _drawn(counted: Counted, name: str, found: Sequence[Evidence], most: int) -> Sequence[Evidence]:
    """At most one quote a trait, in the order of the traits."""
    shuffled = list(found)
    random.Random(f"{counted.rows.recipe.corpus.seed}:evidence:{name}").shuffle(shuffled)
    each: dict[str, Evidence] = {}
    for row in shuffled:
        each.setdefault(row.trait, row)
    chosen = list(each.values())[:most]
    return sorted(chosen, key=lambda row: row.trait)
