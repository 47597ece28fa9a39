"""What a planner's model gave: entries by layer, what was dropped and why, and the proof of coverage."""

from __future__ import annotations

from collections.abc import Mapping

from builder.report.counted import Counted
from builder.report.page import Section, details, quoted, ratio, table

_NAMES = {
    "domains": "domains", "subdomains": "sub-domains", "assertions": "assertions", "passages": "assertions for passages that none cited",
    "types": "types of text", "subtypes": "sub-types", "ideas": "ideas",
}  # fmt: skip
_SHORT_OF = 0.9  # of the principles; below it the plan is no fan-out of the whole constitution


def planning(counted: Counted) -> Section | None:
    """The fan-out by layer, and the principles that its ideas reach; ``None`` where no planner was named."""
    found = counted.rows.planned
    if found is None:
        return None
    total = len(found.reached) + len(found.unreached)
    layers = found.layers.items()
    rows = [(_NAMES[layer], f"{row.calls:,}", f"{row.kept:,}", _listed(row.dropped), _listed(row.failed)) for layer, row in layers]
    body = [
        f"`{counted.rows.recipe.models.planner}` was asked for ideas, layer by layer. **{len(found.reached):,} of {total:,} principles"
        " (norms and reasons, without those held out) are reached by an idea**, which means that its assertion quotes them."
        f" {found.ideas:,} ideas; {found.taken:,} of {len(counted.rows.briefs):,} briefs took one, the others stay as they were drawn from"
        " the library.",
        table(("layer", "calls", "kept", "dropped", "calls that gave nothing"), rows),
        "`unverified`: a quote that does not stand in the constitution, or a heading that is not one of it. `duplicate`: more than 0.6 of"
        " the runs of three words in common with an earlier entry (Jaccard). `eval_shape`: it resembles a known evaluation scenario.",
        details(f"{len(found.unreached):,} principles that no idea reaches", "\n".join(_line(counted, name) for name in found.unreached)),
    ]  # fmt: skip
    findings = []
    if len(found.reached) < _SHORT_OF * total:
        findings.append(f"the planner's ideas reach {len(found.reached):,} of {total:,} principles")
    numbers = {
        "reached": len(found.reached), "principles": total, "reached_share": ratio(len(found.reached), total), "ideas": found.ideas,
        "briefs_with_ideas": found.taken, "unreached": list(found.unreached),
        "layers": {layer: {**row._asdict(), "dropped": dict(row.dropped), "failed": dict(row.failed)} for layer, row in layers},
    }  # fmt: skip
    return Section("planning", "Planning", body, numbers, (), findings)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))


def _line(counted: Counted, name: str) -> str:
    principle = counted.rows.principles.get(name)
    return f"- `{name}`: {quoted(principle.text, 100) if principle else ''}"
