"""The program around every command: its help, the lazy import of commands, and how it ends whatever goes wrong."""

import importlib
import importlib.util
import os
import sys
from typing import Any, Dict, List, NoReturn, Tuple

import typer
import typer.core
import typer.main

from runner import __version__
from runner.errors import UserError
from runner.program import exits
from runner.program.options import results_folder
from runner.program.table import Command
from runner.program.terminal import drop_output, end_as_by_ctrl_c, fail, guard_streams, last_words
from runner.records.check import LARGEST

WHERE_ANALYSIS_IS = (
    "%s needs the analysis, which is not installed here: run `dyno %s` on the host where `make venv` was run,"
    " or install it (Python 3.11 or later) with pip install 'PATH/TO/dyno_bench-%s-py3-none-any.whl[analysis]'"
)


class Program(typer.core.TyperGroup):
    """The group of all commands. A subclass sets ``headings``: the commands by the heading they are listed under."""

    headings: Dict[str, Tuple[Command, ...]] = {}

    def commands_here(self) -> Dict[str, Command]:
        """The commands whose file is there, by name."""
        return {command.name: command for group in self.headings.values() for command in group if is_here(command)}

    def list_commands(self, ctx: Any) -> List[str]:
        return list(self.commands_here())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        known = self.commands_here()
        if cmd_name not in known:
            from difflib import get_close_matches

            close = get_close_matches(cmd_name, known, n=1)
            fail(
                "there is no command %s; %s" % (cmd_name, "did you mean %s?" % close[0] if close else "`dyno --help` lists them"),
                exits.USAGE,
            )
        return load(known[cmd_name])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        known = self.commands_here()
        for heading, group in self.headings.items():
            with formatter.section(heading):
                formatter.write_dl([(command.name, command.summary) for command in group if command.name in known])

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Parse, run and leave with a code of `exits`. Nothing that goes wrong is more than one line."""
        guard_streams()
        end_as_by_ctrl_c()
        given = args[0] if args else options.pop("args", None)
        words = list(sys.argv[1:] if given is None else given) or ["--help"]
        try:
            refuse_endless_numbers(words)
            code = super().main(**dict(options, args=words, prog_name="dyno", standalone_mode=False))
            code = code if isinstance(code, int) else exits.FINE
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else exits.BAD
        except BaseException as error:
            code = ended_by(error)
        sys.exit(code)

    def invoke(self, ctx: Any) -> Any:
        """Run the command and see that its output has been written."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except (KeyboardInterrupt, EOFError, OSError) as error:  # Typer's own handling would print more or less than a line
            raise typer.Exit(ended_by(error))


def is_here(command: Command) -> bool:
    """Whether the file of a command's module is there, or its whole package is elsewhere; imports nothing."""
    package, *rest = command.module.split(".")
    found = importlib.util.find_spec(package)
    if found is None:
        return True
    return any(os.path.exists(os.path.join(folder, *rest) + ".py") for folder in found.submodule_search_locations or ())


def load(command: Command) -> Any:
    """The parsed form of a command; imports its module."""
    if command.module.startswith("analysis.") and (sys.version_info < (3, 11) or importlib.util.find_spec("pandas") is None):
        fail(WHERE_ANALYSIS_IS % (command.name, command.name, __version__), exits.USAGE)
    module = importlib.import_module(command.module)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    if command.function:
        app.command(command.name)(getattr(module, command.function))
    else:
        module.register(app)
    parsed = typer.main.get_command(app)
    return getattr(parsed, "commands", {}).get(command.name, parsed)  # a command with commands of its own stands in a group


def refuse_endless_numbers(words: List[str]) -> None:
    """No option takes `inf`, `nan` or 1e400; as a float each would pass every limit. What is beyond LARGEST is no measurement."""
    for before, word in zip([""] + words, words):
        option, _, value = word.partition("=") if word.startswith("--") else (before, "", word)
        if not option.startswith("--") or "=" in before:
            continue
        try:
            is_endless = not abs(float(value)) < LARGEST
        except ValueError:
            continue
        if is_endless:
            fail("%s %.40s: give a finite number, below %.0e" % (option, value, LARGEST), exits.USAGE)


def ended_by(error: BaseException) -> int:
    """Say in one line why the program ends, and return its exit code."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, EOFError, typer.Abort)):
        # Dataclasses are made by exec, and where Ctrl-C interrupts one Python ends by SIGINT, whatever the exit code. Another exec forgets it.
        exec("")
        return _last_words("interrupted", exits.INTERRUPTED)
    if isinstance(error, UserError):
        return _last_words(error, error.exit_code)
    if hasattr(error, "format_message"):  # a usage error of Typer's parser, whose class has moved between its releases
        return _usage(error)
    if isinstance(error, OSError):
        drop_output()  # if it is what failed, the interpreter would complain of it again
        place = "" if error.filename is None else "%s: " % error.filename
        return _last_words("%s%s" % (place, error.strerror or error), exits.BAD)
    return _last_words("unexpected %s: %s; the traceback is in %s" % (type(error).__name__, error, _keep_traceback()), exits.BAD)


def _usage(error: Any) -> int:
    message = error.format_message()
    if message.startswith("Usage:"):  # a group of commands was named without one
        typer.echo(message)
        return exits.USAGE
    context = getattr(error, "ctx", None)
    tip = "; `%s --help` lists what it takes" % context.command_path if context else ""
    return _last_words(" ".join(message.split()).rstrip(".") + tip, exits.USAGE)


def _last_words(message: object, code: int) -> int:
    last_words(message)
    return code


def _keep_traceback() -> str:
    """Write the traceback beside the results, else where temporary files go; returns its path."""
    import tempfile
    import time
    import traceback

    text = "dyno %s: %s\n%s" % (__version__, " ".join(sys.argv[1:]), traceback.format_exc())
    for folder in (results_folder(), tempfile.gettempdir()):
        path = os.path.join(folder, time.strftime("dyno-error-%Y%m%dT%H%M%S.txt"))
        try:
            with open(path, "w", errors="backslashreplace") as file:
                file.write(text)
            return path
        except OSError:
            continue
    return "no file: %s can't be written" % tempfile.gettempdir()


def application(headings: Dict[str, Tuple[Command, ...]], summary: str) -> typer.Typer:
    """A program of the commands that are listed under ``headings``."""
    bound = type("Bound", (Program,), {"headings": headings})
    app = typer.Typer(
        cls=bound,
        help=summary,
        epilog=exits.HELP,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    return app


def _version(value: bool) -> None:
    if value:
        typer.echo("dyno %s" % __version__)
        raise typer.Exit()


def _options(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version.")) -> None:
    pass
