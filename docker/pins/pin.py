"""Record what only a registry or a site can say of one platform: digests of its bases, checksums of its downloads.

    make pin-jetson-jp6

runs this in the builder's image. It writes docker/<platform>/pins.lock, as a first build would, and never a Dockerfile.
What can't be reached is named and left as it was.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

DOCKER = Path(__file__).resolve().parents[1]
BASE = re.compile(r"^ARG (?:BASE\w*|BUILDER)=([^@\s$]+)$", re.MULTILINE)  # with a digest it is pinned already
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
    """``sha256:...`` of the file at ``url``."""
    found = hashlib.sha256()
    with urlopen(url, timeout=60) as response:
        for block in iter(lambda: response.read(1 << 20), b""):
            found.update(block)
    return "sha256:" + found.hexdigest()


def recorded(path: Path) -> dict[str, str]:
    """{reference: digest} of a lock or of hints.txt."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.split()[1]: line.split()[0] for line in lines if line.startswith("sha256:")}


def pin(platform: str, docker: Path = DOCKER) -> list[str]:
    """Renew a platform's lock; the lines that failed."""
    text = (docker / platform / "Dockerfile").read_text()
    lock = docker / platform / "pins.lock"
    known, hints = recorded(lock), recorded(docker / "pins/hints.txt")
    failures = []
    for reference, ask in [(base, digest) for base in BASE.findall(text)] + [(url, checksum) for url in URL.findall(text)]:
        try:
            known[reference] = ask(reference)
            print(f"{known[reference]}  {reference}")
            if hints.get(reference, known[reference]) != known[reference]:
                print(f"note: {reference} is {known[reference]} here; another source saw {hints[reference]}", file=sys.stderr)
        except (URLError, OSError, ValueError, KeyError) as error:
            failures.append(f"{reference}: {error}")
    lock.write_text("".join(f"{value}  {reference}\n" for reference, value in known.items()))
    return failures


def main(platforms: list[str]) -> int:
    failures = [failure for platform in platforms for failure in pin(platform)]
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
