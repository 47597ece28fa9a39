"""The same calls through four clients: a bare loop, the official SDK, LangChain, and this project with its ledger.

Each takes a ``Job``, makes one call to warm up, says ``started()``, makes the job's calls, and returns how many were answered. What a
client writes goes to the job's folder. Retries are each client's own habit; the bare loop tries six times, for itself alone.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from builder.records import Answer, Brief, Person, Request, Turn, digest

if TYPE_CHECKING:
    import aiohttp

MODEL = "claude-haiku-4-5"
SYSTEM = "You write short pieces of fiction, plainly and with care. " * 12  # a prefix too short to be cached
MAX_TOKENS = 600
_KEY = "loopback"  # the simulated provider takes any
_BARE_TRIES = 6
_ENOUGH_SECONDS = 600.0


class Job(NamedTuple):
    """So many calls to a provider, so many at once."""

    url: str
    requests: int
    concurrency: int
    folder: Path


Client = Callable[[Job, Callable[[], None]], int]


def _text(number: int) -> str:
    return f"Write piece {number}." if number >= 0 else "Warm up."


def bare(job: Job, started: Callable[[], None]) -> int:
    """A pool of workers on aiohttp that append each answer to a file: the practical limit."""
    import aiohttp

    async def go() -> int:
        connector = aiohttp.TCPConnector(limit=job.concurrency)
        async with aiohttp.ClientSession(connector=connector, headers={"x-api-key": _KEY}) as session:
            await _post(session, job.url, -1)
            started()
            numbers = iter(range(job.requests))
            with (job.folder / "answers.jsonl").open("w", encoding="utf-8") as file:
                return sum(await asyncio.gather(*(_worker(session, job.url, numbers, file.write) for _ in range(job.concurrency))))

    return asyncio.run(go())


async def _worker(session: aiohttp.ClientSession, url: str, numbers: Iterator[int], write: Callable[[str], object]) -> int:
    done = 0
    for number in numbers:
        text = await _post(session, url, number)
        if text is not None:
            write(json.dumps({"id": number, "text": text}) + "\n")
            done += 1
    return done


async def _post(session: aiohttp.ClientSession, url: str, number: int) -> str | None:
    import aiohttp

    body = {"model": MODEL, "max_tokens": MAX_TOKENS, "system": SYSTEM, "messages": [{"role": "user", "content": _text(number)}]}
    for tried in range(_BARE_TRIES):
        wait = 0.25 * 2**tried
        try:
            async with session.post(f"{url}/v1/messages", json=body) as reply:
                if reply.status == 200:
                    return str((await reply.json())["content"][0]["text"])
                wait = float(reply.headers.get("retry-after", wait))
        except (aiohttp.ClientError, ValueError):
            pass
        await asyncio.sleep(wait)
    return None


def sdk(job: Job, started: Callable[[], None]) -> int:
    """``AsyncAnthropic`` on its aiohttp transport, ``gather`` and a semaphore; it keeps nothing."""
    import anthropic

    async def go() -> int:
        async with anthropic.AsyncAnthropic(base_url=job.url, api_key=_KEY, http_client=anthropic.DefaultAioHttpClient()) as client:
            free = asyncio.Semaphore(job.concurrency)

            async def ask(number: int) -> int:
                async with free:
                    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": _text(number)}]
                    try:
                        message = await client.messages.create(model=MODEL, max_tokens=MAX_TOKENS, system=SYSTEM, messages=messages)
                    except anthropic.APIError:
                        return 0
                    return int(message.stop_reason == "end_turn")

            await ask(-1)
            started()
            return sum(await asyncio.gather(*map(ask, range(job.requests))))

    return asyncio.run(go())


def langchain(job: Job, started: Callable[[], None]) -> int:
    """``ChatAnthropic.abatch``; it keeps nothing."""
    from langchain_anthropic import ChatAnthropic
    from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

    async def go() -> int:
        named: dict[str, Any] = {"model": MODEL, "base_url": job.url, "api_key": _KEY, "max_tokens": MAX_TOKENS}
        model = ChatAnthropic(**named)
        await model.ainvoke([SystemMessage(SYSTEM), HumanMessage(_text(-1))])
        started()
        asked = [[SystemMessage(SYSTEM), HumanMessage(_text(number))] for number in range(job.requests)]
        replies = await model.abatch([*asked], {"max_concurrency": job.concurrency}, return_exceptions=True)
        return sum(isinstance(reply, BaseMessage) for reply in replies)

    return asyncio.run(go())


def ours(job: Job, started: Callable[[], None]) -> int:
    """This project: its live backend, its desk, its ledger."""
    from builder.ledger import Ledger

    os.environ |= {"ANTHROPIC_BASE_URL": job.url, "ANTHROPIC_API_KEY": _KEY}
    warm = Ledger(job.folder.with_name(job.folder.name + "-warm.sqlite"))
    _buy(job, warm, range(-1, 0))
    warm.close()
    started()
    ledger = Ledger(job.folder / "ledger.sqlite")
    _buy(job, ledger, range(job.requests))
    answered = ledger.paid().answers
    ledger.close()
    return answered


def _buy(job: Job, ledger: Any, numbers: range) -> None:
    from builder import plugins
    from builder.backends import BackendContext
    from builder.buying import run_jobs
    from builder.buying.tally import Tally
    from builder.buying.till import Till
    from builder.library import Library, starter_root
    from builder.prices import price_of
    from builder.progress import Quiet

    name = f"anthropic/{MODEL}"
    backend = plugins.load("backend", "anthropic").open_backend(MODEL, BackendContext(Library(starter_root())))
    jobs = (_document(number, name) for number in numbers)
    till, tally = Till({name: price_of(name)}, None, 0.0), Tally(Quiet(), len(numbers))
    run_jobs(ledger, {name: backend}, jobs, till, tally, lambda: job.concurrency, _ENOUGH_SECONDS)


def _document(number: int, model: str) -> Generator[Request, Answer, None]:
    """A document of one call."""
    turns = (Turn(role="system", content=SYSTEM), Turn(role="user", content=_text(number)))
    key = digest(f"{model}:{number}")
    yield Request(
        hash=key, document_id=f"story-{number + 1:06d}", step="draft", model=model, prompt_hash="bench", brief=_BRIEF, turns=turns,
        max_tokens=MAX_TOKENS,
    )  # fmt: skip


_NOBODY = Person(given="Aule", family="Ruus", pronoun="she")
_BRIEF = Brief(
    id="story-000000", position=0, seed="1", recipe="story", principles=("p",), trait="t", tension=None, exercised=True, what="", how="",
    why="", form="letter", role="r", identity="invented", setting="s", stakes="everyday", deliberation="d", outcome="o", tone="plain",
    pov="first", tense="past", length="short", min_words=1, max_words=2, opening="o", ending="e", character=_NOBODY, asker=_NOBODY,
    other=_NOBODY, bystander=_NOBODY, place="Skerrow",
)  # fmt: skip
CLIENTS: dict[str, Client] = {"bare": bare, "sdk": sdk, "langchain": langchain, "ours": ours}
