"""Shared by every test: no network but loopback, and a project folder that builds."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from ran import Ran, Run

ROOT = Path(__file__).parent.parent
settings.register_profile("steady", deadline=None)  # a busy machine is no fault of an example
settings.load_profile("steady")
_LOOPBACK = ("127.", "::1", "localhost")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` writes the golden files of rendered prompts anew."""
    parser.addoption("--update-golden", action="store_true")


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that would leave this machine."""
    real: Callable[..., Any] = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(_LOOPBACK):
            raise AssertionError(f"a test tried to reach {address!r}")
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def library() -> Any:
    """The project's own library, read once."""
    from builder.library import Library

    return Library(ROOT)


@pytest.fixture
def project_folder(tmp_path: Path) -> Path:
    """A copy of the starter project in a folder of its own."""
    for name in ("constitution", "story_prompts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    corpus = tmp_path / "corpus" / "example"
    corpus.mkdir(parents=True)
    shutil.copyfile(ROOT / "corpus" / "example" / "recipe.toml", corpus / "recipe.toml")
    return tmp_path


@pytest.fixture
def bildung(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process. Whatever is no ``SystemExit`` would have been a traceback, and fails the test."""

    def run(*arguments: str) -> Ran:
        from builder.cli import main

        monkeypatch.setattr(sys, "argv", ["bildung", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run
