"""Writers of documents, one file each; the file's name is the provider in ``provider/model``."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from builder.desk import Desk
from builder.library import Library


class Backend(Protocol):
    """What answers requests.

    ``wants_turns`` says whether prompts have to be rendered for it. ``fingerprint`` names everything that its answers depend on besides
    the request (for a remote model: provider and model, the same for live and batch) and is part of each request's hash.
    ``training_grade`` is false for a writer whose text nobody should train on. ``window`` is how many requests it likes to be given at
    once: 0 for one at a time as slots get free, the size of a batch otherwise.
    """

    wants_turns: bool
    fingerprint: str
    training_grade: bool
    window: int

    async def work(self, desk: Desk) -> None:
        """Take requests from the desk and hand answers back, in any order, until there are none left."""
        ...


class BackendContext(NamedTuple):
    """What a backend may read when it is opened."""

    library: Library


def split_model(model: str) -> tuple[str, str]:
    """``provider/model`` as its two parts; the provider alone has an empty model."""
    provider, _, name = model.partition("/")
    return provider, name
