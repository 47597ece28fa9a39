"""The factors a brief varies, their levels with weights, and which levels go together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from builder.errors import UsageError, no_such
from builder.forms import Form
from builder.library import Library
from builder.recipe import BuildRecipe

AXES = ("stakes", "deliberation", "outcome", "tone", "pov", "tense", "length", "opening", "ending")
# An advice conversation or an expository document has no narrator, opening or ending kind of a story.
_NARRATIVE = frozenset({"pov", "tense", "opening", "ending", "outcome"})
_MAX_COPIES = 9  # a level's weight in the covering array is a whole number of copies; nine allow a share of one tenth


class Space(NamedTuple):
    """The plan's space for one recipe: factor -> level -> weight, and the constraints between levels.

    ``allowed`` maps (factor, level) to {other factor: the levels that fit}; a missing entry allows everything. ``caps`` maps a factor to
    the largest share of the documents that any one of its levels may take.
    """

    factors: Mapping[str, Mapping[str, float]]
    allowed: Mapping[tuple[str, str], Mapping[str, frozenset[str]]]
    caps: Mapping[str, float] = MappingProxyType({})

    def has_room(self, factor: str, level: str, count: int, drawn: int) -> bool:
        """Whether a level drawn ``count`` times in ``drawn`` rows may come once more without breaking its factor's cap."""
        return factor not in self.caps or count + 1 <= max(1.0, self.caps[factor] * (drawn + 1))

    def fits(self, row: Mapping[str, str], factor: str, level: str) -> bool:
        """Whether a level goes with every level already in the row."""
        for other, chosen in row.items():
            if level not in self.allowed.get((other, chosen), {}).get(factor, {level}):
                return False
            if chosen not in self.allowed.get((factor, level), {}).get(other, {chosen}):
                return False
        return True


def space(recipe: BuildRecipe, library: Library, kind: str) -> Space:
    """The levels one recipe draws from, without anything held out; ``UsageError`` for a name nobody knows or an emptied factor."""
    _check_names(recipe, library)
    held = recipe.holdout
    factors: dict[str, dict[str, float]] = {
        "trait": _trait_weights(recipe, library),
        "form": {form.id: form.share for form in _forms(recipe, library, kind)},
        "role": {role: 1.0 for role in library.roles if role not in held.roles},
        "setting": {setting: 1.0 for setting in library.settings if setting not in held.settings},
        "identity": {name: share for name, share in _identities(recipe).items() if share > 0},
        "exercised": {"yes": 1 - recipe.axes.not_exercised, "no": recipe.axes.not_exercised},
        "tension": {"yes": 1 - recipe.axes.without_tension, "no": recipe.axes.without_tension},
    }
    for axis in AXES:
        if kind == "story" or axis not in _NARRATIVE:
            shares = recipe.axes.shares.get(axis, {})
            factors[axis] = {value.id: shares.get(value.id, value.share) for value in library.axes[axis].values()}
    kept = {factor: {level: weight for level, weight in levels.items() if weight > 0} for factor, levels in factors.items()}
    kept = _feasible(kept, _constraints(kept, library))
    for factor, levels in kept.items():
        if not levels:
            raise UsageError(f"no {factor} is left for the recipe {kind!r}; loosen [holdout], [axes] or [identity], or change [mix]")
    return Space(kept, _constraints(kept, library), _caps(recipe, kind, kept))


def _forms(recipe: BuildRecipe, library: Library, kind: str) -> list[Form]:
    """The forms of a recipe that its writer can make."""
    embedded = recipe.models.writer.startswith("offline/")
    free = [form for form in library.forms.values() if kind in form.recipes and form.id not in recipe.holdout.forms]
    return [form for form in free if embedded or not form.rehearsed]


def _feasible(
    factors: Mapping[str, Mapping[str, float]], allowed: Mapping[tuple[str, str], Mapping[str, frozenset[str]]]
) -> dict[str, dict[str, float]]:
    """The factors without the levels that go with no level of another factor: a form for AIs only, in a recipe of humans only."""

    def fits(factor: str, level: str) -> bool:
        return all(not fitting.isdisjoint(factors[other]) for other, fitting in allowed.get((factor, level), {}).items())

    return {factor: {level: weight for level, weight in levels.items() if fits(factor, level)} for factor, levels in factors.items()}


def _caps(recipe: BuildRecipe, kind: str, factors: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The caps of the corpus as caps of one recipe's stream; ``UsageError`` for one that no draw can keep."""
    caps: dict[str, float] = {}
    for factor, cap in recipe.axes.caps.items():
        if factor not in factors and factor not in AXES:
            raise UsageError(f"[axes] caps: {no_such('factor', factor, factors)}")
        caps[factor] = cap / recipe.mix[kind]
        if caps[factor] * len(factors.get(factor, caps)) < 1:
            raise UsageError(f"[axes] caps: {factor} = {cap:g} cannot hold: its {len(factors[factor])} levels share {recipe.mix[kind]:.0%}")
    return caps


def copies(levels: Mapping[str, float]) -> list[str]:
    """The levels, each as often as its weight asks (1 to 9 times), for an array that treats all entries alike."""
    least = min(levels.values())
    return [level for level, weight in levels.items() for _ in range(max(1, round(min(_MAX_COPIES, weight / least))))]


def _identities(recipe: BuildRecipe) -> dict[str, float]:
    section = recipe.identity
    return {"named": section.named, "unnamed": section.unnamed, "invented": section.invented, "human": section.human}


def _trait_weights(recipe: BuildRecipe, library: Library) -> dict[str, float]:
    """Quotas from the recipe first; what they leave is shared by the other traits by their own weight."""
    traits = {name: trait for name, trait in library.traits.items() if name not in recipe.holdout.traits}
    quotas = {name: share for name, share in recipe.axes.traits.items() if name in traits}
    rest = {name: trait.share for name, trait in traits.items() if name not in quotas}
    left = max(0.0, 1 - sum(quotas.values()))
    total = sum(rest.values())
    return {name: quotas.get(name, left * rest.get(name, 0) / total if total else 0) for name in traits}


def _check_names(recipe: BuildRecipe, library: Library) -> None:
    held = recipe.holdout
    checks: list[tuple[str, Iterable[str], Iterable[str]]] = [
        ("trait", (*recipe.axes.traits, *held.traits), library.traits),
        ("tension", held.tensions, library.tensions),
        ("setting", held.settings, library.settings),
        ("role", held.roles, library.roles),
        ("form", held.forms, library.forms),
        ("axis", recipe.axes.shares, library.axes),
        ("recipe", recipe.mix, library.recipes),
    ]
    checks += [(f"value of axis {axis}", values, library.axes[axis]) for axis, values in recipe.axes.shares.items() if axis in library.axes]
    identities = list(_identities(recipe))
    checks += [("identity", trait.identities, identities) for trait in library.traits.values()]
    for form in library.forms.values():
        limits = {"pov": form.povs, "tense": form.tenses, "length": form.lengths}
        checks += [(f"{axis} (form {form.id})", names, library.axes[axis]) for axis, names in limits.items()]
        checks += [(f"identity (form {form.id})", form.identities, identities), (f"recipe (form {form.id})", form.recipes, library.recipes)]
    for kind, names, known in checks:
        for name in names:
            if name not in known:
                raise UsageError(no_such(kind, name, known))


def _constraints(
    factors: Mapping[str, Mapping[str, float]], library: Library
) -> dict[tuple[str, str], dict[str, frozenset[str]]]:
    allowed: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
    for name in factors["form"]:
        form = library.forms[name]
        lists = {"pov": form.povs, "tense": form.tenses, "length": form.lengths, "identity": form.identities}
        limits = {factor: frozenset(levels) for factor, levels in lists.items() if levels and factor in factors}
        if limits:
            allowed["form", name] = limits
    for name in factors["role"]:
        needs = library.roles[name].needs
        if needs:
            fitting = frozenset(setting for setting in factors["setting"] if needs & library.settings[setting].kinds)
            if fitting:
                allowed["role", name] = {"setting": fitting}
    for name in factors["trait"]:
        identities = library.traits[name].identities
        if identities:
            allowed["trait", name] = {"identity": frozenset(identities)}
    return allowed
