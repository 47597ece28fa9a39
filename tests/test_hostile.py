"""Hostile input: one line on stderr and a documented exit code, nothing written outside the project, and nothing lost."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zstandard
from ran import Ran, Run

from builder.errors import BildungError, UsageError
from builder.ledger import Ledger
from builder.library import Library
from builder.records import Answer, Request, digest

ROOT = Path(__file__).parent.parent
CORPUS = "corpus/example"
RECIPE = f"{CORPUS}/recipe.toml"
CONSTITUTION = "constitution/bildung.md"
TRAIT = "constitution/traits/owns-errors.md"
SMALL = """# Character

The assistant tells the truth, because people act on what it says.

It owns its errors early, so that what went wrong can still be mended.

## Care

It looks out for whoever cannot speak for themselves, since nobody else may.
"""
ROW = json.dumps({"id": "a", "text": "The text of one row. " * 40}) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a recipe and a constitution, in a folder that has room around it; the rest comes from the starter files."""
    project = tmp_path / "around" / "project"
    write(project, CONSTITUTION, SMALL)
    write(project, RECIPE, (ROOT / RECIPE).read_bytes())
    monkeypatch.chdir(project)
    return project


def refused(ran: Ran, code: int = 2, says: str = "") -> None:
    """One line that names the fault, and the exit code."""
    assert ran.code == code, ran.err
    assert ran.err.startswith("bildung: ")
    assert ran.err.count("\n") == 1
    assert says in ran.err


def write(folder: Path, name: str, text: str | bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


HUGE = "99999999999999999999"
VALUES = ('"x"', "-1", "1e400", "nan", "-inf", "[1]", "{a=1}", "true", "[[]]", "9" * 5000, "[" * 5000, "\udcff", "1\nx = 2")
NUMBERS = ("size.documents", "gates.near_duplicate", "budget.max_cost", "mix.story")


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_is_a_number_in_bounds(folder: Path, bildung: Run, key: str) -> None:
    for value in VALUES:
        refused(bildung("plan", "--set", f"{key}={value}"))
    if key != "budget.max_cost":
        refused(bildung("plan", "--set", f"{key}={HUGE}"))


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a" * 121, "a\\u0000", "a b", "..", "\u00e9", "a\\n", ""])
def test_a_corpus_name_is_a_plain_name(folder: Path, bildung: Run, name: str) -> None:
    refused(bildung("build", "--set", f'corpus.name="{name}"'), says="corpus.name")
    assert not (folder / "output").exists()


@pytest.mark.parametrize(
    "text",
    ["[corpus]\n[corpus]\n", "[corpus]\nseed = 1\nseed = 2\n", "x = " + "[" * 5000, "[corpus]\nseed = " + "9" * 5000, "\0", b"# \xe9",
     "[[corpus]]\n", "[axes.shares]\ntone = 2020-01-01\n", "[size]\ndocuments = true\n", "[corpus]\nsede = 1\n", "#" * 2_000_001],
    ids=range(11),
)  # fmt: skip
def test_a_recipe_that_is_none(folder: Path, bildung: Run, text: str | bytes) -> None:
    write(folder, RECIPE, text)
    refused(bildung("plan"), says=RECIPE)


def test_line_ends_and_a_mark_at_the_start_are_no_matter(folder: Path, bildung: Run) -> None:
    write(folder, RECIPE, b"\xef\xbb\xbf" + (folder / RECIPE).read_bytes().replace(b"\n", b"\r\n"))
    assert bildung("plan", "--documents", "2").code == 0


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ('corpus.constitutions=["constitution"]', "no constitution there"),
        ('corpus.constitutions=["constitution/bildung.md","./constitution/bildung.md"]', "gives too"),
        ('corpus.constitutions=["/dev/null"]', "no constitution there"),
        ("corpus.constitutions=[]", "is empty"),
        ('export.formats=["../jsonl"]', "no exporter named"),
        ("models.writer=../x/y", "no backend named"),
        ("models.writer=offline/composer/x", "no offline model named"),
        ("mix.story=0", "must sum to 1"),
        ('holdout.principles=["*"]', "holds out every principle"),
        ('axes.shares.pov={ fourth = 1 }', "no value of axis pov"),
        ("axes.shares.tonne={a=1}", "no axis named"),
        ("x=1", "SECTION.KEY=VALUE"),
        ("corpus.name.x=1", "is not a table"),
    ],
)
def test_a_setting_that_cannot_be(folder: Path, bildung: Run, setting: str, says: str) -> None:
    refused(bildung("build", "--documents", "2", "--set", setting), says=says)


def test_humans_alone_give_no_advice(folder: Path, bildung: Run) -> None:
    only = [part for share in ("human=1", "unnamed=0", "invented=0") for part in ("--set", f"identity.{share}")]
    refused(bildung("plan", "--documents", "2", *only), says="no form is left for the recipe 'advice'")


@pytest.mark.parametrize("axis", ["length", "pov"])
def test_one_value_of_an_axis_is_enough(folder: Path, bildung: Run, axis: str) -> None:
    values = list(Library(ROOT).axes[axis])
    shares = ",".join(f'"{value}"={int(value == values[0])}' for value in values)
    assert bildung("plan", "--documents", "3", "--set", f"axes.shares.{axis}={{{shares}}}").code == 0


@pytest.mark.parametrize(
    "text",
    ["", "\ufeff", "# A\n\n## B\n", "```\nx\n", "\U0001f389", b"\xed\xa0\x80", b"a\0b", "<!-- x", ">" * 500 + " Be kind.", "a" * 1_000_000,
     "# Examples\n\nFor example, a user asks X. The AI says Y.\n"],
    ids=range(11),
)  # fmt: skip
def test_a_constitution_without_a_principle(folder: Path, bildung: Run, text: str | bytes) -> None:
    write(folder, CONSTITUTION, text)
    refused(bildung("plan", "--documents", "2"))


@pytest.mark.parametrize(
    "text",
    ["Be kind.", "# \u539f\u5219\n\n\u4eba\u5de5\u667a\u80fd\u5e94\u5f53\u8bda\u5b9e\u3002\n",
     "\u064a\u062c\u0628 \u0623\u0646 \u064a\u0643\u0648\u0646 \u0635\u0627\u062f\u0642\u0627.\n",
     "\u202eBe honest <script>{x} <|endoftext|>.\n" + "[" * 20_000 + "\n\n" + "Be honest.\n\n" * 999],
    ids=range(4),
)  # fmt: skip
def test_odd_constitutions_are_planned(folder: Path, bildung: Run, text: str) -> None:
    write(folder, CONSTITUTION, text)
    assert bildung("plan", "--documents", "2").code == 0


def _front(lines: str) -> str:
    return f"---\n{lines}\n---\n"


BAD_FILES = [
    (TRAIT, ""),
    (TRAIT, "---\nname: x\n"),
    (TRAIT, _front("- a")),
    (TRAIT, _front("a: &a [x]\nb: *a")),
    (TRAIT, _front('name: !!python/object/apply:os.system ["x"]')),
    (TRAIT, _front("name: " + "[" * 1000)),
    (TRAIT, _front("name: " + "9" * 5000)),
    (TRAIT, _front("name: a\nname: b")),
    (TRAIT, _front("? [a]\n: b")),
    (TRAIT, _front("1: b")),
    (TRAIT, _front('name: "\\ud800"')),
    (TRAIT, _front("name: a\ndescription: b\nnear: [nobody]")),
    (TRAIT, _front("name: a\ndescription: b\nshare: .inf")),
    (TRAIT, _front("name: a\ndescription: b\nidentities: [robot]")),
    (TRAIT, b"---\nname: \xff\n---\n"),
    ("constitution/traits/Odd Name!.md", _front("name: a\ndescription: b")),
    ("constitution/tensions.toml", "tension = 'x'"),
    ("constitution/tensions.toml", "[[tensions]]\nid = 'a'\n"),
    ("story_prompts/axes/tone.toml", "value = [1]"),
    ("story_prompts/axes/tone.toml", "[[value]]\nid = 1\n"),
    ("story_prompts/axes/tone.toml", "[[value]]\nid = 'a b'\n"),
    ("story_prompts/axes/tone.toml", "[[value]]\nid = 'a'\nshare = nan\n"),
    ("story_prompts/axes/tone.toml", "[[value]]\nid = 'a'\n[[value]]\nid = 'a'\n"),
    ("story_prompts/forms/zz.md", _front("recipes: story")),
    ("story_prompts/forms/zz.md", _front("povs: [fourth]")),
    ("story_prompts/roles/zz.md", _front("human_title: [a]")),
    ("story_prompts/settings/zz.md", _front("locales: xx")),
    ("story_prompts/story/recipe.md", _front("steps: []")),
    ("story_prompts/story/recipe.md", _front("steps: ['../../x']")),
    ("story_prompts/names/pool.tsv", ""),
    ("story_prompts/names/invented_ais.txt", ""),
]


@pytest.mark.parametrize(("name", "text"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_a_malformed_file_is_named(folder: Path, bildung: Run, name: str, text: str | bytes) -> None:
    kept = str(Path(name).parent)
    if kept != "constitution":
        shutil.copytree(ROOT / kept, folder / kept)
    write(folder, name, text)
    refused(bildung("plan", "--documents", "2"))


def test_a_pipe_is_not_waited_for(folder: Path, bildung: Run) -> None:
    (folder / "constitution/traits").mkdir()
    os.mkfifo(folder / "constitution/traits/zz.md")
    refused(bildung("plan"), says="is not a file")


BAD_ROWS = [
    '{"id":"a","text":"x","score":NaN}',
    '{"id":"a","text":"x","score":1e999}',
    '{"id":"a","text":"x","score":1' + "0" * 400 + "}",
    b'{"id":"a","text":"\xff"}',
    '{"id":"\\ud800","text":"x"}',
    '{"id":' + "9" * 5000 + ',"text":"a"}',
    '{"id":"a"}',
    '{"id":"a","text":null}',
    "[1]",
    "[" * 100_000,
    "\0",
]


@pytest.mark.parametrize("row", BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_a_bad_row_is_named_by_its_line_and_leaves_no_half_file(folder: Path, bildung: Run, row: str | bytes) -> None:
    write(folder, "rows.jsonl", ROW.encode() + (row if isinstance(row, bytes) else row.encode()) + b"\n")
    refused(bildung("gate", "mechanical", "rows.jsonl", "-o", "verdicts.jsonl"), says="line 2")
    assert not list(folder.glob("*verdicts*"))


def test_good_rows_of_odd_shape_are_judged_in_order(folder: Path, bildung: Run) -> None:
    ids = ["../../x", "a:b", "\n", "", "\u4e2d", '"', "a", "a", "\u2028"]
    write(folder, "rows.jsonl", "".join(json.dumps({"id": name, "text": "\ud800 \x00 word"}) + "\r\n" for name in ids))
    ran = bildung("gate", "mechanical", "rows.jsonl")
    assert ran.code == 0
    assert [json.loads(line)["document_id"] for line in ran.out.split("\n")[:-1]] == ids


def _cut_short() -> list[tuple[str, bytes]]:
    packed, zipped = zstandard.compress(ROW.encode() * 500), gzip.compress(ROW.encode() * 500)
    return [
        ("x.jsonl.zst", packed[:3]), ("x.jsonl.zst", packed[:-1]), ("x.jsonl.zst", packed + b"junk of a tail"), ("x.jsonl.zst", b"plain\n"),
        ("x.jsonl.gz", zipped[:5]), ("x.jsonl.gz", zipped[:-9]), ("x.jsonl.gz", b"plain\n"), ("x.parquet", b""), ("x.parquet", b"PAR1" * 9),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "data"), _cut_short(), ids=range(9))
def test_a_file_cut_short_is_not_taken_for_whole(folder: Path, bildung: Run, name: str, data: bytes) -> None:
    write(folder, name, data)
    refused(bildung("gate", "mechanical", name), says=name)


def test_two_frames_of_zstd_are_one_file(folder: Path, bildung: Run) -> None:
    write(folder, "x.jsonl.zst", zstandard.compress(ROW.encode()[:50]) + zstandard.compress(ROW.encode()[50:] * 1))
    assert bildung("gate", "mechanical", "x.jsonl.zst").out.count("\n") == 1


@pytest.mark.parametrize("link", ["output", "output/example", "output/example/data", "output/example/verdicts", CORPUS, "corpus"])
def test_a_link_that_leads_out_is_refused_and_nothing_is_written_there(folder: Path, bildung: Run, link: str) -> None:
    outside = folder.parent / "outside"
    recipe = (folder / RECIPE).read_bytes()
    if (folder / link).exists():
        shutil.rmtree(folder / link)
    (folder / link).parent.mkdir(parents=True, exist_ok=True)
    outside.mkdir()
    (folder / link).symlink_to(outside)
    write(folder, RECIPE, recipe)
    before = sorted(outside.rglob("*"))
    refused(bildung("build", "--documents", "2"), says="leads out of the project folder")
    assert sorted(outside.rglob("*")) == before


@pytest.mark.parametrize("data", [b"not a database " * 50, b"SQLite format 3\0", b"\xff" * 9000])
def test_a_damaged_ledger_is_left_as_it_is(folder: Path, bildung: Run, data: bytes) -> None:
    write(folder, f"{CORPUS}/ledger.sqlite", data)
    refused(bildung("build", "--documents", "2"), code=1, says="ledger.sqlite")
    assert (folder / CORPUS / "ledger.sqlite").read_bytes() == data


@pytest.mark.parametrize("body", [b"\0", "text", zstandard.compress(b"hello"), zstandard.compress(b'{"x": 1}')])
def test_a_damaged_answer_is_named(tmp_path: Path, body: bytes | str) -> None:
    key = digest("h1")
    told: dict[str, Any] = {"hash": key, "document_id": "d1", "step": "draft", "model": "m", "prompt_hash": "p"}
    asked = Request.model_construct(**told)
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        ledger.record([(asked, Answer(request_hash=key, text="Text."))])
        with closing(sqlite3.connect(tmp_path / "l.sqlite")) as other:
            other.execute("UPDATE answers SET body = ?", (body,))
            other.commit()
        with pytest.raises(BildungError, match=f"the answer {key[:12]} is damaged"):
            ledger.answers([key])


def test_a_message_stays_on_one_line(folder: Path, bildung: Run) -> None:
    refused(bildung("plan", "a\nb\x1b[31mc"), says="a b\\x1b[31mc")


@pytest.mark.parametrize("lacking", ["worn_motifs.txt"])
def test_an_empty_list_is_a_list(folder: Path, lacking: str) -> None:
    write(folder, f"story_prompts/lists/{lacking}", "")
    assert Library(folder).words(lacking.removesuffix(".txt")) == ()


def test_a_bank_that_lacks_an_entry_takes_the_starters(folder: Path) -> None:
    write(folder, "story_prompts/offline/openings.md", "# mine\n## line\n- A line of mine.\n")
    bank = Library(folder).bank("openings")
    assert set(Library(ROOT).bank("openings")) < set(bank)
    assert bank["mine"].beats["line"] == ("A line of mine.",)


def test_a_slot_that_names_itself_is_no_endless_tale(folder: Path) -> None:
    from builder.composer.write import Composer
    from builder.project import open_project, principles_of, read_constitutions
    from builder.stages.plan import plan

    write(folder, "story_prompts/roles/zz.md", "## role\n- the {role}\n## task\n- {task}\n")
    project = open_project(folder / CORPUS)
    brief = next(plan(project.recipe, project.library, principles_of(read_constitutions(project))))
    with pytest.raises(UsageError, match="the banks cannot tell"):
        Composer(project.library).write(brief)


def _tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _start(folder: Path, command: str = "build") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "builder", command, "-q", "--documents", "12"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_one_interrupt_is_one_line_and_exit_130(folder: Path) -> None:
    process = _start(folder)
    while not (folder / CORPUS / "ledger.sqlite").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    refused(Ran(process.returncode, "", err), 130, "interrupted")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_forty_times_no_final_name_ever_holds_a_torn_file(folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(folder, whole)
    since = time.monotonic()
    assert _start(whole).wait(timeout=120) == 0
    seconds, wanted, rng = time.monotonic() - since, _tree(whole / "output"), random.Random(40)
    for number in range(40):
        process = _start(folder, "report" if number > 20 and number % 2 else "build")
        time.sleep(rng.uniform(0.2, 1.1) * seconds)
        process.kill()
        assert "Traceback" not in process.communicate()[1]
        found = {name: sha for name, sha in _tree(folder / "output").items() if ".unfinished" not in name}
        assert found.items() <= wanted.items()
        if number % 4 == 0:
            shutil.rmtree(folder / "output", ignore_errors=True)
    assert _start(folder).wait(timeout=120) == 0
    assert _tree(folder / "output") == wanted
