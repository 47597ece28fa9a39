"""``offline/composer``: the embedded writer. No key, no download, deterministic; a rehearsal writer, not training grade."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from builder.backends import BackendContext
from builder.composer.write import Composer
from builder.errors import UsageError, no_such
from builder.records import Answer, Request, Usage

MODELS = ("composer",)


class Offline:
    """Realises briefs from the banks; free, so its cost is known to be zero."""

    wants_turns = False
    training_grade = False

    def __init__(self, context: BackendContext) -> None:
        self._composer = Composer(context.library)
        self.fingerprint = context.library.banks_hash()

    def answers(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """One answer each, in order."""
        for request in requests:
            written = self._composer.write(request.brief)
            tokens = len(written.text) // 4  # an estimate of the usual 4 characters a token; nothing is billed by it
            yield Answer(request_hash=request.hash, text=written.text, turns=written.turns, usage=Usage(tokens_out=tokens, cost=0.0))


def open_backend(model: str, context: BackendContext) -> Offline:
    """Open ``offline/<model>``."""
    if model not in MODELS:
        raise UsageError(no_such("offline model", model, MODELS))
    return Offline(context)
