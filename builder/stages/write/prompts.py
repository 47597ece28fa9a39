"""What a model is told: Markdown prompts with their variables filled."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from builder.errors import UsageError
from builder.library import Library
from builder.prompts import Prompt
from builder.records import Brief, Principle, Turn

if TYPE_CHECKING:
    from langchain_core.prompts import PromptTemplate


def render(prompt: Prompt, where: str, values: Mapping[str, str]) -> tuple[Turn, ...]:
    """One prompt as turns: its preamble as a system turn, itself as a user turn.

    Content enters only as values; a variable nobody fills fails before any call. ``where`` names the file in errors. A preamble is told
    the constitution and nothing of the brief: it is the same for every document of a recipe, and a provider can cache it.
    """
    system = (_system(prompt.preamble, f"{where}/preamble.md", values.get("constitution", "")),) if prompt.preamble else ()
    return (*system, Turn(role="user", content=filled(prompt.text, f"{where}/{prompt.step}.md", values)))


@lru_cache(maxsize=64)
def _system(preamble: str, where: str, constitution: str) -> Turn:
    return Turn(role="system", content=filled(preamble, where, {"constitution": constitution}))


def filled(text: str, where: str, values: Mapping[str, str]) -> str:
    """A prompt's text with its variables filled; ``where`` names the file in errors."""
    template = _template(text, where)
    missing = sorted(set(template.input_variables) - set(values))
    if missing:
        raise UsageError(f"the prompt {where} uses {{{missing[0]}}}, which nothing fills; known: {', '.join(sorted(values))}")
    try:
        return str(template.format(**{name: values[name] for name in template.input_variables}))
    except (ValueError, LookupError, AttributeError, TypeError) as error:  # a format that does not suit its value, as in {what:d}
        raise _unreadable(where, error) from error


@lru_cache(maxsize=64)
def _template(text: str, where: str) -> PromptTemplate:
    from langchain_core.prompts import PromptTemplate

    try:
        return PromptTemplate.from_template(text)
    except ValueError as error:
        raise _unreadable(where, error) from error


def _unreadable(where: str, error: Exception) -> UsageError:
    return UsageError(f"the prompt {where} cannot be read ({error}); write {{{{ and }}}} for braces")


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
