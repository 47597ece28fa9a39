"""``bildung init``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from builder.errors import UsageError
from builder.library import starter_root

_COPIED = ("constitution", "story_prompts", "corpus/example/recipe.toml", "corpus/example/reference")
_IGNORED = "ledger.sqlite*\n.lock\n/output/*\n!/output/.gitkeep\n"


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Copy the starter files into FOLDER: a constitution, its traits, the story prompts, and a recipe that builds at once."""
    copy_starter(folder)
    click.echo(f"{folder} is ready. Next: cd {folder} && bildung build")


def copy_starter(folder: Path) -> None:
    """Make ``folder`` a project that builds; ``UsageError`` where it would overwrite something."""
    taken = [name for name in _COPIED if (folder / name).exists()]
    if taken:
        raise UsageError(f"already holds {taken[0]}; choose an empty folder", folder)
    for name in _COPIED:
        source, target = starter_root() / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    (folder / "output").mkdir(exist_ok=True)
    (folder / "output" / ".gitkeep").touch()
    (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
