"""The tools that ``python -m builder.bench dedup`` measures: each reads rows of JSON lines and says which rows it would remove.

Each is used as its own documentation shows, over the same shingles: runs of five words of the lower-case text, cut at blanks. A removed
text is remembered like any other, so that all of them are asked for the same: one text of each component.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

SHINGLE = 5
_PERMUTATIONS = 128  # the default of datasketch, and what the README of rensa takes

Tool = Callable[[Path, Path, float], list[int]]


def bildung(path: Path, folder: Path, threshold: float, engine: str = "numpy") -> list[int]:
    """``bildung gate dedup``, from the rows to the verdicts on disk."""
    from builder.candidates import read_candidates
    from builder.gates import GateContext
    from builder.library import Library
    from builder.recipe import BuildRecipe, GatesSection
    from builder.stages.dedup import open_gate

    gates = GatesSection.model_validate({"near_duplicate": threshold, "dedup_engine": engine})
    removed = []
    with (folder / "verdicts.jsonl").open("w", encoding="utf-8") as out:
        verdicts = open_gate(GateContext(BuildRecipe(gates=gates), Library(folder)))(read_candidates([path]))
        for at, verdict in enumerate(verdicts):
            out.write(verdict.model_dump_json(include={"document_id", "gate", "keep", "reason", "scores"}) + "\n")
            if not verdict.keep:
                removed.append(at)
    return removed


def compiled(path: Path, folder: Path, threshold: float) -> list[int]:
    """The same with numba."""
    import numba  # noqa: F401 - absent: the tool is left out

    return bildung(path, folder, threshold, "numba")


def ranked(path: Path, folder: Path, threshold: float) -> list[int]:
    """The same as ``--engine local`` does it: cut into ranks, in two processes; their seconds of the processor are added up."""
    from builder import engines
    from builder.recipe import GatesSection
    from builder.sharded import Job, begin, cut, steps
    from builder.sharded.verdicts import collect

    gates = GatesSection.model_validate({"near_duplicate": threshold, "dedup_engine": "numpy"})
    work = begin(folder / "work", Job(gate="dedup", shards=cut([path], 8), gates=gates))
    engine, settings = engines.opened("local", ["workers=2"])
    engine.run(work.folder, steps(work.job), settings)
    with (folder / "verdicts.jsonl").open("wb") as out:
        collect(work, out)
    with (folder / "verdicts.jsonl").open(encoding="utf-8") as lines:
        return [at for at, line in enumerate(lines) if not json.loads(line)["keep"]]


def datasketch(path: Path, folder: Path, threshold: float) -> list[int]:
    """datasketch as its README shows: a MinHash for each text, looked up in an LSH, then put in."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS)
    removed = []
    for at, shingles in enumerate(_shingles(path)):
        signature = MinHash(num_perm=_PERMUTATIONS)
        signature.update_batch([shingle.encode() for shingle in shingles])
        if index.query(signature):
            removed.append(at)
        index.insert(at, signature)
    return removed


def rensa(path: Path, folder: Path, threshold: float) -> list[int]:
    """rensa in a stream: R-MinHash, its LSH, and candidates checked by their signatures."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS, num_bands=16)
    known: list[RMinHash] = []
    removed = []
    for at, shingles in enumerate(_shingles(path)):
        signature = RMinHash(num_perm=_PERMUTATIONS, seed=42)
        signature.update(shingles)
        if any(signature.jaccard(known[other]) >= threshold for other in index.query(signature)):
            removed.append(at)
        index.insert(at, signature)
        known.append(signature)
    return removed


def datatrove(path: Path, folder: Path, threshold: float) -> list[int]:
    """datatrove's MinHash steps in one process; its tokenizer gives way to ``str.split``, which is much faster."""
    os.environ["TQDM_DISABLE"] = "1"  # read when it is imported
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.utils.hashing import HashConfig
    from loguru import logger

    config = MinhashConfig(hash_config=HashConfig(hash_fc="sha1"))  # its xxhash refuses strings since xxhash 4
    logger.remove()
    rows = folder / "rows"
    rows.mkdir()
    shutil.copy(path, rows / "rows.jsonl")
    first = MinhashDedupSignature(str(folder / "signatures"), config)
    first.word_tokenizer = _Split()
    first.run(JsonlReader(str(rows)).run(), 0, 1)
    for bucket in range(config.num_buckets):
        step = MinhashDedupBuckets(str(folder / "signatures"), str(folder / "buckets"), config=config)
        step.run(None, bucket, config.num_buckets)
    MinhashDedupCluster(str(folder / "buckets"), str(folder / "removed"), config).run(None, 0, 1)
    found = folder / "removed" / "000000.remove"
    return [row for (row,) in struct.iter_unpack("<I", found.read_bytes())] if found.exists() else []


TOOLS: dict[str, Tool] = {
    "bildung": bildung, "bildung numba": compiled, "bildung ranks": ranked,
    "datasketch": datasketch, "rensa": rensa, "datatrove": datatrove,
}  # fmt: skip


class _Split:
    """The one method of a datatrove tokenizer that its signatures need."""

    def word_tokenize(self, text: str) -> list[str]:
        """Cut at blanks."""
        return text.split()


def _shingles(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            words = json.loads(line)["text"].lower().split()
            yield [" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1))]
