"""The text of a result file, in the encoding that it is really in; what can't be told apart is refused, never guessed."""

import codecs
import re
from pathlib import Path

from analysis.errors import ImporterError

LIMIT = 64 * 2**20
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
WESTERN = set("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ°µ²³±×€–—’“”\u00a0")
BYTES = re.compile(rb"[\x80-\xff]+")


def read(path: str | Path) -> str:
    """The file's text; a missing, unreadable, empty, huge or binary file, or one of unknown encoding, is an ImporterError."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise ImporterError(f"{path}: is not a regular file; give the file that the tool wrote")
        if path.stat().st_size > LIMIT:
            raise ImporterError(
                f"{path}: {path.stat().st_size / 2**20:.0f} MiB is too large for a result file; give the summary that the tool printed"
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ImporterError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}; give an existing file")
    encoding = encoding_of(data, path)
    try:
        decoded = data.decode(encoding)
    except UnicodeDecodeError:
        raise ImporterError(f"{path}: its first bytes say {encoding}, but it is not; save it as UTF-8")
    if not decoded.strip():
        raise ImporterError(f"{path}: the file is empty")
    return decoded.replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(data: bytes, path: str | Path) -> str:
    """The encoding of a file's bytes: what its first bytes say, UTF-8, UTF-16 without a mark, GBK or Windows-1252 (which holds Latin-1)."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return name
    if b"\0" in data:
        even, odd = data[0::2].count(0), data[1::2].count(0)
        if len(data) % 2 == 0 and max(even, odd) > 0.4 * len(data) / 2 and min(even, odd) == 0:
            return "utf-16-le" if odd else "utf-16-be"
        raise ImporterError(f"{path}: binary data; give the text that the tool wrote")
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    runs = BYTES.findall(data)
    if _chinese(runs):
        return "gbk"
    if max(map(len, runs)) <= 2 and _western(data):
        return "cp1252"
    raise ImporterError(f"{path}: its text is neither UTF-8 nor surely Latin-1 or GBK; save it as UTF-8")


def _chinese(runs: list[bytes]) -> bool:
    """Whether bytes above 127 come in pairs that are mostly Chinese's common characters, and not letters of an alphabet."""
    if any(len(run) % 2 for run in runs):
        return False
    pairs = [run[i : i + 2] for run in runs for i in range(0, len(run), 2)]
    common = sum(0xA1 <= first <= 0xD7 and 0xA1 <= second <= 0xFE for first, second in pairs)
    signs = any(byte < 0xC0 for pair in pairs for byte in pair)  # Cyrillic and Western letters lie above
    try:
        b"".join(runs).decode("gbk")
    except UnicodeDecodeError:
        return False
    return len(pairs) > 1 and common >= 0.8 * len(pairs) and signs


def _western(data: bytes) -> bool:
    try:
        return {char for char in data.decode("cp1252") if ord(char) > 127} <= WESTERN
    except UnicodeDecodeError:
        return False
