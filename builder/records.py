"""What flows between the rooms of the house: frozen records, one id each, unknown fields refused.

    Principle -> Brief -> Draft -> Document -> Verdict(s) -> CorpusRecord

Every id matches ``[a-z0-9_-]+`` so that it can be a file name, a WebDataset key and a URL part.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=120)]
PrincipleKind = Literal["norm", "reason", "example", "commentary"]
StepName = Literal["fanout", "plan", "scenario", "ask", "draft", "rewrite", "amend", "revise", "identify", "score", "audit"]
_ROLES = {"planner": "fanout plan", "writer": "scenario draft", "rewriter": "ask rewrite amend revise", "judge": "identify score audit"}
ROLE_OF: Mapping[str, str] = {step: role for role, steps in _ROLES.items() for step in steps.split()}


def slugify(text: str, limit: int = 60) -> str:
    """Lower-case ASCII slug of at most ``limit`` characters; ``untitled`` when nothing is left.

    >>> slugify("Hard lines, and why")
    'hard-lines-and-why'
    """
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:limit].strip("-")
    return slug or "untitled"


def digest(text: str, length: int = 64) -> str:
    """The first ``length`` hex digits of the SHA-256 of ``text`` in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


class Record(BaseModel):
    """A frozen row; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Principle(Record):
    """One unit of a constitution that a writer can act on.

    ``text`` is verbatim from the source, lines ``line_start`` to ``line_end`` (1-based, inclusive). ``id`` is the slug of the
    nearest heading and a short hash of the text with white space folded, so that re-wrapping changes nothing.
    ``why`` holds the reasons the document itself gives, verbatim sentences or clauses.
    """

    id: Id
    source: str
    heading_path: tuple[str, ...]
    text: str
    line_start: int
    line_end: int
    sha256: str
    kind: PrincipleKind
    why: tuple[str, ...] = ()


class LeftOut(Record):
    """Lines of a constitution that became no principle, and the reason (``table_of_contents``, ``code`` ...)."""

    source: str
    line_start: int
    line_end: int
    reason: str


class Constitution(NamedTuple):
    """A constitution as read: its principles in source order, what was left out, and the SHA-256 of the file."""

    source: str
    sha256: str
    principles: tuple[Principle, ...]
    left_out: tuple[LeftOut, ...]


class Trait(Record):
    """One trait of character: what shows it, what violates it, when it rightly stays idle, and the patterns that see it.

    Patterns are in the language described in ``builder/patterns/language.py``.
    """

    id: Id
    name: str
    description: str
    strand: str = "character"
    principles: tuple[str, ...] = ()
    share: float = Field(1.0, gt=0, le=1e9, allow_inf_nan=False)
    near: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    counter: tuple[str, ...] = ()
    hits: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()
    why: str = ""
    shown_by: tuple[str, ...] = ()
    violated_by: tuple[str, ...] = ()
    not_exercised_when: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    pulls: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


class Tension(Record):
    """Two traits that pull apart, and which yields when."""

    id: Id
    between: tuple[Id, Id]
    pull: str
    yields: str
    questions: tuple[str, ...] = ()


class Person(Record):
    """Someone in a document: given and family name, pronoun, and what they are to the work."""

    given: str
    family: str
    pronoun: Literal["she", "he", "it"]


class Brief(Record):
    """The whole plan of one document, drawn before any model is called.

    ``position`` is its place in the plan (0-based), ``seed`` the source of every later draw. ``what`` is the act that shows the
    trait, ``how`` the way it comes about, ``why`` what makes it that trait and how the text carries the reason.
    ``exercised`` is false where the trait rightly stays idle, and ``idle_because`` says why. ``bystander`` stands outside the matter:
    a witness who tells it, or whom a letter is to. What is weighed: ``what`` is chosen, ``other_option`` is not, ``pull`` speaks for
    it, ``doubt`` stays open, ``cost`` is what the choice costs; ``carried_by`` says how the text carries the reason. ``premise`` and
    ``genre`` are a planner's: the idea, and the kind of document. ``motifs`` and ``spare_names`` are to be used, ``forbidden`` is not.
    ``context`` says what stands before a conversation; ``source`` is the id of an existing text that is rewritten.
    """

    id: Id
    position: int
    seed: str
    recipe: str
    principles: tuple[Id, ...]
    trait: Id
    tension: Id | None
    exercised: bool
    what: str
    how: str
    why: str
    form: str
    role: str
    identity: str
    setting: str
    stakes: str
    deliberation: str
    outcome: str
    tone: str
    pov: str
    tense: str
    length: str
    min_words: int
    max_words: int
    opening: str
    ending: str
    character: Person
    asker: Person
    other: Person
    bystander: Person
    place: str
    forbidden: tuple[str, ...] = ()
    other_option: str = ""
    pull: str = ""
    doubt: str = ""
    cost: str = ""
    idle_because: str = ""
    carried_by: str = ""
    premise: str = ""
    genre: str = ""
    motifs: tuple[str, ...] = ()
    spare_names: tuple[Person, ...] = ()
    context: str = "none"
    source: str = ""


class Turn(Record):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Request(Record):
    """One thing asked of a backend: the brief, and the rendered messages a remote model would be sent.

    ``hash`` identifies what is bought: model, messages or brief, parameters and sample number; never transport settings.
    A ``system`` turn comes first, the same for many requests: the prefix that a provider may cache. ``max_tokens`` bounds what is written
    and so what it may cost. ``schema_text`` is the JSON Schema of a structured answer, empty where prose is wanted.
    """

    hash: str
    document_id: Id
    step: StepName
    model: str
    prompt_hash: str
    brief: Brief | None = None
    turns: tuple[Turn, ...] = ()
    sample: int = 0
    max_tokens: int = 4096
    schema_text: str = ""


class Usage(Record):
    """What one call used: tokens in (all of them, cached or not), out, read from a prompt cache, written to one for 5 minutes or an hour.

    ``cost`` is in US dollars, ``None`` when it is not known.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    tokens_written: int = 0
    tokens_written_1h: int = 0
    cost: float | None = 0.0

    def plus(self, other: Usage) -> Usage:
        """Both together; a sum with an unknown price in it is unknown."""
        counts = {name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields if name != "cost"}
        return Usage(**counts, cost=None if self.cost is None or other.cost is None else self.cost + other.cost)


class Answer(Record):
    """What came back for one request, kept whatever it is: ``stop_reason`` tells a finished text from a cut or refused one.

    Stop reasons are those of the Messages API (``end_turn``, ``stop_sequence``, ``max_tokens``, ``refusal``,
    ``model_context_window_exceeded``) for every backend, and ``invalid_request`` for one that the provider will never answer.
    ``detail`` is what is said with it: the category of a refusal, the words of an error. ``mended`` counts lone surrogates and control
    characters taken out at the door.
    """

    request_hash: str
    text: str
    turns: tuple[Turn, ...] = ()
    stop_reason: str = "end_turn"
    detail: str = ""
    mended: int = 0
    request_id: str | None = None
    usage: Usage = Usage()


class Step(Record):
    """One step in the making of a document, for its provenance."""

    name: StepName
    role: str
    model: str
    prompt_hash: str
    request_hash: str
    stop_reason: str
    usage: Usage


class Document(Record):
    """A finished text with the brief it realises and every step that made it. ``turns`` is set for conversations."""

    id: Id
    brief: Brief
    text: str
    turns: tuple[Turn, ...] = ()
    steps: tuple[Step, ...] = ()


class Verdict(Record):
    """What one gate says of one document. ``reason`` is a snake_case slug, ``:detail`` allowed."""

    document_id: str
    gate: str
    keep: bool
    reason: str = "ok"
    scores: dict[str, float] = Field(default_factory=dict)
    explanation: str = ""
    model: str | None = None


class Evidence(Record):
    """A quote that shows (or names, or violates) a trait: character offsets into the document's text."""

    document_id: str
    trait: Id
    kind: Literal["shown", "named", "counter"]
    start: int
    end: int
    quote: str


class CorpusRecord(Record):
    """One exported row; loads as a datatrove ``Document`` and as a dolma document without an adapter.

    ``metadata`` is JSON text (one explicit schema over all shards; free-form objects break ``load_dataset``).
    """

    id: Id
    text: str
    source: str
    metadata: str
    turns: tuple[Turn, ...] = ()


class Candidate(NamedTuple):
    """A text before a gate: any JSONL row with ``id`` and ``text``, or a document of a build with its brief.

    ``score`` decides which copy of a cluster is the best (higher is better).
    """

    id: str
    text: str
    brief: Brief | None = None
    score: float = 0.0
