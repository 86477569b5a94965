"""Download a file and check it: ``python fetch.py URL FOLDER [SHA256]``.

The checksum is the argument, or the one that sha256.txt beside this file has for the URL. Without either the file is
trusted on first use: what it was is written to /sums, from where docker/build.sh records it on the host and stops at a
later change.
"""

import hashlib
import os
import sys
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sha256.txt")
SUMS = "/sums"


def recorded(url, path=RECORDED):
    """The checksum that ``path`` has for ``url`` (lines of "sha256  url"), or None."""
    with open(path) as file:
        for line in file:
            words = line.split()
            if len(words) == 2 and not line.startswith("#") and words[1] == url:
                return words[0]
    return None


def fetch(url, folder, sha256=None, sums=SUMS):
    """Path of the file, whose checksum is then in ``sums``; raises SystemExit with one line when it can't be had."""
    sha256 = sha256 or recorded(url)
    path = os.path.join(folder, unquote(os.path.basename(urlsplit(url).path)))
    digest = hashlib.sha256()
    try:
        with urlopen(url, timeout=60) as response, open(path, "wb") as file:
            for block in iter(lambda: response.read(1 << 20), b""):
                digest.update(block)
                file.write(block)
    except OSError as error:
        raise SystemExit("%s: can't be downloaded: %s" % (url, error))
    if sha256 and digest.hexdigest() != sha256:
        os.remove(path)
        raise SystemExit("%s: its SHA-256 is %s, expected %s; removed" % (url, digest.hexdigest(), sha256))
    os.makedirs(sums, exist_ok=True)
    with open(os.path.join(sums, os.path.basename(path)), "w") as file:
        file.write("sha256:%s  %s\n" % (digest.hexdigest(), url))
    return path


if __name__ == "__main__":
    print(fetch(*[argument for argument in sys.argv[1:] if argument]))
