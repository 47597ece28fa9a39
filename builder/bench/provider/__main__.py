"""``python -m builder.bench.provider``: the simulated provider by itself, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress

import click
from aiohttp import web

from builder.bench.provider.batches import MOST_BYTES, Batches
from builder.bench.provider.books import Books
from builder.bench.provider.live import Live
from builder.bench.provider.prompts import Script
from builder.bench.provider.prose import sentences
from builder.bench.provider.settings import Settings


def application(settings: Settings, script: Script | None = None) -> web.Application:
    """The provider as an application, and ``/_control`` beside it; a script may say what prompts are answered with."""
    books = Books(settings, script)
    batches = Batches(books)

    async def bill(request: web.Request) -> web.Response:
        batches.settle()
        return web.Response(text=books.bill().to_json(), content_type="application/json")

    async def requests(request: web.Request) -> web.Response:
        return web.Response(text=str(books.requests))

    async def change(request: web.Request) -> web.Response:
        try:
            books.settings = books.settings.but(await request.json())
        except ValueError as wrong:
            return web.Response(status=400, text=str(wrong))
        return web.Response(text=books.settings.to_json(), content_type="application/json")

    app = web.Application(client_max_size=MOST_BYTES + 1024**2)
    control = [web.get("/_control/bill", bill), web.get("/_control/requests", requests), web.post("/_control/settings", change)]
    app.add_routes([*Live(books).routes(), *batches.routes(), *control])
    return app


async def serve(settings: Settings, port: int, until_stdin_closes: bool) -> None:
    """Listen on loopback, print the address, and stay."""
    sentences()
    runner = web.AppRunner(application(settings), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=2048)
    await site.start()
    click.echo(f"http://127.0.0.1:{runner.addresses[0][1]}")
    if until_stdin_closes:
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)  # calls that hang are not waited for
    else:
        await asyncio.Event().wait()


@click.command()
@click.option("--port", type=int, default=0, show_default="a free one")
@click.option("--settings", "changes", default="{}", help='Settings as JSON, such as {"latency": 0.3, "faults": {"529": 0.02}}.')
@click.option("--until-stdin-closes", is_flag=True, help="End with the process that started it.")
def main(port: int, changes: str, until_stdin_closes: bool) -> None:
    """A simulated provider on loopback. POST /_control/settings changes it, GET /_control/bill says what it billed."""
    try:
        settings = Settings().but(json.loads(changes))
    except ValueError as wrong:
        raise click.UsageError(f"--settings: {wrong}") from wrong
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(settings, port, until_stdin_closes))


if __name__ == "__main__":
    main()
