"""What is spilled comes back as it was, however the batches fall."""

from __future__ import annotations

import numpy as np
import pytest

from builder.dedup import spill
from builder.dedup.shingles import shingled, shingles
from builder.dedup.signatures import Layout, band_keys, signatures, sketches
from builder.dedup.spill import Spill

TEXTS = [f"the ferry left quay {number} late again and nobody said why " * (number % 3) for number in range(11)]


@pytest.mark.parametrize("held", [1, 4, 100])
def test_texts_come_back_as_they_were(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr(spill, "_HELD", held)
    bands = Layout(3, 2)
    whole = shingled(TEXTS)
    signed = signatures(whole, bands.size)
    with Spill(bands.bands) as kept:
        for some in (TEXTS[:1], TEXTS[1:6], TEXTS[6:]):
            batch = shingled(some)
            found = signatures(batch, bands.size)
            kept.add(batch, band_keys(found, bands), sketches(found))
        assert len(kept) == len(TEXTS)
        assert [kept.keys(band).tolist() for band in (2, 0, 1, 2)] == band_keys(signed, bands)[[2, 0, 1, 2]].tolist()
        assert kept.digests().tobytes() == whole.digests
        assert np.array_equal(kept.sketches(), sketches(signed))
        assert [kept.shingles(number).tolist() for number in (10, 0, 5)] == [shingles(TEXTS[number]).tolist() for number in (10, 0, 5)]


def test_nothing_spilled_is_nothing() -> None:
    with Spill(2) as kept:
        assert len(kept) == 0
        assert kept.keys(1).tolist() == []
