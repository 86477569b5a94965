"""Errors whose message is one line for the user."""

from runner.errors import UserError

LONGEST = 1200  # characters of a message


class FrameError(UserError):
    """Nothing to analyse; the message is one line for the user."""


class CantWrite(FrameError):
    """What was asked for can't be written; the message is one line for the user."""

    exit_code = 1


class ImporterError(FrameError):
    """This file can't be imported; the message is one line: where, what was found, what would do. What a file says in it is cut short."""

    def __init__(self, message: object) -> None:
        text = " ".join(str(message).split())
        super().__init__(text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}")


class ImportNote(UserWarning):
    """What an importer left out or understood in a way that the user should know; the message is one line."""
