"""What a wheel holds: the package, its starter files, and nothing else."""

from __future__ import annotations

import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.install


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel of this checkout, built by its own build backend."""
    builders = pytest.importorskip("hatchling.builders.wheel")
    folder = tmp_path_factory.mktemp("dist")
    built = list(builders.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"]))
    assert len(built) == 1
    return zipfile.ZipFile(built[0])


def test_the_starter_files_are_in_it(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for folder in ("constitution", "story_prompts"):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.name[0] != "."]
        assert files and {f"builder/starter/{path.relative_to(ROOT)}" for path in files} <= names
    assert "builder/starter/corpus/example/recipe.toml" in names
    assert "builder/starter/corpus/example/reference/passages.toml" in names


def test_every_module_is_in_it(wheel: zipfile.ZipFile) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "builder").rglob("*.py")}
    assert modules <= set(wheel.namelist())


def test_nothing_else_is_in_it(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        assert name.startswith("builder/") or ".dist-info/" in name, name
        assert "/tests/" not in name and not name.endswith((".pyc", ".sqlite", ".lock")), name


def test_what_it_says_of_itself(wheel: zipfile.ZipFile) -> None:
    info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    told = Parser().parsestr(wheel.read(info).decode())
    assert told["Name"] == "bildung"
    assert told["License-Expression"] == "MIT"
    assert told["Requires-Python"] == ">=3.11"
    assert not any("test" in need and "extra ==" not in need for need in told.get_all("Requires-Dist", []))
    points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "bildung = builder.cli:main" in wheel.read(points).decode()
