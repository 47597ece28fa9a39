"""``corpus/<name>/recipe.toml`` becomes one frozen ``BuildRecipe``: every knob, its default, and the reason for the default."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from builder.errors import UsageError, no_such, plainly
from builder.markdown import MAX_NUMBER, parse_toml, read_text
from builder.records import Id


def _checked_sum(shares: dict[str, float]) -> None:
    total = sum(shares.values())
    if abs(total - 1) > 1e-6:
        listed = " + ".join(f"{name} {share:g}" for name, share in shares.items())
        raise ValueError(f"{listed} = {total:g}; the shares must sum to 1")


class Section(BaseModel):
    """One table of ``recipe.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_values(cls, values: Any) -> Any:
        """No key is a yes or a no; pydantic would take ``true`` as 1, also for a budget."""
        for key, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, bool):
                raise ValueError(f"{key} is {str(value).lower()}, and no key here is a truth value")
        return values


class CorpusSection(Section):
    """What the corpus is called and made from."""

    name: Id = Field("example", description="also the folder under output/")
    seed: int = Field(1, description="the same seed gives the same corpus; another seed another one")
    constitutions: tuple[str, ...] = Field(("constitution/bildung.md",), description="Markdown files, relative to the project folder")
    licence: str = Field("CC0-1.0", description="of the corpus; the data card carries it")


class ModelsSection(Section):
    """One model per role, as ``provider/model``; an empty role's step is left out."""

    planner: str = Field("", description="empty: briefs come from the library, which costs nothing; named: ideas are bought for them first")
    writer: str = Field("offline/composer", description="needs no key and no download, so that a first build always works")
    rewriter: str = Field("", description="the embedded writer has nothing to gain from a rewrite")
    judge: str = Field("", description="no judge without a model: the report marks what is missing")
    constitution: Literal["whole", "outline"] = Field(
        "whole", description="what each call is told of it besides its own principle; providers cache the whole, small contexts lack room"
    )

class PlanningSection(Section):
    """The fan-out from the constitutions to ideas, where models.planner is named; about 80 calls with these defaults."""

    domains: int = Field(4, ge=1, le=40, description="few and broad: everything narrower is what sub-domains are for")
    subdomains: int = Field(3, ge=1, le=40, description="of each domain; each costs three calls and those for its ideas")
    assertions: int = Field(6, ge=1, le=40, description="of each sub-domain: 72 in all, about one for each passage of the starter's text")
    types: int = Field(4, ge=1, le=40, description="kinds of text for each sub-domain, at least one for each recipe")
    subtypes: int = Field(3, ge=1, le=40, description="of each type: with four types, as many genres as one call has ideas")
    ideas: int = Field(6, ge=1, le=1000, description="for one assertion at most, beyond which they repeat; fewer briefs, fewer ideas")
    rounds: int = Field(2, ge=0, le=10, description="of calls for passages that nothing reaches yet; they end where one gains nothing")


class SizeSection(Section):
    """How much to build."""

    documents: int = Field(200, ge=1, le=10_000_000, description="enough to read a report from, within a minute")
    spare: float = Field(0.06, ge=0, le=2, description="written beyond the target, so that the gates have something to remove")


class AxesSection(Section):
    """Target shares of axis values that differ from the axis files, and the two shares of briefs that hold something back."""

    without_tension: float = Field(0.1, ge=0, le=1, description="not every good act is a conflict")
    not_exercised: float = Field(0.1, ge=0, le=1, description="with only 'if X then Y' a model learns 'always Y' (GDM 2026)")
    shares: dict[str, dict[str, float]] = Field(default_factory=dict, description="axis -> value -> weight, e.g. tone = {wry = 2.0}")
    caps: dict[str, float] = Field(
        default_factory=dict, description="factor -> largest share of any one of its levels, e.g. setting = 0.05"
    )
    traits: dict[str, float] = Field(default_factory=dict, description="trait -> share of the corpus; at most 1 in all")

    @model_validator(mode="after")
    def _quotas_fit(self) -> AxesSection:
        total = sum(self.traits.values())
        if total > 1 + 1e-9 or any(share < 0 for share in self.traits.values()):
            raise ValueError(f"trait quotas sum to {total:.0%}; they may not be negative or exceed 100 %")
        if any(not 0 <= weight <= MAX_NUMBER for values in self.shares.values() for weight in values.values()):
            raise ValueError(f"weights are numbers from 0 to {MAX_NUMBER:,.0f}")
        return self


class IdentitySection(Section):
    """Who the characters are. The four shares sum to 1."""

    named: float = Field(0.0, ge=0, description="the model's own name does best; 0 until a name is given")
    unnamed: float = Field(0.35, ge=0)
    invented: float = Field(0.5, ge=0)
    human: float = Field(0.15, ge=0, description="even humans acting well carry over")
    name: str = Field("", max_length=60, description="the name of the model that will be trained")
    maker: str = Field("", max_length=60)
    facts: tuple[str, ...] = Field((), description="sentences about the named model that may be said; a text that says others is refused")

    @model_validator(mode="after")
    def _named_has_a_name(self) -> IdentitySection:
        if self.named > 0 and not self.name:
            raise ValueError("named is above 0 and name is empty: give the model's name")
        _checked_sum({"named": self.named, "unnamed": self.unnamed, "invented": self.invented, "human": self.human})
        return self


class WritingSection(Section):
    """How documents are written."""

    exemplars: int = Field(2, ge=0, le=6, description="hand-written references that a writer is shown, about 900 tokens each; rotated")
    revisions: int = Field(1, ge=0, le=1, description="rewrites after a judge's findings; a second one gains next to nothing")
    calibrated: int = Field(252, ge=0, description="labelled passages that the blind reader is tried on; its rate is corrected by them")


class AuditSection(Section):
    """The pattern audit, where models.judge is named: what documents repeat is named, then counted; three rounds of calls at the end."""

    scanned: int = Field(60, ge=0, le=2_000, description="documents read for patterns; what one in ten shares shows with 88 %; 0: no audit")
    together: int = Field(12, ge=2, le=40, description="documents in one call: what they share shows side by side; they must fit a context")
    counted: int = Field(100, ge=1, le=5_000, description="other documents that each pattern is looked for in: to 10 points at worst")
    characters: int = Field(12_000, ge=500, description="of a document that are shown; a longer one loses its middle: the ends repeat most")


class DeliberationSection(Section):
    """Existing texts that the recipe ``deliberation`` rewrites so that the reasons are on the page."""

    input: str = Field("", description="JSONL of id, and text or messages, relative to the project folder; empty: nothing is rewritten")


class GatesSection(Section):
    """Thresholds. Each gate says in its verdict which one it met."""

    min_words: int = Field(150, ge=0, description="shorter texts teach little and collide in near-duplicate search")
    max_words: int = Field(4000, ge=1)
    copied_words: int = Field(13, ge=5, description="a run of 13 words is the usual measure of a copy; see contamination studies")
    slop_per_1000: float = Field(8.0, ge=0, description="human fiction has 6.6 over-used words per 1,000, models up to 43.6")
    not_but_per_1000: float = Field(
        0.38, ge=0, description='"not X but Y" per 1,000 characters: ten times the .038 of human fiction; models have .053 to .71'
    )
    near_duplicate: float = Field(0.8, gt=0, le=1, description="exact Jaccard over word 5-grams")
    dedup_policy: Literal["best", "leader"] = Field(
        "best", description="one copy a cluster; 'leader' removes a text only where a kept one is that near: of chains more stay"
    )
    dedup_removed: float = Field(0.2, gt=0, le=1, description="of a form; more is told, since shared templates then pass for copies")
    dedup_engine: Literal["auto", "numpy", "numba"] = Field("auto", description="numba where it is installed; the verdicts are the same")
    contamination_against: tuple[str, ...] = Field((), description="files of benchmark texts, relative to the project folder")
    contaminated_run: int = Field(13, ge=8, description="words that run as in a benchmark; 13 is the usual measure of a copy")
    contaminated_coverage: float = Field(0.5, gt=0, le=1, description="of a benchmark text under shared 8-grams: edited, short leaks")
    eval_traits: int = Field(3, ge=1, le=8, description="of seven evaluation traits a document is refused for; 8: for none")
    repeated_opening: float = Field(0.01, gt=0, le=1, description="of the documents may open alike; models learn what repeats (GDM)")
    repeated_ending: float = Field(0.01, gt=0, le=1, description="of the documents may end alike")
    repeated_plan: float = Field(0.01, gt=0, le=1, description="likewise form, opening, outcome, ending and deliberation together")
    template: float = Field(0.7, gt=0, le=1, description="of a document's 5-grams may be template; in prose by hand under .01 are")
    sameness_most: float = Field(0.05, ge=0, le=1, description="the gate sameness takes out at most; less than [size] spare has to give")

    @model_validator(mode="after")
    def _some_length_is_left(self) -> GatesSection:
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        return self


class HoldoutSection(Section):
    """What must never appear, so that generalisation to it can be measured."""

    principles: tuple[str, ...] = Field((), description="principle ids, or globs over 'heading / path / id'")
    traits: tuple[Id, ...] = ()
    tensions: tuple[Id, ...] = ()
    settings: tuple[Id, ...] = ()
    roles: tuple[Id, ...] = ()
    forms: tuple[Id, ...] = ()


class BudgetSection(Section):
    """Money and load."""

    max_cost: float | None = Field(None, ge=0, description="US dollars, a hard cap; the embedded writer costs nothing")
    concurrency: int = Field(64, ge=1, le=4096, description="live calls in flight; edit it while a build runs and it changes")
    timeout: float = Field(600, gt=0, le=86_400, description="seconds; a call that hangs is cut off, since it may be billed all the same")


class ExportSection(Section):
    """What a build leaves in ``output/<name>/data``."""

    formats: tuple[str, ...] = Field(("jsonl", "parquet"), description="both load with datasets.load_dataset")
    documents_per_shard: int = Field(20_000, ge=1, description="about 60 MB of text a shard")


class BuildRecipe(Section):
    """Everything a build is asked for."""

    corpus: CorpusSection = CorpusSection()
    models: ModelsSection = ModelsSection()
    mix: dict[str, float] = Field(
        {"story": 0.76, "document": 0.12, "advice": 0.12},
        description="share of each recipe; fiction moves behaviour most, documents teach what it assumes, a little advice goes far",
    )
    planning: PlanningSection = PlanningSection()
    size: SizeSection = SizeSection()
    axes: AxesSection = AxesSection()
    identity: IdentitySection = IdentitySection()
    writing: WritingSection = WritingSection()
    audit: AuditSection = AuditSection()
    deliberation: DeliberationSection = DeliberationSection()
    gates: GatesSection = GatesSection()
    holdout: HoldoutSection = HoldoutSection()
    budget: BudgetSection = BudgetSection()
    export: ExportSection = ExportSection()

    @model_validator(mode="after")
    def _mix_sums_to_one(self) -> BuildRecipe:
        if any(share < 0 for share in self.mix.values()):
            raise ValueError("mix: shares may not be negative")
        _checked_sum(self.mix)
        return self


class Override(NamedTuple):
    """``--set SECTION.KEY=VALUE`` from the command line; the value is TOML, or a bare string."""

    key: str
    value: str


def read_recipe(path: Path, overrides: tuple[Override, ...] = ()) -> BuildRecipe:
    """Read ``recipe.toml``, apply overrides, check everything; errors name the line."""
    if not path.is_file():
        raise UsageError("no recipe.toml here; 'bildung init DIR' makes a folder that builds at once", path)
    text = read_text(path)
    tables = parse_toml(text, path)
    for override in overrides:
        _apply(tables, override)
    try:
        return BuildRecipe.model_validate(tables)
    except ValidationError as error:
        raise _usage_error(error, path, text, overrides) from error


def _apply(tables: dict[str, Any], override: Override) -> None:
    *sections, key = override.key.split(".")
    if not sections:
        raise UsageError(f"--set {override.key}: write SECTION.KEY=VALUE, for instance size.documents=500")
    try:
        override.value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"--set {override.key}: the value is not UTF-8") from error
    value = _value(override.value)
    table = tables
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise UsageError(f"--set {override.key}: {section} is not a table")
    table[key] = value


def _value(text: str) -> Any:
    """What follows ``--set KEY=``, as TOML; whatever is not one TOML value is a bare string."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text


def _usage_error(error: ValidationError, path: Path, text: str, overrides: tuple[Override, ...]) -> UsageError:
    first = error.errors()[0]
    loc = [str(part) for part in first["loc"]]
    if any(loc and loc == override.key.split(".")[: len(loc)] for override in overrides):
        path, text = Path("the command line"), ""
    line = _line_of(text, loc) if loc else None
    if first["type"] == "extra_forbidden":
        known: Any = BuildRecipe
        for part in loc[:-1]:
            known = known.model_fields[part].annotation
        kind = "section" if len(loc) == 1 else f"key in [{'.'.join(loc[:-1])}]"
        return UsageError(no_such(kind, loc[-1], known.model_fields), path, line)
    message = plainly(str(first["msg"]))
    if not loc and message.startswith("mix"):
        loc = ["mix"]
    return UsageError(f"{'.'.join(loc)}: {message}" if loc else message, path, _line_of(text, loc))


def _line_of(text: str, loc: list[str]) -> int | None:
    """The line of a key, or of its table, for an error message; ``None`` where the file does not have it (an override)."""
    if not loc:
        return None
    section, found = "", None
    for number, line in enumerate(text.split("\n"), start=1):
        header = re.match(r"\s*\[+([^\]]+)\]", line)
        if header:
            section = header[1].strip()
            found = number if section == loc[0] and found is None else found
        elif len(loc) > 1 and section == loc[0] and re.match(rf"\s*[\"']?{re.escape(loc[1])}[\"']?\s*[.=]", line):
            return number
    return found
