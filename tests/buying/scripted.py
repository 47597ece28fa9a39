"""A backend that answers from a script, and a kitchen that cooks with it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from builder.backends import Backend
from builder.buying.run import Job, Run
from builder.buying.tally import Tally
from builder.buying.till import Till
from builder.desk import Desk, Failure
from builder.errors import BildungError
from builder.ledger import Ledger
from builder.library import Library
from builder.prices import Price
from builder.progress import Quiet
from builder.recipe import BuildRecipe
from builder.records import Answer, Brief, Principle, Request, Usage
from builder.stages.plan import replanner
from builder.stages.write import Kitchen

PIECE = "She counted the sacks again, because the last count had been hers, and it had been wrong."
QUOTE = "because the last count had been hers"
USAGE = Usage(tokens_in=1_000, tokens_out=500, cost=None)
Script = Callable[[Request, int], "Answer | Failure | BildungError"]


def text_of(request: Request) -> str:
    """A good answer to any step."""
    if request.schema_text:
        return json.dumps(fitting(json.loads(request.schema_text)))
    asked = request.turns[-1].content if request.turns else ""
    tag = next((tag for tag in ("piece", "answer", "message") if f"<{tag}> and </{tag}>" in " ".join(asked.split())), "")
    piece = f"User: May I?\n\nAssistant: {PIECE}" if tag == "piece" and request.document_id.startswith("advice") else PIECE
    return f"Faults: none\n<{tag}>\n{piece}\n</{tag}>" if tag else piece


def fitting(schema: dict[str, Any], name: str = "") -> Any:
    """A value that a kind judge, or an easy planner, would give."""
    if "enum" in schema:
        return 1 if name == "eval_shape" else schema["enum"][0]
    if schema.get("type") == "array":
        return [fitting(schema["items"], name)]
    if schema.get("type") == "object":
        return {key: fitting(part, key) for key, part in schema["properties"].items()}
    return {"quote": QUOTE, "message": "May I?", "system_prompt": "", "tools": ""}.get(name, "none")


def good(request: Request, asked: int = 1) -> Answer:
    """A good answer that cost something."""
    return Answer(request_hash=request.hash, text=text_of(request), usage=USAGE, request_id=f"req_{request.hash[:8]}")


def ended(stop_reason: str, text: str = "", detail: str = "") -> Script:
    """A script in which every answer ends that way."""
    return lambda request, asked: good(request).model_copy(update={"text": text, "stop_reason": stop_reason, "detail": detail})


class Scripted:
    """A backend; ``script(request, how often it was asked)`` answers. ``asked`` counts what it would have billed."""

    wants_turns = True
    training_grade = True

    def __init__(self, script: Script = good, window: int = 0, slots: int = 4, seconds: float = 0.0) -> None:
        self.fingerprint, self.window = "scripted/model", window
        self.asked: Counter[str] = Counter()
        self.order: list[Request] = []
        self.most_in_flight = self._flying = 0
        self._halted = False
        self._script, self._slots, self._seconds = script, slots, seconds

    async def work(self, desk: Desk) -> None:
        """So many workers take from the desk; what one of them raises is raised when all have given back what they hold."""
        ends = await asyncio.gather(*(self._worker(desk) for _ in range(self._slots)), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _worker(self, desk: Desk) -> None:
        while not self._halted and (request := await desk.take()) is not None:
            self.asked[request.hash] += 1
            self.order.append(request)
            self._flying += 1
            self.most_in_flight = max(self.most_in_flight, self._flying)
            await asyncio.sleep(self._seconds)
            self._flying -= 1
            said = self._script(request, self.asked[request.hash])
            if isinstance(said, Answer):
                await desk.answered(request, said)
            elif isinstance(said, Failure):
                desk.failed(request, said, True)
            else:
                desk.failed(request, Failure("denied", "refused"), True)
                self._halted = True
                raise said


def kitchen(library: Library, principles: Iterable[Principle], roles: Iterable[str] = ("writer", "rewriter", "judge")) -> Kitchen:
    """Every role is played by ``scripted/<role>``."""
    models = {role: f"scripted/{role}" for role in roles}
    return Kitchen(
        library=library, principles={principle.id: principle for principle in principles}, constitution="# All of it", models=models,
        fingerprints=dict(models), rendered=frozenset(models), replan=replanner(BuildRecipe(), library),
    )  # fmt: skip


def run(
    folder: Path, backends: dict[str, Backend], jobs: Iterable[Job], cap: float | None = None,
    prices: dict[str, Price | None] | None = None, concurrency: int = 4,
) -> Tally:  # fmt: skip
    """One run on the ledger in a folder."""
    ledger = Ledger(folder / "ledger.sqlite")
    tally = Tally(Quiet(), 0)
    till = Till(prices or {}, cap, ledger.paid().cost, ledger.doubtful())

    async def go() -> None:
        await asyncio.wait_for(Run(ledger, backends, iter(jobs), till, tally, lambda: concurrency, 5.0).all(), 30)

    try:
        asyncio.run(go())
    finally:
        ledger.close()
    return tally


def everyone(backend: Backend) -> dict[str, Backend]:
    """The same backend for every role."""
    return {f"scripted/{role}": backend for role in ("writer", "rewriter", "judge")}


def briefs_of(library: Library, principles: Iterable[Principle], count: int) -> list[Brief]:
    """The first briefs of the default plan."""
    from itertools import islice

    from builder.stages.plan import plan

    return list(islice(plan(BuildRecipe(), library, tuple(principles)), count))
