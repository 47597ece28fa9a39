"""Briefs and principles of the project's own constitution, for every test of the buying."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.records import Brief, Principle
from buying.scripted import briefs_of

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def principles() -> tuple[Principle, ...]:
    """As a build reads them."""
    from builder.stages.principles import read_constitution

    name = "constitution/bildung.md"
    return read_constitution(name, (ROOT / name).read_bytes()).principles


@pytest.fixture(scope="session")
def briefs(library: Any, principles: tuple[Principle, ...]) -> list[Brief]:
    """Forty briefs, of all recipes."""
    return briefs_of(library, principles, 40)
