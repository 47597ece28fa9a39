"""Rows of levels become whole briefs: principles, tension, what / how / why, people and place."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from builder.errors import UsageError, no_such
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Person, Principle, Tension, digest
from builder.shapes import Shape, resembles, shapes
from builder.stages.plan.covering import Row, rows
from builder.stages.plan.factors import space
from builder.stages.plan.matching import held_out, match

_ELSEWHERE = 0.2  # share of people whose names come from somewhere else than the setting: people move
_FORBIDDEN_EACH = 5
_GOLDEN = 0.618  # steps of this share of a circle fill it most evenly at every length
_DRAWN = (
    "form", "role", "identity", "setting", "stakes", "deliberation", "outcome", "tone", "pov", "tense", "length", "opening", "ending",
)  # fmt: skip
_PLAIN_VALUE = {"pov": "third", "tense": "past", "opening": "in-the-middle", "ending": "plain-fact", "outcome": "uncertain"}


class Context(NamedTuple):
    """What every brief of one plan is drawn from."""

    recipe: BuildRecipe
    library: Library
    principles: dict[str, tuple[Principle, ...]]
    tensions: dict[str, tuple[Tension, ...]]
    everyone: tuple[Person, ...]
    eval_shapes: tuple[Shape, ...]


def plan(recipe: BuildRecipe, library: Library, principles: Sequence[Principle]) -> Iterator[Brief]:
    """The endless stream of briefs for a recipe.

    Raises ``UsageError`` where the recipe names what does not exist or holds out all there is.
    """
    context = _context(recipe, library, principles)
    seed = f"{recipe.corpus.seed}"
    streams = {kind: rows(space(recipe, library, kind), f"{seed}:{kind}") for kind, share in sorted(recipe.mix.items()) if share > 0}
    written: Counter[str] = Counter()
    used: Counter[str] = Counter()
    position = 0
    while True:
        kind = max(streams, key=lambda name: recipe.mix[name] * (position + 1) - written[name])
        row = next(streams[kind])
        brief = _brief(context, kind, row, position, used[row["trait"]])
        written[kind] += 1
        used[row["trait"]] += 1
        yield brief
        position += 1


def _context(recipe: BuildRecipe, library: Library, principles: Sequence[Principle]) -> Context:
    for name in recipe.holdout.principles:
        if not any(held_out(principle, (name,)) for principle in principles):
            known = (principle.id for principle in principles)
            raise UsageError(f"[holdout] principles: {no_such('principle', name, known)[:400]}; 'bildung principles' lists them")
    free = [principle for principle in principles if not held_out(principle, recipe.holdout.principles)]
    traits = {name: trait for name, trait in library.traits.items() if name not in recipe.holdout.traits}
    if not any(principle.kind in ("norm", "reason") for principle in free) or not traits:
        raise UsageError("the recipe holds out every principle or trait, or the constitutions give nothing but examples; loosen [holdout]")
    tensions = [row for row in library.tensions.values() if row.id not in recipe.holdout.tensions and set(row.between) <= set(traits)]
    everyone = tuple(person for people in library.people.values() for person in people)
    return Context(
        recipe, library, match(free, traits), {name: tuple(row for row in tensions if name in row.between) for name in traits}, everyone,
        shapes(library.words("eval_shapes")),
    )  # fmt: skip


def _brief(context: Context, kind: str, row: Row, position: int, turn: int) -> Brief:
    seed = f"{context.recipe.corpus.seed}:{kind}:{position}"
    for attempt in range(20):
        drawn = _draw(context, kind, row, position, turn, f"{seed}:{attempt}" if attempt else seed)
        if not resembles(" ".join((drawn["what"], drawn["how"], drawn["why"])), context.eval_shapes):
            break
    else:
        raise UsageError(f"every draw for trait {row['trait']!r} resembles a known evaluation scenario; reword its 'Shown by'")
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
    people = _people(context, row, rng)
    chosen = {name: row.get(name, _PLAIN_VALUE.get(name, "")) for name in _DRAWN}
    motifs = library.words("worn_motifs")
    style = library.axes["deliberation"][row["deliberation"]]
    return {
        **chosen,
        **people,
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
        "forbidden": tuple(sorted(rng.sample(motifs, min(len(motifs), _FORBIDDEN_EACH)))),
    }


def _principle(context: Context, trait: str, turn: int) -> Principle:
    """The trait's principles by turns, far apart in the source first, each reached before any comes twice."""
    matched = context.principles[trait]
    stride = next(step for step in range(round(len(matched) * _GOLDEN) or 1, 2 * len(matched) + 1) if math.gcd(step, len(matched)) == 1)
    return matched[turn * stride % len(matched)]


def _tension(context: Context, row: Row, rng: random.Random) -> Tension | None:
    candidates = context.tensions[row["trait"]]
    return rng.choice(candidates) if candidates and row["tension"] == "yes" else None


def _people(context: Context, row: Row, rng: random.Random) -> dict[str, Person]:
    asker = _person(context, row["setting"], rng, ())
    other = _person(context, row["setting"], rng, (asker,))
    bystander = _person(context, row["setting"], rng, (asker, other))
    identity = row["identity"]
    if identity == "human":
        character = _person(context, row["setting"], rng, (asker, other, bystander))
    else:
        given = {"named": context.recipe.identity.name, "invented": rng.choice(context.library.invented_ais)}.get(identity, "")
        character = Person(given=given, family="", pronoun="it")
    return {"asker": asker, "other": other, "character": character, "bystander": bystander}


def _person(context: Context, setting: str, rng: random.Random, taken: tuple[Person, ...]) -> Person:
    locales = [name for name in context.library.settings[setting].locales if name in context.library.people]
    elsewhere = not locales or rng.random() < _ELSEWHERE
    pool = context.everyone if elsewhere else context.library.people[rng.choice(locales)]
    used = {person.given for person in taken}
    return rng.choice([person for person in (rng.choice(pool) for _ in range(12)) if person.given not in used] or list(pool))
