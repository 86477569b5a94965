"""`dyno export`: the networks' files, made where PyTorch is."""

from typing import List, Optional

import typer

from runner.program import exits
from runner.program.options import CACHE, MATRIX, ONLY, PROFILE, RESULTS, places_of, planned_cells


def export(
    matrix: str = MATRIX,
    profile: Optional[str] = PROFILE,
    only: List[str] = ONLY,
    results: str = RESULTS,
    cache: Optional[str] = CACHE,
) -> None:
    """Fill the cache with the networks' files, for images that have no PyTorch to make them."""
    from runner.measure import export_cache

    loaded, planned = planned_cells(matrix, profile, only)
    made, reasons = export_cache.fill(loaded, planned, places_of(results, cache))
    for reason in reasons:
        typer.echo("dyno: %s" % reason, err=True)
    typer.echo("made %d network files in %s" % (made, places_of(results, cache).cache))
    if reasons:
        raise typer.Exit(exits.BAD)
