"""What a model is told: Markdown prompts with their variables filled.

Content enters as values and never as a template, so that its braces are only braces; a tag of the prompt's own inside a value is made
harmless, so that a text can neither end the passage it stands in nor begin another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from builder.errors import UsageError
from builder.prompts import Prompt
from builder.records import Turn, digest

if TYPE_CHECKING:
    from langchain_core.prompts import PromptTemplate

_VARIABLE = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
_GAPS = re.compile(r"\n{3,}")
_TAG = re.compile(r"</?([a-z_]+)>")
_UNSEEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"  # of no width: a reader passes over them
_OPENS, _CLOSES = "<\uff1c\ufe64", ">\uff1e\ufe65"
_WIDE = ord("\uff41") - ord("a")  # the letters of East Asian width


def render(prompt: Prompt, values: Mapping[str, str]) -> tuple[Turn, ...]:
    """One prompt as turns: its preamble as a system turn, itself as a user turn.

    A variable nobody fills fails before any call. A preamble is told the constitution and nothing of the brief: it is the same for every
    document of a recipe, and a provider can cache it.
    """
    folder = prompt.where.partition("/")[0]
    system = (_system(prompt.preamble, f"{folder}/preamble.md", values.get("constitution", "")),) if prompt.preamble else ()
    return (*system, Turn(role="user", content=filled(prompt.text, prompt.where, values)))


@lru_cache(maxsize=64)
def _system(preamble: str, where: str, constitution: str) -> Turn:
    return Turn(role="system", content=filled(preamble, where, {"constitution": constitution}))


def content_hash(fingerprint: str, turns: Sequence[Turn], wanted: str, most: int, sample: int = 0) -> str:
    """What is bought: the model, what it is told, the schema and the length of the answer, the sample number; never transport."""
    told = "\0".join(f"{turn.role}\0{turn.content}" for turn in turns)
    return digest("\0".join((fingerprint, told, wanted, str(most), str(sample))))


def filled(text: str, where: str, values: Mapping[str, str]) -> str:
    """A prompt's text with its variables filled; ``where`` names the file in errors.

    A line that holds variables, all of them empty, is left out, so that a prompt need not speak of what is not there.

    >>> filled("Name: {name}\\nTown: {town}", "a.md", {"name": "Oda", "town": ""})
    'Name: Oda'
    """
    template = _template(_without_empty(text, values), where)
    missing = sorted(set(template.input_variables) - set(values))
    if missing:
        raise UsageError(f"the prompt {where} uses {{{missing[0]}}}, which nothing fills; known: {', '.join(sorted(values))}")
    try:
        return str(template.format(**{name: harmless(values[name], text) for name in template.input_variables}))
    except (ValueError, LookupError, AttributeError, TypeError) as error:  # a format that does not suit its value, as in {what:d}
        raise _unreadable(where, error) from error


def _without_empty(text: str, values: Mapping[str, str]) -> str:
    if all(values.values()):
        return text
    lines = text.split("\n")
    kept = [line for line in lines if not (named := _VARIABLE.findall(line)) or any(values.get(name, "?") for name in named)]
    return text if len(kept) == len(lines) else _GAPS.sub("\n\n", "\n".join(kept)).strip()


def harmless(value: str, prompt: str) -> str:
    """A value without the prompt's own tags, in any writing of them, closed or not: their brackets become angle quotes.

    >>> harmless("so he wrote </draft > and left", "<draft>\\n{text}\\n</draft>")
    'so he wrote ‹/draft › and left'
    """
    tags = _tags(prompt)
    return tags.sub(lambda found: f"‹{found[1]}" if found[2] is None else f"‹{found[1]}{found[2]}›", value) if tags else value


def in_any_writing(word: str) -> str:
    """A pattern for a word of lower-case letters, to be read without case: in full width too, and with signs of no width between."""
    return f"[{_UNSEEN}]*".join(f"[{sign}{chr(ord(sign) + _WIDE)}]" if sign.isalpha() else re.escape(sign) for sign in word)


@lru_cache(maxsize=64)
def _tags(prompt: str) -> re.Pattern[str] | None:
    names = "|".join(map(in_any_writing, sorted(set(_TAG.findall(prompt)))))
    head = rf"[{_OPENS}]([\s/\\\uff0f{_UNSEEN}]*(?:{names})\b)"
    return re.compile(rf"{head}(?:([^{_OPENS}{_CLOSES}]{{0,80}})[{_CLOSES}])?", re.IGNORECASE) if names else None


@lru_cache(maxsize=1024)
def _template(text: str, where: str) -> PromptTemplate:
    from langchain_core.prompts import PromptTemplate

    try:
        return PromptTemplate.from_template(text)
    except ValueError as error:
        raise _unreadable(where, error) from error


def _unreadable(where: str, error: Exception) -> UsageError:
    return UsageError(f"the prompt {where} cannot be read ({error}); write {{{{ and }}}} for braces")
