"""The run: documents in a stream, then one ruling each, in the same order."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.candidates import read_candidates
from builder.dedup.batches import Entry, prepared
from builder.dedup.buckets import BucketFile, buckets, pairs
from builder.dedup.clusters import Clusters, Texts
from builder.dedup.guard import removed_shares
from builder.dedup.index import Chosen, Index, check_place, save
from builder.dedup.kernels import chosen, kernels
from builder.dedup.leaders import leaders
from builder.dedup.shingles import Hashes, Numbers
from builder.dedup.signatures import Layout, Sketches, layout
from builder.dedup.spill import Names, Spill
from builder.errors import UsageError

_TOLD = 1 << 16  # rulings made at once


class Settings(NamedTuple):
    """What is asked for. ``against``: a finished corpus, in files or an index folder; ``index_folder``: where to
    keep what stays, for later additions."""

    threshold: float = 0.8
    policy: Literal["best", "leader"] = "best"
    engine: Literal["auto", "numpy", "numba"] = "auto"
    workers: int = 1
    against: tuple[Path, ...] = ()
    index_folder: Path | None = None


class Ruling(NamedTuple):
    """What becomes of a document: ``kept`` is the id of the copy that stays.

    ``partner`` is the id of the text it was found near, and ``jaccard`` how near; that is the kept one wherever it is near enough itself.
    ``removed_share`` is that of the new documents of the same form, 0 where they are too few to tell.
    """

    id: str
    removed: bool
    kept: str
    partner: str
    jaccard: float
    removed_share: float


def rulings(entries: Iterable[Entry], settings: Settings) -> Iterator[Ruling]:
    """Judge a stream of documents; nothing is read twice, and nothing stays on disk but the index that is asked for."""
    bands = layout(settings.threshold)
    with ExitStack() as opened:
        chosen(settings.engine)  # numba that is asked for and missing shows before anything is read
        run = _Run(settings, bands, opened.enter_context(Spill(bands.bands)))
        folders = [path for path in settings.against if path.is_dir()]
        files = [path for path in settings.against if not path.is_dir()]
        if len(folders) > 1:
            raise UsageError("one index can be judged against at a time", folders[1])
        for folder in folders:
            run.take_index(opened.enter_context(Index(folder, settings.threshold)))
        if settings.index_folder:
            check_place(settings.index_folder, folders)
        run.take(Entry(row.id, row.text, row.score) for row in read_candidates(files))
        run.finished = len(run.ids)
        run.take(entries)
        yield from run.judged()


class _Run:
    """Documents by number: those of an index, those of the finished corpus' files, the new ones. By place: 0 is the best."""

    def __init__(self, settings: Settings, bands: Layout, spill: Spill) -> None:
        self.finished = 0
        self.ids = Names()
        self._scores = array("d")
        self._forms = array("i")
        self._codes: dict[str, int] = {}
        self._settings, self._bands, self._spill = settings, bands, spill
        self._index: Index | None = None

    def take_index(self, index: Index) -> None:
        """Count the documents of an index as the first ones."""
        self._index = index
        self.ids.extend(index.ids)
        self._scores.extend(index.scores.tolist())
        self._forms.extend([0] * len(index))

    def take(self, entries: Iterable[Entry]) -> None:
        """Read documents to their end: their hashes go to disk, their ids and scores stay."""
        for batch in prepared(entries, self._bands, self._settings.engine, self._settings.workers):
            self._spill.add(batch.shingled, batch.keys, batch.sketches)
            self.ids.extend(batch.ids)
            self._scores.extend(batch.scores)
            self._forms.extend(self._codes.setdefault(form, len(self._codes)) for form in batch.forms)

    def judged(self) -> Iterator[Ruling]:
        """One ruling for each new document, in the order of the input."""
        order = best_first(self.ids, np.array(self._scores), self.finished)
        clusters = Clusters(self._settings.threshold, self._texts(order))
        kept = self._kept(clusters, order)
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        if self._settings.index_folder:
            self._save(self._settings.index_folder, order[kept == np.arange(len(order))])
        forms = np.frombuffer(self._forms, np.int32)[self.finished :]
        shares = removed_shares(forms, (kept != np.arange(len(kept)))[places[self.finished :]]).tolist()
        for start in range(self.finished, len(order), _TOLD):
            here = places[start : start + _TOLD]
            best, removed, exact = kept[here], kept[here] != here, clusters.nearest[here]
            partners = np.where(removed, clusters.partners[here], here)
            rows = zip(removed.tolist(), order[best].tolist(), order[partners].tolist(), exact.tolist(), strict=True)
            for at, (gone, stays, partner, near) in enumerate(rows, start):
                own, share = self.ids[at], shares[self._forms[at]]
                if gone:
                    yield Ruling(own, True, self.ids[stays], self.ids[partner], near, share)
                else:
                    yield Ruling(own, False, own, own, 1.0, share)

    def _texts(self, order: Numbers) -> Texts:
        sketches, jaccard = self._sketches(), kernels(chosen(self._settings.engine, len(order))).jaccard
        return Texts(len(order), lambda places: sketches[order[places]], lambda place: self._shingles(int(order[place])), jaccard)

    def _kept(self, clusters: Clusters, order: Numbers) -> Numbers:
        """The place that stays, for every place."""
        distinct, copies, firsts = by_digest(self._digests()[order])
        clusters.join_equal(copies, firsts)
        places = np.full(len(order), -1, np.int32)
        places[order[distinct]] = distinct
        with BucketFile(len(order)) as found:
            for band in range(self._bands.bands):
                keys, numbers = self._keys(band)
                here = places[numbers]
                first = here >= 0  # the others are copies, and joined already
                found.add(buckets(keys[first], here[first]))
            if self._settings.policy == "leader":
                kept = leaders(clusters, found, copies, firsts)
                clusters.settle(kept, ())  # a copy of a removed text is told of the one that stays
                return kept
            for one in found:
                clusters.join_band(pairs(one, found.shared))
            kept = clusters.roots()
            clusters.settle(kept, (pairs(one, found.shared) for one in found))
        return kept

    def _first_spilled(self) -> int:
        return len(self._index) if self._index else 0

    def _digests(self) -> Hashes:
        spilled = self._spill.digests()
        return np.concatenate((self._index.digests, spilled)) if self._index else spilled

    def _sketches(self) -> Sketches:
        spilled = self._spill.sketches()
        return np.concatenate((self._index.sketches, spilled)) if self._index else spilled

    def _keys(self, band: int) -> tuple[Hashes, Numbers]:
        keys, first = self._spill.keys(band), self._first_spilled()
        numbers = np.arange(first, first + len(keys))
        if self._index:
            known, whose = self._index.agreeing(band, keys)
            return np.concatenate((known, keys)), np.concatenate((whose, numbers))
        return keys, numbers

    def _shingles(self, number: int) -> Hashes:
        first = self._first_spilled()
        return self._index.shingles(number) if self._index and number < first else self._spill.shingles(number - first)

    def _save(self, folder: Path, kept: Numbers) -> None:
        first = self._first_spilled()
        fresh = kept[kept >= first]
        chosen = Chosen([self.ids[number] for number in fresh.tolist()], np.array(self._scores)[fresh], fresh - first)
        save(folder, self._index, self._settings.threshold, chosen, self._spill)


def best_first(ids: Sequence[str] | Names, scores: NDArray[np.float64], finished: int) -> Numbers:
    """Numbers in the order of places: the finished corpus before the new ones; then by score, the highest first, by id, by number."""
    by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
    by_score = by_id[np.argsort(-scores[by_id], kind="stable")]
    return by_score[np.argsort(by_score >= finished, kind="stable")]


def by_digest(digests: Hashes) -> tuple[Numbers, Numbers, Numbers]:
    """The first place of each digest; the other places, and the first ones of theirs."""
    sorted_places = np.lexsort((digests[:, 1], digests[:, 0]))
    ordered = digests[sorted_places]
    new = np.concatenate((np.ones(min(1, len(digests)), bool), (ordered[1:] != ordered[:-1]).any(axis=1)))
    firsts = sorted_places[new][np.cumsum(new) - 1]
    return np.sort(sorted_places[new]), sorted_places[~new], firsts[~new]
