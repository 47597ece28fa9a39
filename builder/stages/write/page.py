"""A document while it is being written: its text or turns, and what earlier steps found out for later ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from builder.outputs import Output
from builder.prompts import Prompt
from builder.records import Turn
from builder.references import Source
from builder.rendering import in_any_writing

_SPEAKERS = "|".join(map(in_any_writing, ("user", "assistant", "system", "human")))
_LINE = r"(?:^|(?<=[\u2028\u2029]))"
_SPEAKS = re.compile(rf"{_LINE}([^\w\n]{{0,20}}(?:{_SPEAKERS})[^\w\n:\uff1a]{{0,20}})[:\uff1a\ufe55]", re.MULTILINE | re.IGNORECASE)


class Page(NamedTuple):
    """``before`` is what stands ahead of an answer in an existing conversation; ``fields`` are variables by name."""

    text: str = ""
    turns: tuple[Turn, ...] = ()
    before: tuple[Turn, ...] = ()
    fields: Mapping[str, str] = MappingProxyType({})

    @property
    def told(self) -> str:
        """The text as a model is shown it: in a conversation, nobody can speak for another."""
        return as_told(self.turns) if self.turns else self.text

    def after(self, prompt: Prompt, output: Output) -> Page:
        """The page when a step has given its output."""
        if prompt.step == "plan":
            return self._with(plan="\n".join(f"{name.replace('_', ' ')}: {said}" for name, said in output.values.items()))
        if isinstance(prompt.output, Mapping):
            return self._with(**{name: str(said).strip() for name, said in output.values.items()})
        if prompt.output == "message":
            return self._with(message=output.text)
        if output.turns:  # said in turns of its own, by the embedded writer or a recipe that asks for a whole conversation
            first, last = ([turn.content for turn in output.turns if turn.role == role] for role in ("user", "assistant"))
            return self._replace(text=joined(output.turns), turns=output.turns)._with(message="".join(first[:1]), answer="".join(last[-1:]))
        page = self._with(answer=output.text) if prompt.output == "answer" else self
        turns = (*page._opening(), Turn(role="assistant", content=output.text)) if prompt.output == "answer" else ()
        if len(turns) < 2:  # a plain text has no one who asks
            turns = ()
        page = page._replace(text=joined(turns) if turns else output.text, turns=turns)
        return page._with(draft=page.told) if prompt.step == "draft" else page

    def _opening(self) -> tuple[Turn, ...]:
        """What stands before the answer: of an existing conversation, or the message that was made for this one."""
        if self.before or not self.fields.get("message"):
            return self.before
        stage = "\n\n".join(part for name in ("system_prompt", "tools") if (part := self.fields.get(name, "")))
        system = (Turn(role="system", content=stage),) if stage else ()
        return (*system, Turn(role="user", content=self.fields["message"]))

    def _with(self, **fields: str) -> Page:
        return self._replace(fields=MappingProxyType({**self.fields, **fields}))


def opened(source: Source | None) -> Page:
    """An empty page, or that of an existing text whose response is to be rewritten."""
    if source is None:
        return Page()
    if not source.turns:
        return Page(source.text, fields={"answer": source.text, "original": source.text})
    *before, last = source.turns
    fields = {"message": as_told(before), "answer": last.content, "original": last.content}
    return Page(joined(source.turns), source.turns, tuple(before), fields)


def joined(turns: tuple[Turn, ...]) -> str:
    """A conversation as one text."""
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in turns)


def as_told(turns: tuple[Turn, ...] | list[Turn]) -> str:
    """A conversation as a model is shown it: a speaker's mark inside a turn is made harmless."""
    return joined(tuple(turn.model_copy(update={"content": _SPEAKS.sub(r"\1 -", turn.content)}) for turn in turns))
