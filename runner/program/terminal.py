"""What the commands say in a terminal: one line for an error, tables of text, one live line that is drawn over."""

import errno
import io
import os
import shutil
import signal
import sys
import threading
from contextlib import contextmanager
from typing import Any, Iterator, List, NoReturn, Sequence, Type

import typer

from runner.program import exits


class Guarded:
    """A stream of text that shows what it can and passes no control character on: data may hold what moves a terminal's cursor.

    What it can't write is an OSError with its name.
    """

    def __init__(self, stream: Any, name: str) -> None:
        self.stream, self.called = stream, name

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # a way around
            raise AttributeError(name)
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        shown = harmless(text)
        with self._named():
            try:
                self.stream.write(shown)
            except UnicodeEncodeError:
                encoding = self.stream.encoding or "ascii"
                self.stream.write(shown.encode(encoding, "replace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        with self._named():
            self.stream.flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = self.called
            raise


class Closed(io.TextIOBase):
    """What stands for a stream that the program was started without: writing fails, as on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, "is closed")


def guard_streams() -> None:
    """Guard standard output and standard error; see that no file that is opened later takes the number of one that is closed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, called in (("stdout", "standard output"), ("stderr", "standard error")):
        stream = getattr(sys, name)
        if not isinstance(stream, Guarded):
            setattr(sys, name, Guarded(Closed() if stream is None else stream, called))


def harmless(text: str) -> str:
    """Text without control characters but the ends of lines and tabs; kinds of blanks become blanks."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else " " if char.isspace() and char > "~" else "?" for char in text)


def fail(message: object, code: int = exits.BAD) -> NoReturn:
    """End the program with one line on standard error."""
    last_words(message)
    raise typer.Exit(code)


def last_words(message: object) -> None:
    """One line on standard error, which may be closed or full: then only the exit code is left."""
    try:
        typer.echo("dyno: %s" % plain(message), err=True)
    except (OSError, ValueError):
        drop_output()


def drop_output() -> None:
    """Let nothing be written any more, so that the interpreter has nothing to complain of when it ends."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError):
            setattr(sys, name, open(os.devnull, "w"))


def warn(messages: Sequence[object]) -> None:
    """One line on standard error for each."""
    for message in messages:
        typer.echo("dyno: warning: %s" % plain(message), err=True)


def plain(text: object) -> str:
    """A text from a file on one line of a terminal: nothing in it can move the cursor, change colours or fail to be printed."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def duration(seconds: float) -> str:
    if seconds < 90:
        return "%d s" % round(seconds)
    return "%d min" % round(seconds / 60) if seconds < 5400 else "%.1f h" % (seconds / 3600)


def seconds(text: str) -> float:
    """`90s`, `10m` or `2h` in seconds."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        value = float(number) * unit
        if not 0 < value < 1e9:
            raise ValueError
        return value
    except ValueError:
        fail("--time-budget %s: give a time such as 90s, 10m or 2h" % text, exits.USAGE)


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> str:
    """Rows under their headings in columns as wide as they need; the columns named in ``right`` are numbers."""
    cells: List[List[str]] = [[plain(value) for value in row] for row in [headings] + list(rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = []
    for row in cells:
        words = [word.rjust(width) if name in right else word.ljust(width) for word, width, name in zip(row, widths, headings)]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)


def both_terminals() -> bool:
    """Whether somebody is looking: a live line is drawn only where standard output and standard error are terminals."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def live(text: str) -> None:
    """Draw the live line anew."""
    width = shutil.get_terminal_size().columns - 1
    _draw(text if len(text) <= width else text[: width - 1] + "~")


def clear_line() -> None:
    if sys.stderr.isatty():
        _draw("")


def _draw(text: str) -> None:
    stream = getattr(sys.stderr, "stream", sys.stderr)  # the control characters are our own
    stream.write("\r\033[K" + harmless(text))
    stream.flush()


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM (docker stop) end this process as Ctrl-C does; those it forks die of it at once."""
    own = os.getpid()

    def interrupt(*_: Any) -> None:
        if os.getpid() != own:
            os._exit(128 + signal.SIGTERM)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():  # only there are signals heard
        signal.signal(signal.SIGTERM, interrupt)


@contextmanager
def measuring(place: str, stopped: str, *errors: Type[Exception]) -> Iterator[None]:
    """Ctrl-C, docker stop and ``errors`` end a command in one line; ``stopped`` is said of the first two."""
    try:
        yield
    except errors as error:
        fail(error)
    except KeyboardInterrupt:
        clear_line()
        fail("stopped; " + stopped, exits.INTERRUPTED)
    clear_line()
