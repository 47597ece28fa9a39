"""How failures are told apart: by status, codes and what the transport met."""

from __future__ import annotations

import time
from email.utils import formatdate

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from builder.live.failures import kind_of, lost, one_line, retry_after

KEY = ConnectionKey("localhost", 9, False, True, None, None, None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid"), (401, "denied"), (402, "unfunded"), (403, "denied"), (404, "missing"), (408, "server"), (409, "server"),
        (413, "invalid"), (422, "invalid"), (429, "limited"), (500, "server"), (502, "server"), (504, "server"), (529, "overloaded"),
    ],
)  # fmt: skip
def test_a_status_has_a_kind(status: int, kind: str) -> None:
    assert kind_of(status) == kind


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), "server"),
        (aiohttp.ConnectionTimeoutError(), "server"),
        (aiohttp.SocketTimeoutError(), "timeout"),
        (aiohttp.ServerDisconnectedError(), "dropped"),
        (aiohttp.ClientPayloadError("cut"), "dropped"),
    ],
)
def test_only_what_was_sent_may_be_billed(cause: Exception, kind: str) -> None:
    try:
        try:
            raise ValueError("as the SDK says it") from cause
        except ValueError as error:
            raise RuntimeError from error
    except RuntimeError as error:
        assert lost(error).kind == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "7"}, 7.0), ({"retry-after-ms": "250", "retry-after": "1"}, 0.25), ({}, None), ({"retry-after": "soon"}, None),
     ({"retry-after": "nan"}, None), ({"retry-after": "-3"}, 0.0)],
)  # fmt: skip
def test_the_wait_that_is_asked_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_wait_until_a_date() -> None:
    asked = retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert asked is not None and 28 <= asked <= 30


def test_a_message_is_one_short_line_without_the_key() -> None:
    line = one_line("bad key sk-1:\n  'sk-1' " + "x" * 1000, "sk-1")
    assert "\n" not in line and "sk-1" not in line and len(line) < 320
