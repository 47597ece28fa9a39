"""Whole builds whose documents repeat what was planted in them: a judge on loopback names it, and the report counts it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from ran import Ran, Run

from builder.bench.provider import Provider, Settings
from builder.bench.provider.prose import prose
from builder.bench.provider.scripted import Said, scripted
from builder.ledger import Ledger

MODEL = "anthropic/claude-sonnet-4-5"
SETTINGS = ("gates.copied_words=100000", "identity.invented=0.0", "identity.unnamed=0.85", "writing.calibrated=0",
            "audit.scanned=16", "audit.together=8", "audit.counted=14")  # fmt: skip
BUILD = ("build", "--documents", "30", "--model", f"writer={MODEL}", "--model", f"judge={MODEL}",
         *(word for setting in SETTINGS for word in ("--set", setting)))  # fmt: skip
LAMP, LANTERN = "She put the lamp down and counted to seven.", "She put the lantern down and counted to nine."
BREAD = "There was still bread."
_PIECE = re.compile(r"<piece>\nNumber (\d+)\n\n(.*?)\n</piece>", re.DOTALL)
_ONE = re.compile(r"<piece>\n(.*?)\n</piece>", re.DOTALL)

Build = Callable[..., Ran]


def has(pattern: str, text: str) -> str:
    """The words of a text that show a planted pattern; empty where there are none."""
    wordings = {"lamp": (LAMP, LANTERN), "bread": (BREAD,)}[pattern]
    return next((words for words in wordings if words in text), "")


class Judge:
    """Plants in what it writes, and as a judge names what it finds in what it is shown. ``counted`` are the texts it was asked about."""

    def __init__(self) -> None:
        self.rounds: list[str] = []
        self.counted: list[str] = []
        self.instead: dict[str, Callable[[str], Said | None]] = {}

    def __call__(self, body: Mapping[str, Any]) -> Said | None:
        told = body["messages"][-1]["content"]
        told = told if isinstance(told, str) else told[-1]["text"]
        asked = "".join((body.get("output_config") or {}).get("format", {}).get("schema", {}).get("properties", {}))
        if asked not in ("patterns", "groups", "found"):
            return None if body.get("output_config") else self._draft(told)
        self.rounds.append(asked)
        if asked in self.instead and (said := self.instead[asked](told)):
            return said
        return Said(json.dumps({asked: getattr(self, f"_{asked}")(told)}))

    def _draft(self, told: str) -> Said | None:
        if "Assistant:" in told or "<answer>" in told or "<message>" in told:
            return None
        drawn = crc32(told.encode())  # calls come in any order
        planted = [LAMP] * (drawn % 2 == 0) + [LANTERN] * (drawn % 4 == 1) + [BREAD] * (drawn % 3 != 0)
        text = f"{prose(f'{drawn}', 250)}\n\n{' '.join(planted)}\n\n{prose(f'end {drawn}', 250)}"
        return Said(f"<piece>\n{text}\n</piece>" if "between <piece> and </piece>" in " ".join(told.split()) else text)

    def _patterns(self, told: str) -> list[dict[str, Any]]:
        pieces = [(int(number), text) for number, text in _PIECE.findall(told)]
        found = [_named(f"{name} {len(self.rounds)}", name, [(at, words) for at, text in pieces if (words := has(name, text))])
                 for name in ("lamp", "bread")]  # fmt: skip
        made_up = _named("a dog comes home", "dog", [(1, "the dog came home at last"), (2, "and the dog slept by the door")])
        once = _named("seen once", "once", [(1, pieces[0][1][:60]), (1, pieces[0][1][60:120]), (40, pieces[0][1][:60])])
        return [*found, made_up, once]

    def _groups(self, told: str) -> list[dict[str, Any]]:
        marks = re.findall(r"^(P\d+): (lamp|bread)", told, re.MULTILINE)
        return [
            {"marks": [mark for mark, name in marks if name == wanted], "name": f"the {wanted}", "broadly": f"The piece has {wanted}.",
             "strictly": f"The piece says {wanted}."}
            for wanted in ("lamp", "bread")
        ]  # fmt: skip

    def _found(self, told: str) -> list[dict[str, Any]]:
        shown = _ONE.search(told)
        text = shown[1] if shown else ""
        self.counted.append(text)
        marks = {name: mark for mark, name in re.findall(r"^(P\d+): (?:the )?(lamp|bread)", told, re.MULTILINE)}
        rows = [{"pattern": marks[name], "how": "broadly" if words == LANTERN else "strictly", "quote": words}
                for name in marks if (words := has(name, text))]  # fmt: skip
        return [*rows, {"pattern": marks["lamp"], "how": "strictly", "quote": "words that stand in no text"}]


def _named(name: str, kind: str, examples: list[tuple[int, str]]) -> dict[str, Any]:
    return {"name": name, "kind": "gesture", "broadly": f"The piece has {kind}.", "strictly": f"The piece says {kind}.",
            "examples": [{"piece": at, "quote": words} for at, words in examples]}  # fmt: skip


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
def simulated(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with scripted(judge, Settings(answer_tokens=500, cache_minimum=1_000_000)) as running:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-none")
        yield running


@pytest.fixture
def build(project_folder: Path, bildung: Run, simulated: Provider, monkeypatch: pytest.MonkeyPatch) -> Build:
    """``bildung build`` in the project folder, with a judge."""
    monkeypatch.chdir(project_folder)
    return lambda *arguments: bildung(*BUILD, *arguments)


def audit_of(folder: Path) -> Any:
    """What ``coverage.json`` says of the audit."""
    return json.loads((folder / "output/example/coverage.json").read_text(encoding="utf-8"))["audit"]


def test_what_was_planted_is_named_merged_and_counted(
    project_folder: Path, build: Build, bildung: Run, judge: Judge, simulated: Provider
) -> None:
    ran = build()
    assert ran.code == 0, ran.err
    assert judge.rounds == ["patterns"] * 2 + ["groups"] + ["found"] * 14, judge.rounds
    found = audit_of(project_folder)
    counts = {row["name"]: (row["broad"], row["strict"]) for row in found["patterns"]}
    lamps, lanterns, breads = (sum(words in text for text in judge.counted) for words in (LAMP, LANTERN, BREAD))
    assert counts == {"the lamp": (lamps + lanterns, lamps), "the bread": (breads, breads)} and lamps and breads and lanterns
    assert found["rounds"]["scan"]["dropped"] == {"unverified": 4, "misquoted": 6}, "the made-up one, and that of one piece, in two batches"
    assert found["rounds"]["count"]["dropped"] == {"unverified": 14} and found["merged_by"] == "judge" and not found["unanswered"]
    report = (project_folder / "output/example/report.md").read_text(encoding="utf-8")
    assert "## Pattern audit" in report and f"**the lamp** | gesture | {100 * (lamps + lanterns) / 14:.0f} %" in report
    assert "a dog comes home" not in report and MODEL in report.partition("## Pattern audit")[2].partition("##")[0]
    short = bildung("check", "--fail-over", "audit.strict_top_share=0.1", "--fail-over", "audit.unanswered=0")
    assert short.code == 3 and "audit.strict_top_share is" in short.err and "unanswered" not in short.err
    bought, before = simulated.bill(), audit_of(project_folder)
    again = build()
    assert again.code == 0 and simulated.bill().requests == bought.requests and audit_of(project_folder) == before
    assert bildung("report", *BUILD[1:]).code == 0 and audit_of(project_folder) == before
    with closing(Ledger(project_folder / "corpus/example/ledger.sqlite")) as ledger:
        assert {row.step: row.answers for row in ledger.spent()}["audit"] == 17
        assert ledger.paid().cost == pytest.approx(float(bought.dollars), abs=1e-9)


def test_broken_answers_in_batches_are_told_and_what_can_be_read_is_counted(project_folder: Path, build: Build, judge: Judge) -> None:
    judge.instead["groups"] = lambda told: Said("They are all the same, are they not?")
    judge.instead["found"] = lambda told: Said("", "refusal") if BREAD in (_ONE.search(told) or [""])[0] else None
    ran = build("--model", "judge=anthropic-batch/claude-sonnet-4-5")
    assert ran.code == 0, ran.err
    found = audit_of(project_folder)
    assert found["merged_by"] == "overlap" and found["rounds"]["merge"]["failed"] == {"unparsed": 1}
    assert {row["name"].split()[0] for row in found["patterns"]} == {"lamp", "bread"} and len(found["patterns"]) == 2
    refused = found["rounds"]["count"]["failed"]["refused"]
    assert 0 < refused < 14 and found["counted"] == 14 - refused == len(judge.counted)
    assert next(row for row in found["patterns"] if row["name"].startswith("bread"))["broad"] == 0
    assert f"{refused} refused (count)" in ran.err and "1 unparsed (merge)" in ran.err
    report = (project_folder / "output/example/report.md").read_text(encoding="utf-8")
    assert "Its own merging could not be read" in report and f"{refused + 1} of 17 calls of the pattern audit gave nothing" in report


def test_a_faulty_prompt_is_told_before_anything_is_bought(project_folder: Path, build: Build, bildung: Run, simulated: Provider) -> None:
    page = project_folder / "story_prompts/audit/count.md"
    page.write_text(page.read_text(encoding="utf-8").replace("{patterns}", "{patterns} {nobody}"), encoding="utf-8")
    for ran in (build(), bildung("doctor")):
        assert ran.code == 2 and "audit/count.md uses {nobody}" in ran.err + ran.out
    assert simulated.bill().requests == 0
    assert bildung("build", "--documents", "4").code == 0, "nobody is asked without a judge"


def test_without_a_judge_nothing_is_asked_and_the_report_says_that_patterns_have_no_names(
    project_folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project_folder)
    assert bildung("build", "--documents", "6").code == 0
    report = (project_folder / "output/example/report.md").read_text(encoding="utf-8")
    assert "## Pattern audit" not in report and "They have no names: no model reads them here." in report
    asked = bildung("plan", "--documents", "6", "--json")
    assert "audit" not in {role["step"] for role in json.loads(asked.out)["cost"]["roles"]}


@pytest.mark.parametrize(("documents", "settings", "calls"), [
    (1000, (), 106), (1000, ("audit.scanned=0",), 0), (30, (), 3 + 1 + 30), (1000, ("audit.together=20", "audit.counted=5"), 9), (1, (), 0),
])  # fmt: skip
def test_a_plan_prices_every_call(
    project_folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch, documents: int, settings: tuple[str, ...], calls: int
) -> None:
    monkeypatch.chdir(project_folder)
    chosen = [word for setting in settings for word in ("--set", setting)]
    asked = bildung("plan", "--documents", str(documents), "--model", "judge=anthropic/claude-haiku-4-5", "--json", *chosen)
    rows = {role["step"]: role for role in json.loads(asked.out)["cost"]["roles"]}
    assert rows.get("audit", {"calls": 0})["calls"] == calls
    if calls:
        assert rows["audit"]["role"] == "judge" and rows["audit"]["ways"]["live"]["expected"] > 0
