"""``offline/composer``: the embedded writer. No key, no download, deterministic; a rehearsal writer, not training grade."""

from __future__ import annotations

import asyncio

from builder.backends import BackendContext
from builder.composer.write import Composer
from builder.desk import Desk
from builder.errors import BildungError, UsageError, no_such
from builder.records import Answer, Usage

MODELS = ("composer",)


class Offline:
    """Realises briefs from the banks; free, so its cost is known to be zero."""

    wants_turns = False
    training_grade = False
    window = 0

    def __init__(self, context: BackendContext) -> None:
        self._composer = Composer(context.library)
        self.fingerprint = context.library.banks_hash()

    async def work(self, desk: Desk) -> None:
        """One answer each, in order."""
        while (request := await desk.take()) is not None:
            if request.brief is None:
                raise BildungError(f"{desk.model} writes from briefs, and {request.step} has none")
            written = self._composer.write(request.brief)
            tokens = len(written.text) // 4  # an estimate of the usual 4 characters a token; nothing is billed by it
            usage = Usage(tokens_out=tokens, cost=0.0)
            await desk.answered(request, Answer(request_hash=request.hash, text=written.text, turns=written.turns, usage=usage))
            await asyncio.sleep(0)  # lets Ctrl-C and finished commits through


def open_backend(model: str, context: BackendContext) -> Offline:
    """Open ``offline/<model>``."""
    if model not in MODELS:
        raise UsageError(no_such("offline model", model, MODELS))
    return Offline(context)
