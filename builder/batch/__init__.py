"""Batches: many requests in one call, answered within a day at half the price.

    queue    requests that wait for a window, and which of them go first so that the rest read their prefix from the cache
    calls    create, retrieve, list and results at the provider, each failure told as what it means for the batch
    results  what a line of the results means for its request
    collect  the results of a batch, streamed and handed back
    run      one desk's batches from intent to settled
    orphans  batches whose creation was never confirmed, looked for on the provider's list

A batch is in the journal before it is created and until its answers are in the ledger, so a run can be killed anywhere.
"""

from __future__ import annotations

from typing import NamedTuple


class Pace(NamedTuple):
    """Sizes and seconds of a run with batches."""

    requests: int = 10_000  # to a batch; 100,000 are allowed, but params and answers of a window are in memory at once
    size: int = 128_000_000  # bytes of JSON to a batch; 256 MB are allowed, and sending takes three to four times as much memory
    pending: int = 4  # batches at once: rewrites of one are asked for while the drafts of another are written
    linger: float = 2.0  # seconds without a new request after which a window is full enough
    poll: float = 1.0  # seconds to the second look at a batch; each pause is half as long again as the one before
    longest_poll: float = 60.0  # most batches take minutes to an hour
    patience: float = 300.0  # seconds until a batch that is on no list was never created, and until a 404 is worth a line
    creating: float = 1800.0  # seconds for one create call: 250 MB at 1.1 Mbit/s
    skew: float = 300.0  # seconds that the provider's clock and this one may differ by
    warm: float = 3000.0  # seconds that a prefix is sure to be cached after a batch has ended; its time to live is an hour
    retries: int = 3  # later windows for a request that was cancelled, expired or failed at the provider
