"""The people of a document: who asks, who else is concerned, who decides, who looks on, and names to spare."""

from __future__ import annotations

import random

from builder.records import Person
from builder.stages.plan.context import Context

_ELSEWHERE = 0.2  # share of people whose names come from somewhere else than the setting: people move
_SPARE = 4  # a page of prose has room for no more


def people(context: Context, setting: str, identity: str, rng: random.Random) -> dict[str, Person]:
    """The four who have a part in the brief, no two with the same given name."""
    asker = _person(context, setting, rng, ())
    other = _person(context, setting, rng, (asker,))
    bystander = _person(context, setting, rng, (asker, other))
    if identity == "human":
        character = _person(context, setting, rng, (asker, other, bystander))
    else:
        invented = _invented(context, rng, {asker.given, other.given, bystander.given})
        given = {"named": context.recipe.identity.name, "invented": invented}.get(identity, "")
        character = Person(given=given, family="", pronoun="it")
    return {"asker": asker, "other": other, "character": character, "bystander": bystander}


def spare_names(context: Context, setting: str, taken: tuple[Person, ...], seed: str) -> tuple[Person, ...]:
    """Names for anybody else whom the text needs, so that no writer has to reach for a worn one; fewer where a pool is small."""
    rng = random.Random(f"{seed}:spare")
    found: tuple[Person, ...] = ()
    for _ in range(_SPARE):
        person = _person(context, setting, rng, (*taken, *found))
        if person.given not in {other.given for other in (*taken, *found)}:
            found = (*found, person)
    return found


def _invented(context: Context, rng: random.Random, used: set[str]) -> str:
    """The name of an invented AI: the one drawn, or the next that nobody in the text has."""
    names = context.library.invented_ais
    at = names.index(rng.choice(names))
    return next((name for name in (*names[at:], *names[:at]) if name not in used), names[at])


def _person(context: Context, setting: str, rng: random.Random, taken: tuple[Person, ...]) -> Person:
    locales = [name for name in context.library.settings[setting].locales if name in context.library.people]
    elsewhere = not locales or rng.random() < _ELSEWHERE
    pool = context.everyone if elsewhere else context.library.people[rng.choice(locales)]
    used = {context.recipe.identity.name, *(person.given for person in taken)}  # nobody is called like the model that will be trained
    return rng.choice([person for person in (rng.choice(pool) for _ in range(12)) if person.given not in used] or list(pool))
