"""Errors whose message is one line for the user."""


class UserError(Exception):
    """What a command was given can't be used: one line with place, what was found and what would do. Ends it with ``exit_code``."""

    exit_code = 2


class Unsupported(Exception):
    """This can never work here (precision, operator, device): the cell becomes ``skipped`` with this reason."""


class ModelUnavailable(Exception):
    """This network can't be built here; the message is one line that says why and what would do."""

    skip = True  # it can never work here: the cell is skipped, not failed


class Unprepared(Exception):
    """The files can't be made here; ``skip``: the cell can never work here, rather than should have."""

    def __init__(self, message: str, skip: bool = False) -> None:
        Exception.__init__(self, message)
        self.skip = skip


class CheckpointError(Exception):
    """A checkpoint doesn't fit; the message is one line."""


class ExportError(Exception):
    """The network can't be exported; the message is one line."""


class GraphError(ValueError):
    """The file can't be understood; the message is one line."""


class DataError(UserError):
    """The data set can't be used; the message is one line for the user."""


class MatrixError(UserError):
    """One line for the user: place, what was found, what would do."""


class RecordError(UserError):
    """The record file can't be used; the message is one line for the user."""
