"""The toy gate is known here, and in every process that a test starts."""

from __future__ import annotations

import importlib
import os

import pytest

from engines.toys import TOY


@pytest.fixture(autouse=True)
def _toy_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOY)
    monkeypatch.setitem(importlib.import_module("builder.sharded.perform")._STAGES, "toy", "toy_stages")
    known = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{TOY}{os.pathsep}{known}" if known else str(TOY))
