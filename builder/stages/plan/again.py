"""A brief that a writer refused, in another setting and another form: the same trait and principle, told elsewhere."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, digest
from builder.stages.plan.factors import Space, space

_NOT_DRAWN = {"exercised", "tension"}  # factors that stand in a brief as something else than a level


def replanner(recipe: BuildRecipe, library: Library) -> Callable[[Brief, int], Brief]:
    """A function from a brief and an attempt (1, 2 ...) to the brief told elsewhere; the same two give the same brief."""

    @cache
    def levels(kind: str) -> Space:
        return space(recipe, library, kind)

    def replan(brief: Brief, attempt: int) -> Brief:
        if brief.source:  # there is only the one text, and nothing of setting and form is told of it
            return brief
        rng = random.Random(f"{brief.seed}:again:{attempt}")
        found = levels(brief.recipe)
        row = {name: str(getattr(brief, name)) for name in found.factors if name not in _NOT_DRAWN}
        for factor in ("form", "setting"):
            others = {name: level for name, level in row.items() if name != factor}
            fitting = [level for level in sorted(found.factors[factor]) if level != row[factor] and found.fits(others, factor, level)]
            row[factor] = rng.choice(fitting) if fitting else row[factor]
        places = library.settings[row["setting"]].words.get("place", (row["setting"],))
        key = digest(f"{brief.id}:{attempt}:{row['form']}:{row['setting']}", 8)
        changes = {"form": row["form"], "setting": row["setting"], "place": rng.choice(places), "seed": f"{brief.seed}:again:{attempt}"}
        return brief.model_copy(update={**changes, "id": f"{brief.recipe}-{brief.position:06d}-{key}"})

    return replan
