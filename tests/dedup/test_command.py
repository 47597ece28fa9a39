"""``bildung gate dedup`` over files, and the numbers of its bench."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from ran import Ran, Run

from builder.bench.dedup import quality
from builder.bench.planted import Planted, exact, plant
from builder.bench.rivals import bildung as run_bildung

WORDS = [f"w{number}" for number in range(3000)]


def rows(path: Path, copies: int, singles: int, name: str = "d") -> str:
    rng = random.Random(1)
    shared = " ".join(rng.choices(WORDS, k=60))
    texts = [shared] * copies + [" ".join(rng.choices(WORDS, k=60)) for _ in range(singles)]
    path.write_text("".join(json.dumps({"id": f"{name}{at}", "text": text}) + "\n" for at, text in enumerate(texts)), encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def removed(result: Ran) -> list[str]:
    found = [json.loads(line) for line in result.out.splitlines()]
    return [row["document_id"] for row in found if not row["keep"]]


def test_a_form_that_loses_much_is_told_of(tmp_path: Path, bildung: Run) -> None:
    much = bildung("gate", "dedup", rows(tmp_path / "much.jsonl", 31, 30))
    assert len(removed(much)) == 30
    assert "warning: 49% of one form is removed, above gates.dedup_removed 0.2" in much.err
    assert {json.loads(line)["scores"].get("removed_share") for line in much.out.splitlines()} == {None, 30 / 61}
    assert "warning" not in bildung("gate", "dedup", rows(tmp_path / "little.jsonl", 3, 58)).err


def test_additions_are_judged_against_files_or_an_index(tmp_path: Path, bildung: Run) -> None:
    old, new = rows(tmp_path / "old.jsonl", 2, 5, "old"), rows(tmp_path / "new.jsonl", 1, 6, "new")
    assert removed(bildung("gate", "dedup", old, "--index", "index")) == ["old1"]
    by_index = bildung("gate", "dedup", new, "--against", "index")
    assert by_index.out == bildung("gate", "dedup", new, "--against", old).out
    assert "near_duplicate_of:old0" in by_index.out and removed(by_index) == [f"new{at}" for at in range(6)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("dedup", "rows.jsonl", "--against", "."), "is no index of 'bildung gate dedup --index'"),
        (("dedup", "rows.jsonl", "--against", "gone.jsonl"), "gone.jsonl: cannot be read"),
        (("mechanical", "rows.jsonl", "--workers", "2"), "are for the gate dedup"),
    ],
)
def test_mistakes_are_told_in_one_line(bildung: Run, arguments: tuple[str, ...], says: str) -> None:
    rows(Path("rows.jsonl"), 1, 1)
    found = bildung("gate", *arguments)
    assert found.code == 2 and says in found.err and found.err.count("\n") == 1


def test_quality_counts_what_leaks_and_what_is_lost() -> None:
    corpus = Planted(Path(), [1, 1, 1, 2, 3, 3], [0.5, 0.9, 0.1, 0.3, 0.2, 0.1])
    assert quality(corpus, [0, 2, 5]) == (1.0, 1.0, 1.0)
    assert quality(corpus, [0, 1]) == (2 / 3, 1.0, 0.5)
    assert quality(corpus, [0, 1, 2, 3]) == (2 / 3, 2 / 4, 0.5)


@pytest.mark.parametrize("threshold", [0.7, 0.8])
def test_planted_clusters_are_found_whole(tmp_path: Path, threshold: float) -> None:
    corpus = plant(tmp_path / "rows.jsonl", 1500, threshold)
    found = quality(corpus, run_bildung(corpus.path, tmp_path, threshold))
    assert found.recall >= 0.999 and found.precision == found.best == 1.0
    assert 0 < len(set(corpus.components)) < 1500
    assert plant(tmp_path / "again.jsonl", 1500, threshold).components == corpus.components


def test_planted_truth_is_exact(tmp_path: Path) -> None:
    """Within a component every text is near another one; across components none is."""
    corpus = plant(tmp_path / "rows.jsonl", 250, 0.8)
    texts = [json.loads(line)["text"].split(" ") for line in corpus.path.read_text(encoding="utf-8").splitlines()]
    words = [{word.strip(".,\n").lower() for word in text} for text in texts]
    for at, text in enumerate(texts):
        others = (other for other in range(len(texts)) if other != at and len(words[at] & words[other]) > 60)  # of 350: spares most sets
        near = {corpus.components[other] for other in others if exact(text, texts[other]) >= 0.8}
        alone = corpus.components.count(corpus.components[at]) == 1
        assert near == (set() if alone else {corpus.components[at]})
