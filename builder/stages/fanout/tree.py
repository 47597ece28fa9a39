"""What a fan-out grows from, and what grows: domains, sub-domains, assertions, genres, ideas; and the counts that prove its coverage."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

from builder.errors import UsageError
from builder.prompts import Grammar, Many, Prompt
from builder.recipe import PlanningSection
from builder.records import Answer, Brief, Principle, Request, Trait
from builder.rows import LayerCount
from builder.shapes import Shape

NEVER = frozenset({"deliberation"})  # recipes that rewrite an existing text: there is nothing to have an idea about
FIELDS = {  # what an entry of each layer holds
    "domains": "name about headings", "subdomains": "name about cites", "assertions": "assertion because cite trait exercised",
    "passages": "assertion because cite trait exercised subdomain", "types": "type recipe stance", "subtypes": "type subtypes",
    "ideas": "assertion genre premise act other_option pull",
}  # fmt: skip
LAYERS = tuple(FIELDS)


class Planner(NamedTuple):
    """What a corpus is planned with. ``prompts`` are by layer; ``traits``, ``principles`` and ``briefs`` are those not held out.

    ``recipes`` maps the kinds of document that get ideas to their descriptions, the commonest first.
    """

    prompts: Mapping[str, Prompt]
    repair: Prompt
    traits: Mapping[str, Trait]
    recipes: Mapping[str, str]
    principles: Sequence[Principle]
    briefs: Sequence[Brief]
    eval_shapes: Sequence[Shape]
    constitution: str
    model: str
    fingerprint: str
    knobs: PlanningSection


class Domain(NamedTuple):
    """A broad field, and the passages below the headings that it draws on."""

    name: str
    about: str
    passages: tuple[Principle, ...]


class Subdomain(NamedTuple):
    """One question that life puts to the character; ``passages`` are those that its verified cites stand in."""

    name: str
    about: str
    domain: int
    passages: tuple[Principle, ...]


class Assertion(NamedTuple):
    """What the character does, values or believes, and because of what; ``principles`` are ids of the passages its cite stands in.

    ``exercised`` is false where it says when the trait should rest.
    """

    text: str
    because: str
    cite: str
    trait: str
    exercised: bool
    subdomain: int
    principles: tuple[str, ...]


class Genre(NamedTuple):
    """A type of text and one of its sub-types; ``stance`` is how its author sees the character."""

    type: str
    subtype: str
    recipe: str
    stance: str

    @property
    def words(self) -> str:
        """For a writer: type, sub-type, and the stance where it is not the usual one."""
        told = f"{self.type}: {self.subtype}" if self.subtype else self.type
        return told if self.stance == "sympathetic" else f"{told} ({self.stance})"


class Idea(NamedTuple):
    """One document to be written."""

    assertion: Assertion
    recipe: str
    genre: str
    premise: str
    act: str
    other_option: str
    pull: str


class Slot(NamedTuple):
    """An idea that is wanted: the number of its assertion in the tree, and its recipe."""

    assertion: int
    recipe: str


class Tree(NamedTuple):
    """A whole fan-out. ``reached`` are the normative principles that an idea reaches, ``unreached`` the others, both in source order."""

    domains: tuple[Domain, ...]
    subdomains: tuple[Subdomain, ...]
    assertions: tuple[Assertion, ...]
    genres: Mapping[int, tuple[Genre, ...]]
    ideas: tuple[Idea, ...]
    layers: Mapping[str, LayerCount]
    reached: tuple[str, ...]
    unreached: tuple[str, ...]


class Link(NamedTuple):
    """One call of a chain: what it is about, its prompt, the variables of the prompt, and how many entries are asked for."""

    place: int
    prompt: Prompt
    values: Mapping[str, str]
    wanted: int


class Reply(NamedTuple):
    """The entries that came back for one link; ``fault`` is a slug, empty when all is well."""

    link: Link
    rows: Sequence[Mapping[str, object]]
    fault: str = ""


class Chain(NamedTuple):
    """Links that are asked one after another, each shown what the earlier ones found."""

    layer: str
    links: tuple[Link, ...]
    sample: int = 0


Asking = Generator[Request, Answer, tuple[Reply, ...]]
Growing = Generator[Sequence[Chain], Sequence[tuple[Reply, ...]], Tree]


def normative(principles: Sequence[Principle]) -> tuple[Principle, ...]:
    """The principles that a plan must reach."""
    return tuple(principle for principle in principles if principle.kind in ("norm", "reason"))


def entries(prompt: Prompt) -> tuple[str, Grammar]:
    """The field that holds a layer's entries, and the grammar of one entry."""
    fields = prompt.output if isinstance(prompt.output, Mapping) else {}
    name, kind = next(iter(fields.items()), ("", ""))
    if len(fields) != 1 or not isinstance(kind, Many):
        raise UsageError(f"story_prompts/{prompt.where}: its output must be one list of objects")
    return name, kind.each


def check_prompts(prompts: Mapping[str, Prompt]) -> None:
    """``UsageError`` where a layer has no prompt, or one that does not ask for what is read of its answers."""
    for layer, fields in FIELDS.items():
        if layer not in prompts:
            raise UsageError(f"story_prompts/planning/{layer}.md is missing")
        for field in fields.split():
            if field not in entries(prompts[layer])[1]:
                raise UsageError(f"story_prompts/{prompts[layer].where}: its output lacks the field {field!r}")
