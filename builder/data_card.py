"""An export as a folder that speaks for itself: data, a data card (``README.md``) and a manifest with the hash of every file.

The folder's name ends in a hash of its content and is never written again: ``datasets`` caches by path, so that a file rewritten in
place would serve old rows.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from builder import __version__
from builder.errors import BildungError
from builder.exporters import MESSAGES, Column, Exporter, ExportOptions
from builder.records import CorpusRecord
from builder.rows import BuildRows
from builder.stores import UNFINISHED, sync

MANIFEST = "manifest.json"
_LIBRARIES = ("datasets", "pyarrow", "zstandard", "huggingface-hub")
_ROW_ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))
_HASH_DIGITS = 12


def write_export(exporter: Exporter | ModuleType, name: str, rows: BuildRows, folder: Path, options: ExportOptions) -> Path:
    """Write one export as ``folder/<name>-<content hash>`` and return that path; one that is there already is left as it is.

    Raises ``BildungError`` where a text cannot be written in any format, and where the disk refuses.
    """
    _check(rows.records)
    partial = folder / f".{name}{UNFINISHED}"
    with _failures(folder), _removed(partial):
        partial.mkdir(parents=True)
        shards = exporter.export(rows.records, partial, options)
        (partial / "README.md").write_text(_card(name, rows, shards, getattr(exporter, "COLUMNS", ())), encoding="utf-8", newline="\n")
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        hashes = {path.relative_to(partial).as_posix(): _sha256(path) for path in files}
        manifest = _manifest(name, rows, {path: (partial / path).stat().st_size for path in hashes}, hashes)
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8", newline="\n")
        content = hashlib.sha256("\0".join(f"{path}\0{found}" for path, found in hashes.items()).encode()).hexdigest()
        final = folder / f"{name}-{content[:_HASH_DIGITS]}"
        if not final.exists():
            _sync_tree(partial)
            partial.rename(final)
            sync(folder)
    return final


def _check(records: Sequence[CorpusRecord]) -> None:
    """Refuse what some format would lose: text that is not Unicode, and an id that comes twice."""
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise BildungError(f"document {record.id} comes twice; an export needs one id a document")
        seen.add(record.id)
        for part in (record.text, record.source, record.metadata, *(turn.content for turn in record.turns)):
            try:
                part.encode("utf-8")
            except UnicodeEncodeError as error:
                fault = f"U+{ord(part[error.start]):04X} at character {error.start}"
                raise BildungError(
                    f"document {record.id} holds a lone surrogate ({fault}), which no export format can hold; remove it"
                ) from error


@contextmanager
def _failures(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BildungError(
            f"{folder}: the export cannot be written ({error.strerror or error}); free some space or check permissions"
        ) from error


@contextmanager
def _removed(partial: Path) -> Iterator[None]:
    """No half-written export before or after, whatever a killed run left."""
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _manifest(name: str, rows: BuildRows, sizes: dict[str, int], hashes: dict[str, str]) -> dict[str, Any]:
    return {
        "format": name,
        "corpus": rows.corpus_hash,
        "documents": len(rows.records),
        "training_grade": rows.training_grade,
        "files": [{"path": path, "bytes": sizes[path], "sha256": found} for path, found in hashes.items()],
        "libraries": {"bildung": __version__, **{library: found for library in _LIBRARIES if (found := _version(library))}},
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _card(name: str, rows: BuildRows, shards: Sequence[Path], columns: Sequence[Column]) -> str:
    from huggingface_hub import DatasetCardData

    loadable = all(path.name.endswith(_ROW_ENDINGS) for path in shards)
    extra: dict[str, Any] = {"training_grade": rows.training_grade}
    if loadable:
        extra["configs"] = [{"config_name": "default", "data_files": [{"split": "train", "path": _pattern(shards)}]}]
    if columns:
        extra["dataset_info"] = {"features": [_feature(column) for column in columns]}
    tags = ["synthetic", "constitution", "midtraining", "bildung", *([] if rows.training_grade else ["not-training-grade"])]
    data = DatasetCardData(
        language="en", license=rows.recipe.corpus.licence.lower(), pretty_name=rows.recipe.corpus.name, tags=tags,
        task_categories=["text-generation"], size_categories=_size(len(rows.records)), **extra,
    )  # fmt: skip
    parts = (_intro(name, rows, loadable), _columns(columns), _provenance(rows), _MIXING, _limits(rows))
    return f"---\n{data.to_yaml(line_break=chr(10))}\n---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _pattern(shards: Sequence[Path]) -> str | list[str]:
    """A glob where the shards are named as ``datasets`` names them, else their paths."""
    first = shards[0].as_posix()
    ending = next(ending for ending in sorted(_ROW_ENDINGS, key=len, reverse=True) if first.endswith(ending))
    return f"data/train-*{ending}" if first.startswith("data/train-") else [path.as_posix() for path in shards]


def _feature(column: Column) -> dict[str, Any]:
    if column.dtype == MESSAGES:
        return {"name": column.name, "list": [{"name": part, "dtype": "string"} for part in ("role", "content")]}
    return {"name": column.name, "dtype": column.dtype}


def _size(documents: int) -> str:
    return next((label for limit, label in _SIZES if documents < limit), "n>10M")


def _intro(name: str, rows: BuildRows, loadable: bool) -> str:
    words = sum(len(record.text.split()) for record in rows.records)
    grade = "" if rows.training_grade else (
        "\n\n**training_grade: false.** The embedded rehearsal writer put these documents together. They exercise the line from a"
        " constitution to a data set; nobody should train a model on them."
    )  # fmt: skip
    load = (
        '\n\n```python\nfrom datasets import load_dataset\n\nrows = load_dataset("path/to/this/folder", split="train")\n```'
        if loadable
        else ""
    )
    return (
        f"# {rows.recipe.corpus.name}\n\n{len(rows.records):,} documents, {words:,} words, format `{name}`: fiction and other texts in"
        f" which characters act on the principles of a constitution, the deliberation on the page.{grade}{load}"
    )


def _columns(columns: Sequence[Column]) -> str:
    lines = "\n".join(f"| `{column.name}` | {column.dtype} | {column.description} |" for column in columns)
    return f"## Columns\n\n| column | type | holds |\n| --- | --- | --- |\n{lines}" if columns else ""


def _provenance(rows: BuildRows) -> str:
    sources = "\n".join(f"- constitution `{found.source}`, SHA-256 `{found.sha256}`" for found in rows.constitutions)
    kept = rows.kept_documents
    models = ", ".join(f"`{model}`" for model in sorted({step.model for document in kept for step in document.steps})) or "none"
    gates = ", ".join(f"`{gate}`" for gate in rows.verdicts)
    mix = ", ".join(f"{name} {share:g}" for name, share in rows.recipe.mix.items())
    return (
        f"## Provenance\n\n{sources}\n- written by {models}; seed {rows.recipe.corpus.seed}; asked mix: {mix}\n- every document passed the"
        f" gates {gates}\n- corpus hash `{rows.corpus_hash}`; `{MANIFEST}` holds the hash of every file and the versions that wrote it\n"
        f"- licence {rows.recipe.corpus.licence}; all documents are synthetic, and no person in them is real"
    )


_MIXING = """## Mixing

Shuffled by the seed already. Do not train on it alone: one part of this to one part of ordinary text is the commonest published setting,
and the last tenth of training the commonest place. Texts carry no separators: let the tokenizer's step append the end-of-document token,
and choose a packing that splits long documents instead of dropping their ends."""


def _limits(rows: BuildRows) -> str:
    writer = "a language model" if rows.training_grade else "a rule-based rehearsal writer"
    return (
        f"## Limits\n\nWritten by {writer} and filtered by rules; no person has read every document. The coverage report of the build says"
        " what is in it, by count; whether a trait is shown well is for readers to say."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        sync(path)
