"""What the SDKs raise, as failures: told by status and codes, never by wording."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from builder.desk import Failure, FailureKind

_LONGEST_MESSAGE = 300
_BY_STATUS: dict[int, FailureKind] = {
    401: "denied", 402: "unfunded", 403: "denied", 404: "missing", 408: "server", 409: "server", 425: "server", 429: "limited",
    529: "overloaded",
}  # fmt: skip


def kind_of(status: int) -> FailureKind:
    """What a status means where no code says more."""
    return _BY_STATUS.get(status, "invalid" if status < 500 else "server")


def one_line(message: str, secret: str | None) -> str:
    """A provider's words, short, on one line, and without the key, which some of them repeat."""
    line = " ".join(message.split())
    if secret:
        line = line.replace(secret, "***")
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}..."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait: in milliseconds, in seconds, or until a date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        asked = headers.get(name)
        if asked is None:
            continue
        try:
            seconds = float(asked) / unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(asked).timestamp() - time.time()
            except ValueError:
                continue
        if seconds == seconds and seconds < float("inf"):
            return max(0.0, seconds)
    return None


def lost(error: BaseException) -> Failure:
    """A connection error, told by what the transport met: the SDKs name it differently.

    Where no connection was made, nothing was sent and nothing can have been billed.
    """
    from aiohttp import ClientConnectorError, ConnectionTimeoutError

    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    words = one_line(str(causes[-1]) or type(causes[-1]).__name__, None)
    if any(isinstance(cause, ClientConnectorError | ConnectionTimeoutError) for cause in causes):
        return Failure("server", f"cannot connect: {words}")
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return Failure("timeout", f"no answer in time: {words}")
    return Failure("dropped", f"the connection was lost: {words}")
