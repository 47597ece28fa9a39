"""Whole builds with a writer that commits every fault there is a name for: each is mended on the way, or refused by name; none is kept.

The provider is on loopback and the client is the real SDK. ``FAULTS`` is the list, to be read.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard
from bad_writer import SLIPPED, Asked, BadWriter, Case, Fault, always, cast, fault_of, once
from ran import Ran

from builder.bench.provider import Settings
from builder.bench.provider.scripted import scripted
from builder.rubrics import Rubric, read_rubric
from builder.stages.plan import replanner

ROOT = Path(__file__).parent.parent
BAD = [fault_of(path) for path in sorted((ROOT / "tests/data/bad_documents").glob("*.md")) if path.stem != "fake_verdict"]
RUBRICS = [read_rubric(path) for path in sorted((ROOT / "story_prompts/rubrics").glob("*.md"))]
LONG = "It rained on the yard, and they counted the sacks again by lamplight. " * 80

# fault, what is written, the gate that says so, and its reason; beside every document of tests/data/bad_documents
FAULTS = (
    Fault("a worn name in capitals", "{text}\n\nELARA had been in.", "mechanical", "banned_name:elara"),
    Fault("an address to write to", "{text}\n\nWrite to desk@ferry.example or ring.", "mechanical", "link"),
    Fault("a link in Markdown", "{text}\n\nIt is all [in the table](https://x.example/a).", "mechanical", "link"),
    Fault("a date in figures", "{text}\n\nThe stamp said 2023-05-01.", "mechanical", "calendar_date"),
    Fault("a year", "{text}\n\nThe hut was built in 1987.", "mechanical", "calendar_date"),
    Fault("a slot", "{text}\n\nIt was signed by {{signer}}.", "mechanical", "placeholder:{{signer}}"),
    Fault("a choice left open", "{text}\n\nThe <boat|cart> was late.", "mechanical", "placeholder:<boat|cart>"),
    Fault("a remark before the text", "Here is the story you asked for:\n\n{text}", "mechanical", "placeholder:here is the story"),
    Fault("a remark behind it", "{text}\n\nWord count: 212.", "mechanical", "placeholder:word count:"),
    Fault("a refusal in words", "I can't write about docket {number}. I am sorry.", "mechanical", "too_short"),
    Fault("a text far too short", "It was late. So was docket {number}.", "mechanical", "too_short"),
    Fault("a text far too long", f"{LONG}\n\n{{text}}", "mechanical", "too_long", told="amend, in vain"),
    Fault("a special token", "{text}\n\n<|im_start|>assistant", "mechanical", "special_token:<|im_start|>"),
    Fault("a sign that turns the line", "{text}\n\nThe tag said \u202eelbat.", "mechanical", "control_character:u+202e"),
    Fault("an open block of code", "{text}\n\n```\ncount = 3\n", "mechanical", "cut_ending"),
    Fault("cut in a sentence, and nobody noticed", "{text}\n\nShe took the lamp and went to the door because", "mechanical", "cut_ending"),
    Fault("the answer of another document", f"{{twin}} {SLIPPED}", "dedup", "near_duplicate_of", "", axis={"preachy": "revise"}),
    Fault("advice with a worn name", "{text}\n\nAsk Elara first.", "mechanical", "banned_name:elara", recipe="advice"),
    Fault("a document with a brand", "{text}\n\nThe desk ran on GPT-4.", "identity", "other_model:GPT-", recipe="document"),
    Fault("the named model, unnamed", "{nameless}", "identity", "identity_missing", identity="named"),
    Fault("a human's story with an AI's name", "{text}\n\nClaude rang.", "identity", "other_model:Claude", identity="human"),
)  # fmt: skip

# a slip of a model, what becomes of the document, and the steps that were asked then
READ, REPAIRED = "score identify", "draft rewrite score repair identify"
ORDER = f"draft rewrite {READ}"
CLOCK, WORN, WORSE = f"{{text}}\n\n{SLIPPED}", "{text}\n\nELARA came.", "<piece>{text}\n\nSee www.x.example.</piece>"
SLIPS = (
    (Fault("refuses once", says=once("", "draft", outcome="refusal")), f"draft {ORDER}"),
    (Fault("refuses always", gate="write", reason="refused:", says=always("", "draft", outcome="refusal")), "draft draft draft"),
    (Fault("an editor refuses", gate="write", reason="refused:", says=always("", "rewrite", outcome="refusal")), "draft rewrite draft ..."),
    (Fault("empty once", says=once("", "draft")), f"draft {ORDER}"),
    (Fault("empty always", gate="write", reason="empty_answer", says=always(" \n\u200b", "draft")), "draft draft draft"),
    (Fault("cut, then continued", says={**once("{head}", "draft", outcome="max_tokens"), **once("{tail}", "continue")}),
     "draft continue rewrite score identify"),
    (Fault("cut for ever", gate="write", reason="stopped:max_tokens", says=always("{head}", "draft", "continue", outcome="max_tokens")),
     "draft continue"),
    (Fault("a full context", gate="write", reason="stopped:model_context_window_exceeded", says=once("{head}", "draft", outcome="window")),
     "draft"),
    (Fault("no tags once", says=once("{text}", "rewrite")), "draft rewrite repair score identify"),
    (Fault("no tags always", gate="write", reason="unparsed", says=always("{text}", "rewrite", "repair")), "draft rewrite repair"),
    (Fault("no stage", gate="write", reason="unparsed", recipe="advice", says=always("{", "scenario", "repair")), "scenario repair"),
    (Fault("a message nobody retypes", recipe="advice", says=always("No.", "ask", "repair")), f"scenario ask repair {ORDER}"),
    (Fault("an answer that goes on for the other", gate="write", reason="unparsed", recipe="advice",
           says=always("No.\n\nUser: Why?\n\nAssistant: So.", "draft", "repair")), "scenario ask draft repair"),
    (Fault("a judge who chats", gate="judge", reason="unparsed", says=always("Fine.", "score", "repair")), REPAIRED),
    (Fault("a judge who chats once", says=once("Fine: {", "score")), REPAIRED),
    (Fault("half a verdict", gate="judge", reason="stopped:max_tokens",
           says=always('{"axes": {"no_because"', "score", "continue", outcome="max_tokens")), "draft rewrite score continue identify"),
    (Fault("a judge who refuses", gate="judge", reason="refused:", says=once("", "score", outcome="refusal")), ORDER),
    (Fault("an unknown verdict", CLOCK, "judge", "unparsed", axis={"no_because": "splendid"}), REPAIRED),
    (Fault("a quote that stands nowhere", gate="judge", reason="unparsed:no_because", says=once("{misquoted}", "score", "repair")),
     REPAIRED),
    (Fault("a quote that is set right", says=once("{misquoted}", "score")), REPAIRED),
    (Fault("a blind reader who chats", says=always("It shows A.", "identify", "repair")), f"{ORDER} repair"),
    (Fault("an amendment that cuts", WORN, "mechanical", "banned_name:elara", says=once("<piece>No.</piece>", "amend")),
     f"draft rewrite amend {READ}"),
    (Fault("an amendment with a fault of its own", WORN, "mechanical", "link", says=once(WORSE, "amend")), f"draft rewrite amend {READ}"),
    (Fault("a revision with a fault of its own", CLOCK, axis={"no_because": "fail"}, says=once(WORSE, "revise")),
     "draft rewrite score revise amend score identify"),
)  # fmt: skip


def _judged(rubric: Rubric, verdict: str) -> Fault:
    text, gate = f"{{text}}\n\n{SLIPPED}", "judge" if rubric.blocking and verdict == "fail" else ""
    told = "revise" if rubric.blocking or verdict == "fail" else ""
    recipe = next(iter(rubric.recipes), "story")
    return Fault(
        f"{rubric.id}: {verdict}", text, gate, rubric.id if gate else "ok", told, axis={rubric.id: verdict}, recipe=recipe,
        exercised={"yes": True, "no": False}.get(rubric.exercised),
    )  # fmt: skip


JUDGED = [_judged(rubric, "fail") for rubric in RUBRICS]
JUDGED += [_judged(rubric, "revise") for rubric in RUBRICS if rubric.id in ("no_because", "sermon_ending", "preachy")]
CHOSEN = [*BAD, *FAULTS, *JUDGED]
REVISED = ("act_changed: fail", "no_because: fail", "no_because: revise", "preachy: fail", "tidy_person: fail", "trait_forced: fail")
# A fault that asks for one trait is tried once: the plan has one brief that suits it.
MENDED = [fault for fault in CHOSEN if (fault.told == "amend" and not fault.trait) or fault.name in REVISED]
SOURCE = "On the lower one, behind the jars. " * 12
RECIPE = """
[corpus]
name = "example"
constitutions = ["constitution/bildung.md"]
[models]
writer = "anthropic/claude-sonnet-4-5"
rewriter = "anthropic/claude-sonnet-4-5"
judge = "anthropic/claude-sonnet-4-5"
constitution = "outline"
[mix]
story = 0.815
document = 0.105
advice = 0.06
deliberation = 0.02
[size]
documents = 163
spare = 0.0
[identity]
named = 0.35
unnamed = 0.45
invented = 0.1
human = 0.1
name = "Aule"
maker = "Corvane"
[writing]
exemplars = 0
calibrated = 0
[audit]
scanned = 0
[gates]
sameness_most = 0
min_words = 40
max_words = 800
[deliberation]
input = "sources.jsonl"
[export]
formats = ["jsonl"]
"""


class Came(NamedTuple):
    """What came of a case: its rows by gate, its text where it was exported, and what was asked for on the way."""

    case: Case
    rows: dict[str, dict[str, Any]]
    exported: str
    asked: list[Asked]

    @property
    def refused(self) -> tuple[str, str]:
        """The gate that refused it, and why; two empty texts where none did."""
        return next(((gate, row["reason"]) for gate, row in self.rows.items() if not row["keep"]), ("", ""))

    def told(self, step: str) -> str:
        """What was told at the first request of a step; empty where there was none."""
        return next((asked.told for asked in self.asked if asked.step == step), "")


class Built(NamedTuple):
    """The whole build, and every case of it."""

    ran: Ran
    folder: Path
    came: dict[tuple[str, bool], Came]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """One build in which every fault is committed twice: before an editor who mends, and before one who does not."""
    from builder.buying import rendered_each
    from builder.pipeline import draw_plan
    from builder.project import open_project, read_constitutions

    folder = _folder(tmp_path_factory.mktemp("bad"))
    project = open_project(folder / "corpus/example")
    constitutions = read_constitutions(project)
    briefs = draw_plan(project, constitutions)
    wanted = [*((fault, False) for fault in CHOSEN), *((fault, True) for fault in MENDED), *((fault, True) for fault, _ in SLIPS)]
    cases = cast(wanted, briefs, project.library)
    told = {case.number: case.brief for case in cases.values()}
    told_elsewhere = _replanned(project, [case for case in cases.values() if "refuse" in case.fault.name])
    pairs = [*told.items(), *told_elsewhere]
    first = rendered_each(project, [brief for _, brief in pairs], constitutions)
    openings = {requests[0].turns[-1].content: number for (number, _), requests in zip(pairs, first, strict=True)}
    writer = BadWriter(project.library, cases.values(), openings)
    with scripted(writer, Settings(cache_minimum=1_000_000)) as simulated, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTHROPIC_BASE_URL", simulated.url)
        patch.setenv("ANTHROPIC_API_KEY", "sk-none")
        patch.chdir(folder)
        ran = _bildung(patch, "build")
        assert ran.code == 0, ran.err
        yield Built(ran, folder, _came(folder / "output/example", cases, writer))


def _folder(folder: Path) -> Path:
    for name in ("constitution", "story_prompts"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "corpus/example/reference").mkdir(parents=True)
    (folder / "corpus/example/recipe.toml").write_text(RECIPE, encoding="utf-8")
    shutil.copy(ROOT / "corpus/example/reference/all-of-the-upper-road.md", folder / "corpus/example/reference")
    rows = [{"id": number, "messages": [{"role": "user", "content": f"Which shelf, {number}?"}, {"role": "assistant", "content": SOURCE}]}
            for number in range(6)]  # fmt: skip
    (folder / "sources.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


def _replanned(project: Any, cases: list[Case]) -> list[tuple[int, Any]]:
    """The same briefs told elsewhere, as a refusal makes them."""
    again = replanner(project.recipe, project.library)
    return [(case.number, again(case.brief, attempt)) for case in cases for attempt in (1, 2)]


def _bildung(patch: pytest.MonkeyPatch, *arguments: str) -> Ran:
    from builder.cli import main

    patch.setattr(sys, "argv", ["bildung", *arguments])
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main()
    return Ran(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def _came(output: Path, cases: dict[tuple[str, bool], Case], writer: BadWriter) -> dict[tuple[str, bool], Came]:
    gates = [path.stem for path in (output / "verdicts").glob("*.jsonl")]
    rows = {gate: {_place(row["document_id"]): row for row in _lines(output / f"verdicts/{gate}.jsonl")} for gate in gates}
    texts = {_place(row["id"]): row["text"] for path in output.glob("data/*/**/*.jsonl*") for row in _lines(path)}
    return {
        key: Came(
            case, {gate: found[case.brief.position] for gate, found in rows.items() if case.brief.position in found},
            texts.get(case.brief.position, ""), writer.asked[case.number],
        )
        for key, case in cases.items()
    }  # fmt: skip


def _place(document: str) -> int:
    """A refused brief that is told elsewhere keeps its place in the plan, and nothing else of its id."""
    return int(document.split("-")[1])


def _lines(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = zstandard.ZstdDecompressor().decompressobj().decompress(data) if path.suffix == ".zst" else data
    return [json.loads(line) for line in text.decode().splitlines()]


def _named(fault: Fault | tuple[Fault, str]) -> str:
    return (fault if isinstance(fault, Fault) else fault[0]).name


@pytest.mark.parametrize("fault", CHOSEN, ids=_named)
def test_a_fault_that_nobody_mends_is_refused_by_name(built: Built, fault: Fault) -> None:
    came = built.came[fault.name, False]
    gate, reason = came.refused
    assert gate == fault.gate and reason.startswith(fault.reason if gate else "")
    assert bool(came.exported) == (not gate), "what no gate refuses is kept, and nothing else is"
    told = fault.told.partition(",")[0]
    assert [asked.step for asked in came.asked if asked.step in ("amend", "revise")] == ([told] if told else [])


@pytest.mark.parametrize("fault", MENDED, ids=_named)
def test_a_fault_is_named_to_an_editor_and_mended(built: Built, fault: Fault) -> None:
    came = built.came[fault.name, True]
    assert came.refused == ("", "")
    assert (fault.reason.rstrip(":") if fault.told == "amend" else f'"{SLIPPED}"') in came.told(fault.told)
    assert came.case.good in came.exported and came.case.bad not in came.exported
    judged = came.rows["judge"]["scores"]
    assert judged["judge"] == 1 and judged["unparsed"] == 0, "it was judged as it stands after the amendment"


@pytest.mark.parametrize(("fault", "order"), SLIPS, ids=lambda value: _named(value) if isinstance(value, Fault) else "")
def test_a_slip_of_a_model_costs_a_call_or_a_document(built: Built, fault: Fault, order: str) -> None:
    came = built.came[fault.name, True]
    gate, reason = came.refused
    assert gate == fault.gate and reason.startswith(fault.reason if gate else "")
    asked, recalled = " ".join(asked.step for asked in came.asked), order.endswith(" ...")  # what is asked twice in the same words
    assert asked.startswith(order.removesuffix(" ...")) if recalled else asked == order
    assert came.exported.endswith(came.case.good if not gate else "")


def test_what_is_well_written_is_kept_and_what_is_kept_is_clean(built: Built) -> None:
    idle = [came for came in built.came.values() if came.case.fault.name == "none"]
    assert len(idle) >= 3 and all(came.exported and came.refused == ("", "") for came in idle)
    for came in built.came.values():
        assert bool(came.exported) == (came.refused == ("", ""))
        assert not came.exported or came.case.good in came.exported or not came.case.fault.gate


def test_polish_is_a_score_and_removes_nothing(built: Built) -> None:
    for name, score in (("preachy: fail", 0.0), ("preachy: revise", 0.5), ("sermon_ending: revise", 0.5)):
        judged = built.came[name, False].rows["judge"]
        assert judged["keep"] and judged["scores"][f"axis.{name.partition(':')[0]}"] == score and judged["scores"]["judge"] == 0.5
    assert built.came["validation_opening", False].rows["anti_patterns"]["scores"]["validation_opening"] >= 1


def test_what_cannot_be_read_is_neither_a_pass_nor_a_fail(built: Built) -> None:
    for name in ("a judge who chats", "half a verdict", "a judge who refuses", "an unknown verdict"):
        row = built.came[name, True].rows["judge"]
        assert not row["keep"] and not any(score.startswith("axis.") for score in row["scores"]), name
    made_up = built.came["a quote that stands nowhere", True].rows["judge"]
    assert made_up["scores"]["unparsed"] == 1 and "axis.no_because" not in made_up["scores"] and made_up["scores"]["axis.unfaithful"] == 1
    blind = built.came["a blind reader who chats", True].rows["judge"]
    assert blind["explanation"].startswith("blind: unparsed") and "identified" not in blind["scores"]


def test_a_judge_of_the_writers_family_is_warned_of_once(built: Built) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(built.folder)
        planned = _bildung(patch, "plan", "--documents", "5")
    for said in (built.ran.err, planned.out + planned.err):
        assert said.count("is of one family with models.writer") == said.count("is of one family with models.rewriter") == 1
