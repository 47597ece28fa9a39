"""The top of the report: the verdict, one strip of numbers, and what changed since the build before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.report.counted import Counted
from builder.report.page import Section, percent, ratio, table

_STRIP = (
    "documents", "words", "tokens", "traits", "traits_in_all", "principles", "principles_in_all", "kept_share", "passed_share",
    "training_grade",
)  # fmt: skip


def summary(counted: Counted, sections: Sequence[Section], since: Mapping[str, Any] | None) -> Section:
    """The verdict and the strip; ``since`` is the strip of the build before, as ``coverage.json`` keeps it."""
    numbers = _strip(counted, sections)
    findings = [finding for section in sections for finding in section.findings]
    body = [_verdict(counted, findings), _table(numbers, since)]
    if findings:
        body.append("\n".join(f"- {finding[0].upper()}{finding[1:]}." for finding in findings))
    return Section("summary", "Verdict", body, {**numbers, "findings": findings})


def _strip(counted: Counted, sections: Sequence[Section]) -> dict[str, Any]:
    found = {section.key: section.numbers for section in sections}
    faulty = found["funnel"]["faulty_share"]
    return {
        "documents": len(counted.kept),
        "words": sum(counted.words),
        "tokens": sum(counted.tokens),
        "traits": found["traits"]["covered"],
        "traits_in_all": len(counted.targets["trait"]),
        "principles": found["principles"]["reached"],
        "principles_in_all": found["principles"]["normative"],
        "kept_share": ratio(len(counted.kept), len(counted.rows.documents)),
        "passed_share": None if faulty is None else round(1 - faulty, 6),
        "training_grade": counted.rows.training_grade,
    }


def _verdict(counted: Counted, findings: Sequence[str]) -> str:
    if not counted.kept:
        return "**Nothing was kept.** The funnel says why."
    points = f"{len(findings)} point{'s' if len(findings) != 1 else ''} to look at" if findings else "nothing stands out"
    if counted.rows.training_grade:
        grade = "`training_grade: true`: a model wrote these documents; that says who wrote, not how well."
        return f"**{points[0].upper()}{points[1:]}.** {grade}"
    return (
        "**Not for training: the embedded writer is a rehearsal writer (`training_grade: false`).** It shows that the line works and what"
        f" it would cover; name a model to write a corpus to train on. Otherwise {points}."
    )


def _table(numbers: Mapping[str, Any], since: Mapping[str, Any] | None) -> str:
    head = ("", "documents", "tokens", "traits", "principles", "passed the gates", "kept of written", "training grade")
    rows = [("this build", *_cells(numbers))]
    if since:
        rows.append(("the build before", *_cells(since)))
    return table(head, rows)


def _cells(numbers: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{numbers['documents']:,}", f"{numbers['tokens']:,}", f"{numbers['traits']} of {numbers['traits_in_all']}",
        f"{numbers['principles']} of {numbers['principles_in_all']}", percent(numbers["passed_share"]), percent(numbers["kept_share"]),
        "yes" if numbers["training_grade"] else "**no**",
    )  # fmt: skip


def strip_before(path: Path, corpus: str, form: int) -> Mapping[str, Any] | None:
    """The strip of the last build of another corpus, from its ``coverage.json``; ``None`` where there is none that can be read."""
    try:
        previous = json.loads(path.read_text(encoding="utf-8"))
        if previous["format"] != form:
            return None
        found = previous["since"] if previous["corpus"] == corpus else previous["summary"]
        return {name: found[name] for name in _STRIP} if found else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
