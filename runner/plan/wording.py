"""The words of errors in a matrix: what was found, and what would do."""

import difflib
import reprlib
from typing import Any, Dict, Optional, Sequence

from runner.errors import MatrixError


def show(value: Any) -> str:
    """A value as an error shows it: one short line."""
    plain = isinstance(value, str) and value and value.isprintable() and value.strip() == value
    text = value if plain else reprlib.repr(value)  # repr() of nested aliases can be endless
    return text if len(text) <= 60 else text[:57] + "..."


def choose(found: str, word: Any, choices: Sequence[Any]) -> str:
    """What was found, and what comes near it; of a few choices all."""
    near = difflib.get_close_matches(str(word), [str(choice) for choice in choices], 1, 0.6)
    if near:
        return "%s; did you mean %s?" % (found, near[0])
    if len(choices) > 12:
        return found
    return "%s; choose from %s" % (found, ", ".join(str(choice) for choice in choices))


def mapping(value: Any, where: str, keys: Optional[Sequence[str]] = None) -> Dict[str, Any]:
    """A mapping whose keys are known; nothing counts as an empty one. Raises MatrixError."""
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise MatrixError("%s: found %s, a %s; give a mapping" % (where, show(value), kind(value)))
    for key in value:
        if not isinstance(key, str):
            raise MatrixError("%s: the key %s is not a word; give names" % (where, show(key)))
        if keys and key not in keys:
            raise MatrixError("%s: %s" % (where, choose("key %s is unknown" % show(key), key, keys)))
    return value


def kind(value: Any) -> str:
    """The type of a value, in words."""
    names = {dict: "mapping", list: "list", str: "text", bool: "true/false", int: "whole number", float: "number", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def printable(text: str, where: str) -> None:
    """MatrixError for a text with characters that no name of a file or network has."""
    strange = [char for char in text if ord(char) < 32 or 127 <= ord(char) < 160 or 0xD800 <= ord(char) < 0xE000]
    if strange:
        raise MatrixError("%s: %s has the control character U+%04X; leave it out" % (where, show(text), ord(strange[0])))
