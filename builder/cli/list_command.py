"""``bildung list``."""

from __future__ import annotations

import click

from builder import plugins
from builder.cli.options import corpus_argument
from builder.library import Library

_PLUGINS = {"backends": "backend", "exporters": "exporter", "gates": "gate", "engines": "engine"}
_WRITTEN = ("recipes", "traits", "tensions", "forms", "roles", "settings", "axes")


@click.command("list")
@click.argument("what", type=click.Choice([*_PLUGINS, *_WRITTEN]))
@corpus_argument
def command(what: str, corpus) -> None:  # type: ignore[no-untyped-def]
    """List plugins (backends, gates, engines ...) or what people wrote (recipes, traits, forms ...), one a line: id, a tab, description."""
    if what in _PLUGINS:
        for name in plugins.names(_PLUGINS[what]):
            click.echo(name)
        return
    for name, row in getattr(Library(corpus.resolve().parent.parent), what).items():
        described = ", ".join(row) if what == "axes" else getattr(row, "description", "") or getattr(row, "pull", "")
        click.echo(f"{name}\t{described}")
