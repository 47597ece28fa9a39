"""What a brief weighs: the way not taken and what speaks for it, the cost, the doubt that stays, and how the text carries the reason.

Every field has a generator of its own, so that a longer list in one file changes nothing that is drawn from another.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from builder.errors import UsageError
from builder.library import AxisValue
from builder.records import Tension, Trait
from builder.shapes import resembles
from builder.stages.plan.context import Context
from builder.stages.plan.people import spare_names
from builder.text import sentences

WEIGHED = ("what", "how", "why", "other_option", "pull", "doubt", "cost", "idle_because")
_MOTIFS = 3  # enough to keep three documents of one plan apart, few enough to be used
_ATTEMPTS = 20


def weighed(context: Context, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a drawn brief still lacks.

    Raises ``UsageError`` where all that a trait weighs resembles a known evaluation scenario.
    """
    seed = drawn["seed"]
    taken = (drawn["asker"], drawn["other"], drawn["bystander"], drawn["character"])
    rest = {
        "carried_by": _value(context, "carried_by", drawn, ""),
        "context": _value(context, "context", drawn, "none"),
        "spare_names": spare_names(context, drawn["setting"], taken, seed),
    }
    for attempt in range(_ATTEMPTS):
        own = f"{seed}:weighed:{attempt}" if attempt else f"{seed}:weighed"
        found = {**_reasons(context, drawn, own), "motifs": _motifs(context, own)}
        told = {**drawn, **found}
        if not resembles(" ".join((*(told[name] for name in WEIGHED), *told["motifs"])), context.eval_shapes):
            return {**rest, **found}
    raise UsageError(f"all that trait {drawn['trait']!r} weighs resembles a known evaluation scenario; reword its bullets")


def _reasons(context: Context, drawn: Mapping[str, Any], seed: str) -> dict[str, str]:
    library = context.library
    trait, general = library.traits[drawn["trait"]], library.any_choice
    tension = library.tensions[drawn["tension"]] if drawn["tension"] else None
    if drawn["exercised"]:
        pulls, costs, doubts = (trait.pulls or general.pulls, trait.costs or general.costs, trait.doubts or general.doubts)
        found = {
            "pull": _one(f"{seed}:pull", (*pulls, tension.pull) if tension else pulls),
            "doubt": _one(f"{seed}:doubt", doubts, tension.questions if tension else ()),
            "cost": _one(f"{seed}:cost", costs),
            "idle_because": "",
        }
    else:  # the trait's own lists speak of exercising it; what pulls here is the trait itself
        text = " ".join(trait.why.split())
        why = [text[span.start : span.end] for span in sentences(text)]
        stretches = [" ".join(pair) for pair in zip(why, why[1:], strict=False)] or why or [trait.description]
        found = {
            "pull": _one(f"{seed}:pull", stretches),
            "doubt": _one(f"{seed}:doubt", general.doubts),
            "cost": _one(f"{seed}:cost", general.costs),
            "idle_because": " ".join(f"{drawn['what'].rstrip('.')}. {trait.why or trait.description}".split()),
        }
    return {**found, "other_option": _one(f"{seed}:other", _others(context, drawn, trait, tension))}


def _others(context: Context, drawn: Mapping[str, Any], trait: Trait, tension: Tension | None) -> list[str]:
    """What might be done instead: the trait used anyway, the other good trait's way, or the trait's violation."""
    library = context.library
    rival = _rival(context, tension, trait) if tension else ()
    wanted = (rival or trait.violated_by) if drawn["exercised"] else trait.shown_by
    return [way for way in wanted if way != drawn["what"]] or [way for way in library.any_choice.violated_by if way != drawn["what"]]


def _rival(context: Context, tension: Tension, trait: Trait) -> Sequence[str]:
    written = context.library.other_ways.get((tension.id, trait.id))
    return (written,) if written else next(context.library.traits[name].shown_by for name in tension.between if name != trait.id)


def _one(seed: str, *sources: Sequence[str]) -> str:
    """One entry of one of the sources that have any; each source as likely, however long."""
    rng = random.Random(seed)
    return rng.choice(rng.choice([source for source in sources if source]))


def _motifs(context: Context, seed: str) -> tuple[str, ...]:
    return tuple(random.Random(f"{seed}:motifs").sample(context.motifs, min(_MOTIFS, len(context.motifs))))


def _value(context: Context, axis: str, drawn: Mapping[str, Any], nothing: str) -> str:
    """A value of an axis that stands outside the covering array, by its share among those that fit the recipe and the narrator."""
    own = context.recipe.axes.shares.get(axis, {})
    fitting = [value for value in _fitting(context.library.axes[axis].values(), drawn) if own.get(value.id, value.share) > 0]
    weights = [own.get(value.id, value.share) for value in fitting]
    return random.Random(f"{drawn['seed']}:{axis}").choices(fitting, weights)[0].id if fitting else nothing


def _fitting(values: Iterable[AxisValue], drawn: Mapping[str, Any]) -> list[AxisValue]:
    kind, pov = drawn["recipe"], drawn["pov"]
    return [
        value for value in values
        if (not value.recipes or kind in value.recipes) and (kind != "story" or not value.povs or pov in value.povs)
    ]  # fmt: skip
