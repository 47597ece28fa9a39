"""Rubrics: what a reader of the corpus looks for, one Markdown file each, told to writers, rewriters and judges alike.

    story_prompts/rubrics/conversion_arc.md      the file's name is the reason a gate or judge gives

A rubric that looks for a *fault* may also hold patterns, in the language of the traits, by which a program can see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from builder.errors import UsageError
from builder.markdown import bullets, checked, read_page, sections
from builder.records import slugify

VERDICTS = ("pass", "revise", "fail")
_KEYS = {
    "name": "", "looks_for": "fault", "blocking": "no", "recipes": [], "exercised": "any", "where": "anywhere", "sentences": 1,
    "patterns": [], "hits": [], "misses": [],
}  # fmt: skip


class Rubric(NamedTuple):
    """One axis of judgement.

    ``looks_for`` is ``presence`` (a pass needs a quote that shows it) or ``fault`` (a fail needs a quote that shows it). ``blocking``
    axes remove a document, the others polish it. ``recipes`` empty: all of them. ``exercised``: ``yes`` or ``no`` where the axis asks only
    for documents whose trait acts, or rightly stays idle. ``told`` is what a judge reads, ``avoid`` the lines that writers and rewriters
    read. ``patterns`` see the fault offline in ``sentences`` sentences or more, ``where`` it may stand (anywhere, opening, ending).
    """

    id: str
    name: str
    looks_for: str
    blocking: bool
    recipes: tuple[str, ...]
    exercised: str
    told: str
    avoid: tuple[str, ...]
    patterns: tuple[str, ...]
    where: str
    sentences: int
    hits: tuple[str, ...]
    misses: tuple[str, ...]

    def applies(self, recipe: str, exercised: bool) -> bool:
        """Whether a document of this recipe is judged on this axis."""
        return (not self.recipes or recipe in self.recipes) and self.exercised in ("any", "yes" if exercised else "no")


def read_rubric(path: Path) -> Rubric:
    """One rubric; its body before the first heading is for the judge, the bullets under "Avoid" for writers."""
    page = read_page(path)
    meta = checked(page.meta, _KEYS, path, 2)
    for key, known in (("looks_for", ("presence", "fault")), ("blocking", ("yes", "no")), ("exercised", ("any", "yes", "no")),
                       ("where", ("anywhere", "opening", "ending"))):  # fmt: skip
        if meta[key] not in known:
            raise UsageError(f"{key} is {meta[key]!r}; write {' or '.join(known)}", path, 2)
    if slugify(path.stem).replace("-", "_") != path.stem:
        raise UsageError("a rubric's file name is a reason that gates give: lower-case letters, digits and _ only", path)
    told = page.body.partition("\n## ")[0].strip() if not page.body.startswith("## ") else ""
    if not told:
        raise UsageError("says nothing to the judge before its first heading", path)
    return Rubric(
        path.stem, meta["name"] or path.stem.replace("_", " "), meta["looks_for"], meta["blocking"] == "yes", tuple(meta["recipes"]),
        meta["exercised"], told, bullets(sections(page).get("avoid", "")), tuple(meta["patterns"]), meta["where"], meta["sentences"],
        tuple(meta["hits"]), tuple(meta["misses"]),
    )  # fmt: skip


def avoided(rubrics: Iterable[Rubric], recipe: str, exercised: bool, most: int | None = None) -> str:
    """What to keep away from, a line each; of each axis the first ``most`` lines."""
    return "\n".join(f"- {line}" for rubric in rubrics if rubric.applies(recipe, exercised) for line in rubric.avoid[:most])


def as_told(rubrics: Mapping[str, Rubric]) -> str:
    """The axes as a judge reads them."""
    return "\n".join(f"- {rubric.id} ({rubric.looks_for}): {' '.join(rubric.told.split())}" for rubric in rubrics.values())
