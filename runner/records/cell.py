"""A cell: one point of the matrix, and the key of its records."""

import hashlib
import json
import re
from typing import NamedTuple

from runner import files
from runner.records import schema

HASH = 10  # hex digits


_Fields = NamedTuple(
    "_Fields",
    [
        ("platform", str),
        ("device", str),
        ("backend", str),
        ("model", str),
        ("precision", str),
        ("batch_size", int),
        ("input_px", int),
        ("scenario", str),
    ],
)
assert _Fields._fields == schema.CELL_FIELDS


class Cell(_Fields):
    """One point of the matrix; its fields are the record's ``cell``."""

    __slots__ = ()

    platform: str
    device: str
    backend: str
    model: str
    precision: str
    batch_size: int
    input_px: int
    scenario: str

    @property
    def id(self):
        """The cell as one slug, fit for a file's name and one to one: where the slug loses anything, a hash of the fields follows."""
        parts = (self.platform, self.device, self.backend, self.model, self.precision, "b%d" % self.batch_size)
        text = ".".join(parts + ("%dpx" % self.input_px, self.scenario))
        around = self.platform + self.device + self.backend + self.precision + self.scenario
        if files.is_slug(text) and "." not in around and not re.match(r"[0-9a-f]{%d}$" % HASH, self.scenario):
            return text
        fields = json.dumps(list(self)).encode("ascii")
        return "%s.%s" % (files.slug(text), hashlib.sha256(fields).hexdigest()[:HASH])

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
