"""Options that commands share, and what they mean."""

import os

import typer

from runner.errors import MatrixError, ModelUnavailable
from runner.program.terminal import fail

MATRIX = typer.Option("matrix.yaml", "--matrix", "-m", envvar="DYNO_MATRIX", help="What to measure.")
PROFILE = typer.Option(None, "--profile", "-p", help="Profile of the matrix: quick, zoo, full, or your own.")
ONLY = typer.Option([], "--only", help="Only cells that match, as in --only model=resnet18,alexnet; may be repeated.")
RESULTS = typer.Option("results", "--results", "-r", envvar="DYNO_RESULTS", help="Folder of the results; records go below it.")
CACHE = typer.Option(None, "--cache", envvar="DYNO_CACHE", help="Folder of networks and engines made once. [default: RESULTS/cache]")
JSON = typer.Option(False, "--json", help="Print JSON.")
RETRY = typer.Option([], "--retry", help="Measure again what is: failed, skipped or contended; may be repeated.")


def planned_cells(path, profile, only):
    from runner.machine import environment
    from runner.plan import matrix, plan

    try:
        loaded = matrix.load(path, profile)
        return loaded, plan.plan(loaded, environment.platform_name(), environment.declared_devices() or ("cpu",), plan.parse_only(only))
    except (MatrixError, ModelUnavailable) as error:
        fail(error, 2)


def check_retry(retry):
    for state in retry:
        if state not in ("failed", "skipped", "contended"):
            fail("--retry %s: choose from failed, skipped, contended" % state, 2)


def places_of(results, cache):
    from runner.records.places import Places

    return Places(results, cache or os.path.join(results, "cache"))


def check_measurable(planned, matrix, only):
    """Stop in one line where no cell fits this platform, or this machine is not what the image is for."""
    from runner.doctor import doctor
    from runner.machine import environment

    if not planned.cells:
        fail("nothing to measure: no cell of %s fits platform %s%s" % (matrix, environment.platform_name(), " and --only" if only else ""))
    error = doctor.identity_error()
    if error:
        fail(error)
