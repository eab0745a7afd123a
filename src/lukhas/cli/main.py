"""The entry of the command line, and how its mistakes are told: one line, exit code 2."""

import sys
from collections.abc import Sequence

import typer

from lukhas.cli.check import check
from lukhas.cli.configuration import config_app
from lukhas.cli.demo import demo
from lukhas.cli.deploy import deploy_app
from lukhas.cli.explain import explain
from lukhas.cli.insights import insights
from lukhas.cli.keys import keys_app
from lukhas.cli.lint import lint
from lukhas.cli.purge import purge
from lukhas.cli.serve import serve
from lukhas.cli.signals import reload, upgrade
from lukhas.cli.version import version
from lukhas.config.lines import one_line
from lukhas.ending import end_process
from lukhas.errors import LukhasError

__all__ = ("app", "main", "run")

MISTAKE = 2
INTERRUPTED = 130

app = typer.Typer(
    name="lukhas",
    help="Rate limits, an HTTP cache and analytics in front of any API.",
    add_completion=False,
    pretty_exceptions_enable=False,
    # Help in plain text: rich would take longer to load than everything else here.
    rich_markup_mode=None,
)
app.command()(serve)
app.command()(reload)
app.command()(upgrade)
app.command()(check)
app.command()(lint)
app.add_typer(config_app, name="config")
app.add_typer(keys_app, name="keys")
app.add_typer(deploy_app, name="deploy")
app.command()(purge)
app.command()(explain)
app.command()(insights)
app.command()(demo)
app.command()(version)


def main() -> None:
    """Runs the command that the process was started with, and ends the process."""
    end_process(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command; returns the exit code.

    A mistake of the user is told in one line on standard error,
    `lukhas: <where>: <what>: <what to do>`, and gives 2; an interrupt gives 130.
    """
    command = typer.main.get_command(app)
    try:
        outcome = command.main(_spelled_out(arguments), prog_name="lukhas", standalone_mode=False)
    except typer.TyperException as error:
        return _mistake(_usage(error))
    except LukhasError as error:
        return _mistake(str(error))
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return outcome if isinstance(outcome, int) else 0


def _spelled_out(arguments: Sequence[str]) -> list[str]:
    if not arguments:
        return ["--help"]
    return ["version"] if list(arguments) == ["--version"] else list(arguments)


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "lukhas"
    message = " ".join(error.format_message().split()).rstrip(".")
    where = command.removeprefix("lukhas ")
    what = message[:1].lower() + message[1:]
    return (
        f"{where}: {what}: see {command} --help"
        if where != "lukhas"
        else (f"{what}: see lukhas --help")
    )


def _mistake(line: str) -> int:
    sys.stderr.write(f"lukhas: {one_line(line)}\n")
    return MISTAKE
