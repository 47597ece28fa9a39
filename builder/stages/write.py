"""Stage ``write``: briefs become requests, answers become documents. What a model is told is rendered here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.errors import UsageError
from builder.library import Library, Prompt
from builder.records import Answer, Brief, Document, Principle, Request, Step, Turn, digest


def request(brief: Brief, prompt: Prompt, model: str, fingerprint: str, turns: tuple[Turn, ...] = ()) -> Request:
    """What is asked for one step of one document. The hash covers the model, what it is told, and the sample; never transport."""
    told = "\0".join(turn.content for turn in turns) if turns else brief.model_dump_json()
    key = digest("\0".join((model, fingerprint, prompt.step, prompt.hash, told, "0")))
    return Request(hash=key, document_id=brief.id, step=prompt.step, model=model, prompt_hash=prompt.hash, brief=brief, turns=turns)


def document(asked: Request, answer: Answer, role: str) -> Document:
    """The document one answered request makes, with the step that made it."""
    step = Step(
        name=asked.step, role=role, model=asked.model, prompt_hash=asked.prompt_hash, request_hash=asked.hash,
        stop_reason=answer.stop_reason, usage=answer.usage,
    )  # fmt: skip
    return Document(id=asked.brief.id, brief=asked.brief, text=answer.text, turns=answer.turns, steps=(step,))


def render(prompt: Prompt, brief: Brief, library: Library, principles: Mapping[str, Principle]) -> tuple[Turn, ...]:
    """The prompt of one step for one brief. Content enters only as values; a variable nobody fills fails before any call."""
    from langchain_core.prompts import PromptTemplate

    values = variables(brief, library, principles)
    try:
        template = PromptTemplate.from_template(prompt.text)
    except ValueError as error:
        raise UsageError(f"the prompt {brief.recipe}/{prompt.step}.md cannot be read ({error}); write {{{{ and }}}} for braces") from error
    missing = sorted(set(template.input_variables) - set(values))
    if missing:
        raise UsageError(
            f"the prompt {brief.recipe}/{prompt.step}.md uses {{{missing[0]}}}, which nothing fills; known: {', '.join(sorted(values))}"
        )
    return (Turn(role="user", content=template.format(**{name: values[name] for name in template.input_variables})),)


def variables(brief: Brief, library: Library, principles: Mapping[str, Principle]) -> dict[str, str]:
    """Every variable a prompt may use, by name."""
    trait = library.traits[brief.trait]
    tension = library.tensions.get(brief.tension or "")
    values: dict[str, Any] = {
        name: _described(library, name, str(getattr(brief, name)))
        for name in ("stakes", "deliberation", "outcome", "tone", "pov", "tense", "opening", "ending", "identity")
    }
    values |= {
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
