"""The library: everything people write for a build, read once and checked.

    constitution/traits/*.md   constitution/tensions.toml          who the character is
    story_prompts/<recipe>/    forms/ roles/ settings/ axes/ ...    what a model is told
    story_prompts/offline/     the banks of the embedded writer

A project folder that lacks one of these folders uses the starter files that ship with the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from builder.errors import UsageError, no_such
from builder.forms import Form as Form
from builder.forms import read_form
from builder.markdown import Entry, Page, bullets, by_id, checked, named, parse_entries, read_page, read_tables, read_text, record, sections
from builder.prompts import Prompt, Recipe, read_prompt, read_recipe
from builder.records import Person, StepName, Tension, Trait, digest
from builder.rubrics import Rubric, read_rubric


class AxisValue(NamedTuple):
    """One value of an axis of the plan; ``share`` is its weight among the values of its axis.

    ``povs`` and ``recipes`` say with which narrators and kinds of document the value goes, where it does not go with all; they are read
    for the axes that are drawn outside the covering array (``carried_by``, ``context``).
    """

    id: str
    name: str
    description: str
    share: float = 1.0
    min_words: int = 0
    max_words: int = 0
    povs: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()


class Work(NamedTuple):
    """An AI's role: what it does, for whom, and the words of that work (slot -> noun phrases)."""

    id: str
    name: str
    description: str
    register: str
    needs: frozenset[str]
    human_title: str
    words: Mapping[str, tuple[str, ...]]


class Setting(NamedTuple):
    """A place and its people: ``locales`` choose the names, ``words`` hold what is seen and heard there."""

    id: str
    name: str
    description: str
    register: str
    kinds: frozenset[str]
    locales: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]


def starter_root() -> Path:
    """The folder that holds the starter files: the checkout itself, or ``builder/starter`` in an installed wheel."""
    packaged = Path(__file__).parent / "starter"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


class Library:
    """What a project folder says, read lazily; every reader names the file in its errors."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, *parts: str) -> Path:
        """The project's own folder, or the starter's where the project has none."""
        own = self.root.joinpath(*parts)
        return own if own.exists() else starter_root().joinpath(*parts)

    @cached_property
    def traits(self) -> dict[str, Trait]:
        """Every trait by id, in file-name order."""
        folder = self.folder("constitution", "traits")
        found = {path.stem: read_trait(path) for path in _pages(folder)}
        if not found:
            raise UsageError("holds no trait; a trait is a Markdown file here", folder)
        for trait in found.values():
            for near in trait.near:
                if near not in found:
                    raise UsageError(no_such("trait", near, found), folder / f"{trait.id}.md")
        return found

    @cached_property
    def tensions(self) -> dict[str, Tension]:
        """Every tension by id; both of its traits must exist."""
        path = self.folder("constitution", "tensions.toml")
        tables = read_tables(path, "tension") if path.exists() else []
        rows = [record(Tension, {key: value for key, value in row.items() if key != "alone"}, path) for row in tables]
        for row in rows:
            for trait in row.between:
                if trait not in self.traits:
                    raise UsageError(f"tension {row.id!r}: {no_such('trait', trait, self.traits)}", path)
        return by_id(rows, path)

    @cached_property
    def other_ways(self) -> dict[tuple[str, str], str]:
        """(Tension, trait) -> what the other of its two traits alone would have the character do; none where the file has no `alone`."""
        path = self.folder("constitution", "tensions.toml")
        found: dict[tuple[str, str], str] = {}
        for row in read_tables(path, "tension") if path.exists() else []:
            alone, between = row.get("alone", []), self.tensions[row["id"]].between
            if not isinstance(alone, list) or len(alone) not in (0, 2) or not all(isinstance(way, str) for way in alone):
                raise UsageError(f"tension {row['id']!r}: alone is two sentences, one for each trait", path)
            found |= {(row["id"], trait): way for trait, way in zip(between, reversed(alone), strict=False)}
        return found

    @cached_property
    def axes(self) -> dict[str, dict[str, AxisValue]]:
        """Axis name -> value id -> value, from ``story_prompts/axes/*.toml``; an axis that the project lacks is the starter's."""
        folders = (starter_root().joinpath("story_prompts", "axes"), self.folder("story_prompts", "axes"))
        paths = {named(path).stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}
        return {name: _axis(path) for name, path in paths.items()}

    @cached_property
    def forms(self) -> dict[str, Form]:
        """Every form by id."""
        return _read_all(self.folder("story_prompts", "forms"), read_form)

    @cached_property
    def roles(self) -> dict[str, Work]:
        """Every role by id, its missing words filled from the banks' fallback lexicon."""
        fallback = self.bank("work").get("", Entry("", {}, {})).beats
        return _read_all(self.folder("story_prompts", "roles"), lambda page: _work(page, fallback))

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """Every setting by id."""
        return _read_all(self.folder("story_prompts", "settings"), _setting)

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """Every kind of document by id: the folders of ``story_prompts/`` that hold a ``recipe.md``."""
        roots = (self.root, starter_root())
        paths = next((found for root in roots if (found := sorted(root.glob("story_prompts/*/recipe.md")))), [])
        return {named(path.parent).name: read_recipe(path) for path in paths}

    @cached_property
    def shared(self) -> dict[str, Prompt]:
        """What a model of any recipe is told, by file name: about a cut or malformed answer, an offence, a judge's findings; and words
        that stand for what a brief has not."""
        own, starter = (root / "story_prompts" / "shared" for root in (self.root, starter_root()))
        found = {path.stem: path for folder in (starter, own) for path in sorted(folder.glob("*.md"))}
        return {name: read_prompt(path, cast(StepName, name) if name in get_args(StepName) else "draft") for name, path in found.items()}

    @cached_property
    def planning(self) -> dict[str, Prompt]:
        """What a planner's model is told, by layer, from ``story_prompts/planning/``; a layer that the project lacks is the starter's."""
        own, starter = (root / "story_prompts" / "planning" for root in (self.root, starter_root()))
        paths = {path.name: path for folder in (starter, own) for path in sorted(folder.glob("*.md"))}
        preamble = read_page(paths.pop("preamble.md")).body.strip()
        return {path.stem: read_prompt(path, "fanout", preamble) for path in paths.values()}

    @cached_property
    def audit(self) -> dict[str, Prompt]:
        """What a judge's model is told in the pattern audit, by file name; a file that the project lacks is the starter's."""
        own, starter = (root / "story_prompts" / "audit" for root in (self.root, starter_root()))
        paths = {path.name: path for folder in (starter, own) for path in sorted(folder.glob("*.md"))}
        return {path.stem: read_prompt(path, "audit") for path in paths.values()}

    @cached_property
    def rubrics(self) -> dict[str, Rubric]:
        """Every axis of judgement by id, in file-name order."""
        return {path.stem: read_rubric(path) for path in sorted(self.folder("story_prompts", "rubrics").glob("*.md"))}

    @cached_property
    def people(self) -> dict[str, tuple[Person, ...]]:
        """Locale -> people, from the name pool (tab-separated: locale, pronoun, given, family)."""
        path = self.folder("story_prompts", "names", "pool.tsv")
        pool: dict[str, list[Person]] = {}
        banned = self.banned_names
        for number, line in enumerate(read_text(path).split("\n"), start=1):
            if line and not line.startswith("#"):
                locale, person = _person(line, path, number)
                if not banned & {word.lower() for word in f"{person.given} {person.family}".split()}:
                    pool.setdefault(locale, []).append(person)
        if not pool:
            raise UsageError("holds no name that may be used", path)
        return {locale: tuple(people) for locale, people in pool.items()}

    @cached_property
    def invented_ais(self) -> tuple[str, ...]:
        """Names for AIs that nobody has met."""
        path = self.folder("story_prompts", "names", "invented_ais.txt")
        found = tuple(name for name in _words(path) if name.lower() not in self.banned_names)
        if not found:
            raise UsageError("holds no name that may be used", path)
        return found

    @cached_property
    def motifs(self) -> tuple[str, ...]:
        """Small things and incidents that may turn up anywhere, from ``story_prompts/motifs/pool.txt``."""
        return _words(self.folder("story_prompts", "motifs", "pool.txt"))

    @cached_property
    def any_choice(self) -> Trait:
        """What pulls, costs and stays open in any choice: for a trait whose own file does not say, and where a trait stays idle."""
        return read_trait(self.folder("story_prompts", "motifs", "any_choice.md"))

    @cached_property
    def banned_names(self) -> frozenset[str]:
        """Worn-out names, lower case: never drawn, and refused by the gate."""
        return frozenset(word.lower() for word in _words(self.folder("story_prompts", "names", "banned.txt")))

    def words(self, name: str) -> tuple[str, ...]:
        """The lines of ``story_prompts/lists/<name>.txt`` without comments."""
        return _words(self.folder("story_prompts", "lists", f"{name}.txt"))

    def bank(self, name: str) -> dict[str, Entry]:
        """The entries of one bank of the embedded writer, for instance ``openings`` or ``traits/owns-errors``.

        An entry that the project's file lacks is the starter's, so that a project goes on under a newer writer; a trait's bank is
        taken whole, since all of its entries are drawn from.
        """
        folders = (starter_root().joinpath("story_prompts", "offline"), self.folder("story_prompts", "offline"))
        paths = dict.fromkeys(path for folder in folders if (path := folder / f"{name}.md").exists())
        taken = list(paths)[-1:] if name.startswith("traits/") else paths
        return {key: entry for path in taken for key, entry in parse_entries(read_page(path)).items()}

    def bank_names(self, folder: str) -> tuple[str, ...]:
        """The names of the banks in one folder, in order."""
        return tuple(path.stem for path in _pages(self.folder("story_prompts", "offline") / folder))

    def banks_hash(self) -> str:
        """A hash of everything the embedded writer reads: an edited bank makes other documents."""
        parts = [self.folder("story_prompts", name) for name in ("offline", "forms", "roles", "settings")]
        files = sorted(path for part in parts for path in part.rglob("*.md"))
        return digest("\0".join(f"{path.name}\0{read_text(path)}" for path in files), 16)


def read_trait(path: Path) -> Trait:
    """One trait file; see ``constitution/traits/`` for the shape."""
    page = read_page(path)
    parts = sections(page)
    prose = {
        "why": parts.get("why", ""),
        "shown_by": bullets(parts.get("shown by", "")),
        "violated_by": bullets(parts.get("violated by", "")),
        "not_exercised_when": bullets(parts.get("not exercised when", "")),
        "reasons": bullets(parts.get("in the character's words", "")),
        "pulls": bullets(parts.get("what pulls the other way", "")),
        "costs": bullets(parts.get("what it costs", "")),
        "doubts": bullets(parts.get("what stays open", "")),
    }
    return record(Trait, {**page.meta, **prose, "id": path.stem}, path)


def _pages(folder: Path) -> list[Path]:
    return sorted(named(path) for path in folder.glob("*.md") if path.name != "README.md")


def _read_all(folder: Path, read: Callable[[Page], Any]) -> dict[str, Any]:
    return {path.stem: read(read_page(path)) for path in _pages(folder)}


def _axis(path: Path) -> dict[str, AxisValue]:
    known = {"description": "", "share": 1.0, "min_words": 0, "max_words": 0, "povs": [], "recipes": []}
    rows = [checked(row, {"id": "", "name": row.get("id", ""), **known}, path) for row in read_tables(path, "value")]
    for row in rows:
        if row["min_words"] > row["max_words"]:
            raise UsageError(f"{row['id']}: min_words is above max_words", path)
    if not rows:
        raise UsageError("has no [[value]]", path)
    return by_id([AxisValue(**{**row, "povs": tuple(row["povs"]), "recipes": tuple(row["recipes"])}) for row in rows], path)


def _meta(page: Page, known: dict[str, Any]) -> dict[str, Any]:
    return checked(page.meta, known, page.path, 2)


def _lexicon(page: Page) -> dict[str, tuple[str, ...]]:
    entries = parse_entries(page)
    return {slot: variants for slot, variants in entries[""].beats.items() if variants} if "" in entries else {}


def _work(page: Page, fallback: Mapping[str, tuple[str, ...]]) -> Work:
    meta = _meta(page, {"name": page.path.stem, "description": "", "register": "practical", "needs": [], "human_title": ""})
    words = {**fallback, **_lexicon(page)}
    human = meta["human_title"] or f"the {page.path.stem.replace('-', ' ')}"
    return Work(page.path.stem, meta["name"], meta["description"], meta["register"], frozenset(meta["needs"]), human, words)


def _setting(page: Page) -> Setting:
    meta = _meta(page, {"name": page.path.stem, "description": "", "register": "plain", "kinds": [], "locales": []})
    return Setting(
        page.path.stem, meta["name"], meta["description"], meta["register"], frozenset(meta["kinds"]), tuple(meta["locales"]),
        _lexicon(page),
    )  # fmt: skip


def _person(line: str, path: Path, number: int) -> tuple[str, Person]:
    try:
        locale, pronoun, given, family = line.split("\t")
        return locale, Person.model_validate({"given": given, "family": family, "pronoun": pronoun})
    except ValueError as error:
        raise UsageError("a name is 'locale<TAB>she|he<TAB>given<TAB>family'", path, number) from error


def _words(path: Path) -> tuple[str, ...]:
    lines = (line.strip() for line in read_text(path).split("\n"))
    return tuple(line for line in lines if line and not line.startswith("#"))
