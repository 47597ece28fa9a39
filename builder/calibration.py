"""How far a check or a judge can be believed: what it said of texts whose labels are known, and its rate corrected by that.

    found = count(pairs)                      pairs of (truth, said)
    found.sensitivity                         Estimate(value, low, high), or None where no label measures it
    corrected(said=61, asked=100, found)      the share that is true, where the judge says yes to 61 of 100

Every interval is a 95 % interval. Sources: Wilson 1927 for shares; Fleiss, Cohen and Everitt 1969 for the large-sample standard error of
Cohen's kappa, which needs no random numbers; for the corrected rate Rogan and Gladen 1978, used for judges by arXiv 2511.21140, with
the interval of Lang and Reiczigel 2014.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

_Z = 1.959963984540054  # 95 % of a normal distribution lie so many standard deviations around its mean
_PREFIX = re.compile(r"^(?:[a-z]+\.)+(?=[a-z])")  # clouds write the maker and the region before the model: us.anthropic.claude-...


class Estimate(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


class Tried(NamedTuple):
    """What a check said of a labelled text, and what the label says. ``check`` is also a key of ``coverage.json``."""

    check: str
    text: str
    truth: bool
    said: bool


class Blind(NamedTuple):
    """What the blind reader chose for a labelled passage: a trait, ``none``, or ``None`` where its answer could not be read."""

    id: str
    trait: str
    label: str
    chosen: str | None


class Counts(NamedTuple):
    """The four counts of a yes-or-no check: its yes and its no, each right or wrong."""

    hits: int
    misses: int
    false_alarms: int
    rejections: int

    @property
    def total(self) -> int:
        """Texts read."""
        return sum(self)

    @property
    def sensitivity(self) -> Estimate | None:
        """The share of the texts whose label says yes that the check finds."""
        return wilson(self.hits, self.hits + self.misses)

    @property
    def specificity(self) -> Estimate | None:
        """The share of the texts whose label says no that the check leaves alone."""
        return wilson(self.rejections, self.rejections + self.false_alarms)

    @property
    def precision(self) -> Estimate | None:
        """The share of its yes that is right, which depends on how common yes is among the labels."""
        return wilson(self.hits, self.hits + self.false_alarms)

    @property
    def kappa(self) -> Estimate | None:
        """Cohen's kappa, agreement beyond chance (1 all, 0 none); ``None`` where the labels hold only one answer.

        Where every answer agrees the interval has no width, which says more of the method than of the check.
        """
        if not self.hits + self.misses or not self.rejections + self.false_alarms:
            return None
        cells = [[self.hits / self.total, self.misses / self.total], [self.false_alarms / self.total, self.rejections / self.total]]
        truth = [sum(row) for row in cells]
        said = [sum(column) for column in zip(*cells, strict=True)]
        agreed = cells[0][0] + cells[1][1]
        chance = truth[0] * said[0] + truth[1] * said[1]
        on = sum(cells[i][i] * ((1 - chance) - (truth[i] + said[i]) * (1 - agreed)) ** 2 for i in (0, 1))
        off = (1 - agreed) ** 2 * sum(cells[i][1 - i] * (said[i] + truth[1 - i]) ** 2 for i in (0, 1))
        variance = (on + off - (agreed * chance - 2 * chance + agreed) ** 2) / (self.total * (1 - chance) ** 4)
        value, reach = (agreed - chance) / (1 - chance), _Z * math.sqrt(max(variance, 0.0))
        return Estimate(value, max(value - reach, -1.0), min(value + reach, 1.0))


def count(pairs: Iterable[tuple[bool, bool]]) -> Counts:
    """The counts over pairs of (truth, said)."""
    found = Counter(pairs)
    return Counts(found[True, True], found[True, False], found[False, True], found[False, False])


def count_blind(rows: Iterable[Blind]) -> Counts:
    """The blind reader's counts: it should name the trait of a passage that shows it, and of no other. What it left unread is left out."""
    return count((row.label == "shown", row.chosen == row.trait) for row in rows if row.chosen is not None)


def wilson(part: int, whole: int) -> Estimate | None:
    """``part / whole`` with its Wilson score interval; ``None`` where there is no whole.

    >>> [round(number, 3) for number in wilson(0, 36) or ()]
    [0.0, 0.0, 0.096]
    """
    if not whole:
        return None
    share, square = part / whole, _Z * _Z
    middle = (part + square / 2) / (whole + square)
    reach = _Z / (whole + square) * math.sqrt(part * (1 - share) + square / 4)
    return Estimate(share, 0.0 if part == 0 else middle - reach, 1.0 if part == whole else middle + reach)


def corrected(said: int, asked: int, judge: Counts) -> Estimate | None:
    """The true share behind a judge's ``said`` of ``asked``, by its sensitivity q1 and specificity q0 on labelled texts.

    theta = (p + q0 - 1) / (q0 + q1 - 1), cut to [0, 1], and ``None`` where nothing was asked or the judge does no better than chance
    (q0 + q1 <= 1). The variance carries all three uncertainties, n being the documents and m0, m1 the texts labelled no and yes:

        (p (1 - p) / n  +  (1 - theta)^2 q0 (1 - q0) / m0  +  theta^2 q1 (1 - q1) / m1)  /  (q0 + q1 - 1)^2

    The interval uses the shares moved a little towards one half (z^2/2 yes and as many no added to the documents, one of each to the
    labelled texts), and its middle is moved by 2 z^2 (theta q1 (1 - q1) / m1 - (1 - theta) q0 (1 - q0) / m0): without both it is too
    narrow for small samples and for judges that never erred. It is the whole of [0, 1] where the moved shares are no better than chance.
    """
    yes, no = judge.hits + judge.misses, judge.rejections + judge.false_alarms
    if not asked or not yes or not no or judge.hits / yes + judge.rejections / no <= 1:
        return None
    value = _clipped((said / asked + judge.rejections / no - 1) / (judge.rejections / no + judge.hits / yes - 1))
    square = _Z * _Z
    p, q1, q0 = (said + square / 2) / (asked + square), (judge.hits + 1) / (yes + 2), (judge.rejections + 1) / (no + 2)
    gain = q0 + q1 - 1
    if gain <= 0:
        return Estimate(value, 0.0, 1.0)
    theta = _clipped((p + q0 - 1) / gain)
    of_q0, of_q1 = q0 * (1 - q0) / (no + 2), q1 * (1 - q1) / (yes + 2)
    variance = (p * (1 - p) / (asked + square) + (1 - theta) ** 2 * of_q0 + theta**2 * of_q1) / gain**2
    middle, reach = theta + 2 * square * (theta * of_q1 - (1 - theta) * of_q0), _Z * math.sqrt(variance)
    return Estimate(value, min(value, _clipped(middle - reach)), max(value, _clipped(middle + reach)))


def _clipped(share: float) -> float:
    return min(1.0, max(0.0, share))


def same_family(one: str, other: str) -> bool:
    """Whether two ``provider/model`` are one model or of one family: a judge prefers texts of its own family.

    The leading word of the model's name decides, whichever provider serves it. A deployment under a name of its own cannot be told.

    >>> same_family("anthropic/claude-haiku-4-5", "langchain/bedrock:us.anthropic.claude-sonnet-4-5")
    True
    """
    return bool(one and other) and _family(one) == _family(other)


def _family(model: str) -> str:
    provider, _, name = model.lower().removesuffix(".gguf").partition("/")
    name = name.partition(":")[2] if provider == "langchain" else name.removeprefix("ft:")  # a fine-tune of OpenAI: ft:gpt-...
    bare = _PREFIX.sub("", name.rpartition("/")[2].partition(":")[0])
    word = re.match(r"[a-z]+", bare)
    return word.group() if word else bare
