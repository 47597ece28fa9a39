"""The simulated provider in a thread of this process, with a script: a function says what each prompt is answered with.

    with scripted(lambda body: Said("It rained.") if "weather" in body["messages"][-1]["content"] else None) as simulated:
        ...

``None`` leaves a prompt to the provider's own prose. The script runs in the provider's thread, one call at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from aiohttp import web

from builder.bench.provider import Provider, Settings
from builder.bench.provider.__main__ import application
from builder.bench.provider.prompts import Said, Script

_SECONDS = 30.0

__all__ = ["Said", "Script", "scripted"]


@contextmanager
def scripted(script: Script, settings: Settings | None = None) -> Iterator[Provider]:
    """Start it on a free port of loopback; it is gone afterwards."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = web.AppRunner(application(settings or Settings(), script), access_log=None)

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    try:
        yield Provider(asyncio.run_coroutine_threadsafe(start(), loop).result(_SECONDS))
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_SECONDS)
        loop.close()
