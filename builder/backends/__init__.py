"""Writers of documents, one file each; the file's name is the provider in ``provider/model``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from builder.library import Library
from builder.records import Answer, Request


class Backend(Protocol):
    """What answers requests.

    ``wants_turns`` says whether prompts have to be rendered for it. ``fingerprint`` names everything else that its answers depend on
    and is part of each request's hash. ``training_grade`` is false for a writer whose text nobody should train on.
    """

    wants_turns: bool
    fingerprint: str
    training_grade: bool

    def answers(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """One answer for each request, in any order, as they come; requests are drawn lazily."""
        ...


class BackendContext(NamedTuple):
    """What a backend may read when it is opened."""

    library: Library


def split_model(model: str) -> tuple[str, str]:
    """``provider/model`` as its two parts; the provider alone has an empty model."""
    provider, _, name = model.partition("/")
    return provider, name
