"""The coverage report: ``report.md`` for people, ``coverage.json`` for programs, pictures as files. A pure function of rows.

The only thing read back is the strip of the build before, from its ``coverage.json``, to say what changed. A build of the same corpus
keeps the strip it found there, so that building twice writes the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.report import audited, balance, calibration, character, cost, front, judging, making, planning, variety
from builder.report.counted import Counted
from builder.report.page import Section
from builder.rows import BuildRows
from builder.stores import write_text, writing

FORMAT = 1


def write_report(rows: BuildRows, output: Path, exports: Mapping[str, Path]) -> None:
    """Write ``report.md``, ``pictures/*.svg`` and, last, ``coverage.json`` under ``output``."""
    counted = Counted(rows)
    sections = _sections(counted, output, exports)
    since = front.strip_before(output / "coverage.json", rows.corpus_hash, FORMAT)
    first = front.summary(counted, sections, since)
    for picture in (picture for section in sections for picture in section.pictures):
        with writing(output / "pictures" / f"{picture.name}.svg") as temporary:
            temporary.write_bytes(picture.svg)
    title = f"# Coverage of the corpus {rows.recipe.corpus.name}"
    write_text(output / "report.md", "\n\n".join((title, *(section.as_markdown() for section in (first, *sections)))) + "\n")
    numbers = {section.key: section.numbers for section in (first, *sections)}
    coverage = {"format": FORMAT, "corpus": rows.corpus_hash, **numbers, "since": since}
    text = json.dumps(coverage, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(output / "coverage.json", text.encode("utf-8", "replace").decode("utf-8") + "\n")  # a lone surrogate is no UTF-8


def _sections(counted: Counted, output: Path, exports: Mapping[str, Path]) -> Sequence[Section]:
    """The report in reading order; a section that does not apply is left out."""
    found: Sequence[Section | None] = (
        balance.traits(counted),
        balance.axes(counted),
        balance.interactions(counted),
        balance.gaps(counted),
        planning.planning(counted),
        character.principles(counted),
        character.evidence(counted),
        judging.judge(counted),
        calibration.calibration(counted),
        variety.diversity(counted),
        variety.patterns(counted),
        audited.audit(counted),
        making.funnel(counted),
        making.clusters(counted),
        making.lengths(counted),
        cost.cost(counted),
        making.provenance(counted, exports, output),
        making.limits(counted),
    )
    return tuple(section for section in found if section is not None)
