"""`dyno compare --run A B`: measure two sides in alternating rounds, so that both see the same moments.

In each pair of rounds either side goes first at random. A round is a `dyno run --round N` of its own, into the side's folder; what a side is
decides how that is started. A side is never more than one round ahead.
"""

import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from analysis.errors import CantWrite, FrameError
from analysis.registry import CHECKOUT
from runner.program import exits, workers
from runner.program.terminal import duration
from runner.records import places

IN_IMAGE = "/results"
WHICH = "import runner; print('dyno', runner.__version__, 'of', runner.__path__[0])"
ROUNDS = 6


@dataclass(frozen=True)
class Asked:
    """What both sides measure: options of `dyno run`, and the folder of all results. Without ``cache`` it is the results' own.

    A matrix has one of its own then: networks that two matrices call alike would take turns in a shared one.
    """

    matrix: str
    profile: str | None
    only: tuple[str, ...]
    results: Path
    cache: Path | None = None


@dataclass(frozen=True)
class Side:
    """One side: ``given`` is a matrix, an interpreter or an image, as ``kind`` says; its results go into ``folder``."""

    name: str
    given: str
    kind: str
    folder: Path


def side(name: str, given: str, folder: Path) -> Side:
    """A side by what was given for it; FrameError where that can't be run."""
    path = Path(given)
    if path.suffix in (".yaml", ".yml"):
        kind = "matrix" if path.is_file() else ""
    elif path.exists():
        kind = "interpreter" if path.is_file() and os.access(path, os.X_OK) else ""
    else:
        kind = "image" if _has_image(given) else ""
    if not kind:
        raise FrameError(
            f"{given}: neither a matrix (.yaml), nor a Python that has dyno, nor an image that is here: --run has nothing to measure with"
        )
    return Side(name, given, kind, folder / name.lower())


def _has_image(name: str) -> bool:
    try:
        return subprocess.run([*_docker(), "image", "inspect", "--", name], capture_output=True).returncode == 0
    except OSError:
        return False


def _docker() -> list[str]:
    return shlex.split(os.environ.get("DOCKER") or "docker")


def command(one: Side, asked: Asked, number: int) -> tuple[list[str], dict[str, str]]:
    """(words, environment) that measure round ``number`` of a side."""
    options = ["run", "--round", str(number), *(["--profile", asked.profile] if asked.profile else [])]
    options += [word for some in asked.only for word in ("--only", some)]
    if one.kind == "image":
        script = CHECKOUT / "docker" / "run.sh"
        if not script.is_file():
            raise FrameError(
                f"{one.given}: images are started by docker/run.sh of a checkout, which is not here: use make compare-PLATFORM there"
            )
        inside = Path(IN_IMAGE) / one.folder.relative_to(asked.results)
        more = {"RESULTS": str(asked.results), "MATRIX": asked.matrix}
        return ["sh", str(script), one.given, *options, "--results", str(inside), "--cache", f"{IN_IMAGE}/cache"], dict(os.environ, **more)
    matrix = one.given if one.kind == "matrix" else asked.matrix
    cache = asked.cache or (one.folder if one.kind == "matrix" else asked.results) / "cache"
    python = one.given if one.kind == "interpreter" else sys.executable
    paths = ["--matrix", os.path.abspath(matrix), "--results", str(one.folder), "--cache", str(cache)]
    return [os.path.abspath(python), "-m", "runner", *options, *paths], dict(os.environ)


def _start_in(one: Side) -> Path:
    """Where a side's process starts: `python -m` prefers a checkout in the current folder to what the interpreter has."""
    return one.folder if one.kind == "interpreter" and Path("runner", "__init__.py").exists() else Path.cwd()


def measured_by(one: Side) -> str:
    """What measures a side, in words; FrameError where an interpreter has no dyno."""
    if one.kind != "interpreter":
        return f"{one.kind} {one.given}"
    done = subprocess.run([os.path.abspath(one.given), "-c", WHICH], capture_output=True, text=True, cwd=_start_in(one))
    if done.returncode:
        raise FrameError(f"{one.given}: has no dyno ({(done.stderr.strip().splitlines() or ['no message'])[-1]})")
    return f"{one.given}: {done.stdout.strip()}"


def alternate(
    a: Side,
    b: Side,
    asked: Asked,
    rounds: int = ROUNDS,
    budget_s: float | None = None,
    say: Callable[[str], object] = print,
    seed: int | None = None,
) -> int:
    """Measure pairs of rounds until there are enough or the next would end after the budget; returns how many there are.

    FrameError where a round can't begin. KeyboardInterrupt ends it; the rounds that are done stay.
    """
    for one in (a, b):
        one.folder.mkdir(parents=True, exist_ok=True)
        say(f"{one.name}: {measured_by(one)}")
    shuffle, began, longest = random.Random(seed).shuffle, time.monotonic(), 0.0
    for number in range(1, rounds + 1):
        started = time.monotonic()
        if budget_s is not None and number > 1 and started - began + longest > budget_s:
            say(f"the time is spent after {number - 1} of {rounds} pairs")
            return number - 1
        pair = [a, b]
        shuffle(pair)
        took = [f"{one.name} {duration(_round(one, asked, number))}" for one in pair]
        longest = max(longest, time.monotonic() - started)
        left = f", about {duration((rounds - number) * longest)} left" if number < rounds else ""
        say(f"pair {number} of {rounds}: {', '.join(took)}{left}")
    return rounds


def _round(one: Side, asked: Asked, number: int) -> float:
    """Measure one round of a side; returns its seconds. What it prints is appended to run.log in its folder."""
    words, env = command(one, asked, number)
    started, before = time.monotonic(), places.recorded_bytes(one.folder)
    path = one.folder / "run.log"
    done = workers.run_child(words, subprocess.STDOUT, env=env, cwd=_start_in(one))
    with suppress(OSError), open(path, "a", encoding="utf-8") as log:  # a full disk is the run's to tell
        log.write(done.stdout)
    if done.returncode == exits.INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode not in (exits.FINE, exits.BAD) or places.recorded_bytes(one.folder) == before:  # as on a full disk
        said = done.stdout.strip().splitlines() or ["no message"]
        kind = FrameError if done.returncode == exits.USAGE else CantWrite
        raise kind(f"{one.name} ({one.given}) can't be measured: {said[-1].removeprefix('dyno: ')}; all it said is in {path}")
    return time.monotonic() - started
