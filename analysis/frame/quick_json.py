"""JSON at the speed that millions of lines need, with the standard library's reading of what is rare."""

import json
from typing import Any

import orjson


def loads(line: bytes) -> Any:
    """A line's value; raises ValueError or RecursionError. Half characters (lone surrogates), which no file or page can hold, are replaced."""
    try:
        return orjson.loads(line)
    except ValueError:  # torn, or with NaN, numbers beyond 64 bits or half characters, which orjson refuses
        value = json.loads(
            line.decode("utf-8-sig")
        )  # as the runner reads it: other bytes are no line, an editor's mark before the first one is nothing
        return printable(value) if b"\\u" in line else value


def dumps(value: Any) -> bytes:
    """A value on one line, in UTF-8."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a number beyond 64 bits
        return json.dumps(value).encode()


def printable(value: Any) -> Any:
    """The same JSON without half characters."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, list):
        return [printable(item) for item in value]
    return {printable(key): printable(item) for key, item in value.items()} if isinstance(value, dict) else value
