"""`python -m analysis`: the commands of `dyno` that decide from records."""

from runner.program.program import application
from runner.program.table import DECIDING, MEASURING

NOISE = tuple(command for command in MEASURING if command.name == "noise")
app = application({"Decide from the records": DECIDING + NOISE}, "Merge records, analyse them and write one report.")


def main() -> None:
    """Run a command."""
    app()
