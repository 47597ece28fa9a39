"""Shingles and signatures: the slow way, datasketch and numba say the same."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from unicodedata import combining, decomposition, normalize

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.dedup.kernels import kernels
from builder.dedup.shingles import _CONTEXT_FREE, jaccard, shingled, shingles
from builder.dedup.signatures import (
    SEED,
    SKETCH,
    Layout,
    band_keys,
    catch_probability,
    layout,
    least_agreement,
    signatures,
    sketches,
)  # fmt: skip
from builder.text import folded_words

# Every kind of character that is treated in its own way: capitals that grow when folded, letters that compose, ligatures, scripts without
# spaces, marks of typeset English, control characters, half of a surrogate pair.
CHARACTERS = (
    "abcABC1 '\u2019.,-_\n\t\x00\x1f\u00e9\u00c9\u00df\u0130\u0131\u03a3\u03c2\u201c\u2014\u2026\u00a0\u4e2d\u6587\u304b\u30ab\u309b\u0301"
    "\u0e01\u0e33\ufb01\u2460\uff71\uff9e\ud800\U0001f600\u1100\u1161\u09c7\u09be\u200d\u2028\x85\u00aa"
    "\ud55c\u2192\ufe0f\u212b\u1e9e\uff07\uff21\U0001f44d"
)
MANY = "".join(map(chr, range(0x4E00, 0x4E30)))  # more characters than are replaced one by one
CAFE = " He left the caf\u00e9\uff0cna\u00efve \u2192\u4e2dsaid it's \U0001f44d late "
TEXTS = st.one_of(st.text(CHARACTERS, max_size=60), st.text("aB '", max_size=30), st.text(max_size=20))
WORD_RUNS = st.lists(st.sampled_from(["ferry", "x" * 8, "y" * 9, "z" * 64, "q" * 65, "it's", "\u00e9t\u00e9"]), max_size=12)


def slowly(text: str) -> list[tuple[str, ...]]:
    """The shingles of a text as runs of words, in order."""
    blank = "".join(" " if ord(char) < 32 or ord(char) == 127 else char for char in text)
    words = folded_words(blank.replace("\u2019", "'"))
    return [tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))]


@given(st.lists(TEXTS, min_size=1, max_size=6))
@example(["", "'", "a'", "'a", "a''b", "a'b", "a\u2019b", "A\u0301", "\u00c1"])
@example(["e\u0301", "\u00e9", "ma\u00df", "MASS", "\ufb01", "fi"])
@example([CAFE.swapcase(), CAFE + MANY, MANY[::-1] + CAFE + "\u0301", "\u03d2", "\u03d2\u0301"])
def test_hashes_stand_for_the_runs_of_words(texts: list[str]) -> None:
    found = shingled(texts)
    meaning: dict[int, tuple[str, ...]] = {}
    for number, text in enumerate(texts):
        hashes = found.hashes[found.first[number] : found.first[number + 1]].tolist()
        runs = slowly(text)
        assert len(hashes) == len(runs)
        for value, run in zip(hashes, runs, strict=True):
            assert meaning.setdefault(value, run) == run
    assert len(set(meaning.values())) == len(meaning)


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_the_other_texts_of_a_batch_change_nothing(texts: list[str]) -> None:
    together = shingled(texts)
    apart = [shingled([text]) for text in texts]
    assert together.hashes.tolist() == [value for one in apart for value in one.hashes.tolist()]
    assert together.digests == b"".join(one.digests for one in apart)


def test_what_is_folded_by_itself_composes_with_nothing_before_it() -> None:
    parts = [decomposition(chr(code)).split() for code in range(0x30000)]
    seconds = {int(part[1], 16) for part in parts if len(part) == 2 and not part[0].startswith("<")}
    seconds |= {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}  # vowels and final consonants of Hangul, which compose by rule
    for code in (code for span in _CONTEXT_FREE for code in span):
        decomposed = normalize("NFKD", chr(code).casefold())
        assert not combining(decomposed[0]) and ord(decomposed[0]) not in seconds, hex(code)


@given(TEXTS, TEXTS)
def test_jaccard_is_that_of_the_sets(left: str, right: str) -> None:
    one, other = set(slowly(left)), set(slowly(right))
    assert jaccard(shingles(left), shingles(right)) == len(one & other) / len(one | other)


@given(WORD_RUNS, WORD_RUNS)
def test_equal_digests_are_equal_bags_of_shingles(left: list[str], right: list[str]) -> None:
    found = shingled([" ".join(left), " ".join(right)])
    same = sorted(slowly(" ".join(left))) == sorted(slowly(" ".join(right)))
    assert (found.digests[:16] == found.digests[16:]) == same


@given(st.lists(st.text("ab c", max_size=40), min_size=1, max_size=4), st.sampled_from([1, 7, 120]), st.sampled_from([1, 5]))
def test_signatures_are_those_of_datasketch(texts: list[str], size: int, seed: int) -> None:
    batch = shingled(texts)
    found = signatures(batch, size, seed)
    for number in range(len(texts)):
        reference = MinHash(num_perm=size, seed=seed, scheme="affine32", hashfunc=int)
        reference.update_batch([value & 0xFFFFFFFF for value in batch.hashes[batch.first[number] : batch.first[number + 1]].tolist()])
        assert found[:, number].tolist() == reference.hashvalues.tolist()
        assert found.dtype == reference.hashvalues.dtype


def test_a_text_too_long_for_one_block_has_the_same_signature() -> None:
    batch = shingled([" ".join(f"w{number}" for number in range(60_000)), "the ferry left late again"])
    reference = MinHash(num_perm=7, seed=SEED, scheme="affine32", hashfunc=int)
    reference.update_batch((batch.hashes[: batch.first[1]] & np.uint64(0xFFFFFFFF)).tolist())
    found = signatures(batch, 7)
    assert found[:, 0].tolist() == reference.hashvalues.tolist()
    assert found[:, 1].tolist() == signatures(shingled(["the ferry left late again"]), 7)[:, 0].tolist()


def test_the_seed_is_the_default_of_datasketch() -> None:
    assert MinHash().seed == SEED and MinHash().scheme == "affine32"


@given(st.integers(0, 5))
def test_a_band_key_agrees_where_its_rows_do(changed: int) -> None:
    rows = np.arange(12, dtype=np.uint32).reshape(6, 2)
    rows[:, 1] = rows[:, 0]
    rows[changed, 1] += 1
    keys = band_keys(rows, Layout(3, 2))
    assert (keys[:, 0] == keys[:, 1]).tolist() == [band != changed // 2 for band in range(3)]


@pytest.mark.parametrize(("threshold", "cut"), [(0.8, (24, 5)), (0.85, (24, 5)), (0.7, (30, 4)), (0.95, (16, 8)), (0.2, (60, 2))])
def test_layouts_are_the_documented_ones(threshold: float, cut: tuple[int, int]) -> None:
    assert layout(threshold) == cut


@pytest.mark.parametrize(("threshold", "least"), [(0.7, 0.9997), (0.8, 0.9999), (0.9, 0.9999), (0.5, 0.995)])
def test_layouts_catch_what_is_at_the_threshold(threshold: float, least: float) -> None:
    assert catch_probability(threshold, layout(threshold)) >= least - 0.00005


def test_sketches_agree_as_often_as_the_texts_are_alike() -> None:
    words = [f"w{number}" for number in range(400)]
    edited = [word if number % 50 else "edit" for number, word in enumerate(words)]
    batch = shingled([" ".join(words), " ".join(edited), " ".join(reversed(words))])
    near, edit, far = sketches(signatures(batch, 120))
    truth = jaccard(shingles(" ".join(words)), shingles(" ".join(edited)))
    assert abs((near == edit).sum() / SKETCH - truth) < 0.2
    assert (near == edit).sum() >= least_agreement(0.8) > (near == far).sum()


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
@settings(deadline=None)  # the first example compiles
@given(st.lists(TEXTS | WORD_RUNS.map(" ".join), min_size=1, max_size=5))
def test_numba_gives_the_same_bits(texts: Sequence[str]) -> None:
    plain, compiled = kernels("numpy"), kernels("numba")
    one, other = plain.shingled(texts), compiled.shingled(texts)
    assert one.hashes.tolist() == other.hashes.tolist()
    assert one.first.tolist() == other.first.tolist()
    assert one.digests == other.digests
    assert plain.signatures(one, 96).tolist() == compiled.signatures(other, 96).tolist()
    sets = [shingles(text) for text in texts]
    assert plain.jaccard(sets[0], sets[-1]) == compiled.jaccard(sets[0], sets[-1])
