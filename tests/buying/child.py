"""One run as a process of its own, to be killed: it makes documents of two steps."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from desks import asked

from builder.backends import Backend, BackendContext, split_model
from builder.backends.anthropic_batch import AnthropicBatch
from builder.batch import Pace
from builder.buying import run_jobs
from builder.buying.run import Job
from builder.buying.tally import Tally
from builder.buying.till import Till
from builder.errors import BildungError
from builder.ledger import Ledger
from builder.library import Library
from builder.plugins import load
from builder.prices import price_of
from builder.progress import Quiet
from builder.records import Turn, digest
from builder.stages.write import Made


def job(number: int, model: str) -> Job:
    """A draft, and a rewrite of what came back."""
    request = asked(number, model)
    draft = yield request
    turns = (*request.turns, Turn(role="assistant", content=draft.text), Turn(role="user", content="Once more, better."))
    key = digest(request.hash + draft.text)
    yield request.model_copy(update={"hash": key, "step": "rewrite", "turns": turns})
    return Made(None)


def work(folder: str, url: str, model: str, documents: int, concurrency: int) -> None:
    """Go on until every document is made; the process exits as the command would."""
    os.environ.update(ANTHROPIC_API_KEY="any", ANTHROPIC_BASE_URL=url)
    ledger = Ledger(Path(folder) / "ledger.sqlite")
    jobs: Iterator[Job] = (job(number, model) for number in range(documents))
    till = Till({model: price_of(model)}, None, ledger.paid().cost)
    try:
        run_jobs(ledger, {model: _backend(model, folder)}, jobs, till, Tally(Quiet(), documents), lambda: concurrency, 20.0)
    except BildungError as error:
        sys.exit(error.exit_code)


def _backend(model: str, folder: str) -> Backend:
    provider, name = split_model(model)
    if provider == "anthropic-batch":
        return AnthropicBatch(name, Pace(requests=40, linger=0.02, poll=0.01, longest_poll=0.05, patience=0.8))
    backend: Backend = load("backend", provider).open_backend(name, BackendContext(Library(Path(folder))))
    return backend
