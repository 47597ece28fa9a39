"""Planted near-duplicates, and the command line's run over them: what people do, from end to end."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from builder.bench.planted import plant
from engines.toys import child

DOCUMENTS = 6000
SHARDS = 6


def planted(folder: Path) -> tuple[Path, bytes]:
    """A corpus, and the verdicts of a run on this machine without an engine."""
    source, verdicts = folder / "stories.jsonl", folder / "plain.jsonl"
    plant(source, DOCUMENTS, 0.8)
    with child("-m", "builder", "gate", "dedup", str(source), "-o", str(verdicts)) as run:
        assert "near_duplicate_of" in run.communicate()[1]
    return source, verdicts.read_bytes()


def deduplicated(source: Path, engine: str, out: Path, *settings: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """``bildung gate dedup`` with an engine; its ranks' files lie in ``work`` beside the verdicts."""
    told = [word for setting in settings for word in ("--engine-set", setting)]
    work = ["--work", str(out.parent / "work"), "--shards", str(SHARDS)]
    return child("-m", "builder", "gate", "dedup", str(source), "--engine", engine, *work, *told, "-o", str(out))
