"""Forms: what a document looks like on the page, one Markdown file each under ``story_prompts/forms/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from builder.errors import UsageError, no_such
from builder.markdown import Entry, Page, as_id, checked, parse_entries, read_page


class Form(NamedTuple):
    """What a document looks like on the page. ``layout`` names the composer's layout; lists constrain the plan.

    ``rehearsed`` is for the embedded writer alone: a form that the steps of its recipe do not make.
    """

    id: str
    name: str
    description: str
    recipes: tuple[str, ...]
    layout: str
    share: float
    povs: tuple[str, ...]
    tenses: tuple[str, ...]
    lengths: tuple[str, ...]
    identities: tuple[str, ...]
    entries: Mapping[str, Entry]
    rehearsed: bool = False


def read_form(page: Page) -> Form:
    """One form file, with what it borrows; ``UsageError`` where it borrows from a form that is not there or borrows itself."""
    meta = checked(
        page.meta,
        {"name": page.path.stem, "description": "", "recipes": ["story"], "layout": "", "like": "", "share": 1.0, "povs": [], "tenses": [],
         "lengths": [], "identities": [], "rehearsed": "no"},
        page.path, 2,
    )  # fmt: skip
    povs, tenses, lengths, identities = (tuple(meta[key]) for key in ("povs", "tenses", "lengths", "identities"))
    layout, entries = _borrowed(page, meta["like"])
    for name, own in parse_entries(page).items():
        entries[name] = own._replace(beats={**entries[name].beats, **own.beats}) if name in entries else own
    return Form(
        page.path.stem, meta["name"], meta["description"], tuple(meta["recipes"]), meta["layout"] or layout, float(meta["share"]), povs,
        tenses, lengths, identities, entries, meta["rehearsed"] == "yes",
    )  # fmt: skip


def _borrowed(page: Page, like: str) -> tuple[str, dict[str, Entry]]:
    """The layout and the lists of the form that this one is like; its own lists replace them one by one."""
    if not like:
        return "prose", {}
    lender = page.path.with_name(f"{as_id(like, page.path)}.md")
    if not lender.is_file():
        known = (path.stem for path in page.path.parent.glob("*.md"))
        raise UsageError(f"like: {no_such('form', like, known)}", page.path, 2)
    lent = read_page(lender)
    if "like" in lent.meta:
        raise UsageError(f"like: {like!r} borrows its own lists from {lent.meta['like']!r}; name that form", page.path, 2)
    found = read_form(lent)
    return found.layout, dict(found.entries)
