"""``bildung principles``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from builder.errors import UsageError


@click.command("principles")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="The default: JSON lines on stdout.")
@click.option("--left-out", is_flag=True, help="List the lines that became no principle, and why, instead.")
def command(files: tuple[Path, ...], as_json: bool, left_out: bool) -> None:
    """Cut constitutions into principles: JSON lines with id, heading path, verbatim text, exact lines, kind and why.

    FILE may be - for stdin. What became no principle is counted on stderr and listed by --left-out.
    """
    from builder.stages.principles import read_constitution

    for file in files:
        constitution = read_constitution(str(file) if str(file) != "-" else "stdin", _bytes(file))
        rows = constitution.left_out if left_out else constitution.principles
        for row in rows:
            click.echo(row.model_dump_json(exclude={"sha256"}))
        counted = f"{len(constitution.principles)} principles, {len(constitution.left_out)} passages left out"
        click.echo(f"{constitution.source}: {counted}", err=True)


def _bytes(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", file) from error
