"""The command line: a thin skin. Data on stdout, progress on stderr; every failure a person can mend is one line and an exit code.

Commands are imported when they run, so that ``bildung --help`` answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from builder import __version__

# command -> its one line in the help; the code is in builder/cli/<command>.py
COMMANDS = {
    "init": "A new project folder that builds at once.",
    "build": "Build a corpus, or go on with it.",
    "plan": "What a build would write and cost; spends nothing.",
    "principles": "Cut constitutions into principles, as JSON lines.",
    "gate": "Run one gate over any JSONL or Parquet with id and text.",
    "report": "Write the coverage report again from what is built.",
    "check": "Fail when a metric of the report lies under a threshold.",
    "export": "Write the corpus in another format.",
    "why": "Everything known about one document or principle.",
    "doctor": "Check the installation and what people wrote.",
    "list": "List backends, exporters, gates, recipes, traits or forms.",
}


class LazyGroup(click.Group):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"builder.cli.{cmd_name}_command").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from builder.errors import no_such

            raise click.UsageError(no_such("command", args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None  # by itself click would tell it with an empty line
        except BrokenPipeError:
            _leave_pipe()
            ctx.exit(0)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="bildung")
def cli() -> None:
    """A constitution becomes a corpus of fiction for character-shaping midtraining.

    \b
    bildung init my-project && cd my-project && bildung build
    """


def main() -> NoReturn:
    """Run the command line; the exit codes are listed in ``builder/errors.py``."""
    nowhere = Path(os.devnull)  # instead of what was closed with >&-
    sys.stdout, sys.stderr = sys.stdout or nowhere.open("w"), sys.stderr or nowhere.open("w")
    try:
        code = cli.main(prog_name="bildung", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        _fail("interrupted; what is written is kept, the same command goes on", 130)
    except KeyboardInterrupt:
        _fail("interrupted; what is written is kept, the same command goes on", 130)
    except click.ClickException as error:
        usage = f"; see '{error.ctx.command_path} --help'" if isinstance(error, click.UsageError) and error.ctx else ""
        _fail(f"{error.format_message().rstrip('.')}{usage}", error.exit_code)
    except BrokenPipeError:
        _leave_pipe()
        sys.exit(0)
    except OSError as error:
        from builder.errors import BildungError

        _fail(f"{error.filename or 'file system'}: {error.strerror or error}", 1)
    except Exception as error:
        from builder.errors import BildungError

        if not isinstance(error, BildungError):
            raise
        _fail(str(error), error.exit_code)


def _leave_pipe() -> None:
    """Whoever read our stdout has seen enough ('| head'): the rest goes nowhere, and that is no failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> NoReturn:
    for part in message.split("\nbildung: "):  # a check that misses several thresholds
        line = "".join(character if character.isprintable() else " " if character == "\n" else repr(character)[1:-1] for character in part)
        click.echo(f"bildung: {line}", err=True)
    sys.exit(code)
