"""Judging additions: as if the finished corpus had been judged with them, from files or from an index."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.dedup import Entry, Settings, rulings
from builder.errors import UsageError

WORDS = [f"w{number}" for number in range(500)]
FAMILIES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 2)), min_size=1, max_size=12)


def entries(rows: list[tuple[int, int, int]], name: str) -> list[Entry]:
    found = []
    for at, (family, edits, score) in enumerate(rows):
        words = random.Random(family).choices(WORDS, k=80)
        rng = random.Random(f"{name}{at}")
        for place in rng.sample(range(80), edits):
            words[place] = f"edit{rng.randrange(10**6)}"
        found.append(Entry(f"{name}{at}", " ".join(words), float(score)))
    return found


def written(path: Path, corpus: list[Entry]) -> Path:
    path.write_text("".join(json.dumps(entry._asdict()) + "\n" for entry in corpus), encoding="utf-8")
    return path


def finished(rows: list[tuple[int, int, int]]) -> list[Entry]:
    """A corpus without near-duplicates."""
    corpus = entries(rows, "old")
    kept = {ruling.id for ruling in rulings(iter(corpus), Settings()) if not ruling.removed}
    return [entry for entry in corpus if entry.id in kept]


@settings(max_examples=30, deadline=None)
@given(FAMILIES, FAMILIES, FAMILIES, st.sampled_from(["best", "leader"]))
def test_additions_are_judged_as_from_scratch(
    old: list[tuple[int, int, int]], new: list[tuple[int, int, int]], newer: list[tuple[int, int, int]], policy: str
) -> None:
    known, fresh = finished(old), entries(new, "new")
    scratch = [*(entry._replace(score=entry.score + 10) for entry in known), *fresh]
    expected = list(rulings(iter(scratch), Settings(policy=policy)))[len(known) :]  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, index = written(folder / "old.jsonl", known), folder / "index"
        asked = Settings(policy=policy)  # type: ignore[arg-type]
        assert not any(ruling.removed for ruling in rulings(iter(known), asked._replace(index_folder=index)))
        assert list(rulings(iter(fresh), asked._replace(against=(rows,)))) == expected
        assert list(rulings(iter(fresh), asked._replace(against=(index,), index_folder=index))) == expected
        stays = {ruling.id for ruling in expected if not ruling.removed}
        grown = [*known, *(entry for entry in fresh if entry.id in stays)]
        again = list(rulings(iter(entries(newer, "newer")), asked._replace(against=(index,))))
        assert again == list(rulings(iter(entries(newer, "newer")), asked._replace(against=(written(rows, grown),))))


ROWS = [(0, 0, 0), (1, 0, 0), (2, 0, 0)]


def made(folder: Path) -> Path:
    list(rulings(iter(entries(ROWS, "old")), Settings(index_folder=folder / "index")))
    return folder / "index"


def judged(index: Path, threshold: float = 0.8) -> list[str]:
    return [ruling.kept for ruling in rulings(iter(entries(ROWS, "new")), Settings(threshold, against=(index,)))]


def test_an_index_says_whose_copy_a_text_is(tmp_path: Path) -> None:
    assert judged(made(tmp_path)) == ["old0", "old1", "old2"]


def test_a_foreign_or_stale_index_is_refused_in_one_line(tmp_path: Path) -> None:
    index = made(tmp_path)
    with pytest.raises(UsageError, match=r"^\S+: the index was made with another threshold or version; make it again with --index$"):
        judged(index, 0.7)
    for part in ("keys.npy", "shingles.bin", "ids.jsonl", "sketches.npy"):
        broken = shutil.copytree(index, tmp_path / part)
        (broken / "part-0001" / part).write_bytes((broken / "part-0001" / part).read_bytes()[:-3])
        with pytest.raises(UsageError, match="the index is damaged"):
            judged(broken)
    (index / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="is no index of 'bildung gate dedup --index'"):
        judged(index)


def test_an_index_is_not_overwritten_and_grows_only_in_its_place(tmp_path: Path) -> None:
    index = made(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in index.rglob("*")}
    unread = iter(entries(ROWS, "new"))
    with pytest.raises(UsageError, match="there is an index here already"):
        list(rulings(unread, Settings(index_folder=index)))
    with pytest.raises(UsageError, match="an index grows where it is"):
        list(rulings(unread, Settings(against=(index,), index_folder=tmp_path / "other")))
    assert len(list(unread)) == len(ROWS), "refused before anything was read"
    assert {path.name: path.stat().st_mtime_ns for path in index.rglob("*")} == before


def test_a_part_without_its_manifest_does_not_count(tmp_path: Path) -> None:
    index = made(tmp_path)
    shutil.copytree(index / "part-0001", index / "part-0002")
    assert judged(index) == ["old0", "old1", "old2"]
    list(rulings(iter(entries([(3, 0, 0)], "more")), Settings(against=(index,), index_folder=index)))
    assert json.loads((index / "part-0002" / "ids.jsonl").read_text(encoding="utf-8")) == "more0"


def test_one_index_at_a_time(tmp_path: Path) -> None:
    index = made(tmp_path)
    with pytest.raises(UsageError, match="one index"):
        list(rulings(iter([]), Settings(against=(index, index))))
