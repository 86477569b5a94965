"""Stand-ins for the base images, made on the spot: Debian with the interpreter that the real base has.

A stand-in holds what the real base brings (Python, and torch where it is in the base), and how this machine
reaches its package index: the certificates and pip's settings. They live in the test's daemon alone.
"""

import configparser
import os
import shutil
import subprocess
import tempfile
from io import StringIO
from pathlib import Path

# What pyenv's interpreters link to, what OpenVINO's MYRIAD plugin and torch link to, and Debian's own Python 3.11.
PACKAGES = [
    "ca-certificates",
    "python3",
    "python3-pip",
    "libssl3",
    "libffi8",
    "libbz2-1.0",
    "liblzma5",
    "libsqlite3-0",
    "libreadline8",
    "zlib1g",
    "libncursesw6",
    "libexpat1",
    "libuuid1",
    "libcrypt1",
    "libusb-1.0-0",
    "libgomp1",
    "util-linux",
]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


# What a stand-in of another architecture holds: Debian's own Python runs there, none of pyenv's does.
PACKAGES_ELSEWHERE = ["ca-certificates", "python3", "python3-pip", "libgomp1", "util-linux"]


def debian(folder, arch=None, suite="bookworm"):
    """Debian in ``folder``; for another architecture qemu runs its set-up."""
    subprocess.run(
        [
            "debootstrap",
            "--variant=minbase",
            *([f"--arch={arch}"] if arch else []),
            f"--include={','.join(PACKAGES_ELSEWHERE if arch else PACKAGES)}",
            suite,
            str(folder),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)
    shutil.copy(CERTIFICATES, folder / "etc/ssl/certs/ca-certificates.crt")
    (folder / "etc/pip.conf").write_text(pip_settings())
    for guard in folder.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        guard.unlink()  # python:3.11-slim has none
    (folder / "root").chmod(0o755)  # pyenv's interpreters live there, and images don't run as root
    return folder


def settings():
    """pip's settings on this machine: {name: value}."""
    lines = subprocess.run(["python3", "-m", "pip", "config", "list"], text=True, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    return {line.split("=", 1)[0].split(".")[-1]: line.split("=", 1)[1].strip("'") for line in lines if "=" in line}


def pip_settings():
    """A pip.conf by which an image reaches the index of this machine; folders of this machine are left out, links apart."""
    parser = configparser.RawConfigParser()
    parser["global"] = {"cert": str(CERTIFICATES), "retries": "1", "disable-pip-version-check": "1"}
    known = settings()
    if "index-url" in known:
        parser["global"]["index-url"] = known["index-url"]
    if links():
        parser["global"]["find-links"] = str(links())
    text = StringIO()
    parser.write(text)
    return text.getvalue()


def links():
    """The folder of wheels that pip is told to look into, or None."""
    folder = settings().get("find-links")
    return Path(folder) if folder and os.path.isdir(folder) else None


def interpreter(version):
    """Folder of pyenv's newest Python of ``version`` ("3.8")."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(root.glob(version + ".*"), key=lambda path: int(path.name.split(".")[2]))
    if not found:
        raise RuntimeError(f"pyenv has no Python {version} in {root}: the stand-in for its images can't be made")
    return found[-1]


def import_debian(docker, root, tag, platform=None):
    """The image ``tag`` of the files in ``root``."""
    with subprocess.Popen(["tar", "-c", "-C", root, "."], stdout=subprocess.PIPE) as tar:
        docker("import", *(["--platform", platform] if platform else []), "--change", f"ENV PATH={PATH}", "-", tag, stdin=tar.stdout)


def with_folder(docker, tag, base, folder, more=""):
    """The image ``tag``: ``base`` and a folder of this machine in the same place, less what nothing here runs."""
    left_out = [f"--exclude={pattern}" for pattern in ("__pycache__", "*.a", "lib/python3*/test", "site-packages/*")]
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "Dockerfile").write_text(f"FROM {base}\nCOPY {str(folder).lstrip('/')} {folder}\n{more}")
        command = ["tar", "-c", *left_out, "-C", place, "Dockerfile", "-C", "/", str(folder).lstrip("/")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
            docker("build", "--network=host", "--tag", tag, "-", stdin=tar.stdout)


def with_python(docker, tag, base, version):
    """The image ``tag``: ``base`` with pyenv's Python ``version`` before its own."""
    prefix = interpreter(version)
    with_folder(docker, tag, base, prefix, f"ENV PATH={prefix}/bin:{PATH}\nRUN python3 -m ensurepip --upgrade\n")


def build(docker, tag, dockerfile):
    """An image of a Dockerfile's text that copies nothing."""
    docker("build", "--network=host", "--tag", tag, "-", input=dockerfile)
