"""Contracts over whatever plugin files exist: a new one is tested the day its file appears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builder import plugins
from builder.errors import UsageError
from builder.exporters import ExportOptions
from builder.gates import GateContext
from builder.recipe import BuildRecipe
from builder.records import Candidate, CorpusRecord

TEXT = "Aule set the lamp down and counted the sacks again. Forty, and one that nobody had signed for. She said so to the clerk. " * 12


@pytest.mark.parametrize("name", plugins.names("gate"))
def test_a_gate_gives_one_verdict_each_in_input_order(name: str, library: Any) -> None:
    gate = plugins.load("gate", name).open_gate(GateContext(BuildRecipe(), library))
    candidates = [
        Candidate("a", TEXT),
        Candidate("b", TEXT.replace("sacks", "crates")),
        Candidate("c", ""),
        Candidate("d", "One word, \u2028 two."),
    ]
    verdicts = list(gate(candidates))
    assert [verdict.document_id for verdict in verdicts] == ["a", "b", "c", "d"]
    for verdict in verdicts:
        assert verdict.gate.replace("-", "_") == name.replace("-", "_")
        assert verdict.keep == (verdict.reason == "ok")
        assert verdict.reason.partition(":")[0].replace("_", "").isalnum()
    assert list(gate([])) == []


@pytest.mark.parametrize("name", plugins.names("exporter"))
def test_an_exporter_writes_what_it_says_and_the_same_bytes_twice(name: str, tmp_path: Path) -> None:
    records = [CorpusRecord(id=f"r-{n}", text=f"{TEXT}{n}", source="s", metadata=json.dumps({"n": n})) for n in range(7)]
    exporter = plugins.load("exporter", name)
    first = exporter.export(records, tmp_path / "one", ExportOptions(documents_per_shard=3))
    second = exporter.export(records, tmp_path / "two", ExportOptions(documents_per_shard=3))
    assert first == second
    assert len(first) == 3
    for path in first:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


@pytest.mark.parametrize("name", plugins.names("backend"))
def test_a_backend_module_can_be_opened(name: str) -> None:
    assert callable(plugins.load("backend", name).open_backend)


@pytest.mark.parametrize(
    ("kind", "typed", "meant"), [("gate", "mechanicl", "mechanical"), ("exporter", "parket", "parquet"), ("backend", "ofline", "offline")]
)
def test_an_unknown_plugin_is_named_with_its_near_miss(kind: str, typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"no {kind} named '{typed}'; did you mean '{meant}'"):
        plugins.load(kind, typed)
