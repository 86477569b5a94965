"""Write what only a registry can say: digests of base images and checksums of downloads (``make pin``).

Every ``ARG BASE=`` and ``ARG BUILDER=`` of a Dockerfile gets ``@sha256:...`` behind its tag (again where the
tag has moved), every ``ARG *_URL=`` a line in docker/pins/sha256.txt. A checksum is believed on first sight:
look at the difference before committing it. What can't be reached is named and left as it was.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
BASE = re.compile(r"^(ARG (?:BASE|BUILDER)=)([^@\s]+)(@sha256:[0-9a-f]{64})?$", re.MULTILINE)
URL = re.compile(r"^ARG \w+_URL=(\S+)$", re.MULTILINE)
MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in ("oci.image.index.v1", "docker.distribution.manifest.list.v2", "oci.image.manifest.v1", "docker.distribution.manifest.v2")
)


def endpoint(reference: str) -> tuple[str, str, str]:
    """(URL of the registry, repository, tag) of ``name:tag`` as docker reads it."""
    name, _, tag = reference.rpartition(":")
    host, slash, repository = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, repository = "docker.io", name if slash else f"library/{name}"
    scheme = "http" if host.split(":")[0] == "localhost" else "https"
    return f"{scheme}://{'registry-1.docker.io' if host == 'docker.io' else host}", repository, tag


def token(challenge: str) -> str:
    """An anonymous token from where a registry's WWW-Authenticate header says."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urlencode({key: fields[key] for key in ("service", "scope") if key in fields})
    with urlopen(f"{fields['realm']}?{query}", timeout=30) as response:
        answer = json.load(response)
    return answer.get("token") or answer["access_token"]


def digest(reference: str) -> str:
    """``sha256:...`` of the image, of its index where it is made for several architectures."""
    registry, repository, tag = endpoint(reference)
    request = Request(f"{registry}/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFESTS})
    try:
        response = urlopen(request, timeout=30)
    except HTTPError as error:
        if error.code != 401:
            raise
        request.add_header("Authorization", "Bearer " + token(error.headers["WWW-Authenticate"]))
        response = urlopen(request, timeout=30)
    with response:
        return "sha256:" + hashlib.sha256(response.read()).hexdigest()


def checksum(url: str) -> str:
    found = hashlib.sha256()
    with urlopen(url, timeout=60) as response:
        for block in iter(lambda: response.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


def pin_bases(text: str, failures: list[str]) -> str:
    """The Dockerfile with a digest behind each base that can be resolved."""

    def resolved(match: re.Match) -> str:
        try:
            return f"{match[1]}{match[2]}@{digest(match[2])}"
        except (URLError, OSError, ValueError, KeyError) as error:
            failures.append(f"{match[2]}: {error}")
            return match[0]

    return BASE.sub(resolved, text)


def main(folder: Path = HERE) -> int:
    failures: list[str] = []
    sums = folder / "pins" / "sha256.txt"
    for path in sorted(folder.glob("*/Dockerfile")):
        text = path.read_text()
        pinned = pin_bases(text, failures)
        if pinned != text:
            path.write_text(pinned)
            print(f"{path}: digests written")
        for url in URL.findall(text):
            if url in sums.read_text().split():
                continue
            try:
                line = f"{checksum(url)}  {url}"
            except (URLError, OSError) as error:
                failures.append(f"{url}: {error}")
                continue
            sums.write_text(sums.read_text() + line + "\n")
            print(line)
    for failure in sorted(set(failures)):
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
