"""``parquet``: Parquet shards written by ``datasets``, one explicit schema over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from builder.exporters import ROW, ExportOptions, shards
from builder.records import CorpusRecord

COLUMNS = ROW


def export(records: Sequence[CorpusRecord], folder: Path, options: ExportOptions) -> tuple[Path, ...]:
    """Write ``data/train-*.parquet``; the same records give the same bytes."""
    from datasets import Dataset, Features, List, Value

    text = Value("string")
    features = Features(
        {"id": text, "text": text, "source": text, "metadata": text, "messages": List({"role": text, "content": text})},
    )
    paths = []
    with _without_bars():
        for shard in shards(records, options):
            path = Path(f"{shard.name}.parquet")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            Dataset.from_dict(_columns(shard.records), features=features).to_parquet(folder / path)
            paths.append(path)
    return tuple(paths)


def _columns(records: Sequence[CorpusRecord]) -> dict[str, list[object]]:
    """Every column, also where there is no row."""
    columns: dict[str, list[object]] = {
        name: [getattr(record, name) for record in records] for name in ("id", "text", "source", "metadata")
    }
    columns["messages"] = [[{"role": turn.role, "content": turn.content} for turn in record.turns] for record in records]
    return columns


@contextmanager
def _without_bars() -> Iterator[None]:
    """The build draws its own progress."""
    import datasets

    silent = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not silent:
            datasets.enable_progress_bars()
