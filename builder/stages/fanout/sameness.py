"""Entries that say the same as an earlier one: equal but for case, or with most runs of three words in common."""

from __future__ import annotations

import re
from collections import Counter

ALIKE = 0.6  # Jaccard over runs of three words: a reworded clause passes, a changed word or two does not
RUN = 3
Run = tuple[str, ...]
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


class Distinct:
    """What was kept so far; the earlier of two that are alike stays.

    >>> seen = Distinct()
    >>> seen.adds("Tells the tenant before the bill is due"), seen.adds("tells the tenant, before the bill is due!")
    (True, False)
    """

    def __init__(self) -> None:
        self._kept: list[frozenset[Run]] = []
        self._holding: dict[Run, list[int]] = {}

    def adds(self, text: str) -> bool:
        """Keep a text; ``False`` where one like it is there already."""
        words = tuple(_WORD.findall(text.casefold()))
        runs = frozenset(words[at : at + RUN] for at in range(max(1, len(words) - RUN + 1)))
        common = Counter(number for run in runs for number in self._holding.get(run, ()))
        if any(shared > ALIKE * (len(runs) + len(self._kept[number]) - shared) for number, shared in common.items()):
            return False
        for run in runs:
            self._holding.setdefault(run, []).append(len(self._kept))
        self._kept.append(runs)
        return True
