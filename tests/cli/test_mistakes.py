"""A user's mistakes: one line on stderr that says what, where and what to do, the right exit code, and never a traceback."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ran import Ran, Run

from builder.cli import COMMANDS, main
from builder.ledger import hold

ROOT = Path(__file__).parent.parent.parent
CORPUS = "corpus/example"
RECIPE = f"{CORPUS}/recipe.toml"
CONSTITUTION = "constitution/bildung.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project: a recipe and a constitution; everything else comes from the starter files."""
    (tmp_path / CORPUS).mkdir(parents=True)
    (tmp_path / "constitution").mkdir()
    shutil.copyfile(ROOT / RECIPE, tmp_path / RECIPE)
    shutil.copyfile(ROOT / CONSTITUTION, tmp_path / CONSTITUTION)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answered(ran: Ran, code: int, *says: str) -> None:
    """The command failed with this code and said all of this on one line of stderr, and nothing on stdout."""
    assert ran.code == code, ran
    assert ran.err.count("\n") == 1 and ran.err.startswith("bildung: "), ran.err
    assert not ran.out, ran.out
    for part in says:
        assert part in ran.err, f"{part!r} is not in {ran.err!r}"


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def copy(folder: Path, *names: str) -> None:
    for name in names:
        source = ROOT / name
        shutil.copytree(source, folder / name, dirs_exist_ok=True) if source.is_dir() else shutil.copyfile(source, folder / name)


# Constitutions


@pytest.mark.parametrize("command", ["plan", "build"])
def test_no_constitution(folder: Path, bildung: Run, command: str) -> None:
    (folder / CONSTITUTION).unlink()
    answered(bildung(command), 2, "bildung.md: no constitution there", "[corpus] constitutions")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"  \n\n\t\n", "is empty"),
        (b"# Care\n\nIt is kind\xff\xfe.\n", "line 3: is not UTF-8"),
        ("# Care\n\nIt is kind.\n".encode("utf-16"), "is not UTF-8"),
        (b"# Care\n\n---\n\n![](a.png)\n", "holds no prose"),
        (b"# Care\n\nIt is kind.\x00\n", "line 3: holds a NUL"),
    ],
)
def test_a_constitution_that_cannot_be_read(folder: Path, bildung: Run, content: bytes, says: str) -> None:
    write(folder / CONSTITUTION, content)
    answered(bildung("build", "-q"), 2, "constitution/bildung.md", says)
    answered(bildung("principles", CONSTITUTION), 2, "constitution/bildung.md", says)


def test_a_constitution_that_is_not_there_or_is_a_folder(folder: Path, bildung: Run) -> None:
    answered(bildung("principles", "constitution/mine.md"), 2, "constitution/mine.md: cannot be read", "No such file")
    answered(bildung("principles", "constitution"), 2, "constitution: cannot be read", "directory")


def test_a_recipe_without_constitutions(folder: Path, bildung: Run) -> None:
    answered(bildung("plan", "--set", "corpus.constitutions=[]"), 2, "[corpus] constitutions is empty")


# The recipe


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[size]\n\ndocumets = 3\n", ("recipe.toml line 3", "'documets'", "did you mean 'documents'")),
        ("\n[sise]\ndocuments = 3\n", ("recipe.toml line 2", "'sise'", "did you mean 'size'")),
        ("[size]\ndocuments = 'many'\n", ("recipe.toml line 2", "size.documents")),
        ("[size]\ndocuments = 0\n", ("recipe.toml line 2", "size.documents")),
        ("[corpus]\nname = 'My Corpus'\n", ("recipe.toml line 2", "corpus.name")),
        ("[mix]\nstory = 0.5\ndocument = 0.2\n", ("0.7", "sum to 1")),
        ("[axes.traits]\nowns-errors = 0.7\ntells-the-truth = 0.6\n", ("130%", "100 %")),
        ("[axes.traits]\nowns-errors = -0.1\n", ("recipe.toml", "negative")),
        ("[axes.traits]\nowns-erors = 0.2\n", ("trait named 'owns-erors'", "did you mean 'owns-errors'")),
        ("[axes.shares.tone]\nwryy = 1.0\n", ("'wryy'", "did you mean 'wry'")),
        ("[holdout]\nforms = ['diry']\n", ("form named 'diry'", "did you mean 'diary'")),
        ("[identity]\nnamed = 0.5\nunnamed = 0.5\ninvented = 0.0\nhuman = 0.0\n", ("named is above 0", "name is empty")),
        ("[size\n", ("recipe.toml", "not valid TOML")),
        ("[mix]\nstori = 1.0\n", ("recipe named 'stori'", "did you mean 'story'")),
    ],
)
def test_a_recipe_that_is_wrong(folder: Path, bildung: Run, text: str, says: tuple[str, ...]) -> None:
    write(folder / RECIPE, text)
    answered(bildung("plan"), 2, *says)


def test_no_recipe(folder: Path, bildung: Run) -> None:
    answered(bildung("build", "corpus/nowhere"), 2, "corpus/nowhere/recipe.toml: no recipe.toml here", "bildung init")
    answered(bildung("plan", RECIPE), 2, "recipe.toml", "is a file")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("size.documents", ("'size.documents' is not of the form --set SECTION.KEY=VALUE",)),
        ("=3", ("is not of the form",)),
        ("documents=3", ("--set documents", "SECTION.KEY=VALUE")),
        ("size.documets=3", ("'documets'", "did you mean 'documents'")),
        ("size.documents=lots", ("size.documents",)),
        ("size.documents.more=3", ("documents is not a table",)),
        ("mix.story=2", ("sum to 1",)),
        ("export.formats=[", ("export.formats",)),
    ],
)
def test_a_setting_that_is_wrong(folder: Path, bildung: Run, setting: str, says: tuple[str, ...]) -> None:
    answered(bildung("plan", "--set", setting), 2, *says)


# What people write


def test_a_tension_between_unknown_traits(folder: Path, bildung: Run) -> None:
    copy(folder, "constitution/traits")
    rows = '[[tension]]\nid = "a"\nbetween = ["owns-errors", "tells-truth"]\npull = "x"\nyields = "y"\n'
    write(folder / "constitution/tensions.toml", rows)
    answered(bildung("plan"), 2, "tensions.toml", "trait named 'tells-truth'", "did you mean 'tells-the-truth'")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("---\nname: Mine\ndescription: d\nshown: ['{AI} ~']\n---\n", ("constitution/traits/mine.md", "pattern '{AI} ~'")),
        ("---\nname: Mine\ndescription: d\nshwon: [a]\n---\n", ("mine.md", "'shwon'", "did you mean 'shown'")),
        ("---\nname: Mine\ndescription: d\n", ("mine.md line 1", "never closed")),
        ("---\nname: &a Mine\ndescription: *a\n---\n", ("mine.md line", "aliases")),
        ("---\nname: Mine\ndescription: [\n---\n", ("mine.md line", "front matter")),
        ("---\nname: Mine\ndescription: d\nnear: [owns-erors]\n---\n", ("mine.md", "did you mean 'owns-errors'")),
        ("---\nname: Mine\n---\n", ("mine.md", "description")),
    ],
)
def test_a_trait_that_is_wrong(folder: Path, bildung: Run, text: str, says: tuple[str, ...]) -> None:
    copy(folder, "constitution/traits")
    write(folder / "constitution/traits/mine.md", text)
    write(folder / "rows.jsonl", '{"id": "a", "text": "It told them what it had done wrong."}\n')
    answered(bildung("gate", "trait-evidence", "rows.jsonl"), 2, *says)
    doctor = bildung("doctor")
    assert doctor.code == 2 and "fault: " in doctor.out and all(part in doctor.out for part in says)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("axes/tone.toml", "[[value]\nid = 'plain'\n", ("axes/tone.toml", "not valid TOML", "line 1")),
        ("axes/tone.toml", "[[value]]\nid = 'plain'\nshare_of = 2\n", ("axes/tone.toml", "'share_of'", "share")),
        ("axes/tone.toml", "", ("axes/tone.toml", "no [[value]]")),
        ("forms/diary.md", "---\nlayot: prose\n---\n## heading\n- A\n", ("forms/diary.md", "'layot'", "did you mean 'layout'")),
        ("names/pool.tsv", "az_AZ she Aynur Babanli\n", ("names/pool.tsv line 1", "locale<TAB>")),
    ],
)
def test_a_story_prompt_that_is_wrong(folder: Path, bildung: Run, name: str, text: str, says: tuple[str, ...]) -> None:
    part = f"story_prompts/{name.partition('/')[0]}"
    copy(folder, part)
    write(folder / "story_prompts" / name, text)
    answered(bildung("plan"), 2, *says)


def test_a_prompt_with_a_variable_that_nothing_fills(folder: Path, bildung: Run) -> None:
    copy(folder, "story_prompts")
    write(folder / "story_prompts/story/draft.md", "---\nrole: writer\n---\nWrite about {heroine}.\n")
    write(folder / RECIPE, "[mix]\nstory = 1.0\n")
    answered(bildung("plan", "--show", "0"), 2, "story/draft.md", "{heroine}", "nothing fills")


# Names that nobody knows


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("biuld",), ("no command named 'biuld'", "did you mean 'build'")),
        (("gate", "dedupe", "rows.jsonl"), ("no gate named 'dedupe'", "did you mean 'dedup'")),
        (("build", "-q", "--model", "writer=ofline/composer"), ("no backend named 'ofline'", "did you mean 'offline'")),
        (("build", "-q", "--model", "writer=offline/composr"), ("'composr'", "did you mean 'composer'")),
        (("build", "-q", "--model", "writer=composer"), ("no backend named 'composer'",)),
        (("build", "-q", "--model", "writter=offline/composer"), ("'writter'", "did you mean 'writer'")),
        (("build", "-q", "--model", "writer"), ("'writer' is not of the form --model ROLE=PROVIDER/MODEL",)),
        (("export", "--for", "jsnl", "--output", "out"), ("no exporter named 'jsnl'", "did you mean 'jsonl'")),
        (("build", "-q", "--documents", "2", "--set", 'export.formats=["jsnl"]'), ("no exporter named 'jsnl'", "did you mean 'jsonl'")),
        (("list", "gats"), ("gats", "gates")),
        (("build", "--documents", "-1"), ("--documents", "-1")),
        (("build", "-q", "--max-cost", "much"), ("--max-cost", "much")),
        (("build", "--document", "3"), ("--document", "--documents")),
        (("plan", "--show", "story-1"), ("no brief 'story-1'", "--briefs")),
        (("check", "--fail-under", "x"), ("run 'bildung build' first",)),
        (("report",), ("run 'bildung build' first",)),
        (("export", "--for", "jsonl", "--output", "out"), ("run 'bildung build' first",)),
        (("why", "story-000000-00000000"), ("run 'bildung build' first",)),
        (("gate",), ("NAME",)),
    ],
)
def test_a_name_or_value_that_nobody_knows(folder: Path, bildung: Run, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    answered(bildung(*arguments), 2, *says)
    assert not (folder / CORPUS / "ledger.sqlite").exists(), "a command that failed on its arguments has started a ledger"


def test_thresholds(folder: Path, bildung: Run) -> None:
    write(folder / "output/example/coverage.json", '{"written": 3, "traits": {"evenness": 0.5}}')
    answered(bildung("check", "--fail-under", "traits.evenness=0.9"), 3, "traits.evenness is 0.5, under 0.9")
    answered(bildung("check", "--fail-under", "traits.eveness=0.9"), 2, "did you mean 'traits.evenness'", "--list")
    answered(bildung("check", "--fail-under", "traits.evenness"), 2, "METRIC=VALUE")
    assert bildung("check", "--fail-under", "traits.evenness=0.4") == (0, "", "")


# Files that cannot be written


def test_a_file_where_the_output_folder_should_be(folder: Path, bildung: Run) -> None:
    write(folder / "output", "not a folder")
    answered(bildung("build", "-q", "--documents", "2"), 1, "output", "cannot be written")


def test_a_folder_where_the_ledger_should_be(folder: Path, bildung: Run) -> None:
    (folder / CORPUS / "ledger.sqlite").mkdir()
    answered(bildung("build", "-q", "--documents", "2"), 1, "ledger.sqlite", "unable to open")


def test_a_ledger_that_is_none(folder: Path, bildung: Run) -> None:
    write(folder / CORPUS / "ledger.sqlite", "not a database at all, " * 50)
    answered(bildung("build", "-q", "--documents", "2"), 1, "ledger.sqlite", "not a database")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_corpus_folder_without_permission(folder: Path, bildung: Run) -> None:
    (folder / CORPUS).chmod(0o555)
    answered(bildung("build", "-q", "--documents", "2"), 1, CORPUS, "cannot be written")


def test_verdicts_into_a_folder_that_is_a_file(folder: Path, bildung: Run) -> None:
    write(folder / "rows.jsonl", '{"id": "a", "text": "words"}\n')
    answered(bildung("gate", "mechanical", "rows.jsonl", "-o", "rows.jsonl/verdicts.jsonl"), 1, "rows.jsonl", "cannot be written")


def test_a_corpus_that_is_being_built(folder: Path, bildung: Run) -> None:
    with hold(folder / CORPUS):
        answered(bildung("build", "-q", "--documents", "2"), 1, "corpus/example: another build is at work")


def test_init_where_something_is(folder: Path, bildung: Run) -> None:
    answered(bildung("init", "."), 2, "already holds constitution", "empty folder")
    answered(bildung("init", CONSTITUTION), 2, "bildung.md", "is a file")
    assert (folder / CONSTITUTION).read_bytes() == (ROOT / CONSTITUTION).read_bytes()


# Rows for a gate


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("rows.jsonl", b'{"id": "a", "text": "words"}\n{"id": "b", text}\n', ("rows.jsonl line 2", "is not JSON")),
        ("rows.jsonl", b'{"id": "a"}\n', ("rows.jsonl line 1", "needs a text and an id")),
        ("rows.jsonl", b'\n{"id": "a", "text": "words"}\n{"text": "words"}\n', ("rows.jsonl line 3", "needs a text and an id")),
        ("rows.jsonl", b'{"id": "a", "text": 7}\n', ("rows.jsonl line 1", "needs a text")),
        ("rows.jsonl", b"[1, 2]\n", ("rows.jsonl line 1", "needs a text")),
        ("rows.jsonl", b'{"id": "a", "text": "\xff\xfe"}\n', ("rows.jsonl line 1", "is not JSON")),
        ("rows.jsonl", b"[" * 100_000 + b"\n", ("rows.jsonl line 1", "is not JSON")),
        ("rows.jsonl.gz", b"not compressed", ("rows.jsonl.gz", "cannot be read")),
        ("rows.jsonl.gz", gzip.compress(b'{"id": "a", "text": "words"}\n' * 999)[:-9], ("rows.jsonl.gz", "cannot be read to its end")),
        ("rows.jsonl.zst", b"not compressed", ("rows.jsonl.zst", "cannot be read")),
        ("rows.parquet", b"not a table", ("rows.parquet", "cannot be read as Parquet")),
    ],
)
def test_rows_that_cannot_be_read(folder: Path, bildung: Run, name: str, content: bytes, says: tuple[str, ...]) -> None:
    write(folder / name, content)
    ran = bildung("gate", "mechanical", name, "-o", "verdicts.jsonl")
    answered(ran, 2, *says)
    assert not (folder / "verdicts.jsonl").exists()


def test_a_table_without_text(folder: Path, bildung: Run) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"id": ["a"], "body": ["words"]}), folder / "rows.parquet")
    answered(bildung("gate", "mechanical", "rows.parquet"), 2, "rows.parquet", "needs a text and an id")


def test_rows_that_are_not_there(folder: Path, bildung: Run) -> None:
    answered(bildung("gate", "mechanical", "rows.jsonl"), 2, "rows.jsonl: cannot be read", "No such file")


def test_a_gate_setting_without_a_recipe(folder: Path, bildung: Run) -> None:
    write(folder / "rows.jsonl", '{"id": "a", "text": "words"}\n')
    answered(bildung("gate", "mechanical", "rows.jsonl", "--corpus", "elsewhere", "--set", "min_words=1"), 2, "--set needs a recipe")
    answered(bildung("gate", "mechanical", "rows.jsonl", "--set", "min_word=1"), 2, "'min_word'", "did you mean 'min_words'")


# Manners


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps(bildung: Run, command: str) -> None:
    ran = bildung(command, "--help")
    assert ran.code == 0 and not ran.err
    assert ran.out.startswith(f"Usage: bildung {command}")
    assert bildung(command, "-h").out == ran.out


def test_the_help_and_the_version(bildung: Run) -> None:
    assert all(f"\n  {command} " in bildung("--help").out for command in COMMANDS)
    assert bildung("--version").out.startswith("bildung, version ")


def test_no_command_shows_the_help(bildung: Run) -> None:
    ran = bildung()
    assert "Usage: bildung" in ran.out + ran.err and "Traceback" not in ran.err
    assert ran.code in (0, 2)


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    """``bildung plan --briefs | head -1``: the pipe closes early, and nobody hears of it."""
    command = [sys.executable, "-m", "builder", "plan", "--briefs", "--documents", "400"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (0, "")


def test_a_bug_is_not_hidden(folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a bug shows a traceback, and a bug does."""
    monkeypatch.setattr("builder.cli.plan_command.read_constitutions", lambda project: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["bildung", "plan"])
    with pytest.raises(ZeroDivisionError):
        main()
