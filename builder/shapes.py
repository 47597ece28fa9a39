"""Shapes of known evaluation scenarios: no brief may ask for one, and no document may hold one.

The claim of such a corpus is generalisation, and an overlap voids it. A shape is a combination of motifs, not a word:
every group of a line of ``story_prompts/lists/eval_shapes.txt`` must be met.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import or_
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[tuple[str, ...], ...]

_HEAD = 8  # bytes of a motif that are looked up before it is compared
_MASKS = np.array([256**size - 1 for size in range(_HEAD + 1)], np.uint64)
_SPREAD, _KEEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(48)  # 2**64 over the golden ratio; all but 16 bits
_LOWERED_TO_ASCII = "\u0130\u212a"  # the only characters beyond ASCII whose lower case holds an ASCII letter


def shapes(lines: Sequence[str]) -> tuple[Shape, ...]:
    """Read ``motif|motif + motif|motif`` lines: each shape is its groups, each group its motifs in lower case."""
    return tuple(tuple(_motifs(group) for group in line.split(" + ")) for line in lines)


def _motifs(group: str) -> tuple[str, ...]:
    return tuple(motif.strip().lower() for motif in group.split("|") if motif.strip())


def resembles(text: str, known: Sequence[Shape]) -> bool:
    """Whether all groups of one shape occur; a motif counts where it begins a word."""
    return bool(_searched(tuple(known)).met([text])[0])


@lru_cache(maxsize=64)  # a gate asks for the same list of every document, and for a single line of one that it refuses
def _searched(known: tuple[Shape, ...]) -> Motifs:
    return Motifs(known)


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"


_OUTSIDE = bytes(byte > 127 or not _in_word(chr(byte)) for byte in range(256))  # of a word, as far as one byte tells


class Motifs:
    """Many shapes at once, over many texts: where a word begins, its first bytes tell whether any motif can stand there.

    The first two bytes are looked up in a table, then up to eight in another; what is left, a few places in a text, is compared.
    """

    def __init__(self, known: Sequence[Shape]) -> None:
        groups = list(dict.fromkeys(group for shape in known for group in shape))
        self._needs = [reduce(or_, (1 << groups.index(group) for group in shape), 0) for shape in known]
        motifs: dict[bytes, int] = {}
        for bit, group in enumerate(groups):
            for motif in (motif.encode("utf-8", "surrogatepass") for motif in group):
                motifs[motif] = motifs.get(motif, 0) | 1 << bit
        self._ascii = all(motif.isascii() for motif in motifs)
        self._sizes = np.zeros(1 << 16, np.uint8)  # first two bytes -> how many bytes every motif that begins so has, up to eight
        for motif in sorted(motifs, key=len, reverse=True):
            begun = slice(motif[0], None, 256) if len(motif) == 1 else int.from_bytes(motif[:2], "little")
            self._sizes[begun] = min(len(motif), _HEAD)
        self._heads = np.zeros(1 << 16, bool)
        self._by_head: dict[int, list[tuple[bytes, int]]] = {}
        for motif, bits in motifs.items():
            heads = self._heads_of(motif)
            self._heads[(heads * _SPREAD) >> _KEEP] = True
            for head in heads.tolist():
                self._by_head.setdefault(head, []).append((motif, bits))

    def _heads_of(self, motif: bytes) -> NDArray[np.uint64]:
        """The first bytes of a motif as they are read from a text: as many as the shortest that begins like it has."""
        two = np.frombuffer(motif[:2], "<u2") if len(motif) > 1 else np.arange(motif[0], 1 << 16, 256)
        whole = int.from_bytes(motif[:_HEAD], "little")
        return np.unique(np.uint64(whole) & _MASKS[self._sizes[two]])

    def met(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Which of the shapes, by their place, each text meets."""
        bodies = [self._lowered(text) for text in texts]
        found = [0] * len(texts)
        blob = b"\n".join((b"", *bodies, bytes(_HEAD)))
        ends = np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)) + 1)
        places, heads = self._maybe(blob)
        owners = np.searchsorted(ends, places, "left")
        for at, head, owner in zip(places.tolist(), heads.tolist(), owners.tolist(), strict=True):
            for motif, bits in self._by_head.get(head, ()):
                if bits & ~found[owner] and blob.startswith(motif, at) and (blob[at - 1] < 128 or not _in_word(_before(blob, at))):
                    found[owner] |= bits
        return [tuple(at for at, needs in enumerate(self._needs) if needs & bits == needs) if bits else () for bits in found]

    def _lowered(self, text: str) -> bytes:
        if not text.isascii() and (not self._ascii or any(char in text for char in _LOWERED_TO_ASCII)):
            text = text.lower()
        return text.encode("utf-8", "surrogatepass").lower()

    def _maybe(self, blob: bytes) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Where a motif may stand, and the first bytes there."""
        places = np.flatnonzero(np.frombuffer(blob.translate(_OUTSIDE), bool)[: -_HEAD - 1]) + 1
        twos, eights = (_readable(blob, kind) for kind in ("<u2", "<u8"))
        sizes = self._sizes[twos[places]]
        some = np.flatnonzero(sizes != 0)
        places = places[some]
        heads: NDArray[np.uint64] = eights[places] & _MASKS[sizes[some]]
        some = np.flatnonzero(self._heads[(heads * _SPREAD) >> _KEEP])
        return places[some], heads[some]


def _readable(blob: bytes, kind: str) -> Any:
    """Numbers of some bytes, to be read from any place."""
    return np.ndarray((len(blob) - _HEAD + 1,), kind, blob, strides=(1,))


def _before(blob: bytes, at: int) -> str:
    """The character before a place of UTF-8."""
    return blob[max(0, at - 4) : at].decode("utf-8", "ignore")[-1:] or "\n"
