"""Near-duplicates: documents in a stream, one ruling each, in memory that does not grow with the texts.

    entries --batches--> shingles ----> signatures --> band keys      (shingles.py, signatures.py; processes share this)
                            |                             |
                            v                             v
                     temporary file              one file a band      (spill.py; files without names)
                            |                             |
                            |            sort: equal keys are buckets (buckets.py)
                            |                             |
                            |                             v
                            +-- exact Jaccard <-- candidate pairs     (clusters.py)
                                      |
                          components, or leaders                      (clusters.py, leaders.py)
                                      |
                                      v
                  one ruling a document: kept, or whose copy          (engine.py)

Estimates only choose what is compared: no document is removed on one. ``index.py`` keeps what a finished corpus needs for later
additions; ``compiled.py`` holds the same kernels for numba, with the same bits.
"""

from builder.dedup.batches import Entry
from builder.dedup.engine import Ruling, Settings, rulings

__all__ = ["Entry", "Ruling", "Settings", "rulings"]
