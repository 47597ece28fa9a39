"""A provider that plays a bad writer, an editor who mends what is named to them or does not, and a judge who says what the script wants.

What is good in it comes from the embedded composer, one text a brief; each document carries the number of a docket, by which the script
knows what it is being asked about.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from builder.bench.provider.scripted import Said
from builder.composer.write import Composer
from builder.library import Library
from builder.markdown import read_page
from builder.records import Brief

LEAST_WORDS = 80  # of a good text
KEPT = 0.7  # of a bad text's words stand in its good one: an amendment that cuts away more is none
SLIPPED = "The clock over the door had stopped."  # stands in a text that a judge is to find fault with
_DOCKET = re.compile(r"docket (\d{3})")
_PIECE = re.compile(r"<piece>\n(.*?)\n</piece>", re.DOTALL)
_INSIDE = re.compile(r"between <(\w+)> and </\1>")


class Fault(NamedTuple):
    """One way to go wrong, and what comes of it.

    ``text`` is what the writer writes, ``{text}`` in it the good document, ``{head}`` and ``{tail}`` its halves. ``gate`` and ``reason``
    are what is said of a document that nobody mends, and ``told`` is the step by which an editor is told; empty where none is. ``says``
    gives the words of a step instead, for the first time it is asked, the second ...; then it goes on as usual. ``axis`` is what the
    judge answers on an axis while ``SLIPPED`` stands in the text. The other fields choose the brief, where they say anything.
    """

    name: str
    text: str = "{text}"
    gate: str = ""
    reason: str = "ok"
    told: str = "amend"
    says: Mapping[str, Sequence[Said]] = {}
    axis: Mapping[str, str] = {}
    recipe: str = "story"
    identity: str = ""
    trait: str = ""
    exercised: bool | None = None


def once(text: str, *steps: str, outcome: str = "") -> dict[str, Sequence[Said]]:
    """These steps answer so the first time they are asked."""
    return {step: (Said(text, outcome),) for step in steps}


def always(text: str, *steps: str, outcome: str = "") -> dict[str, Sequence[Said]]:
    """They answer so each time: no step is asked more than nine times."""
    return {step: (Said(text, outcome),) * 9 for step in steps}


class Case(NamedTuple):
    """A fault on its way through a build. ``good`` is its document as it should be, ``bad`` as the writer writes it."""

    fault: Fault
    obedient: bool
    brief: Brief
    number: int
    good: str
    bad: str

    @property
    def told(self) -> bool:
        """Whether it is a conversation, of which the writer gives the answer alone."""
        return self.brief.recipe == "advice"


class Asked(NamedTuple):
    """One request as the provider saw it."""

    step: str
    told: str


def fault_of(path: Path, polish: Sequence[str] = ("validation_opening",)) -> Fault:
    """A document of ``tests/data/bad_documents`` as a fault; of a conversation it is the answer that is bad. ``polish`` removes nothing."""
    page = read_page(path)
    text, meta = page.body.strip().replace("{", "(").replace("}", ")"), page.meta
    answer = text.partition("\n\nAssistant: ")[2] or text
    if path.stem in polish:
        return Fault(path.stem, answer, told="", recipe=meta["recipe"], identity=meta["identity"])
    told = "amend" if meta["gate"] in ("mechanical", "anti_patterns", "identity", "trait_evidence") else ""
    trait = "owns-errors" if meta["gate"] == "trait_evidence" else ""
    return Fault(path.stem, answer, meta["gate"], meta["reason"], told, recipe=meta["recipe"], identity=meta["identity"], trait=trait)


def cast(wanted: Iterable[tuple[Fault, bool]], briefs: Sequence[Brief], library: Library) -> dict[tuple[str, bool], Case]:
    """A brief for every fault, obedient or stubborn; whatever briefs are left are written well."""
    composer, left = Composer(library), list(briefs)
    cases: dict[tuple[str, bool], Case] = {}
    for fault, obedient in sorted(wanted, key=lambda pair: (not pair[0].trait, not pair[0].identity, pair[0].exercised is None)):
        brief = next((brief for brief in left if _suits(fault, brief)), None)
        if brief is None:
            raise LookupError(f"the plan has no brief left for {fault}")
        left.remove(brief)
        cases[fault.name, obedient] = _case(fault, obedient, brief, len(cases), composer, cases.values())
    for brief in left:
        cases[f"none {brief.id}", True] = _case(Fault("none"), True, brief, len(cases), composer, ())
    return cases


def _suits(fault: Fault, brief: Brief) -> bool:
    wanted = {"recipe": fault.recipe, "identity": fault.identity, "trait": fault.trait, "exercised": fault.exercised}
    told = brief.pov == "third" or fault.identity != "invented"
    return told and all(value in ("", None) or getattr(brief, name) == value for name, value in wanted.items())


def _case(fault: Fault, obedient: bool, brief: Brief, number: int, composer: Composer, others: Iterable[Case]) -> Case:
    name, body = brief.character.given, fault.text
    docket = f"On the hook by the door hung docket {number:03d}."
    signed = docket.replace(".", f", of {name}.") if name else docket
    good = f"{_beginning(_composed(brief, composer), max(LEAST_WORDS, int(KEPT * len(body.split()))))}\n\n{signed}"
    if "{" not in body:  # a whole text; its first sentences and its last stay where they are
        first, _, rest = body.partition("\n\n")
        body = f"{first}\n\n{docket}\n\n{rest}"
    twin = next((case.good.rpartition("\n\n")[0] for case in others if case.brief.recipe == "story" and case.obedient), "")
    parts = {"text": good, "twin": f"{twin}\n\n{signed}", "nameless": good.replace(name or "-", "the desk"), "number": f"{number:03d}"}
    return Case(fault, obedient, brief, number, good, filled(body, parts))


def _composed(brief: Brief, composer: Composer) -> str:
    """What the embedded composer makes of a brief; of a conversation the answer."""
    if brief.recipe == "deliberation":  # it rewrites nothing
        return "It is on the lower shelf, behind the jars. " * 9
    written = composer.write(brief)
    return written.turns[-1].content if written.turns else written.text


def _beginning(text: str, least: int) -> str:
    """As many paragraphs as make a short text; or all of it."""
    kept: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        kept.append(paragraph)
        if sum(len(part.split()) for part in kept) >= least:
            break
    return "\n\n".join(kept)


def filled(text: str, parts: Mapping[str, str]) -> str:
    """A text with ``{name}`` of the parts filled; other braces stay."""
    return re.sub(r"\{(\w+)\}", lambda found: parts.get(found[1], found[0]), text)


class BadWriter:
    """The script. ``asked`` is what it saw, by number of the case."""

    def __init__(self, library: Library, cases: Iterable[Case], openings: Mapping[str, int]) -> None:
        self._cases = {case.number: case for case in cases}
        self._openings = openings  # the first thing that is told of each brief -> its case
        prompts = [(prompt.text, str(prompt.step)) for recipe in library.recipes.values() for prompt in recipe.prompts]
        prompts += [(prompt.text, name) for name, prompt in library.shared.items()]
        self._heads = {text.partition("{")[0][:60]: step for text, step in prompts if len(text.partition("{")[0]) > 12}
        self.asked: dict[int, list[Asked]] = defaultdict(list)

    def __call__(self, body: Mapping[str, Any]) -> Said:
        """The answer to one request of the Messages API."""
        told = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
        step = next(step for head, step in self._heads.items() if told[-1].startswith(head))
        numbers = [self._openings[text] for text in told if text in self._openings]
        numbers += [int(found[1]) for text in told for found in _DOCKET.finditer(text)]
        case = self._cases[numbers[0]]
        before = sum(asked.step == step for asked in self.asked[case.number])
        self.asked[case.number].append(Asked(step, told[-1]))
        instead = case.fault.says.get(step, ())
        if before < len(instead):
            return instead[before]._replace(text=filled(instead[before].text, self._parts(case, body, told)))
        return Said(self._said(case, step, body, told))

    def _parts(self, case: Case, body: Mapping[str, Any], told: Sequence[str]) -> dict[str, str]:
        middle = case.good.index(" ", len(case.good) // 2)
        judged = json.dumps(_judged(case, body, told)) if "output_config" in body else ""
        misquoted = judged.replace("docket", "bucket", 1)
        return {"text": case.good, "head": case.good[:middle], "tail": case.good[middle:], "misquoted": misquoted}

    def _said(self, case: Case, step: str, body: Mapping[str, Any], told: Sequence[str]) -> str:
        if "output_config" in body:
            return json.dumps(_judged(case, body, told))
        if step == "ask":
            return f"It is too tidy.\n<message>\nneed a word about docket {case.number:03d} before noon\n</message>"
        wanted = " ".join(told[-1].split())
        inside = _INSIDE.search(wanted) or _INSIDE.search(" ".join(told[0].split()))
        text = case.good if step in ("amend", "revise") and case.obedient else case.bad
        text = _whole(case, text) if step in ("amend", "revise") else text
        return f"Faults: none\n<{inside[1]}>\n{text}\n</{inside[1]}>" if inside else text


def _whole(case: Case, answer: str) -> str:
    return f"User: need a word about docket {case.number:03d} before noon\n\nAssistant: {answer}" if case.told else answer


def _judged(case: Case, body: Mapping[str, Any], told: Sequence[str]) -> Any:
    """What a structured answer holds: of a judge, of the blind reader, of whoever sets the stage."""
    fields = body["output_config"]["format"]["schema"]["properties"]
    if "shown" in fields:
        return {"quote": "", "shown": fields["shown"]["enum"][-1]}
    if "axes" not in fields:
        return {name: f"need a word about docket {case.number:03d}" if name == "message" else "" for name in fields}
    pieces = [piece for text in told for piece in _PIECE.findall(text)]
    quote = f"docket {case.number:03d}"
    named = sorted(fields["axes"]["properties"], key=lambda name: name != "no_because")
    axes = {name: {"quote": quote, "verdict": "pass"} for name in named}
    for name, verdict in case.fault.axis.items() if SLIPPED in pieces[0] else ():
        axes[name] = {"quote": SLIPPED, "verdict": verdict}
    return {"axes": axes, "eval_shape": 0, "faults": ""}
