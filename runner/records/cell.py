"""A cell: one point of the matrix, and the key of its records."""

import re
from collections import namedtuple

from runner.records import schema


class Cell(namedtuple("Cell", schema.CELL_FIELDS)):
    """One point of the matrix; its fields are the record's ``cell``."""

    __slots__ = ()

    @property
    def id(self):
        """The cell as one slug, fit for a file's name."""
        parts = (self.platform, self.device, self.backend, self.model, self.precision, "b%d" % self.batch_size)
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", ".".join(parts + ("%dpx" % self.input_px, self.scenario)))

    @property
    def base_backend(self):
        return self.backend.partition(":")[0]

    @property
    def variant(self):
        return self.backend.partition(":")[2] or None

    def as_dict(self):
        return dict(self._asdict())


def cell_from(fields):
    """The Cell of a record's ``cell``; KeyError or TypeError if it is none."""
    return Cell(*[fields[name] for name in schema.CELL_FIELDS])
