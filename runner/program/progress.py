"""What a run shows while it works: a line a cell, and in a terminal a live line that moves within a cell."""

import logging
import sys
import threading
import time
from typing import Any, List, Optional

import typer

from runner.program import results
from runner.program.terminal import both_terminals, clear_line, duration, live, plain
from runner.records import accuracy_totals
from runner.records.line import Line

LOG = logging.getLogger("runner.measure")


class Display:
    """The ``report`` of a run: called before and after each cell. ``lines`` are the records so far, anchors apart."""

    def __init__(self, moving: Optional[bool] = None) -> None:
        self.lines: List[Line] = []
        self.moving = both_terminals() if moving is None else moving
        self._now: Any = None
        self._since = 0.0
        self._stop = threading.Event()
        self._ticker: Optional[threading.Thread] = None

    def __enter__(self) -> "Display":
        if self.moving:
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        if self._ticker:
            self._ticker.join()
            clear_line()

    def __call__(self, progress: Any) -> None:
        is_over = progress.line is not None or progress.replicate is not None
        self._now, self._since = (None if is_over else progress), time.monotonic()
        if not is_over:
            LOG.info("%s (%s) begins, %d of %d done", progress.cell.id, progress.role, progress.done, progress.total)
            self._draw()
            return
        if progress.line is None:
            if progress.round == 1 or not self.moving:  # in a terminal the live line shows that later rounds go on
                self._print("%s %s" % (_place(progress), results.first_numbers(progress.cell, progress.replicate)))
            return
        _note(progress.line)
        if progress.role == "anchor":
            return
        self.lines.append(progress.line)
        self._print("[%d/%d] %s" % (progress.done, progress.total, results.sentence(progress.line)))

    def _print(self, text: str) -> None:
        if self.moving:
            clear_line()
        typer.echo(text)
        sys.stdout.flush()

    def _tick(self) -> None:
        while not self._stop.wait(1.0):
            self._draw()

    def _draw(self) -> None:
        now = self._now
        if not self.moving or now is None:
            return
        spent = time.monotonic() - self._since
        text = "%s%s%s: %s, about %s left" % (
            "" if now.role == "anchor" else _place(now) + " ",
            now.cell.id,
            " (anchor)" if now.role == "anchor" else "",
            duration(spent),
            duration(max(0.0, now.remaining_s - spent)),
        )
        live(plain(text))


def _place(progress: Any) -> str:
    return "round %d [%d/%d]" % (progress.round, progress.place, progress.places)


def _note(line: Line) -> None:
    """Say in the log what the workers did for a cell."""
    LOG.info("%s: %s in %.1f s, %d replicates", line.cell.id, line.status, line.wall_s, len(line.replicates))
    for number, replicate in enumerate(line.replicates, 1):
        spans = ", ".join("%s %.3f" % (name, value) for name, value in sorted(replicate.spans.items()) if value)
        LOG.debug("replicate %d: %d samples; warm-up %s; %s", number, len(replicate.samples_s), replicate.warmup_verdict, spans)
    if line.status != "ok":
        LOG.warning("%s: phase %s, signal %s: %s", line.status, line.phase, line.signal, plain(line.reason or ""))
        for text in str(line.stderr or "").splitlines():
            LOG.debug("stderr: %s", plain(text))


class CountingDisplay:
    """The ``report`` of `dyno accuracy`: one line for each cell that is done, on ``to_stderr`` where standard output is JSON; a live line in a terminal."""

    def __init__(self, to_stderr: bool) -> None:
        self.to_stderr, self.moving = to_stderr, sys.stderr.isatty()

    def __call__(self, progress: Any) -> None:
        if progress.totals is not None:
            if self.moving:
                clear_line()
            said = accuracy_totals.sentence(accuracy_totals.summary(progress.cell, progress.totals))
            typer.echo(plain("[%d/%d] %s" % (progress.done, progress.total, said)), err=self.to_stderr)
            sys.stdout.flush()
        elif self.moving:
            text = "[%d/%d] %d of %d images" % (progress.done + 1, progress.total, progress.images, progress.of)
            if progress.remaining_s == progress.remaining_s:  # unknown before the first part
                text += ", %s left" % duration(progress.remaining_s)
            live(plain("%s, %s" % (text, progress.cell.id)))
