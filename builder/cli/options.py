"""Arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from builder.errors import UsageError
from builder.recipe import Override

DEFAULT_CORPUS = Path("corpus/example")

corpus_argument = click.argument("corpus", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_CORPUS, required=False)


def recipe_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--documents``, ``--model``, ``--max-cost`` and ``--set``."""
    for option in reversed(
        [
            click.option("--documents", type=click.IntRange(min=1), help="How many documents to export."),
            click.option("--model", "models", multiple=True, metavar="ROLE=PROVIDER/MODEL", help="Model of a role; may be repeated."),
            click.option("--max-cost", type=click.FloatRange(min=0), metavar="USD", help="Hard cap on spending."),
            click.option("--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE", help="Any recipe key; may be repeated."),
        ]
    ):
        function = option(function)
    return function


def overrides(
    documents: int | None = None, models: tuple[str, ...] = (), max_cost: float | None = None, settings: tuple[str, ...] = (),
    concurrency: int | None = None,
) -> tuple[Override, ...]:  # fmt: skip
    """The recipe overrides that the options ask for, in order."""
    found = [Override(*_pair(setting, "--set SECTION.KEY=VALUE")) for setting in settings]
    for model in models:
        role, name = _pair(model, "--model ROLE=PROVIDER/MODEL")
        found.append(Override(f"models.{role}", f'"{name}"'))
    if documents is not None:
        found.append(Override("size.documents", str(documents)))
    if max_cost is not None:
        found.append(Override("budget.max_cost", str(max_cost)))
    if concurrency is not None:
        found.append(Override("budget.concurrency", str(concurrency)))
    return tuple(found)


def require_ledger(corpus: Path) -> None:
    """``UsageError`` where nothing was ever built: a command that only reads shall not start a ledger."""
    if not (corpus / "ledger.sqlite").is_file():
        raise UsageError("nothing is built here yet; run 'bildung build' first", corpus)


def _pair(text: str, shape: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.UsageError(f"{text!r} is not of the form {shape}")
    return key, value
