"""What a brief's prompts may say: every variable by name."""

from __future__ import annotations

from collections.abc import Mapping

from builder.library import Library
from builder.recipe import IdentitySection
from builder.records import Brief, Person, Principle
from builder.rendering import filled
from builder.rubrics import as_told, avoided

_AXES = ("stakes", "deliberation", "outcome", "tone", "pov", "tense", "opening", "ending", "identity", "carried_by", "context")


def variables(library: Library, principles: Mapping[str, Principle], identity: IdentitySection, brief: Brief) -> dict[str, str]:
    """Every variable that a brief fills, by name; what it has nothing for is empty."""
    trait, work = library.traits[brief.trait], library.roles[brief.role]
    tension = library.tensions.get(brief.tension or "")
    plain = ("what", "how", "why", "other_option", "pull", "doubt", "cost", "idle_because", "premise", "genre", "place")
    values = {name: str(getattr(brief, name)) for name in plain}
    values |= {name: _described(library, name, str(getattr(brief, name))) for name in _AXES}
    values |= {
        "principle": "\n\n".join(principles[name].text for name in brief.principles),
        "trait": trait.description,
        "trait_name": trait.name,
        "tension": f"{tension.pull} {tension.yields}" if tension else "",
        "form": library.forms[brief.form].description,
        "role": work.human_title if brief.identity == "human" else work.description,
        "setting": library.settings[brief.setting].description,
        "character": " ".join(part for part in (brief.character.given, brief.character.family) if part),
        **{name: _person(getattr(brief, name)) for name in ("asker", "other", "bystander")},
        "names": "; ".join(map(_person, brief.spare_names)),
        "motifs": "; ".join(brief.motifs),
        "min_words": str(brief.min_words),
        "max_words": str(brief.max_words),
        "exercised": filled(library.shared["exercised" if brief.exercised else "idle"].text, "shared", {}),
        "forbidden": "; ".join(brief.forbidden),
        "identity_facts": _facts(library, identity) if brief.identity == "named" else "",
        "avoid": avoided(library.rubrics.values(), brief.recipe, brief.exercised, 1),
        "avoid_all": avoided(library.rubrics.values(), brief.recipe, brief.exercised),
        "rubrics": as_told({name: rubric for name, rubric in library.rubrics.items() if rubric.applies(brief.recipe, brief.exercised)}),
        **dict.fromkeys(("system_prompt", "tools", "situation", "message", "answer", "original", "draft", "faults"), ""),
    }
    return values


def _person(person: Person) -> str:
    return f"{person.given} {person.family} ({person.pronoun})"


def _facts(library: Library, identity: IdentitySection) -> str:
    told = {"name": identity.name, "maker": identity.maker, "facts": "\n".join(f"- {fact}" for fact in identity.facts)}
    return filled(library.shared["named"].text, "shared/named.md", told)


def _described(library: Library, axis: str, value: str) -> str:
    found = library.axes.get(axis, {}).get(value)
    return f"{found.name}: {found.description}" if found else "" if value == "none" else value
