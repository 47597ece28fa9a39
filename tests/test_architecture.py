"""The house stands as it was drawn: imports only go down, rooms stay small, heavy furniture stays out of the hall."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BUILDER = Path(__file__).parent.parent / "builder"
FILES = sorted(path for path in BUILDER.rglob("*.py") if "starter" not in path.parts)

# Lower number, lower floor. A module may import its own floor only inside its own package.
FLOORS = {
    "errors": 0,
    "records": 0,
    "markdown": 1,
    "stores": 1,
    "candidates": 1,
    "benchmarks": 2,
    "shapes": 1,
    "text": 1,
    "tokens": 1,
    "plugins": 1,
    "prompts": 2,
    "door": 1,
    "outputs": 3,
    "rendering": 3,
    "rubrics": 2,
    "references": 2,
    "forms": 2,
    "library": 3,
    "recipe": 3,
    "desk": 1,
    "ledger": 4,
    "prices": 4,
    "estimate": 5,
    "live": 5,
    "batch": 7,
    "gates": 4,
    "calibration": 4,
    "labelled": 8,
    "rows": 5,
    "measures": 4,
    "composer": 5,
    "patterns": 5,
    "exporters": 5,
    "backends": 8,
    "sharded": 5,
    "engines": 6,
    "dedup": 6,
    "stages": 7,
    "data_card": 8,
    "reference_texts": 8,
    "report": 9,
    "progress": 1,
    "project": 8,
    "buying": 9,
    "pipeline": 11,
    "promise": 10,
    "summary": 11,
    "cli": 12,
    "bench": 13,
    "__main__": 13,
    "__init__": 0,
}
HEAVY = (
    "anthropic", "openai", "langchain", "aiohttp", "genai_prices", "spacy", "datasets", "matplotlib", "pydantic", "datasketch",
    "langchain_core", "rich", "numpy", "yaml",
)  # fmt: skip


def _room(path: Path) -> str:
    return path.relative_to(BUILDER).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("builder"):
            if node.module == "builder":
                yield from (f"builder.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("builder"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BUILDER)))
def test_imports_go_down(path: Path) -> None:
    room = _room(path)
    assert room in FLOORS, f"give {room} a floor"
    for module in _imports(path):
        other = module.split(".")[1]
        if other.startswith("_") or other == room:
            continue
        assert FLOORS[other] < FLOORS[room], f"{path.name} ({room}) imports {module}"


def test_no_stage_imports_another() -> None:
    for path in (BUILDER / "stages").rglob("*.py"):
        own = path.relative_to(BUILDER / "stages").parts[0].removesuffix(".py")
        for module in _imports(path):
            if module.startswith("builder.stages.") and own != "__init__":
                assert module.split(".")[2] == own, f"{path.name} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BUILDER)))
def test_rooms_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 320, f"{path.name} has {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 40, f"{path.name}:{node.lineno} {node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BUILDER)))
def test_public_things_say_what_they_are(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name != "py.typed":
        assert ast.get_docstring(tree) is not None, f"{path.name} has no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


def test_stages_are_pure() -> None:
    """No stage opens a file, reads a clock, prints, or draws from the global random generator."""
    for path in (BUILDER / "stages").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("open", "print", "time.time", "time.monotonic", "random.random", "random.choice", "random.shuffle"), (
                    f"{path.name}:{node.lineno} calls {called}"
                )


def test_start_up_is_light() -> None:
    """``bildung --help`` imports nothing heavy."""
    code = f"import sys, builder.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
