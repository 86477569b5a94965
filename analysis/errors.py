"""Errors whose message is one line for the user."""


class FrameError(Exception):
    """Nothing to analyse; the message is one line for the user."""


class ImporterError(FrameError):
    """This file can't be imported; the message is one line: where, what was found, what would do."""


class ImportNote(UserWarning):
    """What an importer left out or understood in a way that the user should know; the message is one line."""
