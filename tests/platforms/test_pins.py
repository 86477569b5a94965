"""Locks, downloads and digests: what is believed only with a checksum."""

import hashlib
import importlib.util
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


def test_a_file_without_a_known_checksum_is_not_downloaded(fetch, wheel, tmp_path):
    with pytest.raises(SystemExit, match="no checksum is known.*make pin"):
        fetch.fetch(wheel.as_uri(), str(tmp_path))
    assert not (tmp_path / wheel.name).exists()


def test_a_file_with_another_checksum_is_removed(fetch, wheel, tmp_path):
    with pytest.raises(SystemExit, match="its SHA-256 is .* expected 0000"):
        fetch.fetch(wheel.as_uri(), str(tmp_path), "0" * 64)
    assert not (tmp_path / wheel.name).exists()


def test_a_checked_file_keeps_its_name_plus_signs_included(fetch, wheel, tmp_path):
    got = fetch.fetch(wheel.as_uri().replace("+", "%2B"), str(tmp_path), hashlib.sha256(b"a wheel").hexdigest())
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
    pin = load(DOCKER / "pin.py")
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


def test_make_pin_writes_digests_and_checksums_and_names_what_it_could_not_reach(registry, tmp_path, capsys):
    pin = load(DOCKER / "pin.py")
    (tmp_path / "pins").mkdir()
    (tmp_path / "pins/sha256.txt").write_text("# checksums\n")
    (tmp_path / "cpu").mkdir()
    dockerfile = tmp_path / "cpu/Dockerfile"
    dockerfile.write_text(
        f"ARG BASE={registry}/some/base:1.0@sha256:{'0' * 64}\nARG BUILDER={registry}/gone:1.0\nARG A_URL=http://{registry}/file.whl\nFROM ${{BASE}}\n"
    )
    assert pin.main(tmp_path) == 1  # one base is gone
    digest = hashlib.sha256(b"the manifest").hexdigest()
    assert dockerfile.read_text().splitlines()[:2] == [
        f"ARG BASE={registry}/some/base:1.0@sha256:{digest}",
        f"ARG BUILDER={registry}/gone:1.0",
    ]
    assert (tmp_path / "pins/sha256.txt").read_text().splitlines()[
        1
    ] == f"{hashlib.sha256(b'a wheel').hexdigest()}  http://{registry}/file.whl"
    assert "gone:1.0: HTTP Error 404" in capsys.readouterr().err
