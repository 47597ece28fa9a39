"""Plugins are files: a module in ``builder/backends``, ``exporters``, ``stages`` (a gate) or ``engines`` is known by its name.

Other distributions add theirs through the entry-point groups ``bildung.backends``, ``bildung.exporters``, ``bildung.gates`` and
``bildung.engines``. Nothing is imported before it is opened.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from builder.errors import UsageError, no_such

_FOLDERS = {"backend": "backends", "exporter": "exporters", "gate": "stages", "engine": "engines"}
# A gate is a stage that can be opened as one; the source is searched so that listing imports nothing.
_GATE_MARK = "def open_gate("


def names(kind: str) -> tuple[str, ...]:
    """The plugin names of one kind (``backend``, ``exporter``, ``gate``, ``engine``), sorted."""
    folder = Path(__file__).parent / _FOLDERS[kind]
    found = {module.name.replace("_", "-") for module in pkgutil.iter_modules([str(folder)])} if folder.is_dir() else set()
    if kind == "gate":
        found = {name for name in found if _is_gate(folder / name.replace("-", "_"))}
    return tuple(sorted(found | {point.name for point in entry_points(group=f"bildung.{_FOLDERS[kind]}")}))


def load(kind: str, name: str) -> ModuleType:
    """Import the module of one plugin; ``UsageError`` with the near misses where there is none."""
    if name not in names(kind):
        raise UsageError(no_such(kind, name, names(kind)))
    for point in entry_points(group=f"bildung.{_FOLDERS[kind]}"):
        if point.name == name:
            module = point.load()
            if not isinstance(module, ModuleType):
                raise UsageError(f"the {kind} {name!r} must be a module, and its entry point is {type(module).__name__}")
            return module
    return importlib.import_module(f"builder.{_FOLDERS[kind]}.{name.replace('-', '_')}")


def _is_gate(path: Path) -> bool:
    sources = [path.with_suffix(".py")] if path.with_suffix(".py").exists() else [path / "__init__.py"]
    return any(_GATE_MARK in source.read_text(encoding="utf-8") for source in sources)
