"""A guard on the gate itself: a form that loses much of itself to one template is told of, not silently thinned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_OF_A_FORM = 50  # documents; of fewer, a removed share says little


def removed_shares(forms: NDArray[Any], removed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The removed share of each form, from the number of each document's form; 0 for a form with too few documents."""
    read = np.bincount(forms)
    gone = np.bincount(forms, removed, len(read))
    return np.where(read >= LEAST_OF_A_FORM, gone / np.maximum(read, 1), 0.0)
