"""What the commands say in a terminal: one line for an error, one line of progress that is drawn over."""

import signal
import sys
from contextlib import contextmanager

import typer


def fail(message, code=1):
    typer.echo("dyno: %s" % plain(message), err=True)
    raise typer.Exit(code)


def plain(text):
    """A text from a file on one line of a terminal: nothing in it can move the cursor, change colours or fail to be printed."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def duration(seconds):
    if seconds < 90:
        return "%d s" % round(seconds)
    return "%d min" % round(seconds / 60) if seconds < 5400 else "%.1f h" % (seconds / 3600)


def seconds(text):
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        value = float(number) * unit
        if not 0 < value < 1e9:
            raise ValueError
        return value
    except ValueError:
        fail("--time-budget %s: give a time such as 90s, 10m or 2h" % text, 2)


def show_progress(progress):
    left = progress.total - progress.done
    text = "[%d/%d] %s%s, %s left" % (
        progress.done,
        progress.total,
        progress.cell.id,
        " (anchor)" if progress.role == "anchor" else "",
        duration(progress.remaining_s),
    )
    width = columns() - 1
    if progress.line is not None and progress.line["status"] != "ok":
        clear_line()
        typer.echo(plain("%s: %s: %s" % (progress.line["status"], progress.cell.id, progress.line["reason"])), err=True)
    elif left or progress.line is None:
        typer.echo("\r\033[K" + (text if len(text) <= width else text[: width - 1] + "~"), err=True, nl=False)


def show_counting(progress):
    text = "[%d/%d] %d of %d images" % (progress.done + 1, progress.total, progress.images, progress.of)
    if progress.remaining_s == progress.remaining_s:  # unknown before the first part
        text += ", %s left" % duration(progress.remaining_s)
    text, width = "%s, %s" % (text, progress.cell.id), columns() - 1
    typer.echo("\r\033[K" + (text if len(text) <= width else text[: width - 1] + "~"), err=True, nl=False)


def columns():
    import shutil

    return shutil.get_terminal_size().columns


def clear_line():
    if sys.stderr.isatty():
        typer.echo("\r\033[K", err=True, nl=False)


def interrupt(*_):
    raise KeyboardInterrupt


@contextmanager
def measuring(place, stopped, *errors):
    """Ctrl-C, docker stop, ``errors`` and what the system says of a file end a command in one line; ``stopped`` is said of the first two."""
    signal.signal(signal.SIGTERM, interrupt)  # docker stop
    try:
        yield
    except errors as error:
        fail(error)
    except OSError as error:
        fail("%s: %s" % (error.filename or place, error.strerror or error))
    except KeyboardInterrupt:
        clear_line()
        fail("stopped; " + stopped, 130)
    clear_line()
