"""Rows of levels become whole briefs: principles, tension, what / how / why, people and place."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from builder.errors import UsageError
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Principle, Tension, digest
from builder.references import Source
from builder.shapes import resembles
from builder.stages.plan.context import Context, open_context
from builder.stages.plan.covering import Row, rows
from builder.stages.plan.existing import RECIPE as REWRITTEN
from builder.stages.plan.existing import existing
from builder.stages.plan.factors import space
from builder.stages.plan.people import people
from builder.stages.plan.weighed import weighed

_FORBIDDEN_EACH = 5
_GOLDEN = 0.618  # steps of this share of a circle fill it most evenly at every length
_DRAWN = (
    "form", "role", "identity", "setting", "stakes", "deliberation", "outcome", "tone", "pov", "tense", "length", "opening", "ending",
)  # fmt: skip
_PLAIN_VALUE = {"pov": "third", "tense": "past", "opening": "in-the-middle", "ending": "plain-fact", "outcome": "uncertain"}


def plan(recipe: BuildRecipe, library: Library, principles: Sequence[Principle], sources: Iterable[Source] = ()) -> Iterator[Brief]:
    """The endless stream of briefs for a recipe; ``sources`` are the existing texts that it may rewrite.

    Raises ``UsageError`` where the recipe names what does not exist or holds out all there is, and where the sources run out.
    """
    context = open_context(recipe, library, principles)
    seed = f"{recipe.corpus.seed}"
    kinds = sorted(kind for kind, share in recipe.mix.items() if share > 0)
    streams = {kind: rows(space(recipe, library, kind), f"{seed}:{kind}") for kind in kinds if kind != REWRITTEN}
    rewritten = existing(context, sources) if REWRITTEN in kinds else None
    written: Counter[str] = Counter()
    used: Counter[str] = Counter()
    position = 0
    while True:
        kind = max(kinds, key=lambda name: recipe.mix[name] * (position + 1) - written[name])
        if rewritten and kind == REWRITTEN:
            brief = rewritten(position)
        else:
            row = next(streams[kind])
            brief = _brief(context, kind, row, position, used[row["trait"]])
            used[row["trait"]] += 1
        written[kind] += 1
        yield brief
        position += 1


def _brief(context: Context, kind: str, row: Row, position: int, turn: int) -> Brief:
    seed = f"{context.recipe.corpus.seed}:{kind}:{position}"
    for attempt in range(20):
        drawn = _draw(context, kind, row, position, turn, f"{seed}:{attempt}" if attempt else seed)
        if not resembles(" ".join((drawn["what"], drawn["how"], drawn["why"])), context.eval_shapes):
            break
    else:
        raise UsageError(f"every draw for trait {row['trait']!r} resembles a known evaluation scenario; reword its 'Shown by'")
    drawn |= weighed(context, drawn)
    key = digest(json.dumps({**drawn, "position": position}, sort_keys=True, default=lambda record: record.model_dump()), 8)
    return Brief(id=f"{kind}-{position:06d}-{key}", position=position, **drawn)


def _draw(context: Context, kind: str, row: Row, position: int, turn: int, seed: str) -> dict[str, Any]:
    rng = random.Random(seed)
    library = context.library
    trait = library.traits[row["trait"]]
    principle = _principle(context, row["trait"], turn)
    tension = _tension(context, row, rng)
    exercised = row["exercised"] == "yes" or not trait.not_exercised_when
    band = library.axes["length"][row["length"]]
    acts = trait.shown_by if exercised else trait.not_exercised_when
    cast = people(context, row["setting"], row["identity"], rng)
    chosen = {name: row.get(name, _PLAIN_VALUE.get(name, "")) for name in _DRAWN}
    style = library.axes["deliberation"][row["deliberation"]]
    return {
        **chosen,
        **cast,
        "seed": seed,
        "recipe": kind,
        "principles": (principle.id,),
        "trait": trait.id,
        "tension": tension.id if tension else None,
        "exercised": exercised,
        "what": rng.choice(acts) if acts else trait.description,
        "how": f"{tension.pull} {tension.yields}" if tension else style.description,
        "why": " ".join(principle.why) or trait.why,
        "min_words": band.min_words,
        "max_words": band.max_words,
        "place": rng.choice(library.settings[row["setting"]].words.get("place", (row["setting"],))),
        "forbidden": tuple(sorted(rng.sample(context.worn, min(len(context.worn), _FORBIDDEN_EACH)))),
    }


def _principle(context: Context, trait: str, turn: int) -> Principle:
    """The trait's principles by turns, far apart in the source first, each reached before any comes twice."""
    matched = context.principles[trait]
    stride = next(step for step in range(round(len(matched) * _GOLDEN) or 1, 2 * len(matched) + 1) if math.gcd(step, len(matched)) == 1)
    return matched[turn * stride % len(matched)]


def _tension(context: Context, row: Row, rng: random.Random) -> Tension | None:
    candidates = context.tensions[row["trait"]]
    return rng.choice(candidates) if candidates and row["tension"] == "yes" else None
