"""`import`: other tools' results and published tables, into rows that a report can stand beside its own."""

import inspect
import sys
from pathlib import Path

import typer

from analysis import importers, registry
from analysis.errors import ImporterError


def register(app: typer.Typer) -> None:
    """Add the command."""
    kinds = registry.names(importers)

    @app.command("import", help=f"Bring other results into the frame. KIND is one of: {', '.join(kinds)}.")
    def import_(
        kind: str = typer.Argument(..., help=f"Format of the file: {', '.join(kinds)}."),
        path: Path = typer.Argument(None, help="File, or folder of files; `zhao` has its own."),
        out: Path = typer.Option(
            None, "--out", help="Where to write the rows (JSON Lines); default results/records/imported-KIND-NAME.jsonl."
        ),
        column: list[str] = typer.Option(
            [], "--map", metavar="COLUMN=NAME", help="table: the frame's column and the table's (again for each)."
        ),
        value: list[str] = typer.Option([], "--set", metavar="NAME=VALUE", help="What the source does not say, such as model=resnet18."),
    ) -> None:
        frame = read(kind, path, pairs(column, "--map"), pairs(value, "--set"))
        target = out or Path("results/records") / f"imported-{kind}-{Path(path or kind).stem}.jsonl"
        write(frame, target)
        print(f"{target}: {len(frame):,} rows of {frame['model'].nunique():,} networks on {', '.join(sorted(frame['platform'].unique()))}")
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
    from analysis.errors import ImporterError

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
            if not text.isdigit():
                raise typer.BadParameter(f"{name}={text} is no whole number", param_hint="--set")
            options[name] = int(text)
    if columns:
        if "columns" not in parameters:
            raise typer.BadParameter(f"{kind} has its own columns; --map is for `table`", param_hint="--map")
        options["columns"] = columns
    try:
        return function(*([path] if path is not None else []), **options)
    except ImporterError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImporterError(f"{path}: can't be read as {kind}: {error}")


def write(frame, target: Path) -> None:  # type: ignore[no-untyped-def]
    """The rows as JSON Lines, whole or not at all."""
    from analysis.importers import base
    from runner.files import atomic_write

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(target, base.dump(frame))
    except OSError as error:
        raise ImporterError(f"{target}: can't be written: {error.strerror}; give another --out")
