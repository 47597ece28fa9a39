"""``bildung why``."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from builder.cli.options import corpus_argument
from builder.errors import UsageError
from builder.ledger import Event, Ledger
from builder.project import open_project, principles_of, read_constitutions


@click.command("why")
@click.argument("identifier", metavar="ID")
@corpus_argument
def command(identifier: str, corpus: Path) -> None:
    """Everything known about one document or one principle.

    Of a document: its brief, each gate's verdict, its evidence, each call that made it; of a principle: text, lines, documents.
    """
    project = open_project(corpus)
    principles = {principle.id: principle for principle in principles_of(read_constitutions(project))}
    briefs = {row["id"]: row for row in _rows(project.output / "briefs.jsonl")}
    if identifier in principles:
        click.echo(principles[identifier].model_dump_json(indent=2))
        for brief in (row for row in briefs.values() if identifier in row["principles"]):
            click.echo(f"{brief['id']}\t{brief['trait']}\t{brief['form']}")
        return
    if identifier not in briefs:
        raise UsageError(f"no document or principle {identifier!r} in {project.output}; 'bildung principles' and briefs.jsonl list them")
    click.echo(json.dumps(briefs[identifier], indent=2, ensure_ascii=False))
    for path in sorted((project.output / "verdicts").glob("*.jsonl")):
        for verdict in _rows(path):
            if verdict["document_id"] == identifier:
                click.echo(f"{verdict['gate']}: {'kept' if verdict['keep'] else 'removed'}, {verdict['reason']} {verdict['scores'] or ''}")
    for quote in _rows(project.output / "evidence.jsonl"):
        if quote["document_id"] == identifier:
            click.echo(f"{quote['kind']} {quote['trait']}: {quote['quote']}")
    for event in _history(corpus, identifier):
        cost = "unknown" if event.cost is None else f"${event.cost:.6f}"
        told = f"{event.tokens_in:,} tokens in, {event.tokens_out:,} out, {cost}"
        click.echo(f"{event.step} by {event.model}: {event.outcome}, {told}, request {event.request_id or '-'}")


def _history(corpus: Path, identifier: str) -> tuple[Event, ...]:
    if not (corpus / "ledger.sqlite").is_file():
        return ()
    with closing(Ledger(corpus / "ledger.sqlite")) as ledger:
        return ledger.history(identifier)


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise UsageError("is not there yet; run 'bildung build' first", path)
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
