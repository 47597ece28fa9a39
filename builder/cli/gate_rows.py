"""Gates that judge a document by itself, shard by shard: the stage that ``builder.sharded`` runs for them."""

from __future__ import annotations

from pathlib import Path

from builder import plugins
from builder.cli.gate_context import context_of
from builder.sharded import Stage, Work
from builder.sharded.job import candidates
from builder.sharded.verdicts import VERDICTS, write_verdicts


def _verdicts(work: Work, rank: int, out: Path) -> None:
    job = work.job
    gate = plugins.load("gate", job.gate).open_gate(context_of(Path(job.corpus), job.overrides, root=Path(job.root)))
    write_verdicts(out, gate(candidates(job.shards[rank])))


STAGES = (Stage(VERDICTS, lambda job: len(job.shards), _verdicts),)
