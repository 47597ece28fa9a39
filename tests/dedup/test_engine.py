"""The engine by property: what it removes, what it keeps, and what may not change that."""

from __future__ import annotations

import importlib.util
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.dedup import Entry, Ruling, Settings, rulings
from builder.dedup import batches as making_batches
from builder.dedup.buckets import Buckets, pairs
from builder.dedup.shingles import jaccard, shingles

WORDS = [f"w{number}" for number in range(2000)]
POLICIES = ("best", "leader")
HAS_NUMBA = importlib.util.find_spec("numba") is not None


def text(seed: int, length: int = 80) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def edited(words: list[str], edits: int, seed: int) -> str:
    rng = random.Random(seed)
    changed = list(words)
    for at in rng.sample(range(len(words)), edits):
        changed[at] = f"edit{rng.randrange(10**6)}"
    return " ".join(changed)


def judged(corpus: list[Entry], asked: Settings | None = None) -> list[Ruling]:
    return list(rulings(iter(corpus), asked or Settings()))


def exact(corpus: list[Entry], left: str, right: str) -> float:
    texts = {entry.id: entry.text for entry in corpus}
    return jaccard(shingles(texts[left]), shingles(texts[right]))


@st.composite
def corpora(draw: st.DrawFn) -> list[Entry]:
    """A few families: edits of one text, windows along a text, short and empty texts; few different scores."""
    rows = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8), st.integers(0, 2)), min_size=1, max_size=16))
    found = []
    for at, (family, change, score) in enumerate(rows):
        if family < 3:
            body = edited(text(family), change, at)
        elif family == 3:
            body = " ".join(text(family, 160)[8 * change : 8 * change + 80])
        else:
            body = " ".join(text(family, change // 2))
        found.append(Entry(f"d{at}", body, float(score)))
    return found


@settings(max_examples=60, deadline=None)
@given(corpora(), st.sampled_from(POLICIES), st.sampled_from([0.5, 0.7, 0.8, 0.95]))
def test_every_removal_is_proved(corpus: list[Entry], policy: str, threshold: float) -> None:
    found = judged(corpus, Settings(threshold, policy))  # type: ignore[arg-type]
    assert [ruling.id for ruling in found] == [entry.id for entry in corpus]
    kept = {ruling.id for ruling in found if not ruling.removed}
    rank = {entry.id: (-entry.score, entry.id) for entry in corpus}
    for ruling in found:
        if ruling.removed:
            assert ruling.kept in kept
            assert ruling.jaccard == exact(corpus, ruling.id, ruling.partner) >= threshold
            assert rank[ruling.kept] <= rank[ruling.id]
            near = exact(corpus, ruling.id, ruling.kept)
            assert (ruling.partner == ruling.kept) == (near >= threshold)
            assert policy == "best" or near >= threshold


@settings(max_examples=40, deadline=None)
@given(corpora(), st.randoms(use_true_random=False), st.sampled_from(POLICIES))
def test_the_order_of_the_input_changes_nothing(corpus: list[Entry], rng: random.Random, policy: str) -> None:
    shuffled = list(corpus)
    rng.shuffle(shuffled)
    asked = Settings(policy=policy)  # type: ignore[arg-type]
    assert sorted(judged(shuffled, asked)) == sorted(judged(corpus, asked))


@settings(max_examples=40, deadline=None)
@given(corpora())
def test_the_best_of_each_component_stays(corpus: list[Entry]) -> None:
    """Against components by comparing every pair; layouts let through what lies at the threshold, rarely (.9999)."""
    label = {entry.id: entry.id for entry in corpus}
    for entry in corpus:
        for other in corpus:
            if label[entry.id] != label[other.id] and exact(corpus, entry.id, other.id) >= 0.8:
                old, new = label[other.id], label[entry.id]
                label = {name: new if at == old else at for name, at in label.items()}
    best: dict[str, Entry] = {}
    for entry in sorted(corpus, key=lambda one: (-one.score, one.id)):
        best.setdefault(label[entry.id], entry)
    assert {ruling.id: ruling.kept for ruling in judged(corpus)} == {name: best[at].id for name, at in label.items()}


@settings(max_examples=40, deadline=None)
@given(corpora())
def test_leaders_keep_apart(corpus: list[Entry]) -> None:
    """No two texts that stay are near each other."""
    kept = [ruling.id for ruling in judged(corpus, Settings(policy="leader")) if not ruling.removed]
    assert all(exact(corpus, one, other) < 0.8 for at, one in enumerate(kept) for other in kept[:at])


@pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")
@settings(max_examples=20, deadline=None)
@given(corpora(), st.sampled_from(POLICIES))
def test_numba_gives_the_same_rulings(corpus: list[Entry], policy: str) -> None:
    both = [judged(corpus, Settings(policy=policy, engine=engine)) for engine in ("numpy", "numba")]  # type: ignore[arg-type]
    assert both[0] == both[1]


def family(size: int) -> list[Entry]:
    return [Entry(f"d{at:04}", edited(text(at // 7), at % 5, at)) for at in range(size)]


def test_more_processes_give_the_same_rulings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making_batches, "_TEXTS", 16)
    corpus = family(150)
    assert judged(corpus, Settings(workers=2)) == judged(corpus)


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = family(150)
    whole = judged(corpus)
    monkeypatch.setattr(making_batches, "_TEXTS", 7)
    assert judged(corpus) == whole


def test_no_documents_no_rulings() -> None:
    assert judged([]) == [] == judged([], Settings(policy="leader"))


@pytest.mark.parametrize("body", ["", "Yes.", "\u6e21\u3057\u8239\u306f\u307e\u305f", " ".join(text(1))])
@pytest.mark.parametrize("policy", POLICIES)
def test_of_identical_texts_one_stays(body: str, policy: str) -> None:
    found = judged([Entry(f"d{at:05}", body) for at in range(3000)], Settings(policy=policy))  # type: ignore[arg-type]
    assert [ruling.id for ruling in found if not ruling.removed] == ["d00000"]
    assert {ruling.jaccard for ruling in found} == {1.0}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_star_falls_together_through_its_hub(policy: str) -> None:
    """Spokes are near the hub and not near each other; the hub has the lowest score, and its bucket is large."""
    hub = text(5, 300)
    spokes = []
    for at in range(120):
        start = 290 * at // 120
        spokes.append(" ".join((*hub[:start], *(f"s{at}x{k}" for k in range(10)), *hub[start:])))
    corpus = [Entry("hub", " ".join(hub), 0.0), *(Entry(f"s{at:03}", body, 1.0) for at, body in enumerate(spokes))]
    limit = 0.94
    assert all(exact(corpus, "hub", entry.id) >= limit for entry in corpus)
    assert exact(corpus, "s000", "s060") < limit
    found = judged(corpus, Settings(limit, policy))  # type: ignore[arg-type]
    kept = [ruling.id for ruling in found if not ruling.removed]
    assert kept == ["s000"] if policy == "best" else len(kept) > 100 and "hub" not in kept


def test_a_long_chain_is_one_component_and_many_leaders() -> None:
    long = text(6, 5000)
    corpus = [Entry(f"d{at:03}", " ".join(long[10 * at : 10 * at + 200])) for at in range(300)]
    best, leader = judged(corpus), judged(corpus, Settings(policy="leader"))
    assert [ruling.id for ruling in best if not ruling.removed] == ["d000"]
    assert 90 <= sum(not ruling.removed for ruling in leader) <= 160


def test_no_bucket_costs_its_square() -> None:
    members = np.arange(20_000, dtype=np.int32)
    band = Buckets(members, np.array([0, len(members)]))
    assert sum(len(block.left) for block in pairs(band, np.zeros(len(members), np.int64))) <= 25 * len(members)


@given(st.lists(st.integers(2, 40), max_size=6))
def test_pairs_are_of_one_bucket_and_in_order(sizes: list[int]) -> None:
    first = np.cumsum([0, *sizes])
    members = np.arange(first[-1], dtype=np.int32)
    found = [pair for block in pairs(Buckets(members, first), np.zeros(len(members), np.int64)) for pair in zip(*block, strict=True)]
    assert all(left < right and np.searchsorted(first, left, "right") == np.searchsorted(first, right, "right") for left, right in found)
    small = sum(size * (size - 1) // 2 for size in sizes if size <= 32)
    assert len(found) >= small and len({*found}) >= small


def test_temporary_files_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken() -> Iterator[Entry]:
        yield from family(30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(rulings(broken(), Settings()))
    stopped = rulings(iter(family(30)), Settings())
    next(stopped)
    assert list(tmp_path.iterdir()) == []  # nameless from the start: a killed run leaves nothing either
    del stopped


def test_the_removed_share_is_told_of_forms_with_enough_documents() -> None:
    letters = [Entry(f"l{at:02}", " ".join(text(at % 15)), form="letter") for at in range(60)]
    rare = [Entry(f"r{at:02}", " ".join(text(99)), form="rare") for at in range(49)]
    shares = {ruling.id[0]: ruling.removed_share for ruling in judged([*letters, *rare])}
    assert shares == {"l": 0.75, "r": 0.0}
