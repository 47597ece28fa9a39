"""Prompts as people write them: a folder a recipe, a Markdown file a step, its role and output grammar in the front matter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast, get_args

from builder.errors import UsageError, no_such
from builder.markdown import checked, read_page
from builder.records import ROLE_OF, StepName, digest


@dataclass(frozen=True)
class Many:
    """A list of objects, each with these fields."""

    each: Mapping[str, Kind]


Kind = str | tuple[str, ...] | Many | Mapping[str, "Kind"]  # "text", "texts", a range such as "0..7", the words to choose from, or objects
Grammar = Mapping[str, Kind]


RANGE = re.compile(r"^(\d+)\.\.(\d+)$")
# A text; a conversation; the message that opens one, or the assistant's answer in it.
OUTPUTS = ("text", "turns", "message", "answer")


class Prompt(NamedTuple):
    """One step of a recipe as told to a model: Markdown with ``{name}`` variables.

    ``preamble`` is told first, the same for every document of a recipe, so that a provider can cache it. ``output`` is one of ``OUTPUTS``
    or the grammar of a structured answer; ``inside`` names the tag that the output stands in, where notes go before it. ``where`` names
    the file in errors.
    """

    step: StepName
    role: str
    inputs: tuple[str, ...]
    text: str
    hash: str
    preamble: str = ""
    output: str | Grammar = "text"
    inside: str = ""
    where: str = ""


class Recipe(NamedTuple):
    """A kind of document: its description, the axes its briefs vary, and its steps in order."""

    id: str
    description: str
    prompts: tuple[Prompt, ...]


def read_recipe(path: Path) -> Recipe:
    """One recipe from its ``recipe.md`` and the prompts beside it."""
    page = read_page(path)
    meta = checked(page.meta, {"description": "", "steps": ["draft"]}, path, 2)
    if "draft" not in meta["steps"]:
        raise UsageError("steps must hold draft", path, 2)
    prompts = tuple(_prompt(path.parent, step) for step in meta["steps"])
    return Recipe(path.parent.name, meta["description"], prompts)


def _prompt(folder: Path, step: str) -> Prompt:
    if step not in get_args(StepName):
        raise UsageError(no_such("step", step, get_args(StepName)), folder / "recipe.md", 2)
    own, shared, preamble = folder / f"{step}.md", folder.parent / "shared" / f"{step}.md", folder / "preamble.md"
    if not own.is_file() and shared.is_file():  # one for all recipes, and without the preamble of any
        return read_prompt(shared, cast(StepName, step))
    return read_prompt(own, cast(StepName, step), read_page(preamble).body.strip() if preamble.is_file() else "")


def read_prompt(path: Path, step: StepName, preamble: str = "") -> Prompt:
    """One prompt; its front matter gives role, inputs and output grammar."""
    page = read_page(path)
    output = page.meta.get("output", "text")
    grammar = _grammar(output, path) if isinstance(output, dict) else {}
    if not grammar and output not in OUTPUTS:
        raise UsageError(f"output is {output!r}; write {', '.join(OUTPUTS)}, or a field on each line below it", path, 2)
    meta = checked({**page.meta, "output": ""}, {"role": ROLE_OF[step], "inputs": [], "output": "", "inside": ""}, path, 2)
    text, inside = page.body.strip(), meta["inside"]
    key = digest("\0".join((preamble, page.body)) if preamble else page.body, 16)
    where = f"{path.parent.name}/{path.name}"
    return Prompt(step, meta["role"], tuple(meta["inputs"]), text, key, preamble, grammar or output, inside, where)


def _grammar(fields: Mapping[str, object], path: Path) -> dict[str, Kind]:
    return {name: _kind(name, kind, path) for name, kind in fields.items()}


def _kind(name: str, kind: object, path: Path) -> Kind:
    if isinstance(kind, dict):
        return _grammar(kind, path)
    if isinstance(kind, list) and len(kind) == 1 and isinstance(kind[0], dict):
        return Many(_grammar(kind[0], path))
    if isinstance(kind, list) and kind and all(isinstance(word, str) for word in kind):
        return tuple(kind)
    if isinstance(kind, str) and (kind in ("text", "texts", "rubrics") or RANGE.match(kind)):
        return kind
    raise UsageError(f"the output field {name!r} is {kind!r}; write text, texts, a range such as 0..7, a list of words, or fields", path, 2)
