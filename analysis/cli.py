"""`python -m analysis`: commands are found in analysis/commands."""

import sys

import typer

from analysis import commands, registry

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Merge records, analyse them and write one report.")


@app.callback()
def _root() -> None:
    """A callback keeps Typer's sub-commands even while there is only one."""


for _name in registry.names(commands):
    registry.load(commands, _name).register(app)


def main() -> None:
    """Run a command; a message for the user is one line and exit code 1."""
    from analysis.errors import FrameError

    try:
        app()
    except FrameError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
