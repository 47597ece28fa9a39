"""``jsonl``: JSON lines, zstd-compressed; ``datasets.load_dataset`` reads them as they are, so does ``zstdcat``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import zstandard

from builder.exporters import ROW, ExportOptions, shards
from builder.records import CorpusRecord

COLUMNS = ROW
_LEVEL = 10  # shards are written once and read often; higher levels cost far more time than they save
# The line ends that str.splitlines sees and JSON does not escape: written as escapes, one row stays one line for every reader.
_LINE_ENDS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def export(records: Sequence[CorpusRecord], folder: Path, options: ExportOptions) -> tuple[Path, ...]:
    """Write ``data/train-*.jsonl.zst``; the same records give the same bytes."""
    paths = []
    for shard in shards(records, options):
        path = Path(f"{shard.name}.jsonl.zst")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("wb") as file, zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file) as out:
            for record in shard.records:
                out.write(line(record).encode("utf-8"))
        paths.append(path)
    return tuple(paths)


def line(record: CorpusRecord) -> str:
    """One record as one line of JSON with its ``\\n``."""
    row = {
        "id": record.id, "text": record.text, "source": record.source, "metadata": record.metadata,
        "messages": [{"role": turn.role, "content": turn.content} for turn in record.turns],
    }  # fmt: skip
    return json.dumps(row, ensure_ascii=False, allow_nan=False).translate(_LINE_ENDS) + "\n"
