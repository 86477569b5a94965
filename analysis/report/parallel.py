"""Work on as many processes as this one may use, sharing what was there before the fork."""

import gc
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import scipy.linalg  # noqa: F401  it brings its own linear algebra, and only what is loaded can be limited
import threadpoolctl

from runner.program import workers

_shared: Any = None  # seen by the workers through fork, which copies nothing; never changed while they run


def _alone(parent: int) -> None:
    """One thread of linear algebra per worker: more of them than CPUs wait for one another, at five times the CPU time.

    It also gives the same last digits on every machine: sums are split by the number of threads.
    """
    workers.in_pool(parent)
    threadpoolctl.threadpool_limits(1)


def _call(job: tuple[Callable, tuple]) -> Any:
    function, arguments = job
    return function(*arguments, _shared)


def run(jobs: Sequence[tuple[Callable, tuple]], shared: Any) -> list[Any]:
    """Results of function(*arguments, shared) for every job, in order; functions are of modules, results can be pickled."""
    global _shared
    processes = min(len(jobs), workers.count())
    if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        with threadpoolctl.threadpool_limits(1):
            return [function(*arguments, shared) for function, arguments in jobs]
    _shared = shared
    gc.freeze()  # a collection in a worker would write to every object that is there, and so copy its page
    try:
        with ProcessPoolExecutor(
            processes, mp_context=multiprocessing.get_context("fork"), initializer=_alone, initargs=(os.getpid(),)
        ) as pool:
            return list(pool.map(_call, jobs))
    finally:
        gc.unfreeze()
        _shared = None
