"""A provider of language models on loopback, in a process of its own, that keeps its own bill.

    with provider(Settings(latency=0.3, faults={"529": 0.02})) as simulated:
        client = Anthropic(base_url=simulated.url, api_key="any", max_retries=0)
        ...
        simulated.set(faults={})
        assert simulated.bill().bought_again == 0

It speaks the Messages API, Message Batches and Chat Completions (``base_url=simulated.openai_url``), so that the real SDKs are its
clients; ``settings.py`` says what it can be made to do. ``connect(url)`` reaches one that somebody else started, and
``scripted.py`` starts one in this process whose answers a function gives.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from builder.bench.provider.settings import Bill, Settings, bill_from

__all__ = ["Bill", "Provider", "Settings", "connect", "provider"]
_TIMEOUT = 60.0


class Provider:
    """A handle on a running provider. Every call is one HTTP request, so any process may hold one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.openai_url = f"{url}/v1"

    def bill(self) -> Bill:
        """What it has counted so far."""
        return bill_from(self._call("GET", "/_control/bill"))

    def requests(self) -> int:
        """How many live calls it has received; cheap to ask often."""
        return int(self._call("GET", "/_control/requests"))

    def set(self, **changes: Any) -> None:
        """Change some settings while it runs; ``ValueError`` where one is unknown."""
        self._call("POST", "/_control/settings", json.dumps(changes))

    def _call(self, method: str, path: str, body: str | None = None) -> str:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=_TIMEOUT)
        try:
            connection.request(method, path, body)
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        if reply.status != 200:
            raise ValueError(text)
        return text


def connect(url: str) -> Provider:
    """A handle on a provider that runs already."""
    return Provider(url)


@contextmanager
def provider(settings: Settings | None = None) -> Iterator[Provider]:
    """Start a provider on a free port; it listens when this returns, and is gone afterwards, also when this process is killed."""
    command = [sys.executable, "-m", "builder.bench.provider", "--until-stdin-closes", "--settings", (settings or Settings()).to_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError("the simulated provider did not start; what it printed above says why")
            yield Provider(url)
        finally:
            process.kill()
