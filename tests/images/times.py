"""The table of docs/docker.md: what each image adds to its stand-in base, how long it builds and starts. As root: .venv/bin/python tests/images/times.py [IMAGE...]

cold: the stand-in base is there and nothing else, every package is downloaded; warm: as cold, but pip's downloads are kept from the
build before; both with --no-cache. start: until `dyno --version` has answered.
"""

import sys
import tempfile
from pathlib import Path

from conftest import PLATFORM, STAND_INS, Images, built
from daemon import Docker


def table(images, names):
    """A line per image, printed as it comes."""
    print(f"{'image':<12} {'adds':>8} {'cold':>7} {'warm':>7} {'start':>7}", flush=True)
    for name in names:
        stand_in, arguments = STAND_INS[name]
        base, builder = images.base(stand_in), images.base("py311")
        flags = " ".join(f"--build-arg {key}={value}" for key, value in {**arguments, "BASE": base, "BUILDER": builder}.items())
        images.docker("builder", "prune", "--all", "--force")  # pip's downloads, too
        cold_s, warm_s = (images.build_s(PLATFORM.sub("", name), f"--no-cache {flags}") for _ in range(2))
        made = images.measured(name, warm_s, built(name), base)
        print(f"{name:<12} {made.added_bytes / 1e9:>5.2f} GB {cold_s:>5.0f} s {warm_s:>5.0f} s {made.start_s:>5.2f} s", flush=True)
        images.docker("rmi", "--force", built(name))


if __name__ == "__main__":
    with Docker() as docker, tempfile.TemporaryDirectory() as folder:
        table(Images(docker, Path(folder)), sys.argv[1:] or [name for name in STAND_INS if not name.endswith("-arm64")])
