"""What prose by hand measures: counts over the thirty-six references that were written by hand for this project.

They stand in ``corpus/example/reference`` and may be shipped. They are few, of one house, and about the same sort of subject as the
corpora that are measured: a yardstick for wording and no sample of human prose. The published ranges stand beside them where there are any.
``python -m builder.reference_texts FOLDER`` counts another folder of Markdown references and writes the file anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

COUNTS = Path(__file__).parent / "counts.json"


class References(NamedTuple):
    """How many references there are, and how many of them hold each word, each phrase of three words, each masked n-gram.

    Phrases and n-grams that stand in one reference alone are left out. ``numbers`` are measures of all of them together.
    """

    texts: int
    numbers: Mapping[str, float]
    words: Mapping[str, int]
    phrases: Mapping[str, int]
    patterns: Mapping[str, int]


@cache
def references() -> References:
    """The counts that are shipped."""
    return References(**json.loads(COUNTS.read_text(encoding="utf-8")))


def written(texts: Sequence[str], numbers: Mapping[str, float], words: Counter[str], phrases: Counter[str], patterns: Counter[str]) -> str:
    """The text of ``counts.json``."""
    shared = [{text: count for text, count in sorted(counts.items()) if count > 1} for counts in (phrases, patterns)]
    counted = References(len(texts), dict(numbers), dict(sorted(words.items())), *shared)
    return json.dumps(counted._asdict(), ensure_ascii=False, indent=0) + "\n"
