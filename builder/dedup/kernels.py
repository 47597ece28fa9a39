"""The three inner loops, in numpy or in numba: the same bits either way, so that a run may change from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

from builder.dedup import shingles, signatures
from builder.dedup.shingles import Hashes, Shingled
from builder.dedup.signatures import Rows
from builder.errors import UsageError

_WORTH_LOADING = 40_000  # documents: numba and its kernels take half a second to load and save 15 us a document


class Kernels(NamedTuple):
    """What the engine spends its time on."""

    shingled: Callable[[Sequence[str]], Shingled]
    signatures: Callable[[Shingled, int], Rows]
    jaccard: Callable[[Hashes, Hashes], float]


@cache
def chosen(engine: str, documents: int = 0) -> str:
    """``numpy`` or ``numba``; ``auto`` takes numba where it is installed and ``documents`` are enough to pay for loading it."""
    if engine == "auto":
        return "numba" if documents >= _WORTH_LOADING and find_spec("numba") else "numpy"
    if engine == "numba" and find_spec("numba") is None:
        raise UsageError("gates.dedup_engine is numba, which is not installed; run 'pip install bildung[numba]', or set it to auto")
    return engine


@cache
def kernels(engine: str) -> Kernels:
    """Those of ``numpy`` or of ``numba``."""
    if engine == "numpy":
        return Kernels(shingles.shingled, signatures.signatures, shingles.jaccard)
    from builder.dedup import compiled

    return Kernels(compiled.shingled, compiled.signatures, compiled.jaccard)
