"""Token counts: cl100k, exact and offline (``quicktok-v1`` carries its vocabulary)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

ENCODING = "cl100k_base"


@cache
def _encoding() -> Any:
    import quicktok

    return quicktok.get_encoding(ENCODING)


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Tokens of each text; special-token strings count as ordinary text."""
    encoding = _encoding()
    return [len(encoding.encode_ordinary(text)) for text in texts]
