"""What a brief's prompts may say: every variable by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.library import Library
from builder.records import Brief, Principle


def variables(brief: Brief, library: Library, principles: Mapping[str, Principle], constitution: str) -> dict[str, str]:
    """Every variable a prompt may use, by name."""
    trait = library.traits[brief.trait]
    tension = library.tensions.get(brief.tension or "")
    values: dict[str, Any] = {
        name: _described(library, name, str(getattr(brief, name)))
        for name in ("stakes", "deliberation", "outcome", "tone", "pov", "tense", "opening", "ending", "identity")
    }
    values |= {
        "constitution": constitution,
        "principle": "\n\n".join(principles[name].text for name in brief.principles),
        "what": brief.what,
        "how": brief.how,
        "why": brief.why,
        "trait": trait.description,
        "tension": f"{tension.pull} {tension.yields}" if tension else "none; not every good act is a conflict",
        "form": library.forms[brief.form].description,
        "role": library.roles[brief.role].description,
        "setting": library.settings[brief.setting].description,
        "place": brief.place,
        "character": brief.character.given or "an AI without a name",
        "asker": f"{brief.asker.given} {brief.asker.family} ({brief.asker.pronoun})",
        "other": f"{brief.other.given} {brief.other.family} ({brief.other.pronoun})",
        "min_words": str(brief.min_words),
        "max_words": str(brief.max_words),
        "exercised": "the trait is exercised" if brief.exercised else "the trait rightly stays idle: using it here would be a fault",
        "forbidden": "; ".join(brief.forbidden),
    }
    return values


def _described(library: Library, axis: str, value: str) -> str:
    found = library.axes.get(axis, {}).get(value)
    return f"{found.name}: {found.description}" if found else value
