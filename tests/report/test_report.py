"""The report over rows made by hand: what it says, that it is the same twice, and that it bears anything a document holds."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rows_by_hand import HOSTILE, assemble, document, rows

from builder.library import Library
from builder.records import Verdict
from builder.report import FORMAT, write_report
from builder.report.front import strip_before
from builder.report.page import quoted, table
from builder.rows import BuildRows

SECTIONS = (
    "Verdict", "Traits", "Axes", "Interactions", "Gaps and the next briefs", "Principles", "Evidence", "Judge", "Calibration",
    "Diversity",
    "Recurring patterns", "Funnel", "Duplicate clusters", "Lengths", "Cost", "Provenance and licence", "Limits",
)  # fmt: skip


@pytest.fixture(scope="module")
def small(library: Library) -> BuildRows:
    return rows(library)


@pytest.fixture(scope="module")
def written(small: BuildRows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("output")
    write_report(small, folder, {"jsonl": folder / "data" / "jsonl-0123456789ab"})
    return folder


def coverage(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))
    return found


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_sections_stand_in_order(written: Path) -> None:
    report = (written / "report.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^## (.+)$", report, re.M)) == SECTIONS


def test_every_table_has_as_many_cells_as_its_head(written: Path) -> None:
    for block in re.findall(r"(?:^\|.*\|$\n?)+", (written / "report.md").read_text(encoding="utf-8"), re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}) == 1, block


def test_counts_are_those_of_the_rows(written: Path) -> None:
    found = coverage(written)
    assert found["summary"]["documents"] == 37
    assert found["funnel"]["gates"]["mechanical"]["reasons"] == {"too_short": 1}
    assert found["funnel"]["faulty_share"] == pytest.approx(2 / 40)
    assert found["principles"]["unreached"][0]["id"] == "principle-3"
    assert found["clusters"] == {"clusters": 1, "removed": 1, "largest": 2, "members": {"story-000": ["story-002"]}, "removed_share": {}}
    assert sum(row["kept"] for row in found["traits"]["levels"].values()) == 37
    assert found["cost"]["per_kept_document"] == pytest.approx(40 * 0.01 / 37, abs=1e-6)
    assert found["provenance"]["exports"] == {"jsonl": "data/jsonl-0123456789ab"}


def test_repeated_openings_and_endings_are_found_behind_names_and_numbers(written: Path) -> None:
    found = coverage(written)["patterns"]
    assert found["openings"][0][0] == "at 0 _ waited by the gate."
    assert found["endings"][0] == ["the gate was shut.", 37]


def test_a_rehearsal_corpus_says_so_first(written: Path, library: Library, tmp_path: Path) -> None:
    report = (written / "report.md").read_text(encoding="utf-8")
    assert "Not for training" in report.split("## Traits")[0]
    assert coverage(written)["summary"]["training_grade"] is False
    write_report(rows(library, grade=True), tmp_path, {})
    assert "Not for training" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_missing_judge_is_named_and_not_a_number(written: Path) -> None:
    assert coverage(written)["judge"] == {"run": False, "read": 0, "kept_share": None}
    assert "Not run: no judge model is named" in (written / "report.md").read_text(encoding="utf-8")


def test_pictures_have_alt_texts_and_are_plain_svg(written: Path) -> None:
    report = (written / "report.md").read_text(encoding="utf-8")
    named = re.findall(r"!\[(.+?)\]\((pictures/[a-z_]+\.svg)\)", report)
    assert {path for _, path in named} == {f"pictures/{path.name}" for path in (written / "pictures").iterdir()}
    for alt, path in named:
        assert len(alt) > 40
        root = ElementTree.parse(written / path).getroot()
        assert root.tag.endswith("svg")
        assert b"<dc:date>" not in (written / path).read_bytes()


def test_the_same_rows_give_the_same_bytes(small: BuildRows, written: Path, tmp_path: Path) -> None:
    write_report(small, tmp_path, {"jsonl": tmp_path / "data" / "jsonl-0123456789ab"})
    assert tree(tmp_path) == tree(written)
    write_report(small, tmp_path, {"jsonl": tmp_path / "data" / "jsonl-0123456789ab"})
    assert tree(tmp_path) == tree(written)


def test_a_change_since_the_build_before_is_shown_and_kept(library: Library, small: BuildRows, tmp_path: Path) -> None:
    write_report(rows(library, 24), tmp_path, {})
    write_report(small, tmp_path, {})
    once = tree(tmp_path)
    assert coverage(tmp_path)["since"]["documents"] == 21
    assert "the build before" in (tmp_path / "report.md").read_text(encoding="utf-8")
    write_report(small, tmp_path, {})
    assert tree(tmp_path) == once


@pytest.mark.parametrize("left", ["", "{", "[]", '{"format": 0}', '{"format": 1}', '{"format": 1, "corpus": "x", "summary": 3}', "\xff"])
def test_whatever_lies_in_the_old_coverage_is_survived(tmp_path: Path, left: str) -> None:
    (tmp_path / "coverage.json").write_bytes(left.encode("latin-1"))
    assert strip_before(tmp_path / "coverage.json", "y", FORMAT) is None


def test_nothing_kept_is_a_report_too(library: Library, tmp_path: Path) -> None:
    write_report(assemble(library, [], {}, [], []), tmp_path, {})
    assert "Nothing was kept" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert coverage(tmp_path)["summary"]["kept_share"] is None


def test_any_text_can_be_reported(library: Library, tmp_path: Path) -> None:
    contents = [HOSTILE, "\ud800", "", "word", "\u5e8f\u6587" * 400, "- " * 3000] * 2
    documents = [document(library, number, content=f"{content}\n\n{content}") for number, content in enumerate(contents)]
    write_report(assemble(library, documents, {}, [], documents), tmp_path, {})
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u2028\u2029\x85]", report)
    assert "<b>" not in report
    assert coverage(tmp_path)["lengths"]["words"] == sum(len(found.text.split()) for found in documents)


def test_quotes_cannot_break_out_of_a_cell() -> None:
    assert table(("a",), [(quoted("x | y\n## <script>`*"),)]).split("\n")[2] == "| x \\| y ## &lt;script&gt;\\`\\* |"
    assert len(quoted("word " * 100, 20)) <= 20


def test_a_form_that_loses_much_to_near_duplicates_is_a_finding(small: BuildRows, tmp_path: Path) -> None:
    first = small.documents[0]
    gone = Verdict(
        document_id=first.id, gate="dedup", keep=False, reason=f"near_duplicate_of:{small.documents[1].id}",
        scores={"jaccard": 0.9, "removed_share": 0.6},
    )  # fmt: skip
    write_report(small._replace(verdicts={**small.verdicts, "dedup": (gone,)}), tmp_path, {})
    form = f"{first.brief.recipe}/{first.brief.form}"
    assert coverage(tmp_path)["clusters"]["removed_share"] == {form: 0.6}
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert f"Near-duplicates took 60 % of {form}: a template may pass for copies" in report
    assert "24 bands of 5 rows: of pairs alike at 0.8, 99.99% are compared" in report
