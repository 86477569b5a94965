"""The command line, the same everywhere: `dyno`, or `python -m runner`. Importing it imports no framework and no pandas."""

from runner.program.program import application
from runner.program.table import DECIDING, MEASURING

app = application(
    {"Measure on this machine": MEASURING, "Decide from the records": DECIDING},
    "The test bench for neural networks: how fast, how accurate, how hungry they are on real machines.",
)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
