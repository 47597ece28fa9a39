"""``bildung gate --engine``: the same verdicts, made by ranks on one machine or many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import IO, NamedTuple

import click

from builder import engines, plugins
from builder.errors import UsageError
from builder.gates import GateContext, Tally
from builder.records import digest
from builder.sharded import Job, begin, begun, cut, steps
from builder.sharded.verdicts import collect

_SHARD = 256 << 20  # bytes of input a rank: about 130,000 stories, half a minute and 200 MB of memory
_MOST = 10_000  # ranks; each has a folder of its own in every stage


class Sharded(NamedTuple):
    """What was asked for on the command line."""

    gate: str
    inputs: tuple[Path, ...]
    against: tuple[Path, ...]
    corpus: Path
    settings: tuple[str, ...]
    engine: str
    engine_settings: tuple[str, ...]
    work: Path | None
    shards: int | None


def run_sharded(asked: Sharded, context: GateContext, out: IO[bytes]) -> Tally:
    """Cut the input, run every stage, and write the verdicts in the order of the input."""
    if asked.work is None and asked.engine in set(plugins.names("engine")) - {"local"}:
        raise click.UsageError(f"--engine {asked.engine} needs --work DIR, a folder on a file system that all its machines see")
    engine, settings = engines.opened(asked.engine, asked.engine_settings)
    job = _job(asked, context, settings.workers or engines.cores())
    with _work_folder(asked) as folder:
        work = begin(folder, job)
        engine.run(folder.resolve(), steps(job), settings)
        return collect(work, out)


def _job(asked: Sharded, context: GateContext, workers: int) -> Job:
    gate = plugins.load("gate", asked.gate)
    ranks = asked.shards or _begun(asked) or min(_MOST, max(workers, ceil(sum(_size(path) for path in asked.inputs) / _SHARD)))
    gates = context.recipe.gates
    if asked.gate == "dedup":
        for path in asked.against:
            if path.is_dir():
                raise UsageError("an index is read without --engine only; name the files of the finished corpus with --against", path)
        finished = cut(asked.against, ranks) if asked.against else ()
        return Job(gate=asked.gate, ranks=ranks, shards=(*finished, *cut(asked.inputs, ranks)), finished=len(finished), gates=gates)
    if not getattr(gate, "BY_ITSELF", False):
        raise UsageError(f"{asked.gate} weighs all documents together, and runs without --engine")
    return Job(
        gate=asked.gate, ranks=ranks, shards=cut(asked.inputs, ranks), gates=gates, root=str(context.library.root.resolve()),
        corpus=str(asked.corpus.resolve()), overrides=asked.settings, library=_read_by(context),
    )  # fmt: skip


def _begun(asked: Sharded) -> int:
    """Into how many shards the work of this folder is cut, if it is begun: more workers or another machine may go on with it."""
    work = begun(asked.work) if asked.work else None
    return work.job.ranks if work else 0


def _read_by(context: GateContext) -> str:
    """A hash of what a gate reads besides the rows: another recipe, library or constitution makes another job."""
    told = [context.recipe.model_dump_json(), *(principle.text for principle in context.principles)]
    told += [reference.text for reference in context.references]
    for folder in ("constitution", "story_prompts"):
        told += [path.read_text(encoding="utf-8") for path in sorted(context.library.folder(folder).rglob("*")) if path.is_file()]
    return digest("\0".join(told))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@contextmanager
def _work_folder(asked: Sharded) -> Iterator[Path]:
    if asked.work is not None:
        asked.work.mkdir(parents=True, exist_ok=True)
        yield asked.work
    else:
        with tempfile.TemporaryDirectory(prefix="bildung-") as folder:
            yield Path(folder)
