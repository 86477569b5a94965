"""`import`: other tools' results and published tables, into rows that a report can stand beside its own."""

import inspect
import re
import sys
import warnings
from pathlib import Path

import typer

from analysis import importers, registry
from analysis.errors import CantWrite, ImporterError, ImportNote
from analysis.frame.words import plural
from analysis.importers._columns import listing
from runner.files import atomic_write, file_name
from runner.program.options import below_results
from runner.program.terminal import plain

EXAMPLE = (
    "Example, with a file of lines such as `net;ms` and `resnet18;12,5`: "
    "import table nano.csv --map model=net --map latency_ms=ms --set platform=jetson-nano --set input_px=224"
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    kinds = registry.names(importers)

    @app.command(
        "import",
        help=f"Bring in other tools' results. KIND is one of: {', '.join(kinds)}.\n\n"
        f"Columns of `table`, which reads any CSV: {listing()}. Cells may carry units (12.5 ms).\n\n{EXAMPLE}",
    )
    def import_(
        kind: str = typer.Argument(..., metavar="KIND", help=f"Format of the file: {', '.join(kinds)}."),
        path: Path = typer.Argument(None, metavar="PATH", help="File, or folder of files; `zhao` comes with Dyno and needs none."),
        out: Path = typer.Option(
            None,
            "--out",
            metavar="FILE",
            help="Where to write the rows. [default: RESULTS/records/imported-KIND-NAME.jsonl]",
            show_default=False,
        ),
        column: list[str] = typer.Option(
            [], "--map", metavar="COLUMN=NAME", help="table: Dyno's name of a column and the table's; may be repeated."
        ),
        value: list[str] = typer.Option(
            [], "--set", metavar="NAME=VALUE", help="What the source does not say, such as model=resnet18; may be repeated."
        ),
        wide: str = typer.Option(
            "",
            "--wide",
            metavar="COLUMN",
            help="table: its headings are batch sizes (1, 8, b16), and the cells are this: latency_ms, image_ms, throughput ...",
        ),
        replace: bool = typer.Option(False, "--replace", help="Overwrite what another import left in the file."),
    ) -> None:
        values = pairs(value, "--set")
        if wide:
            if kind != "table":
                raise typer.BadParameter(f"{kind} has its own layout; --wide is for `table`", param_hint="--wide")
            values["wide"] = wide
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always", ImportNote)
            try:
                frame = read(kind, path, pairs(column, "--map"), values)
            except ImporterError as error:  # what was left out may be why
                why = [" ".join(str(note.message).split()).removeprefix(f"{path}: ") for note in notes]
                raise ImporterError("; ".join([str(error), *why[:2]]))
        from analysis.importers.base import name_of

        name = file_name(name_of(path)) if path is not None else kind
        target = out or Path(below_results("records")) / f"imported-{kind}-{name}.jsonl"
        write(frame, target, replace)
        networks, platforms = frame["model"].nunique(), sorted(map(str, frame["platform"].unique()))
        print(plain(f"{target}: {plural(len(frame), 'row')} of {plural(networks, 'network')} on {', '.join(platforms)}"))
        for note in notes:
            print(plain(" ".join(str(note.message).split())), file=sys.stderr)
        print(f"{kind} lacks: {frame['lacks'].iloc[0]}", file=sys.stderr)


def pairs(words: list[str], option: str) -> dict[str, str]:
    """`["a=b"]` as {"a": "b"}; a word without = ends the program with a usage message."""
    split = [word.partition("=") for word in words]
    for word, equals, _ in split:
        if not equals or not word:
            raise typer.BadParameter(f"{word!r} is no NAME=VALUE", param_hint=option)
    return {name.strip(): text.strip() for name, _, text in split}


def read(kind: str, path: Path | None, columns: dict[str, str], values: dict[str, str]):  # type: ignore[no-untyped-def]
    """The frame of an importer, called with the options that it takes; raises ImporterError or BadParameter."""
    kinds = registry.names(importers)
    if kind not in kinds:
        raise typer.BadParameter(f"{kind!r} is unknown; choose from {', '.join(kinds)}", param_hint="KIND")
    function = registry.load(importers, kind).read
    parameters = inspect.signature(function).parameters
    if path is None and parameters["path"].default is inspect.Parameter.empty:
        raise typer.BadParameter(f"{kind} needs a file or folder", param_hint="PATH")
    free = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    options: dict[str, object] = dict(values)
    for name, text in values.items():
        if name not in parameters and not free:
            raise typer.BadParameter(f"{kind} takes no {name}; it takes {', '.join(list(parameters)[1:]) or 'none'}", param_hint="--set")
        if name in parameters and isinstance(parameters[name].default, int):
            if not re.fullmatch("[0-9]{1,9}", text):
                raise typer.BadParameter(f"{name}={text} is not a whole number", param_hint="--set")
            options[name] = int(text)
    if columns:
        if "columns" not in parameters:
            raise typer.BadParameter(f"{kind} has its own columns; --map is for `table`", param_hint="--map")
        options["columns"] = columns
    try:
        return function(*([path] if path is not None else []), **options)
    except ImporterError:
        raise
    except (OSError, ValueError, ArithmeticError, KeyError, TypeError, AttributeError) as error:
        raise ImporterError(f"{path}: can't be read as {kind}: {error}")


def write(frame, target: Path, replace: bool = False) -> None:  # type: ignore[no-untyped-def]
    """The rows as JSON Lines, whole or not at all; another import's file, and any file that is none, stays as it is unless `replace`."""
    from analysis.importers import _lines

    content = _lines.dump(frame)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not replace and target.exists() and target.read_bytes() != content.encode():
            raise ImporterError(f"{target}: holds something else already; give another --out, or --replace to overwrite it")
        atomic_write(target, content.encode())
    except OSError as error:
        raise CantWrite(f"{target}: can't be written: {error.strerror}; give another --out")
