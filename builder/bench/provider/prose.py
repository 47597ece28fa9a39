"""Text that stands for a model's: English of its own for every prompt, always the same for the same one.

Sentences of the starter library in a random order. zstd (level 9) brings an answer of 1.7 KB to 52 % of its size, as it does with fiction
(about 50 %); many answers together compress better than fiction would, so sizes measured with a shared dictionary would flatter.
"""

from __future__ import annotations

import random
import re
from functools import cache
from typing import Any

from builder.library import starter_root

CHARACTERS_PER_TOKEN = 4.3  # of the answers; about what English has
_ALTERNATIVES = re.compile(r"[{<](?:[^{}<>|:]*[:|])?([^{}<>|]*)[^{}<>]*[}>]")
_SENTENCE = re.compile(r"[A-Z][a-z]+(?: [A-Za-z',;:-]+){4,30}[.?!]")


@cache
def sentences() -> tuple[str, ...]:
    """Every plain sentence of the starter's constitution and banks, slots and alternatives resolved."""
    files = sorted(path for folder in ("constitution", "story_prompts/offline") for path in (starter_root() / folder).rglob("*.md"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return tuple(sorted(set(_SENTENCE.findall(_ALTERNATIVES.sub(r"\1", text)))))


def prose(seed: str, tokens: int) -> str:
    """About so many tokens of text, in paragraphs, cut where they end, with a full stop."""
    pool = sentences()
    draw, most = random.Random(seed).random, int(tokens * CHARACTERS_PER_TOKEN)
    pieces: list[str] = []
    length = 0
    while length < most:
        piece = pool[int(draw() * len(pool))] + ("\n\n" if draw() < 0.2 else " ")
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces)[: most - 1].rstrip(" .,;:!?\n") + "."


_PASSED = 0.98  # of the axes of a verdict: about two thirds of documents pass all of them


def fitting(schema: Any, seed: str, read: str = "") -> Any:
    """A value that fits a JSON Schema: the first of what it allows, prose for text, a draw among the members of an ``enum``.

    A field ``quote`` is words of ``read``, the text that a judge was shown; what may be a ``pass`` mostly is one.
    """
    if not isinstance(schema, dict):
        return None
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        draw = random.Random(seed)
        return "pass" if "pass" in schema["enum"] and draw.random() < _PASSED else draw.choice(schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return fitting(schema[several][0], seed, read)
    kind = schema.get("type", "object")
    return _of_type(kind[0] if isinstance(kind, list) else kind, schema, seed, read)


def _of_type(kind: str, schema: dict[str, Any], seed: str, read: str) -> Any:
    if kind == "object":
        return {name: fitting(part, f"{seed}:{name}", read) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [fitting(schema.get("items"), f"{seed}:{place}", read) for place in range(max(1, schema.get("minItems", 1)))]
    if kind == "string" and seed.endswith(":quote") and read:
        return random.Random(seed).choice(re.findall(r"[^.?!\n]{3,}", read) or [read]).strip()
    if kind in ("integer", "number"):
        low = schema.get("minimum", 0)
        high = schema.get("maximum", low)
        return random.Random(seed).randint(int(low), int(high)) if kind == "integer" else float(low)
    if kind == "boolean":
        return random.Random(seed).random() < 0.5
    return prose(seed, 12) if kind == "string" else None
