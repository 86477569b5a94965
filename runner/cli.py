"""The command line, the same in every image: `dyno`, or `python -m runner`. Importing it imports no framework."""

import typer

from runner import __version__
from runner.commands import measure, show

app = typer.Typer(
    help="Measure how fast, how accurate and how hungry networks are on this machine; records go to a folder.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

for command in (
    show.plan,
    measure.run,
    measure.accuracy,
    show.status,
    show.backends,
    show.models,
    show.environment,
    show.doctor,
    show.export,
    measure.calibrate,
    show.schema,
):
    app.command()(command)


def _version(value: bool):
    if value:
        typer.echo("dyno %s" % __version__)
        raise typer.Exit()


@app.callback()
def _options(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version.")):
    pass


def main():
    app()


if __name__ == "__main__":
    main()
