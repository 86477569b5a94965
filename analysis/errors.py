"""Errors whose message is one line for the user."""

from runner.errors import UserError


class FrameError(UserError):
    """Nothing to analyse; the message is one line for the user."""


class CantWrite(FrameError):
    """What was asked for can't be written; the message is one line for the user."""

    exit_code = 1


class ImporterError(FrameError):
    """This file can't be imported; the message is one line: where, what was found, what would do."""


class ImportNote(UserWarning):
    """What an importer left out or understood in a way that the user should know; the message is one line."""
