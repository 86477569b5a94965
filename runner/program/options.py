"""Options that commands share, and what they mean."""

import os
from typing import Any, Dict, List, Optional, Sequence

import typer

from runner.errors import MatrixError, ModelUnavailable
from runner.program import exits
from runner.program.terminal import fail


def results_folder() -> str:
    """The folder of all results: DYNO_RESULTS, else `results`."""
    return os.environ.get("DYNO_RESULTS") or "results"


def below_results(name: str, results: Optional[str] = None) -> str:
    """A place in the folder of all results, such as `records` or `report`."""
    return os.path.join(results or results_folder(), name)


def cache_folder(results: Optional[str] = None) -> str:
    """The folder of networks and engines that were made once: DYNO_CACHE, else below the results."""
    return os.environ.get("DYNO_CACHE") or below_results("cache", results)


MATRIX = typer.Option("matrix.yaml", "--matrix", "-m", envvar="DYNO_MATRIX", metavar="FILE", help="What to measure.")
PROFILE = typer.Option(None, "--profile", "-p", metavar="NAME", help="Profile of the matrix: quick, zoo, full, or your own.")
ONLY = typer.Option(
    [], "--only", metavar="FIELD=VALUE", help="Only cells that match, as in --only model=resnet18,alexnet or id=CELL; may be repeated."
)
RESULTS = typer.Option(
    "results", "--results", "-r", envvar="DYNO_RESULTS", metavar="FOLDER", help="Folder of all results; records go below it."
)
CACHE = typer.Option(
    None, "--cache", envvar="DYNO_CACHE", metavar="FOLDER", help="Folder that keeps networks and engines. [default: RESULTS/cache]"
)
RECORDS = typer.Option(
    [],
    "--records",
    metavar="PATH",
    show_default=False,
    help="Record files, folders and s3:// buckets; may be repeated. [default: RESULTS/records]",
)
JSON = typer.Option(False, "--json", help="Print JSON.")
RETRY = typer.Option([], "--retry", metavar="STATE", help="Measure again the cells that are failed, skipped or contended; may be repeated.")
VERBOSE = typer.Option(False, "--verbose", "-v", help="Say on standard error what the workers do; the log file always has it.")


def chosen(matrix: str, profile: Optional[str], only: Sequence[str], results: str) -> Dict[str, Any]:
    """The options that a suggested command must repeat; those that have their default are left out."""
    return {
        "--matrix": matrix if matrix not in ("matrix.yaml", os.environ.get("DYNO_MATRIX")) else None,
        "--profile": profile,
        "--only": list(only),
        "--results": results if results != results_folder() else None,
    }


def planned_cells(path: str, profile: Optional[str], only: Sequence[str]) -> Any:
    """(matrix, plan) of this platform."""
    from runner.machine import environment
    from runner.plan import matrix, plan

    try:
        loaded = matrix.load(path, profile)
        return loaded, plan.plan(loaded, environment.platform_name(), environment.declared_devices() or ("cpu",), plan.parse_only(only))
    except (MatrixError, ModelUnavailable) as error:
        fail(error, exits.USAGE)


def check_retry(retry: List[str]) -> None:
    for state in retry:
        if state not in ("failed", "skipped", "contended"):
            fail("--retry %s: choose from failed, skipped, contended" % state, exits.USAGE)


def places_of(results: str, cache: Optional[str]) -> Any:
    from runner.records.places import Places

    return Places(results, cache or below_results("cache", results))


def check_measurable(planned: Any, matrix: str, only: Sequence[str], results: str) -> None:
    """Stop in one line where no cell fits this platform, or this machine is not what the image is for."""
    from runner.doctor import doctor
    from runner.machine import environment

    if not planned.cells:
        what = (matrix, environment.platform_name(), " and --only" if only else "")
        fail("nothing to measure: no cell of %s fits platform %s%s" % what, exits.USAGE)
    error = doctor.platform_mismatch()
    if error:
        fail(error)
    lost = doctor.volume(results)
    if lost:
        typer.echo("dyno: %s: %s" % (lost.found, lost.fix), err=True)
