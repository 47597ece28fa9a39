"""``python -m builder.bench contamination``: every kind of leak is planted as it says, and found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from builder.bench.__main__ import bench
from builder.bench.contamination import KINDS, Leaks, leak, recalls

ROOT = Path(__file__).parents[2]


def test_leaks_stand_in_the_rows_as_they_are_called(tmp_path: Path) -> None:
    leaks = leak(tmp_path, 400, 300)
    texts = {row["id"]: row["text"] for row in map(json.loads, leaks.rows.read_text().splitlines())}
    asked = [row["question"].split() for row in map(json.loads, leaks.suite.read_text().splitlines())]
    assert len(texts) == 400 and len(asked) == 300
    assert sorted(leaks.kinds.values()) == sorted([*KINDS, *KINDS])
    runs = {"whole": lambda words: words, "short": lambda words: words, "half": lambda words: words[: (len(words) + 1) // 2],
            "13 words": lambda words: words[(len(words) - 13) // 2 :][:13], "edited": lambda words: words[10:19]}  # fmt: skip
    for identifier, kind in leaks.kinds.items():
        assert any(" ".join(runs[kind](words)) in texts[identifier] for words in asked if kind == "short" or len(words) >= 26), kind


def test_recall_is_by_kind_and_everything_else_is_an_alarm() -> None:
    leaks = Leaks(Path("rows"), Path("suite"), {"1": "whole", "2": "whole", "3": "short"})
    shares, alarms = recalls(leaks, ["1", "3", "7"])
    assert (shares["whole"], shares["short"], shares["half"], alarms) == (0.5, 1.0, 0.0, 1)


def test_the_command_finds_every_leak_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ran = CliRunner().invoke(bench, ["contamination", "--documents", "200", "--questions", "300", "--tool", "bildung"])
    assert ran.exit_code == 0, ran.output
    head, row = ran.output.splitlines()
    assert head.split()[:3] == ["tool", "documents", "n-grams"]
    assert row.split()[:2] == ["bildung", "200"]
    assert row.split()[-6:] == ["1.000"] * 5 + ["0"]


def test_datatrove_misses_what_is_edited_or_short(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datatrove")
    monkeypatch.chdir(ROOT)
    ran = CliRunner().invoke(bench, ["contamination", "--documents", "200", "--questions", "300", "--tool", "datatrove"])
    assert ran.output.splitlines()[1].split()[-6:] == ["1.000", "1.000", "1.000", "0.000", "0.000", "0"], ran.output
