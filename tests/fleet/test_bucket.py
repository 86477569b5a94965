"""Records in an S3-compatible bucket: moto's server over HTTP on the loopback (no real S3)."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from typer.testing import CliRunner

from analysis.cli import app
from analysis.errors import FrameError
from analysis.frame import frame as frames
from analysis.merge import table
from tests.analysis.records import QUICK, cell_record, sweep


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """put(key, bytes) into the bucket `lab` of a server of our own."""
    server = os.environ.get("DYNO_MOTO") or shutil.which("moto_server")
    assert server, "moto_server is not there; tests/fleet/run.sh installs it"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with open(tmp_path / "moto.log", "w") as log:
        process = subprocess.Popen([server, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        for name, value in (
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)

        def put(key, content=b""):
            request = urllib.request.Request(f"{url}/lab{'/' if key else ''}{key}", data=content, method="PUT")
            request.add_header("Content-Type", "application/octet-stream")
            request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request")
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 200

        put("")
        yield put
    finally:
        process.terminate()
        process.wait(20)


def test_records_in_a_bucket_are_merged_and_only_what_changed_is_fetched_again(bucket, tmp_path):
    folder = sweep(tmp_path / "records", models=QUICK, batch_sizes=(1,))
    for path in folder.iterdir():
        bucket(f"runs/{path.name}", path.read_bytes())
    merged = table.merge(["s3://lab/runs"], tmp_path / "cache")
    plain = frames.merge([folder])
    assert len(merged.frame) == len(plain.frame) and merged.problems == plain.problems
    mirror = {path.name: path.stat().st_ino for path in (tmp_path / "cache" / "mirror").rglob("*.jsonl")}
    with open(folder / "synthetic-cpu-host0.jsonl", "a") as file:
        file.write("\n" + json.dumps(cell_record("synthetic-cpu", "pytorch", "vgg19", run="20260109T000000Z-0001")) + "\n")
    time.sleep(1.1)  # S3 tells the time in seconds
    bucket("runs/synthetic-cpu-host0.jsonl", (folder / "synthetic-cpu-host0.jsonl").read_bytes())
    again = table.merge(["s3://lab/runs"], tmp_path / "cache")
    assert len(again.frame) == len(merged.frame) + 1
    now = {path.name: path.stat().st_ino for path in (tmp_path / "cache" / "mirror").rglob("*.jsonl")}
    assert [name for name in now if now[name] != mirror[name]] == ["synthetic-cpu-host0.jsonl"]


def test_a_bucket_that_is_not_there_is_named(bucket, tmp_path):
    with pytest.raises(FrameError, match="s3://nowhere/x: .*AWS_ENDPOINT_URL"):
        table.merge(["s3://nowhere/x"], tmp_path / "cache")


def test_compare_predict_and_recommend_read_buckets_as_the_report_does(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_MERGE_CACHE", str(tmp_path / "cache"))
    folder = sweep(tmp_path / "records", platforms=("synthetic-cpu",), batch_sizes=(1,))
    (path,) = folder.glob("synthetic-cpu*.jsonl")
    for run in ("before", "after"):
        bucket(f"{run}/{path.name}", path.read_bytes())

    def said(*words):
        local = CliRunner().invoke(app, [word.replace("s3://lab", str(tmp_path / "lab")) for word in words])
        remote = CliRunner().invoke(app, list(words))
        assert (remote.exit_code, remote.stdout) == (local.exit_code, local.stdout) and remote.exit_code == 0, remote.output
        return remote.stdout

    for run in ("before", "after"):
        shutil.copytree(folder, tmp_path / "lab" / run)
    assert "SAME" in said("compare", "s3://lab/before", "s3://lab/after")
    options = ["--platform", "synthetic-cpu", "--backend", "onnxruntime", "--records", "s3://lab/before"]
    assert "resnet50" in said("predict", "--model", "resnet50", *options)
    assert "resnet" in said("recommend", "--max-latency-ms", "1000", "--min-top1", "60", "--only-records", "--all", *options)
