"""What is taken out of every text as it comes in: code units that no file, table or tokenizer can carry."""

from __future__ import annotations

import re

# NUL and the other C0 and C1 controls but tab and line feed; DEL; halves of surrogate pairs. CR is among them: line ends become LF.
_FOREIGN = re.compile("\r\n|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def _instead(found: re.Match[str]) -> str:
    sign = found.group()
    if sign in ("\r\n", "\r"):
        return "\n"
    return "\ufffd" if sign >= "\ud800" else ""


def mended(text: str) -> tuple[str, int]:
    r"""The text without lone surrogates (U+FFFD instead), control characters and CR line ends; and how many places were changed.

    >>> mended("one\r\ntwo\x00")
    ('one\ntwo', 2)
    """
    if _FOREIGN.search(text) is None:
        return text, 0
    return _FOREIGN.subn(_instead, text)
