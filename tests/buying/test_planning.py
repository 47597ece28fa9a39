"""The fan-out through the ledger: bought once, read back for nothing, and no plan is made of half of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from builder.buying.kitchen import Counter
from builder.buying.planning import WithIdeas, open_planner, recalled, with_ideas
from builder.desk import Failure
from builder.errors import BildungError, UsageError
from builder.ledger import Ledger
from builder.progress import Quiet
from builder.project import Project, open_project, read_constitutions
from builder.recipe import Override
from builder.records import Answer, Brief, Constitution, Request
from builder.stages.fanout import rehearse
from buying.scripted import USAGE, Scripted, kitchen

MODEL = "anthropic/nobody-1"  # no price is known for it, and its fingerprint is its name


class Told(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps = 0

    def advance(self, steps: int = 1) -> None:
        self.steps += steps

    def say(self, line: str) -> None:
        self.lines.append(line)

    def warn(self, line: str) -> None:
        self.lines.append(line)


class Desk:
    """A project with a planner whose answers are those of a rehearsal."""

    def __init__(self, folder: Path, briefs: Sequence[Brief], library: Any) -> None:
        self.project: Project = open_project(folder / "corpus/example", (Override("models.planner", MODEL),))
        self.constitutions: tuple[Constitution, ...] = read_constitutions(self.project)
        self.briefs = briefs
        self.known = {call.request.hash: call.answer for call in rehearse(open_planner(self.project, self.constitutions, briefs, MODEL))}
        self.kitchen = kitchen(library, [principle for row in self.constitutions for principle in row.principles], ())
        self.told = Told()

    def answer(self, request: Request, asked: int) -> Answer | Failure:
        return Answer(request_hash=request.hash, text=self.known[request.hash], usage=USAGE)

    def run(self, backend: Scripted, only_known: bool = False, allowed: bool = True) -> WithIdeas:
        backend.fingerprint = MODEL
        counter = Counter(self.project, {MODEL: backend}, self.kitchen)
        with closing(Ledger(self.project.corpus / "ledger.sqlite")) as ledger:
            return with_ideas(counter, ledger, self.constitutions, self.briefs, self.told, only_known, allowed)


@pytest.fixture
def desk(project_folder: Path, briefs: list[Brief], library: Any) -> Desk:
    return Desk(project_folder, briefs, library)


def test_a_fan_out_is_bought_once_and_known_afterwards(desk: Desk) -> None:
    first, second = Scripted(desk.answer), Scripted(desk.answer)
    found = desk.run(first)
    assert sum(first.asked.values()) == len(desk.known) == desk.told.steps
    assert found.planned and found.planned.unreached == () and found.planned.taken >= 15
    assert sum(brief.premise != "" for brief in found.briefs) == found.planned.taken
    assert any("77 of 77 principles reached" in line for line in desk.told.lines)
    assert desk.run(second) == found and not second.asked, "a rerun buys nothing"
    assert desk.run(second, only_known=True) == found
    with closing(Ledger(desk.project.corpus / "ledger.sqlite")) as ledger:
        assert recalled(desk.project, desk.constitutions, desk.briefs, ledger) == found


def test_half_a_fan_out_is_no_plan(desk: Desk) -> None:
    def script(request: Request, asked: int) -> Answer | Failure:
        return Failure("invalid", "no") if "-types-" in request.document_id else desk.answer(request, asked)

    with pytest.raises(BildungError, match="not answered.*run this again"):
        desk.run(Scripted(script))
    with closing(Ledger(desk.project.corpus / "ledger.sqlite")) as ledger:
        assert recalled(desk.project, desk.constitutions, desk.briefs, ledger) == WithIdeas(tuple(desk.briefs))
    with pytest.raises(UsageError, match="not all bought yet"):
        desk.run(Scripted(desk.answer), only_known=True)
    whole = Scripted(desk.answer)
    assert desk.run(whole).planned and not any("-domains-" in request.document_id for request in whole.order)


def test_an_unknown_price_is_refused_before_the_first_call(desk: Desk) -> None:
    backend = Scripted(desk.answer)
    with pytest.raises(UsageError, match="allow-unknown-price"):
        desk.run(backend, allowed=False)
    assert not backend.asked


def test_refused_branches_are_told(desk: Desk) -> None:
    def script(request: Request, asked: int) -> Answer | Failure:
        if "-subtypes-" in request.document_id or request.hash not in desk.known:
            return Answer(request_hash=request.hash, text="", stop_reason="refusal", usage=USAGE)
        return desk.answer(request, asked)

    desk.run(Scripted(script))
    told = "\n".join(desk.told.lines)
    assert "calls of the planner that gave nothing: 12 refused (subtypes)" in told, told
