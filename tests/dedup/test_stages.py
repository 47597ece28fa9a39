"""The engine's run cut into ranks: the same verdicts, whatever the shards, whoever dies."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ran import Run
from test_engine import corpora, edited, text

from builder.candidates import read_candidates
from builder.dedup import Entry
from builder.errors import UsageError
from builder.gates import GateContext, Tally
from builder.library import Library
from builder.recipe import BuildRecipe, GatesSection
from builder.sharded import Job, begin, cut, failure, perform, steps
from builder.sharded.verdicts import collect
from builder.stages.dedup import open_gate


def written(folder: Path, corpus: list[Entry], name: str = "rows.jsonl") -> Path:
    path = folder / name
    rows = (json.dumps({"id": entry.id, "text": entry.text, "score": entry.score}) + "\n" for entry in corpus)
    path.write_text("".join(rows), encoding="utf-8")
    return path


def whole(gates: GatesSection, path: Path, finished: tuple[Path, ...] = ()) -> bytes:
    context = GateContext(BuildRecipe(gates=gates), Library(path.parent), finished=finished)
    return "".join(f"{line}\n" for line in Tally().lines(open_gate(context)(read_candidates([path])))).encode()


def ranked(folder: Path, job: Job) -> bytes:
    work = begin(folder / "work", job)
    for step in steps(job):
        for rank in range(step.world):
            perform(work.folder, step.name, rank)
    with (folder / "verdicts.jsonl").open("wb") as out:
        collect(work, out)
    return (folder / "verdicts.jsonl").read_bytes()


@settings(max_examples=8, deadline=None)
@given(corpora(), st.sampled_from(["best", "leader"]), st.sampled_from([0.5, 0.8]), st.integers(1, 5))
def test_ranks_give_the_bytes_of_one_process(corpus: list[Entry], policy: str, threshold: float, shards: int) -> None:
    gates = GatesSection.model_validate({"dedup_policy": policy, "near_duplicate": threshold})
    with tempfile.TemporaryDirectory() as name:
        path = written(Path(name), corpus)
        assert ranked(Path(name), Job(gate="dedup", shards=cut([path], shards), gates=gates)) == whole(gates, path)


def crowd() -> list[Entry]:
    """Stars, a long chain, large buckets, copies; scores that tie."""
    long = text(6, 1500)
    rng = random.Random(7)
    found = [Entry(f"c{at:03}", " ".join(long[8 * at : 8 * at + 90]), rng.randrange(3)) for at in range(150)]
    found += [Entry(f"e{at:03}", edited(text(5, 200), at % 7, at), rng.randrange(3)) for at in range(150)]
    found += [Entry(f"k{at:03}", " ".join(text(at % 9)), rng.randrange(3)) for at in range(60)]
    rng.shuffle(found)
    return found


@pytest.mark.parametrize("policy", ["best", "leader"])
def test_chains_and_crowds_across_shards(tmp_path: Path, policy: str) -> None:
    gates = GatesSection.model_validate({"dedup_policy": policy})
    path = written(tmp_path, crowd())
    expected = whole(gates, path)
    assert b"through" in expected if policy == "best" else b"through" not in expected
    assert ranked(tmp_path, Job(gate="dedup", shards=cut([path], 7), gates=gates)) == expected


def test_a_finished_corpus_stays_before_new_rows(tmp_path: Path) -> None:
    corpus = crowd()
    finished, new = written(tmp_path, corpus[:180], "finished.jsonl"), written(tmp_path, corpus[180:], "new.jsonl")
    known = cut([finished], 3)
    job = Job(gate="dedup", shards=(*known, *cut([new], 2)), finished=len(known))
    assert ranked(tmp_path, job) == whole(GatesSection(), new, (finished,))


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    path = written(tmp_path, crowd())
    job = Job(gate="dedup", shards=cut([path], 3))
    first = ranked(tmp_path, job)
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "work").rglob("manifest.json")}
    assert ranked(tmp_path, job) == first
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "work").rglob("manifest.json")} == made
    (tmp_path / "work" / "verify" / "00001" / "manifest.json").unlink()  # a rank that was lost half-way
    assert ranked(tmp_path, job) == first


def test_the_work_of_another_job_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, crowd())
    begin(tmp_path / "work", Job(gate="dedup", shards=cut([path], 3)))
    with pytest.raises(UsageError, match="holds the work of another job"):
        begin(tmp_path / "work", Job(gate="dedup", shards=cut([path], 2)))
    path.write_text(path.read_text() + json.dumps({"id": "late", "text": "x"}) + "\n")
    with pytest.raises(UsageError, match="has changed since this job began"):
        perform(tmp_path / "work", "read", 0)
    told = failure(tmp_path / "work", steps(Job(gate="dedup", shards=cut([path], 3)))[0])
    assert isinstance(told, UsageError) and "has changed since" in str(told)


LINES = ("", " ", "\r", '{"id": "a", "text": "b"}', '{"id": "\u6e21", "text": "\u2028"}')


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=30), st.integers(1, 9))
def test_every_row_is_in_one_shard(lines: list[str], shards: int) -> None:
    from builder.sharded.job import candidates

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.jsonl"
        path.write_bytes("\n".join(lines).encode())
        assert [row for shard in cut([path], shards) for row in candidates(shard)] == list(read_candidates([path]))


def test_files_are_cut_by_their_size_and_packed_ones_stay_whole(tmp_path: Path) -> None:
    import gzip

    plain = written(tmp_path, crowd())
    packed = tmp_path / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes(), 1))
    small = written(tmp_path, crowd()[:3], "small.jsonl")
    shards = cut([small, plain, packed], 6)
    units = [unit for shard in shards for unit in shard]
    assert [Path(unit.path).name for unit in units if unit.whole] == ["small.jsonl", "more.jsonl.gz"]
    assert len(shards) <= 6 and all(shards)
    starts = [(unit.path, unit.start, unit.end) for unit in units if not unit.whole]
    assert starts[0][1] == 0 and starts[-1][2] == plain.stat().st_size
    assert all(before[2] == after[1] for before, after in zip(starts, starts[1:], strict=False))


def test_the_line_of_a_bad_row_is_that_of_its_file(tmp_path: Path, bildung: Run) -> None:
    path = written(tmp_path, crowd()[:40])
    lines = path.read_text().splitlines()
    lines[31] = '{"id": "no text"}'
    path.write_text("\n".join(lines) + "\n")
    for shards in ("1", "4"):
        ran = bildung("gate", "dedup", str(path), "--engine", "local", "--engine-set", "workers=1", "--shards", shards)
        assert ran.code == 2 and "rows.jsonl line 32: a row needs a text and an id" in ran.err


def test_gates_that_need_one_document_alone_are_dealt_out(tmp_path: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(written(tmp_path, crowd()[:60]))
    alone = bildung("gate", "mechanical", path, "--corpus", "none")
    dealt = bildung("gate", "mechanical", path, "--corpus", "none", "--engine", "local", "--shards", "3")
    assert (dealt.code, dealt.out, dealt.err) == (0, alone.out, alone.err) and len(alone.out.splitlines()) == 60
    together = bildung("gate", "sameness", path, "--corpus", "none", "--engine", "local")
    assert together.code == 2 and "sameness weighs all documents together" in together.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engine", "lokal"], "no engine named 'lokal'; did you mean 'local'?"),
        (["--engine", "local", "--index", "known"], "are for a run without --engine"),
        (["--work", "here"], "--engine-set, --work and --shards are for --engine"),
        (["--engine", "slurm"], "--engine slurm needs --work DIR"),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path: Path, bildung: Run, words: list[str], said: str) -> None:
    ran = bildung("gate", "dedup", str(written(tmp_path, crowd()[:5])), *words)
    assert ran.code == 2 and said in ran.err


def test_more_workers_go_on_with_what_fewer_began(tmp_path: Path, bildung: Run) -> None:
    path, work = str(written(tmp_path, crowd())), str(tmp_path / "work")
    first = bildung("gate", "dedup", path, "--engine", "local", "--engine-set", "workers=1", "--work", work)
    made = sorted(folder.name for folder in (tmp_path / "work" / "read").iterdir())
    again = bildung("gate", "dedup", path, "--engine", "local", "--engine-set", "workers=2", "--work", work)
    assert (first.code, again.code) == (0, 0) and first.out == again.out
    assert made == ["00000"] == sorted(folder.name for folder in (tmp_path / "work" / "read").iterdir())
    other = bildung("gate", "dedup", path, "--engine", "local", "--work", work, "--shards", "2")
    assert other.code == 2 and "holds the work of another job" in other.err
