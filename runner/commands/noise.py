"""`dyno noise`: by how much identical sweeps differ on this machine."""

import importlib
import importlib.util
import os
import sys
from typing import List, Optional, Sequence

import typer

from runner.program import exits
from runner.program.options import CACHE, MATRIX, ONLY, RESULTS, VERBOSE, below_results, check_measurable, places_of, planned_cells
from runner.program.terminal import fail, measuring

MOST_SWEEPS = 9


def noise(
    sweeps: List[str] = typer.Argument(
        None, metavar="SWEEP", help="Records of the same sweep, measured two or more times into folders of their own."
    ),
    matrix: str = MATRIX,
    profile: Optional[str] = typer.Option("quick", "--profile", "-p", metavar="NAME", help="Profile whose first cells are measured."),
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
    cells: int = typer.Option(6, "--cells", min=1, metavar="N", help="How many cells to measure."),
    repeat: int = typer.Option(
        3,
        "--sweeps",
        min=2,
        max=MOST_SWEEPS,
        metavar="N",
        help="How often to measure them; more sweeps show better how all cells drift together.",
    ),
    out: Optional[str] = typer.Option(
        None, "--out", metavar="FILE", show_default=False, help="Where to keep the noise floor. [default: RESULTS/noise.json]"
    ),
    verbose: bool = VERBOSE,
) -> None:
    """Measure this host's noise floor: by how much identical sweeps differ. `compare` and the report use it.

    Without SWEEPs, the first cells of the matrix are measured several times and compared.
    """
    target = out or below_results("noise.json", results)
    if sweeps:
        if len(sweeps) == 1:
            fail("a noise floor needs two sweeps or more", exits.USAGE)
        for side in sweeps:
            if not os.path.exists(side):
                fail("%s: no such file or folder" % side, exits.USAGE)
        if not _analysis_is_here():
            fail("comparing sweeps needs the analysis (pandas, Python 3.11 or later): run `dyno noise` on the host", exits.USAGE)
        return _compare(sweeps, target)
    paths = _measure(matrix, profile, only, results, cache, cells, repeat, verbose)
    if _analysis_is_here():
        return _compare(paths, target)
    typer.echo("measured; on the host: dyno noise %s --out %s" % (" ".join(paths), target))


def _analysis_is_here() -> bool:
    return sys.version_info >= (3, 11) and all(importlib.util.find_spec(name) is not None for name in ("pandas", "analysis"))


def _compare(sweeps: Sequence[str], target: str) -> None:
    importlib.import_module("analysis.commands._sweeps").floor(sweeps, target)


def _measure(
    matrix: str, profile: Optional[str], only: Sequence[str], results: str, cache: Optional[str], cells: int, repeat: int, verbose: bool
) -> List[str]:
    """Measure the first cells again and again, each time into a folder of its own; the folders of the records."""
    import time

    from runner.errors import RecordError
    from runner.machine import environment
    from runner.measure.run import Run
    from runner.program import log
    from runner.program.progress import Display
    from runner.records.places import Places

    loaded, planned = planned_cells(matrix, profile, only)
    check_measurable(planned, matrix, only, results)
    folder = os.path.join(results, "noise", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    shared = places_of(results, cache).cache
    sides = [os.path.join(folder, side) for side in "abcdefghi"[:repeat]]
    platform = environment.platform_name()
    with measuring(folder, "a noise floor needs all sweeps", RecordError), Display() as display:
        os.makedirs(shared, exist_ok=True)
        for number, side in enumerate(sides, 1):
            typer.echo("sweep %d of %d" % (number, len(sides)))
            places = Places(side, shared)
            log.start(places.record_path(platform, environment.host()), verbose)
            Run(loaded, places, platform, report=display).execute(planned.cells[:cells])
    return [os.path.join(side, "records") for side in sides]
