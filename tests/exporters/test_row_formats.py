"""The row formats through their real reader: ``datasets.load_dataset`` on a folder, offline, whole and streaming."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard
from rows_by_hand import HOSTILE, assemble, document, rows

from builder import plugins
from builder.data_card import MANIFEST, write_export
from builder.errors import BildungError
from builder.exporters import ExportOptions, shards
from builder.library import Library
from builder.records import CorpusRecord, Document, Turn
from builder.rows import BuildRows

FORMATS = ("jsonl", "parquet")
CUT = ExportOptions(documents_per_shard=7)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    yield


@pytest.fixture(scope="module")
def small(library: Library) -> BuildRows:
    return rows(library)


def write(name: str, build: BuildRows, folder: Path, options: ExportOptions = CUT) -> Path:
    return write_export(plugins.load("exporter", name), name, build, folder, options)


def load(folder: Path, streaming: bool) -> list[dict[str, Any]]:
    from datasets import load_dataset

    return list(load_dataset(str(folder), split="train", streaming=streaming))


def expected(record: CorpusRecord) -> dict[str, Any]:
    turns = [turn.model_dump() for turn in record.turns]
    return {"id": record.id, "text": record.text, "source": record.source, "metadata": record.metadata, "messages": turns}


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_every_row_comes_back(small: BuildRows, tmp_path: Path, name: str, streaming: bool) -> None:
    folder = write(name, small, tmp_path)
    assert len(list((folder / "data").iterdir())) == 6
    assert load(folder, streaming) == [expected(record) for record in small.records]


@pytest.mark.parametrize("name", FORMATS)
def test_shards_of_stories_and_of_conversations_have_one_schema(library: Library, tmp_path: Path, name: str) -> None:
    """The first shard holds no message at all, the last nothing but messages."""
    from datasets import Features, List, Value, load_dataset

    found = [document(library, number, "story" if number < 7 else "advice") for number in range(14)]
    build = assemble(library, found, {}, [], found)
    text = Value("string")
    schema = Features({"id": text, "text": text, "source": text, "metadata": text, "messages": List({"role": text, "content": text})})
    assert load_dataset(str(write(name, build, tmp_path)), split="train").features == schema


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_text_comes_back_unchanged(library: Library, tmp_path: Path, name: str) -> None:
    contents = (HOSTILE, "2024-01-01", "null", " \n ", "\ufeffx", "")
    found = [document(library, number, content=content) for number, content in enumerate(contents)]
    found.append(found[0].model_copy(update={"id": "chat", "turns": (Turn(role="user", content=HOSTILE),)}))
    build = assemble(library, found, {}, [], found)
    assert load(write(name, build, tmp_path), False) == [expected(record) for record in build.records]


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_rows_give_the_same_bytes(small: BuildRows, tmp_path: Path, name: str) -> None:
    one, two = write(name, small, tmp_path / "one"), write(name, small, tmp_path / "two")
    assert one.name == two.name
    assert tree(one) == tree(two)


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_that_is_there_is_left_as_it_is(small: BuildRows, tmp_path: Path, name: str) -> None:
    folder = write(name, small, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert write(name, small, tmp_path) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", FORMATS)
def test_other_rows_go_to_another_folder(library: Library, small: BuildRows, tmp_path: Path, name: str) -> None:
    assert write(name, small, tmp_path) != write(name, rows(library, 24), tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_no_document_is_an_export_too(library: Library, tmp_path: Path, name: str) -> None:
    folder = write(name, assemble(library, [], {}, [], []), tmp_path)
    assert json.loads((folder / MANIFEST).read_text())["documents"] == 0


def test_the_manifest_tells_the_truth(small: BuildRows, tmp_path: Path) -> None:
    folder = write("jsonl", small, tmp_path)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    hashes = {name: found for name, found in tree(folder).items() if name != MANIFEST}
    assert {row["path"]: row["sha256"] for row in manifest["files"]} == hashes
    assert manifest["documents"] == len(small.records)
    assert manifest["training_grade"] is False
    assert manifest["libraries"]["datasets"]


def test_the_card_says_what_a_reader_needs(small: BuildRows, tmp_path: Path) -> None:
    card = (write("parquet", small, tmp_path) / "README.md").read_text(encoding="utf-8")
    _, front, body = card.split("---\n", 2)
    meta = yaml.safe_load(front)
    assert meta["license"] == "cc0-1.0"
    assert meta["training_grade"] is False
    assert "not-training-grade" in meta["tags"]
    assert meta["configs"][0]["data_files"][0]["path"] == "data/train-*.parquet"
    for heading in ("## Columns", "## Provenance", "## Mixing", "## Limits"):
        assert heading in body
    assert all(f"`{name}`" in body for name in ("id", "text", "source", "metadata", "messages"))


def test_one_row_is_one_line_for_every_reader(library: Library, tmp_path: Path) -> None:
    found = [document(library, 0, content=HOSTILE)]
    folder = write("jsonl", assemble(library, found, {}, [], found), tmp_path)
    path = next((folder / "data").iterdir())
    text = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read().decode("utf-8")
    assert len(text.splitlines()) == 1
    assert json.loads(text)["text"] == HOSTILE


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("place", ["text", "turn"])
def test_a_lone_surrogate_is_refused_by_name(library: Library, tmp_path: Path, name: str, place: str) -> None:
    found = document(library, 0, content="a \ud800 b" if place == "text" else "fine")
    if place == "turn":
        found = found.model_copy(update={"turns": (Turn(role="user", content="b\udfff"),)})
    with pytest.raises(BildungError, match="story-000 holds a lone surrogate") as error:
        write(name, assemble(library, [found], {}, [], [found]), tmp_path)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_comes_twice_is_refused(library: Library, tmp_path: Path) -> None:
    twice: list[Document] = [document(library, 0)] * 2
    with pytest.raises(BildungError, match="story-000 comes twice"):
        write("jsonl", assemble(library, twice, {}, [], twice), tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_that_cannot_be_written_is_one_line(small: BuildRows, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BildungError, match="cannot be written") as error:
        write(name, small, tmp_path / "file")
    assert "\n" not in str(error.value)


def test_what_a_killed_run_left_is_swept(small: BuildRows, tmp_path: Path) -> None:
    left = tmp_path / ".jsonl.unfinished" / "data"
    left.mkdir(parents=True)
    (left / "train-00000-of-00001.jsonl.zst").write_bytes(b"torn")
    folder = write("jsonl", small, tmp_path)
    assert list(tmp_path.iterdir()) == [folder]
    assert len(load(folder, False)) == len(small.records)


@pytest.mark.parametrize(("count", "size", "files"), [(0, 5, [0]), (5, 5, [5]), (6, 5, [5, 1]), (3, 1, [1, 1, 1])])
def test_shards(small: BuildRows, count: int, size: int, files: list[int]) -> None:
    cut = list(shards(small.records[:count], ExportOptions(size)))
    assert [len(shard.records) for shard in cut] == files
    assert [shard.name for shard in cut] == [f"data/train-{at:05d}-of-{len(files):05d}" for at in range(len(files))]
