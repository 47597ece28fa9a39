"""Export formats, one file each; the file's name is the format's name.

Each module has ``def export(records, folder, options) -> tuple[Path, ...]``: write the shards under ``folder`` and return their paths
relative to it.
A module whose shards hold one row a document, with the columns of ``ROW``, says so with ``COLUMNS = ROW``: the data card then names their
types, so that every shard loads with one schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from builder.records import CorpusRecord


class ExportOptions(NamedTuple):
    """How to cut the export: ``documents_per_shard`` rows a file."""

    documents_per_shard: int = 20_000


class Column(NamedTuple):
    """One column of a row format: its name, its type, and what it holds."""

    name: str
    dtype: str
    description: str


MESSAGES = "list of {role, content}"
ROW = (
    Column("id", "string", "`[a-z0-9_-]+`, unique"),
    Column("text", "string", "the whole document; no separators and no special tokens"),
    Column("source", "string", "`bildung/<corpus>`"),
    Column("metadata", "string", "JSON: brief, principles and constitutions with SHA-256, every step with its model, scores, licence"),
    Column("messages", MESSAGES, "the same text as turns, for conversations; empty for everything else"),
)


class Shard(NamedTuple):
    """Some of the records, and the name of their file without its ending."""

    name: str
    records: Sequence[CorpusRecord]


def shards(records: Sequence[CorpusRecord], options: ExportOptions) -> Iterator[Shard]:
    """Cut records into files named as ``datasets`` names them: ``data/train-00000-of-00003``. At least one, even without a record."""
    size = options.documents_per_shard
    count = max(1, -(-len(records) // size))
    for at in range(count):
        yield Shard(f"data/train-{at:05d}-of-{count:05d}", records[at * size : (at + 1) * size])


class Exporter(Protocol):
    """What an exporter module offers."""

    def export(self, records: Sequence[CorpusRecord], folder: Path, options: ExportOptions) -> tuple[Path, ...]:
        """Write the records under ``folder``; the paths written, relative to it, in shard order."""
        ...
