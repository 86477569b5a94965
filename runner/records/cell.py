"""A cell: one point of the matrix, and the key of its records."""

import hashlib
import json
import re
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

from runner import files
from runner.records import schema

HASH = 10  # hex digits
MODEL = schema.CELL_FIELDS.index("model")  # whose name may have dots


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


def id_of(words: Sequence[str], fields: Sequence[Any]) -> str:
    """A cell's words (in the order of CELL_FIELDS) as one slug, with a hash of its exact fields where the slug alone would not be one to one."""
    text = ".".join(words)
    around = "".join(word for index, word in enumerate(words) if index != MODEL)
    if files.is_slug(text) and "." not in around and not re.match(r"[0-9a-f]{%d}$" % HASH, words[-1]):
        return text
    return "%s.%s" % (files.slug(text), hashlib.sha256(json.dumps(fields).encode("ascii")).hexdigest()[:HASH])


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
    def id(self) -> str:
        """The cell as one slug, fit for a file's name and one to one: where the slug loses anything, a hash of the fields follows."""
        words = list(map(str, self[:5])) + ["b%d" % self.batch_size, "%dpx" % self.input_px, self.scenario]
        return id_of(words, list(self))

    @property
    def base_backend(self) -> str:
        return self.backend.partition(":")[0]

    @property
    def variant(self) -> Optional[str]:
        return self.backend.partition(":")[2] or None

    def as_dict(self) -> Dict[str, Any]:
        return dict(self._asdict())


def cell_from(fields: Mapping[str, Any]) -> Cell:
    """The Cell of a record's ``cell``; KeyError or TypeError if it is none."""
    return Cell(*[fields[name] for name in schema.CELL_FIELDS])
