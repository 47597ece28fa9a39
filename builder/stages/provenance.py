"""Stage ``provenance``: a kept document becomes one exported row with everything that is known of its making."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from builder.recipe import BuildRecipe
from builder.records import Constitution, CorpusRecord, Document, Principle

_BRIEF_FIELDS = (
    "recipe", "trait", "tension", "exercised", "form", "role", "setting", "stakes", "deliberation", "outcome", "tone", "pov", "tense",
    "length", "opening", "ending", "identity", "what", "how",
)  # fmt: skip


def corpus_record(
    document: Document,
    recipe: BuildRecipe,
    principles: Mapping[str, Principle],
    constitutions: Sequence[Constitution],
    scores: Mapping[str, float],
) -> CorpusRecord:
    """One row; ``metadata`` is JSON with sorted keys."""
    brief = document.brief
    sources = {constitution.source: constitution.sha256 for constitution in constitutions}
    metadata: dict[str, Any] = {
        **{name: getattr(brief, name) for name in _BRIEF_FIELDS},
        "character": brief.character.given,
        "principles": {name: principles[name].sha256 for name in brief.principles},
        "constitutions": {name: sources[name] for name in sorted({principles[name].source for name in brief.principles})},
        "steps": [step.model_dump() for step in document.steps],
        "scores": dict(sorted(scores.items())),
        "words": len(document.text.split()),
        "licence": recipe.corpus.licence,
    }
    text = json.dumps(metadata, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return CorpusRecord(id=document.id, text=document.text, source=f"bildung/{recipe.corpus.name}", metadata=text, turns=document.turns)
