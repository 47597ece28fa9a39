"""Briefs of the recipe ``deliberation``: one existing text each, to be rewritten so that its reasons are on the page.

The n-th brief takes the n-th text that can be used. Its trait is the row's own, else the one whose words it shares most. Drawn are only the
manner of deliberation and, so that no axis of the corpus is bent, the levels that no prompt is told. An edited text is a new brief.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from builder.errors import UsageError, no_such
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Principle, digest
from builder.references import Source
from builder.shapes import resembles
from builder.stages.plan.context import Context
from builder.stages.plan.factors import Space, space
from builder.stages.plan.matching import Similarity
from builder.stages.plan.people import people
from builder.text import words

RECIPE = "deliberation"
FORM = "existing-response"
LEAST, MOST = 0.9, 2.2  # of the response's words: reasons make it longer, and what it does must stay
ROOM = 120  # words that a response of a line may grow by; a factor of it would leave no room for a reason
_NO_STORY = {"pov": "third", "tense": "past", "opening": "in-the-middle", "ending": "plain-fact", "outcome": "uncertain"}


def existing(context: Context, sources: Iterable[Source]) -> Callable[[int], Brief]:
    """A function from a position in the plan to the brief of the next text; ``UsageError`` where there is none left."""
    recipe, library = context.recipe, context.library
    if not recipe.deliberation.input:
        raise UsageError(
            f"[mix] {RECIPE} is {recipe.mix[RECIPE]:g} and [deliberation] input is empty; name a JSONL of existing responses there,"
            f" or take {RECIPE} out of [mix]"
        )
    levels = space(recipe, library, RECIPE)
    nearest = _Nearest(context)
    waiting = _usable(context, nearest, sources)

    def brief(position: int) -> Brief:
        source = next(waiting)
        seed = f"{recipe.corpus.seed}:{RECIPE}:{source.id}:{_fingerprint(source)}"
        rng = random.Random(seed)
        trait = library.traits[nearest.trait(source)]
        principle = nearest.principle(source, trait.id)
        length = len(words(source.text))
        row = {**_NO_STORY, **_levels(levels, rng, trait.id), "length": _band(library, length)}
        return Brief(
            id=f"{RECIPE}-{position:06d}-{digest(seed, 8)}", position=position, seed=seed, recipe=RECIPE, principles=(principle.id,),
            tension=None, exercised=True, what=trait.description, how=library.axes["deliberation"][row["deliberation"]].description,
            why=" ".join(principle.why) or trait.why, min_words=math.floor(LEAST * length), max_words=_most(length),
            place=row["setting"], source=source.id, **row, **people(context, row["setting"], row["identity"], rng),
        )  # fmt: skip

    return brief


class _Nearest:
    """Which trait a text is about, and which of its principles."""

    def __init__(self, context: Context) -> None:
        self._matched, self._known = context.principles, context.library.traits
        traits = {name: self._known[name] for name in self._matched}
        self._similarity = Similarity(traits, list({row.id: row for rows in self._matched.values() for row in rows}.values()))

    def held_out(self, source: Source, named_in: str) -> bool:
        """Whether a text is of a trait that must not appear; ``UsageError`` for one that nobody knows."""
        if source.trait and source.trait not in self._known:
            raise UsageError(f"the row {source.id!r}: {no_such('trait', source.trait, self._known)}", named_in)
        return bool(source.trait) and source.trait not in self._matched

    def trait(self, source: Source) -> str:
        """The row's own trait, else the nearest; drawn where no word tells (a text in another script)."""
        near = source.trait or self._similarity.trait_of(_whole(source))
        return near or random.Random(source.id).choice(sorted(self._matched))

    def principle(self, source: Source, trait: str) -> Principle:
        """The trait's principle that the text is nearest to."""
        return self._similarity.principle_of(_whole(source), self._matched[trait])


def _usable(context: Context, nearest: _Nearest, sources: Iterable[Source]) -> Iterator[Source]:
    """The texts that the gates could keep once they are rewritten; ``UsageError`` at their end, since the plan asks for more."""
    recipe = context.recipe
    named_in, share, size = recipe.deliberation.input, recipe.mix[RECIPE], recipe.size
    used, left_out = 0, Counter[str]()
    for source in sources:
        fault = "held_out" if nearest.held_out(source, named_in) else _misfit(recipe, source)
        if fault := fault or ("eval_shape" if resembles(_whole(source), context.eval_shapes) else ""):
            left_out[fault] += 1
            continue
        used += 1
        yield source
    wanted = max(used + 1, round(share * math.ceil(size.documents * (1 + size.spare))))
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())
    raise UsageError(
        f"[mix] {RECIPE} = {share:g} asks for {wanted} existing texts with the spare ones, and {used} can be used"
        + (f" ({reasons} left out)" if reasons else "")
        + "; add rows, lower the share or ask for fewer documents",
        named_in,
    )


def _misfit(recipe: BuildRecipe, source: Source) -> str:
    """Why no rewrite of a text could pass the gate of lengths; empty where one can."""
    length = len(words(source.text))
    around = sum(len(words(turn.content)) for turn in source.turns[:-1] if turn.role != "system")
    if around + _most(length) < recipe.gates.min_words:
        return "too_short"
    return "too_long" if around + LEAST * length > recipe.gates.max_words else ""


def _levels(levels: Space, rng: random.Random, trait: str) -> dict[str, str]:
    """A level of every factor by its weight; the AI is unnamed, since nothing is told of it."""
    row = {"trait": trait, "form": FORM, "identity": "unnamed"}
    for factor, weights in levels.factors.items():
        if factor not in ("exercised", "tension", *row):
            fitting = [level for level in weights if levels.fits(row, factor, level)] or list(weights)
            row[factor] = rng.choices(fitting, [weights[level] for level in fitting])[0]
    return row


def _band(library: Library, length: int) -> str:
    """The length band that the response lies in, or the nearest one above or below."""
    bands = sorted(library.axes["length"].values(), key=lambda band: band.max_words)
    return next((band.id for band in bands if length <= band.max_words), bands[-1].id)


def _most(length: int) -> int:
    return max(round(MOST * length), length + ROOM)


def _whole(source: Source) -> str:
    return "\n\n".join(turn.content for turn in source.turns) or source.text


def _fingerprint(source: Source) -> str:
    return digest("\0".join((source.trait, source.text, *(f"{turn.role}:{turn.content}" for turn in source.turns))), 16)
