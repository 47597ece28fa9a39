"""One small build made by hand, for what reads rows: the report and the exporters."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from builder.ledger import PaidRow
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Constitution, CorpusRecord, Document, Evidence, Person, Principle, Step, Turn, Usage, Verdict, digest
from builder.rows import BuildRows, Spent
from builder.stages.plan.factors import space
from builder.stages.provenance import corpus_record

HOSTILE = (
    'NEL \x85 LS \u2028 PS \u2029 FF \x0c CR \r zero\u200bwidth \U0001f6f6 NUL \x00 quote " backslash \\ <b>|cell| $x$ <|endoftext|>'
    " e\u0301 \u00e9"
)
_PLACES = ("north", "south", "east", "west", "upper", "lower", "old", "new")


def principle(number: int, kind: str = "norm") -> Principle:
    """A principle on line ``10 * number``."""
    text = f"Principle number {number} says what to do and why."
    return Principle.model_validate(
        {"id": f"principle-{number}", "source": "a.md", "heading_path": ("Title", f"Part {number % 2}"), "text": text,
         "line_start": 10 * number, "line_end": 10 * number + 1, "sha256": digest(text), "kind": kind}
    )  # fmt: skip


def brief(library: Library, number: int, recipe: str = "story") -> Brief:
    """Brief ``number``, its levels taken in turn."""
    factors = space(BuildRecipe(), library, recipe).factors
    levels = {name: next(itertools.islice(itertools.cycle(values), number, None)) for name, values in factors.items()}
    chosen = {name: levels.get(name, "none") for name in
              ("trait", "form", "role", "identity", "setting", "stakes", "deliberation", "outcome", "tone", "pov", "tense", "length",
               "opening", "ending")}  # fmt: skip
    person = Person(given="Oda", family="Remi", pronoun="she")
    people = {name: person for name, field in Brief.model_fields.items() if field.annotation is Person}
    return Brief.model_validate(
        {**chosen, **people, "id": f"{recipe}-{number:03d}", "position": number, "seed": f"1:{number}", "recipe": recipe,
         "principles": (f"principle-{number % 3}",), "tension": None, "exercised": number % 5 != 0, "what": "x", "how": "y", "why": "z",
         "min_words": 10, "max_words": 400, "place": "Quay"}
    )  # fmt: skip


def text(number: int) -> str:
    """A text of which the first and the last sentence are the same in every third, but for a name and a number."""
    middle = " ".join(f"{_PLACES[(number * step) % 8]} road {number * step}, step {step}." for step in range(1, 30))
    first = f"At {number} Oda waited by the gate." if number % 3 == 0 else f"On the {_PLACES[number % 8]} side {number} boats lay idle."
    return f"{first}\n\n{middle} Then Brinnic asked Talwyn{number}, and Oda said it had been her mistake.\n\nThe gate was shut."


def document(library: Library, number: int, recipe: str = "story", content: str | None = None) -> Document:
    """Document ``number``, written in one step."""
    planned = brief(library, number, recipe)
    step = Step(
        name="draft", role="writer", model="offline/composer", prompt_hash="p", request_hash=f"r{number}", stop_reason="end_turn",
        usage=Usage(tokens_out=100, cost=0.01),
    )  # fmt: skip
    turns = (Turn(role="user", content="May I?"), Turn(role="assistant", content="You may.")) if recipe == "advice" else ()
    return Document(id=planned.id, brief=planned, text=text(number) if content is None else content, turns=turns, steps=(step,))


def rows(library: Library, count: int = 40, grade: bool = False) -> BuildRows:
    """``count`` documents: one too short, one a copy, one over the target, the rest kept."""
    documents = [document(library, number, "advice" if number % 8 == 7 else "story") for number in range(count)]
    short, copied, spare = (documents[number].id for number in (1, 2, 4))
    verdicts = {
        "mechanical": [_verdict(found, "mechanical", {short: "too_short:12"}) for found in documents],
        "dedup": [
            _verdict(found, "dedup", {copied: f"near_duplicate_of:{documents[0].id}"}) for found in documents if found.id != short
        ],
        "select": [_verdict(found, "select", {spare: "over_target"}) for found in documents if found.id not in (short, copied)],
    }
    kept = [found for found in documents if found.id not in (short, copied, spare)]
    quotes = [evidence(found, kind) for found, kind in zip(kept, itertools.cycle(("shown", "shown", "named")), strict=False)]
    return assemble(library, documents, verdicts, quotes, kept, grade)


def assemble(
    library: Library, documents: Sequence[Document], verdicts: dict[str, list[Verdict]], quotes: Sequence[Evidence],
    kept: Sequence[Document], grade: bool = False,
) -> BuildRows:  # fmt: skip
    """The rows of a build from its parts."""
    recipe = BuildRecipe()
    principles = (*(principle(number) for number in range(4)), principle(9, "example"))
    constitution = Constitution("a.md", digest("a"), principles, ())
    known = {found.id: found for found in principles}
    records: tuple[CorpusRecord, ...] = tuple(corpus_record(found, recipe, known, [constitution], {}) for found in kept)
    briefs = [found.brief for found in documents]
    return BuildRows(recipe, library, [constitution], briefs, documents, verdicts, quotes, records, grade, spent(len(documents)))


def spent(answers: int, unpriced: int = 0, failed: dict[str, int] | None = None, maybe_billed: int = 0) -> Spent:
    """What ``answers`` drafts cost, a cent each but for the ``unpriced`` ones."""
    row = PaidRow("draft", "offline/composer", answers, 200 * answers, 100 * answers, 0, 0, 0, 0.01 * (answers - unpriced), unpriced)
    return Spent((row,), failed or {}, maybe_billed)


def evidence(found: Document, kind: str) -> Evidence:
    """The sentence about the mistake, as a quote of ``kind``."""
    start = found.text.index("Then Brinnic")
    end = found.text.index("mistake.") + len("mistake.")
    return Evidence.model_validate(
        {"document_id": found.id, "trait": found.brief.trait, "kind": kind, "start": start, "end": end, "quote": found.text[start:end]}
    )


def _verdict(found: Document, gate: str, removed: dict[str, str]) -> Verdict:
    reason = removed.get(found.id)
    scores = {"jaccard": 0.91} if reason and reason.startswith("near_duplicate_of") else {}
    return Verdict(document_id=found.id, gate=gate, keep=reason is None, reason=reason or "ok", scores=scores)
