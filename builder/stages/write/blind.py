"""The blind reader: which of these traits does the text show? It is not told what was meant, and the options come in a drawn order."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from typing import NamedTuple

from builder.calibration import Blind
from builder.errors import UsageError
from builder.outputs import parse, schema
from builder.prompts import Prompt
from builder.records import Answer, Request, Trait
from builder.references import Passage
from builder.rendering import content_hash, render
from builder.stages.write.asking import Kitchen

NONE = "none"
_ROOM = 600  # tokens for a quote and a letter


class Options(NamedTuple):
    """Letter -> trait id, the last letter for none of them; and the traits as the reader is told them."""

    letters: Mapping[str, str]
    told: str

    @property
    def variables(self) -> dict[str, str]:
        """For the prompt: the traits by letter, and the letter for none of them."""
        return {"options": self.told, "none": next(letter for letter, name in self.letters.items() if name == NONE)}


def options(prompt: Prompt, traits: Mapping[str, Trait], asked: str, seed: str) -> Options:
    """As many traits as the prompt has letters, the one that was asked for among them, those that are near to it before others."""
    letters = prompt.output.get("shown") if isinstance(prompt.output, Mapping) else None
    if not isinstance(letters, tuple):
        raise UsageError("the prompt shared/identify.md needs an output field 'shown' with the letters to choose from")
    rng = random.Random(f"{seed}:blind")
    near = [name for name in traits[asked].near if name in traits]
    others = [name for name in traits if name != asked and name not in near]
    chosen = [asked, *near, *rng.sample(others, len(others))][: len(letters) - 1]
    rng.shuffle(chosen)
    named = dict(zip(letters, [*chosen, NONE], strict=False))
    lines = [f"{letter}. {traits[name].name}: {traits[name].description}" for letter, name in named.items() if name != NONE]
    return Options(named, "\n".join(lines))


def lettered(prompt: Prompt, chosen: Options) -> Prompt:
    """The prompt with only those letters to choose from."""
    fields = prompt.output if isinstance(prompt.output, Mapping) else {}
    return prompt._replace(output={**fields, "shown": tuple(chosen.letters)})


def reading(kitchen: Kitchen, passage: Passage) -> Generator[Request, Answer, Blind]:
    """A labelled passage put before the blind reader, as a document would be; what it chose tells how far it can be believed."""
    traits, judge = kitchen.library.traits, kitchen.models["judge"]
    prompt = kitchen.library.shared["identify"]
    chosen = options(prompt, traits, passage.trait, passage.id)
    prompt = lettered(prompt, chosen)
    turns = render(prompt, {**chosen.variables, "text": passage.text})
    key = content_hash(kitchen.fingerprints["judge"], turns, schema(prompt), _ROOM)
    answer = yield Request(
        hash=key, document_id=passage.id, step="identify", model=judge, prompt_hash=prompt.hash, brief=None, turns=turns,
        max_tokens=_ROOM, schema_text=schema(prompt),
    )  # fmt: skip
    read = parse(prompt, answer.text)
    return Blind(passage.id, passage.trait, passage.label, None if read.fault else chosen.letters[str(read.values["shown"])])
