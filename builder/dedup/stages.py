"""Near-duplicates past one machine: the engine's run, cut into ranks. The rulings are those of ``engine.py``, to the last bit.

    read      a shard of the input     shingles, digests, sketches, scores, ids, band keys
    order     one rank                 the place of every text, and who has the same shingles as whom
    buckets   a band                   the texts that agree in it
    shared    one rank                 how widely every text is shared
    pairs     a band                   its candidate pairs, dealt out to the ranks that compare them
    verify    a share of the pairs     those that are near enough, by the exact Jaccard similarity of their sets
    join      one rank                 components, or leaders: the place that stays, for every place
    verdicts  a shard of the input     who stays, whose copy goes, in the gate's words

The run on one machine skips pairs that are joined already; this one compares them all, since its ranks do not wait for each other. Neither
the components nor the partners depend on which pairs were skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from builder.dedup.buckets import Buckets, buckets, pairs, share
from builder.dedup.clusters import Texts, distinct, promising, split
from builder.dedup.engine import Ruling, best_first, by_digest
from builder.dedup.guard import removed_shares
from builder.dedup.kernels import chosen, kernels
from builder.dedup.shards import Shards, load, read
from builder.dedup.shingles import ODD, Hashes, Numbers
from builder.dedup.signatures import SKETCH, layout
from builder.recipe import GatesSection
from builder.records import Verdict
from builder.sharded import Job, Stage, Work
from builder.sharded.verdicts import VERDICTS, write_verdicts

_ALIKE = 1.0
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


def stages(verdict: Callable[[Ruling, GatesSection], Verdict]) -> tuple[Stage, ...]:
    """The stages; ``verdict`` is how the gate puts a ruling."""

    def verdicts(work: Work, rank: int, out: Path) -> None:
        write_verdicts(out, (verdict(ruling, work.job.gates) for ruling in _rulings(work, rank)))

    return (
        Stage("read", _shards, read), Stage("order", _one, _order), Stage("buckets", _bands, _buckets), Stage("shared", _one, _shared),
        Stage("pairs", _bands, _pairs), Stage("verify", _shards, _verify), Stage("join", _one, _join), Stage(VERDICTS, _shards, verdicts),
    )  # fmt: skip


def _shards(job: Job) -> int:
    return len(job.shards)


def _bands(job: Job) -> int:
    return layout(job.gates.near_duplicate).bands


def _one(job: Job) -> int:
    return 1


def _order(work: Work, rank: int, out: Path) -> None:
    shards = Shards(work)
    ids = [one for shard in range(len(shards.sizes)) for one in shards.ids(shard)]
    order = best_first(ids, shards.scores(), int(shards.first[work.job.finished]))
    del ids
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    distinct, copies, firsts = by_digest(shards.digests()[order])
    compared = np.full(len(order), -1, np.int32)  # the place of every text that is no copy of a better one
    compared[order[distinct]] = distinct
    for name, found in (("order", order), ("places", places), ("compared", compared), ("copies", copies), ("firsts", firsts)):
        np.save(out / f"{name}.npy", found)
    sketches = np.lib.format.open_memmap(out / "sketches.npy", "w+", np.uint8, (len(order), SKETCH))
    for shard, first in enumerate(shards.first[:-1].tolist()):
        sketches[places[first : first + shards.sizes[shard]]] = shards.sketches(shard)
    sketches.flush()


def _buckets(work: Work, rank: int, out: Path) -> None:
    keys, places = Shards(work).keys(rank), load(work.made("order", 0), "compared")
    found = buckets(keys[places >= 0], places[places >= 0])
    np.save(out / "members.npy", found.members)
    np.save(out / "first.npy", found.first)


def _shared(work: Work, rank: int, out: Path) -> None:
    shared = np.zeros(len(Shards(work)), np.int64)
    for band in range(work.world("buckets")):
        share(shared, _band(work, band))
    np.save(out / "shared.npy", shared)


def _pairs(work: Work, rank: int, out: Path) -> None:
    blocks, texts = pairs(_band(work, rank), load(work.made("shared", 0), "shared")), _texts(work)
    found = [promising(block, texts, work.job.gates.near_duplicate) for block in blocks]
    codes = distinct(np.concatenate((np.empty(0, np.uint64), *found)))
    ranks = work.world("verify")
    dealt = ((codes & _LOW) * ODD >> _HALF) % np.uint64(ranks)  # by the worse text, which has few pairs: the best of many may have all
    order = np.argsort(dealt, kind="stable")
    np.save(out / "codes.npy", codes[order])
    np.save(out / "cuts.npy", np.searchsorted(dealt[order], np.arange(ranks + 1)))


def _verify(work: Work, rank: int, out: Path) -> None:
    dealt = [np.empty(0, np.uint64)]
    for band in range(work.world("pairs")):
        start, end = load(work.made("pairs", band), "cuts")[rank : rank + 2].tolist()
        dealt.append(load(work.made("pairs", band), "codes")[start:end])
    turned = np.concatenate(dealt)
    turned = distinct(turned << _HALF | turned >> _HALF)  # text by text, so that the set of each is read once
    texts = _texts(work).remembering()
    exact = np.fromiter((texts.exact(left, right) for right, left in split(turned)), np.float64, len(turned))
    codes = turned << _HALF | turned >> _HALF
    near = exact >= work.job.gates.near_duplicate
    np.save(out / "codes.npy", codes[near])
    np.save(out / "exact.npy", exact[near])


def _join(work: Work, rank: int, out: Path) -> None:
    verified = [work.made("verify", one) for one in range(work.world("verify"))]
    codes, exact = (np.concatenate([load(folder, name) for folder in verified]) for name in ("codes", "exact"))
    left, right = (codes >> _HALF).astype(np.int64), (codes & _LOW).astype(np.int64)
    copies, firsts = (load(work.made("order", 0), name) for name in ("copies", "firsts"))
    size = len(Shards(work))
    choose = _leaders if work.job.gates.dedup_policy == "leader" else _components
    partners, nearest = np.full(size, -1, np.int64), np.zeros(size)
    place, other = np.concatenate((left, right)), np.concatenate((right, left))
    worst_first = np.lexsort((-other, place))  # of several, what is assigned last stays: the best partner
    partners[place[worst_first]], nearest[place[worst_first]] = other[worst_first], np.concatenate((exact, exact))[worst_first]
    partners[copies], nearest[copies] = firsts, _ALIKE
    for name, found in (("kept", choose(size, left, right, copies, firsts)), ("partners", partners), ("nearest", nearest)):
        np.save(out / f"{name}.npy", found)


def _components(size: int, left: Numbers, right: Numbers, copies: Numbers, firsts: Numbers) -> Numbers:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.concatenate((left, firsts)), np.concatenate((right, copies))
    _, labels = connected_components(coo_array((np.ones(len(rows), bool), (rows, columns)), (size, size)), directed=False)
    _, first = np.unique(labels, return_index=True)
    return np.asarray(first[labels])


def _leaders(size: int, left: Numbers, right: Numbers, copies: Numbers, firsts: Numbers) -> Numbers:
    kept = np.arange(size)
    for at in np.lexsort((left, right)).tolist():
        better, place = int(left[at]), int(right[at])
        if kept[place] == place and kept[better] == better:
            kept[place] = better
    kept[copies] = kept[firsts]
    return kept


def _rulings(work: Work, rank: int) -> Iterator[Ruling]:
    if rank < work.job.finished:
        return
    shards, texts = Shards(work), _texts(work).remembering()
    order, places = (load(work.made("order", 0), name) for name in ("order", "places"))
    kept, partners, nearest = (load(work.made("join", 0), name) for name in ("kept", "partners", "nearest"))
    fresh = places[shards.first[work.job.finished] :]
    share = float(removed_shares(np.zeros(len(fresh), np.int64), kept[fresh] != fresh)[0])
    for one, place in zip(shards.ids(rank), places[shards.first[rank] : shards.first[rank + 1]].tolist(), strict=True):
        best = int(kept[place])
        if best == place:
            yield Ruling(one, False, one, one, 1.0, share)
            continue
        partner, exact = best, texts.exact(best, place)
        if exact < work.job.gates.near_duplicate:
            partner, exact = int(partners[place]), float(nearest[place])
        yield Ruling(one, True, shards.id(int(order[best])), shards.id(int(order[partner])), exact, share)


def _band(work: Work, band: int) -> Buckets:
    return Buckets(*(load(work.made("buckets", band), name) for name in ("members", "first")))


def _texts(work: Work) -> Texts:
    shards, order = Shards(work), load(work.made("order", 0), "order")
    sketches = load(work.made("order", 0), "sketches")
    jaccard = kernels(chosen(work.job.gates.dedup_engine, len(shards))).jaccard

    def shingles(place: int) -> Hashes:
        return shards.shingles(int(order[place]))

    return Texts(len(shards), lambda places: np.asarray(sketches[places]), shingles, jaccard)
