"""Export formats, one file each; the file's name is the format's name.

Each module has ``def export(records, folder, options) -> tuple[Path, ...]``: write the shards under ``folder`` and return their paths relative to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from builder.records import CorpusRecord


class ExportOptions(NamedTuple):
    """How to cut the export: ``documents_per_shard`` rows a file."""

    documents_per_shard: int = 20_000


class Exporter(Protocol):
    """What an exporter module offers."""

    def export(self, records: Sequence[CorpusRecord], folder: Path, options: ExportOptions) -> tuple[Path, ...]:
        """Write the records under ``folder``; the paths written, relative to it, in shard order."""
        ...
