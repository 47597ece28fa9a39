"""The composer: one brief in, one finished text out."""

from __future__ import annotations

import re
from typing import NamedTuple

from builder.composer import advice, discourse
from builder.composer.layouts import LAYOUTS
from builder.composer.shelf import Shelf
from builder.composer.story import build
from builder.errors import UsageError, no_such
from builder.library import Library
from builder.records import Brief, Turn


class Written(NamedTuple):
    """A finished text; ``turns`` is set for conversations."""

    text: str
    turns: tuple[Turn, ...] = ()


class Composer:
    """Writes any brief of the recipes ``story``, ``document`` and ``advice``. The same brief and banks give the same text."""

    def __init__(self, library: Library) -> None:
        self._shelf = Shelf(library)

    def write(self, brief: Brief) -> Written:
        """Realise one brief; ``UsageError`` where the banks lack a line for it, or a slot names itself."""
        try:
            return self._written(brief)
        except (LookupError, RecursionError) as error:
            fault = f"{type(error).__name__}: {error}"
            raise UsageError(
                f"the banks cannot tell {brief.id} (trait {brief.trait}, form {brief.form}, role {brief.role}): {fault}; "
                "story_prompts/offline/README.md says what each entry holds"
            ) from error

    def _written(self, brief: Brief) -> Written:
        if brief.recipe == "document":
            return Written(_clean(discourse.compose(brief, self._shelf)))
        if brief.recipe == "advice":
            text, turns = advice.compose(brief, self._shelf)
            return Written(_clean(text), turns)
        layout = self._shelf.form(brief).layout
        if layout not in LAYOUTS:
            raise UsageError(f"form {brief.form!r}: {no_such('layout', layout, LAYOUTS)}")
        return Written(_clean(LAYOUTS[layout](build(brief, self._shelf))))


def _clean(text: str) -> str:
    """Joints of told variants made tidy: doubled stops, blanks before punctuation."""
    text = re.sub(r" +([,.;?!])", r"\1", text)
    text = re.sub(r"([.?!])\.(?!\.)", r"\1", text)
    text = re.sub(r"\bsince (?:in|on|at) (?=the )", "since ", text)
    return text.strip() + "\n"
