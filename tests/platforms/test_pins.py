"""Locks, downloads and digests: what is believed only with a checksum."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

DOCKER = Path(__file__).resolve().parents[2] / "docker"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fetch():
    return load(DOCKER / "pins/fetch.py")


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "site/torch-2.1.0a0+41.nv23-cp38-cp38-linux_aarch64.whl"
    path.parent.mkdir()
    path.write_bytes(b"a wheel")
    return path


def test_a_file_without_a_known_checksum_is_trusted_on_first_use_and_named(fetch, wheel, tmp_path):
    got = fetch.fetch(wheel.as_uri(), str(tmp_path), sums=str(tmp_path / "sums"))
    assert Path(got).read_bytes() == b"a wheel"
    (line,) = (tmp_path / "sums").iterdir()
    assert line.read_text() == f"sha256:{hashlib.sha256(b'a wheel').hexdigest()}  {wheel.as_uri()}\n"


def test_a_file_with_another_checksum_is_removed(fetch, wheel, tmp_path):
    with pytest.raises(SystemExit, match="its SHA-256 is .* expected 0000"):
        fetch.fetch(wheel.as_uri(), str(tmp_path), "0" * 64)
    assert not (tmp_path / wheel.name).exists()


def test_a_checked_file_keeps_its_name_plus_signs_included(fetch, wheel, tmp_path):
    got = fetch.fetch(wheel.as_uri().replace("+", "%2B"), str(tmp_path), hashlib.sha256(b"a wheel").hexdigest(), str(tmp_path / "sums"))
    assert Path(got) == tmp_path / wheel.name and Path(got).read_bytes() == b"a wheel"


def test_a_recorded_checksum_serves_where_none_is_given(fetch, tmp_path):
    record = tmp_path / "sha256.txt"
    record.write_text("# comment https://b.example/x\n" + "1" * 64 + "  https://a.example/x\n")
    assert fetch.recorded("https://a.example/x", str(record)) == "1" * 64
    assert fetch.recorded("https://b.example/x", str(record)) is None


def test_a_locks_source_line_names_groups_and_marks():
    lock = load(DOCKER / "pins/lock.py")
    one, two = lock.parse(
        "# heading\nnumpy==1.19.5  # runner, onnx: why it is this one, and more\ntorch==2+cpu  # torch-cpu, alone, other index\n"
    )
    assert one == lock.Line("numpy==1.19.5", ("runner", "onnx"), alone=False, other_index=False)
    assert two == lock.Line("torch==2+cpu", ("torch-cpu",), alone=True, other_index=True)


def test_references_are_read_as_docker_reads_them():
    pin = load(DOCKER / "pins/pin.py")
    assert pin.endpoint("nvcr.io/nvidia/l4t-jetpack:r36.4.0") == ("https://nvcr.io", "nvidia/l4t-jetpack", "r36.4.0")
    assert pin.endpoint("pytorch/pytorch:2.13.0") == ("https://registry-1.docker.io", "pytorch/pytorch", "2.13.0")
    assert pin.endpoint("python:3.11-slim") == ("https://registry-1.docker.io", "library/python", "3.11-slim")
    assert pin.endpoint("localhost:5000/a/b:1") == ("http://localhost:5000", "a/b", "1")


@pytest.fixture
def registry():
    """A registry that gives one manifest to whoever comes with a token, and a file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/token"):
                self.answer(200, b'{"token": "let-me-in"}')
            elif self.path == "/file.whl":
                self.answer(200, b"a wheel")
            elif self.path != "/v2/some/base/manifests/1.0":
                self.answer(404, b"")
            elif self.headers.get("Authorization") != "Bearer let-me-in":
                self.answer(401, b"", f'Bearer realm="http://localhost:{port}/token",service="here",scope="repository:some/base:pull"')
            else:
                self.answer(200, b"the manifest")

        def answer(self, status, body, challenge=None):
            self.send_response(status)
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("localhost", 0), Handler)
    port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"localhost:{port}"
    server.shutdown()
    server.server_close()


def test_pin_records_one_platform_in_its_lock_and_touches_no_dockerfile(registry, tmp_path, capsys):
    pin = load(DOCKER / "pins/pin.py")
    (tmp_path / "pins").mkdir()
    (tmp_path / "pins/hints.txt").write_text(f"# seen elsewhere\nsha256:{'1' * 64}  {registry}/some/base:1.0\n")
    for name in ("cpu", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(
            f"ARG BASE={registry}/some/base:1.0\nARG BUILDER={registry}/gone:1.0\nARG A_URL=http://{registry}/file.whl\nFROM ${{BASE}}\n"
        )
    before = (tmp_path / "cpu/Dockerfile").read_text()
    failures = pin.pin("cpu", tmp_path)
    assert len(failures) == 1 and failures[0].startswith(f"{registry}/gone:1.0: HTTP Error 404")
    assert capsys.readouterr().err.count("note: ") == 1  # of the base that a hint has otherwise; the file has none
    assert (tmp_path / "cpu/pins.lock").read_text().splitlines() == [
        f"sha256:{hashlib.sha256(b'the manifest').hexdigest()}  {registry}/some/base:1.0",
        f"sha256:{hashlib.sha256(b'a wheel').hexdigest()}  http://{registry}/file.whl",
    ]
    assert (tmp_path / "cpu/Dockerfile").read_text() == before and not (tmp_path / "other/pins.lock").exists()


def test_a_wheel_of_an_index_that_nobody_vouches_for_is_checked_where_its_checksum_is_known(tmp_path):
    """install.sh with a pip that "downloads" one wheel."""
    pip = tmp_path / "pip"
    pip.write_text(
        '#!/bin/sh\necho "pip $1"\n[ "$1" != download ] || while [ $# -gt 0 ]; do [ "$1" != --dest ] || { mkdir -p "$2"; echo wheel >"$2/a-1-py3.whl"; }; shift; done\n'
    )
    pip.chmod(0o755)
    pins = tmp_path / "pins"
    pins.mkdir()
    (pins / "install.sh").write_text((DOCKER / "pins/install.sh").read_text())
    tag = "py%d%d" % sys.version_info[:2]
    (pins / f"{tag}.txt").write_text(f"# heading\nb==1 --hash=sha256:{'0' * 64}  # group\na==1  # group\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    env = dict(os.environ, PIP=str(pip), PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    known = hashlib.sha256(b"wheel\n").hexdigest()
    for sums, code, words in (
        ("", 0, f"no checksum is known for a-1-py3.whl; this one is {known}"),
        (known, 0, ""),
        ("1" * 64, 1, f"is {known}, expected"),
    ):
        (pins / "sha256.txt").write_text(f"{sums}  a-1-py3.whl\n" if sums else "")
        done = subprocess.run(
            ["sh", str(pins / "install.sh"), "group"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode == code and words in done.stdout and done.stdout.count("pip install") == 2 - code


def test_a_group_that_a_python_lacks_stops_the_build_by_its_name(tmp_path):
    """A base with another Python than the lock was written for would else go without, in silence."""
    (tmp_path / "install.sh").write_text((DOCKER / "pins/install.sh").read_text())
    (tmp_path / ("py%d%d.txt" % sys.version_info[:2])).write_text(f"# heading\nb==1 --hash=sha256:{'0' * 64}  # runner\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    env = dict(os.environ, PIP="false", PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    done = subprocess.run(["sh", str(tmp_path / "install.sh"), "runner", "run"], env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "has no group run, so this base's Python can't have it" in done.stderr


def test_a_digest_from_one_source_is_a_hint_and_not_in_a_dockerfile():
    hints = [line.split() for line in (DOCKER / "pins/hints.txt").read_text().splitlines() if not line.startswith("#")]
    text = "".join(path.read_text() for path in DOCKER.glob("*/Dockerfile"))
    assert hints and all(digest not in text and f"={reference}\n" in text for digest, reference in hints)
