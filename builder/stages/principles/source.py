"""Bytes to lines: what is not plain UTF-8 text is refused here, with its line."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from builder.errors import UsageError

MAX_BYTES = 20_000_000  # a hundred times the longest published constitution; above it the parse outgrows 1 GB
_LINE_END = re.compile(rb"\r\n?|\n")


class Source(NamedTuple):
    """A file as read: its name, its lines without line ends, and the SHA-256 of its bytes."""

    name: str
    lines: tuple[str, ...]
    sha256: str


def decode(source: str, data: bytes) -> Source:
    """Lines of a UTF-8 file; ``UsageError`` for anything else. Only ``\\n``, ``\\r\\n`` and ``\\r`` end a line."""
    name = source.encode("utf-8", "backslashreplace").decode()
    if len(data) > MAX_BYTES:
        raise UsageError(f"is larger than {MAX_BYTES:,} bytes; split it", name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("is not UTF-8; save it as UTF-8", name, _line_of(data, error.start)) from error
    if "\0" in text:
        raise UsageError("holds a NUL character; remove it", name, _line_of(data, data.index(b"\0")))
    if not text.strip():
        raise UsageError("is empty; write what the character values, and why", name)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Source(name, tuple(lines), hashlib.sha256(data).hexdigest())


def _line_of(data: bytes, offset: int) -> int:
    return len(_LINE_END.findall(data[:offset])) + 1
