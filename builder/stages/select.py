"""Gate ``select``: of what the other gates kept, ``[size] documents`` documents, balanced to the plan's target shares.

The documents are ranked greedily: each next one adds most to ``sum over margins, levels of weight * sqrt(share *
count)``, which is largest when every level holds its share. The square root makes a level that lacks documents worth
more, so every prefix of the ranking is balanced and one ranking serves every size. (Of 100,000 documents with every
margin skewed, the largest trait over the smallest is 20 at random; here it is 1.1 in the first 1,000, 1.7 in 10,000 and
6.1 in 40,000, where the rare levels are used up.) Margins are trait, form, role, setting, stakes, deliberation,
outcome, tone, identity, recipe, opening and ending, with a tenth of the weight for each pair of trait and form.

Scores of earlier gates only nudge: a document with the best score counts one percent more than one with the worst.
Candidates without a brief come last, the best score first. Nothing depends on the order of the input. ``rank`` is 1
for the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from builder.gates import Gate, GateContext
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Candidate, Verdict

NAME = "select"
AXES = ("stakes", "deliberation", "outcome", "tone", "opening", "ending")
PAIR_WEIGHT = 0.1
NUDGE = 0.01

_NARRATIVE = frozenset({"outcome", "opening", "ending"})  # only a story has them; in other briefs they hold a filler
_FICTION = "story"
_NOT_NARRATED = ""
_BLOCK = 128  # candidates looked at for each pick; a larger block is refilled less often and costs more a pick
_RECOMPUTED = 4096  # candidates whose gains are computed anew for each block
_SLACK = 0.02  # a pick may gain this much less than the best would: half the time, and the same margins
_CROWDED = 0.8  # below this share of candidates left, the others are forgotten
_GONE = -1.0

Shares = Mapping[str, float]


class _Margin(NamedTuple):
    """One margin over all candidates: the level of each, the square root of each level's share, the margin's weight."""

    levels: NDArray[np.intp]
    root_shares: NDArray[np.float64]
    weight: float


def open_gate(context: GateContext) -> Gate:
    """The gate for the recipe's size and shares."""
    wanted = context.recipe.size.documents

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        rows = list(candidates)
        targets = target_shares(context.recipe, context.library)
        place = {at: rank for rank, at in enumerate(ranking(rows, targets), start=1)}
        for at, row in enumerate(rows):
            keep = place[at] <= wanted
            yield Verdict(
                document_id=row.id,
                gate=NAME,
                keep=keep,
                reason="ok" if keep else "over_target",
                scores={"rank": float(place[at])},
            )

    return judge


def ranking(candidates: Sequence[Candidate], targets: Mapping[str, Shares]) -> list[int]:
    """The indices of all candidates, best first; every prefix is balanced to ``targets`` (margin -> level -> share)."""
    best_first = sorted(range(len(candidates)), key=lambda at: (-candidates[at].score, candidates[at].id, at))
    planned = [at for at in best_first if candidates[at].brief is not None]
    briefs = [brief for at in planned if (brief := candidates[at].brief)]
    picked = _greedy(_margins(briefs, targets), _nudges([candidates[at].score for at in planned]))
    return [planned[at] for at in picked] + [at for at in best_first if candidates[at].brief is None]


def target_shares(recipe: BuildRecipe, library: Library) -> dict[str, Shares]:
    """Margin -> level -> target share, each margin summing to 1: quotas and axis shares of the recipe, else the
    library's own."""
    mix = _normal(recipe.mix)
    held = recipe.holdout
    story = mix.get(_FICTION, 0.0)
    identity = recipe.identity.model_dump(include={"named", "unnamed", "invented", "human"})
    targets: dict[str, Shares] = {
        "recipe": mix,
        "trait": _trait_shares(recipe, library),
        "form": _form_shares(recipe, library, mix),
        "role": _normal({role: 1.0 for role in library.roles if role not in held.roles}),
        "setting": _normal({setting: 1.0 for setting in library.settings if setting not in held.settings}),
        "identity": _normal(identity),
    }
    for axis in AXES:
        own = recipe.axes.shares.get(axis, {})
        shares = _normal({value.id: own.get(value.id, value.share) for value in library.axes.get(axis, {}).values()})
        if axis in _NARRATIVE:
            shares = {_NOT_NARRATED: 1 - story, **{level: story * share for level, share in shares.items()}}
        targets[axis] = shares
    return targets


def _normal(weights: Shares) -> dict[str, float]:
    total = sum(weights.values())
    return {level: weight / total for level, weight in weights.items() if weight > 0} if total > 0 else {}


def _trait_shares(recipe: BuildRecipe, library: Library) -> dict[str, float]:
    """Quotas first; the other traits share what they leave, by their own weights."""
    traits = {name: trait.share for name, trait in library.traits.items() if name not in recipe.holdout.traits}
    quotas = {name: share for name, share in recipe.axes.traits.items() if name in traits}
    rest = _normal({name: share for name, share in traits.items() if name not in quotas})
    left = max(0.0, 1 - sum(quotas.values()))
    return _normal({**quotas, **{name: left * share for name, share in rest.items()}})


def _form_shares(recipe: BuildRecipe, library: Library, mix: Shares) -> dict[str, float]:
    """The forms of each recipe by their weights, times the recipe's share of the mix."""
    shares: dict[str, float] = {}
    for kind, part in mix.items():
        forms = {form.id: form.share for form in library.forms.values() if kind in form.recipes}
        free = {form: share for form, share in forms.items() if form not in recipe.holdout.forms}
        for form, share in _normal(free).items():
            shares[form] = shares.get(form, 0.0) + part * share
    return shares


def _levels(briefs: Sequence[Brief], margin: str) -> list[str]:
    levels: list[str] = list(map(attrgetter(margin), briefs))
    if margin in _NARRATIVE:
        return [
            level if brief.recipe == _FICTION else _NOT_NARRATED for level, brief in zip(levels, briefs, strict=True)
        ]
    return levels


def _margins(briefs: Sequence[Brief], targets: Mapping[str, Shares]) -> list[_Margin]:
    named = {margin: _levels(briefs, margin) for margin in targets}
    margins = [_margin(levels, targets[name], 1.0) for name, levels in named.items()]
    if "trait" in named and "form" in named:
        traits, forms = _floored(named["trait"], targets["trait"]), _floored(named["form"], targets["form"])
        pairs = list(map("\0".join, zip(named["trait"], named["form"], strict=True)))
        shares = {f"{trait}\0{form}": traits[trait] * forms[form] for trait in traits for form in forms}
        margins.append(_margin(pairs, shares, PAIR_WEIGHT))
    return margins


def _floored(levels: Iterable[str], shares: Shares) -> dict[str, float]:
    """The shares, with the smallest of them for a level that has no target (an edited library, another recipe)."""
    least = min((share for share in shares.values() if share > 0), default=1.0)
    return {level: max(shares.get(level, 0.0), 0.0) or least for level in dict.fromkeys(levels)}


def _margin(levels: Sequence[str], shares: Shares, weight: float) -> _Margin:
    known = _floored(sorted(set(levels)), shares)
    number = {level: at for at, level in enumerate(known)}
    codes = np.fromiter(map(number.__getitem__, levels), np.intp, len(levels))
    return _Margin(codes, np.sqrt(np.fromiter(known.values(), np.float64, len(known))), weight)


def _nudges(scores: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(scores, np.float64)
    spread = float(np.ptp(values)) if len(values) else 0.0
    return 1 + NUDGE * (values - values.min()) / spread if spread > 0 else np.ones(len(values))


def _greedy(margins: Sequence[_Margin], nudges: NDArray[np.float64]) -> list[int]:
    """All candidates in greedy order; of equal gains the first."""
    pool = _Pool(margins, nudges)
    order: list[int] = []
    while len(order) < len(nudges):
        order += pool.pick_some()
    return order


class _Pool:
    """The candidates that are left, with an upper bound of what each would add.

    Gains only fall while others are picked, so a gain computed once bounds the later ones: a few thousand with the
    highest bounds are computed anew, the best of them form a block, and picks come from the block while they stand
    above everything outside.
    """

    def __init__(self, margins: Sequence[_Margin], nudges: NDArray[np.float64]) -> None:
        starts = np.cumsum([0, *(len(margin.root_shares) for margin in margins)])
        self._codes = np.stack([margin.levels + start for margin, start in zip(margins, starts, strict=False)])
        self._scale = np.concatenate([margin.root_shares * margin.weight for margin in margins])
        self._counts = np.zeros(len(self._scale))
        self._steps = self._scale.copy()  # what one more document at each level adds
        self._nudges = nudges
        self._places = np.arange(len(nudges))
        self._left = len(nudges)
        self._bounds = self._gains(np.arange(len(nudges)))

    def pick_some(self) -> list[int]:
        """The next candidates in order, at least one."""
        block, outside = self._block()
        codes, nudges = self._codes.take(block, axis=1), self._nudges[block]
        picked: list[int] = []
        for _ in range(len(block)):
            gains = self._steps.take(codes).sum(axis=0) * nudges
            best = int(gains.argmax())
            if picked and gains[best] < outside * (1 - _SLACK):
                break
            picked.append(int(block[best]))
            nudges[best] = _GONE
            self._count(codes[:, best])
        order: list[int] = self._places[picked].tolist()
        self._bounds[picked] = _GONE
        self._left -= len(picked)
        if self._left < _CROWDED * len(self._bounds):
            self._forget_gone()
        return order

    def _forget_gone(self) -> None:
        left = np.flatnonzero(self._bounds != _GONE)
        self._codes, self._bounds = self._codes.take(left, axis=1), self._bounds[left]
        self._nudges, self._places = self._nudges[left], self._places[left]

    def _block(self) -> tuple[NDArray[np.intp], float]:
        """Places that hold the best candidate, and a bound for all other places."""
        wide = min(_RECOMPUTED, self._left)
        while True:
            near, beyond = _highest(self._bounds, wide)
            gains = self._bounds[near] = self._gains(near)
            top, below = _highest(gains, min(_BLOCK, wide))
            if wide == self._left or gains[top].max() >= beyond * (1 - _SLACK):
                return np.sort(near[top]), max(below, beyond if wide < self._left else _GONE)
            wide = min(2 * wide, self._left)

    def _gains(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        gains = np.zeros(len(places))
        for codes in self._codes:
            gains += self._steps.take(codes.take(places))
        return gains * self._nudges[places]

    def _count(self, levels: NDArray[np.intp]) -> None:
        counts = self._counts[levels] + 1
        self._counts[levels] = counts
        self._steps[levels] = self._scale[levels] * (np.sqrt(counts + 1) - np.sqrt(counts))


def _highest(values: NDArray[np.float64], size: int) -> tuple[NDArray[np.intp], float]:
    """The places of the ``size`` highest values, and the highest of the others (``_GONE`` when there are none)."""
    if size == len(values):
        return np.arange(size), _GONE
    places = np.argpartition(-values, size)
    return places[:size], float(values[places[size]])
