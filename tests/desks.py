"""A desk for tests: requests in, answers and failures out, batches in a real ledger."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from builder.backends import Backend
from builder.desk import Failure
from builder.ledger import Ledger
from builder.records import Answer, Brief, Person, Request, Turn, digest

PERSON = Person(given="Aule", family="Ruus", pronoun="she")
BRIEF = Brief(
    id="story-000000-abc", position=0, seed="1", recipe="story", principles=("p-1",), trait="t", tension=None, exercised=True, what="w",
    how="h", why="y", form="letter", role="r", identity="invented", setting="s", stakes="everyday", deliberation="d", outcome="o",
    tone="plain", pov="first", tense="past", length="short", min_words=1, max_words=2, opening="o", ending="e", character=PERSON,
    asker=PERSON, other=PERSON, bystander=PERSON, place="Skerrow",
)  # fmt: skip


def asked(number: int, model: str, system: str = "", schema_text: str = "", max_tokens: int = 600) -> Request:
    """Request ``number``; the same number gives the same request."""
    turns = ((Turn(role="system", content=system),) if system else ()) + (Turn(role="user", content=f"Write piece {number}."),)
    return Request(
        hash=digest(f"{model}{system}{number}"), document_id=f"story-{number:06d}", step="draft", model=model, prompt_hash="p", brief=BRIEF,
        turns=turns, max_tokens=max_tokens, schema_text=schema_text,
    )  # fmt: skip


class TestDesk:
    """Implements ``desk.Desk`` over a list of requests."""

    __test__ = False

    def __init__(self, model: str, requests: Iterable[Request], folder: Path, concurrency: int = 16, timeout: float = 5.0) -> None:
        self.model, self.timeout, self.concurrency, self.stopping = model, timeout, concurrency, False
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.batches = self.ledger.journal()
        self.waiting = deque(requests)
        self.answers: dict[str, Answer] = {}
        self.failures: list[tuple[Request, Failure, bool]] = []
        self.said: list[str] = []

    async def take(self) -> Request | None:
        """The next one, at once."""
        await asyncio.sleep(0)
        return self.take_ready()

    def take_ready(self) -> Request | None:
        """The next one."""
        return self.waiting.popleft() if self.waiting and not self.stopping else None

    async def answered(self, request: Request, answer: Answer) -> None:
        """Keep it, in the ledger too; the same request may be answered once."""
        assert answer.request_hash == request.hash
        assert request.hash not in self.answers, "answered twice"
        self.answers[request.hash] = answer
        self.ledger.record([(request, answer)])

    async def saved(self) -> None:
        """It is."""

    def failed(self, request: Request, failure: Failure, final: bool) -> None:
        """Keep it."""
        self.failures.append((request, failure, final))

    def waits(self, seconds: float) -> None:
        """Not shown here."""

    def lies(self, batches: int, requests: int) -> None:
        """Not shown here."""

    def say(self, line: str) -> None:
        """Keep it."""
        self.said.append(line)


def run(backend: Backend, desk: TestDesk, seconds: float = 60) -> None:
    """Work the desk until nothing is left."""
    asyncio.run(asyncio.wait_for(backend.work(desk), seconds))
