"""Every Dockerfile built on a stand-in base; then what a CPU can do of its work, for real."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from conftest import CLIENT, ROOT, STAND_INS, USER, built

HERE = Path(__file__).parent
UID = int(USER.split(":")[0])
PLATFORMS = [name for name in STAND_INS if name not in ("ncs2-2022", "host") and not name.endswith("-arm64")]
MATRIX = {
    "protocol": {"replicates": 1, "max_time_s": 0.5, "min_time_s": 0.2, "warmup_max_s": 0.2, "quiet_wait_s": 0.2, "contention_retries": 0},
    "axes": {
        "backend": ["pytorch", "onnxruntime", "openvino"],
        "model": ["squeezenet1_1", "resnet18"],
        "precision": ["fp32"],
        "batch_size": [1, 2],
        "input_px": [64],
        "scenario": ["latency"],
    },
}
# Images that measure on the CPU here, and the backends that their real counterparts have there.
MEASURED = {
    "cpu": {"pytorch", "onnxruntime", "openvino"},
    "openvino": {"pytorch", "openvino"},
    "jetson-jp4": {"pytorch", "onnxruntime"},
    "ncs2": {"openvino"},
    "ncs2-2022": {"openvino"},
}
WRONG_HOST = {
    "cuda": "docker run --gpus all",
    "jetson-jp4": "this machine is not one",
    "jetson-jp5": "this machine is not one",
    "jetson-jp6": "this machine is not one",
    "jetson-jp7": "this machine is not one",
    "ncs2": "plug it in",
}


def matrix_file(volume, name="matrix", **changes):
    path = volume / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**MATRIX, "axes": {**MATRIX["axes"], **changes}}))
    path.chmod(0o644)
    return path


def command(volume, image, *arguments, platform=None, user=USER, options=(), matrix="matrix"):
    """Arguments of docker run. ``platform`` renames the image's, for whose device this machine has none: its cells run on the CPU."""
    flags = ["--network=none", "--volume", f"{volume}:/results", "--volume", f"{volume}/{matrix}.yaml:/matrix.yaml:ro"]
    flags += ["--user", user] if user else []
    flags += ["--env", f"DYNO_PLATFORM={platform}", "--env", "DYNO_DEVICES=cpu", "--hostname", "bench"] if platform else []
    return ["run", *flags, *options, image, *arguments]


def cells(volume, platform):
    """The cell records of a platform, as complete lines: a torn last one is none."""
    path = volume / f"records/{platform}-bench.jsonl"
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [record for record in map(json.loads, lines) if record["kind"] == "cell"]


KEPT = {"cpu", "ncs2"}  # other tests take these


@pytest.fixture(scope="module")
def platform(request, images):
    """The platform's name. Its tests follow each other, so that its image can go when they are over."""
    yield request.param
    if request.param not in KEPT:
        images.drop(request.param)


@pytest.mark.parametrize("platform", PLATFORMS, indirect=True)
def test_an_image_builds_and_describes_itself(docker, images, platform):
    facts = json.loads(docker("image", "inspect", images(platform)).stdout)[0]["Config"]
    labels, env = facts["Labels"], dict(line.split("=", 1) for line in facts["Env"])
    assert labels["dyno.platform"] == env["DYNO_PLATFORM"] == platform
    assert re.match(r"\d+\.\d+", labels["org.opencontainers.image.version"]) and labels["org.opencontainers.image.revision"] != "unknown"
    assert env["DYNO_IMAGE"] == f"dyno-{platform}:{labels['org.opencontainers.image.version']}"
    assert "Healthcheck" not in facts and labels["org.opencontainers.image.created"]
    assert facts["User"] == ("" if platform == "ncs2" else "1000:1000")
    usage = docker("run", "--rm", "--network=none", images(platform), "--help")
    assert "doctor" in usage.stdout


@pytest.mark.parametrize("platform", sorted(WRONG_HOST), indirect=True)
def test_an_image_on_the_wrong_host_stops_in_one_line_that_says_what_mends_it(docker, images, volume, platform):
    matrix_file(volume)
    done = docker(*command(volume, images(platform), "run", user=None if platform == "ncs2" else USER), check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1 and WRONG_HOST[platform] in done.stderr
    assert not list(volume.glob(f"records/{platform}*"))


@pytest.mark.parametrize("platform", ["jetson-jp4"], indirect=True)
def test_a_base_of_another_l4t_release_is_refused(docker, images, volume, platform):
    matrix_file(volume)
    release = volume / "nv_tegra_release"
    release.write_text("# R32 (release), REVISION: 6.1, GCID: 27863751, BOARD: t210ref, EABI: aarch64, DATE: x\n")
    release.chmod(0o644)
    mount = ["--volume", f"{release}:/etc/nv_tegra_release:ro"]
    done = docker(*command(volume, images(platform), "run", options=mount), check=False)
    assert done.returncode == 1 and "32.6.1" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_docker_client_without_buildx_is_named_before_a_build(docker, tmp_path):
    """The client that says it has no buildx, on the real daemon; and a sudo that empties the environment builds with BuildKit all the same."""
    old, new = tmp_path / "docker", tmp_path / "docker-28"
    new.write_text(f'#!/bin/sh\ncase $1 in version) echo 28.2.2 ;; buildx) exit 1 ;; *) exec {CLIENT} "$@" ;; esac\n')
    old.write_text(f'#!/bin/sh\nDOCKER_HOST={docker.env.get("DOCKER_HOST", "")} exec {CLIENT} "$@"\n')
    for file in (old, new):
        file.chmod(0o755)
    run = {"cwd": ROOT, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(["sh", "docker/preflight.sh", "cpu"], env=dict(docker.env, DOCKER=str(new)), **run)
    assert done.returncode == 1 and "has no buildx: sudo apt-get install docker-buildx" in done.stdout
    done = subprocess.run(["sh", "docker/preflight.sh", "cpu"], env=dict(docker.env, DOCKER=CLIENT), **run)
    assert done.returncode == 0, done.stdout
    file = tmp_path / "dockers/tiny/Dockerfile"
    file.parent.mkdir(parents=True)
    file.write_text("FROM scratch\nCOPY --chmod=755 LICENSE /\n")  # --chmod is BuildKit's
    (tmp_path / "dockers/build.sh").write_text((ROOT / "docker/build.sh").read_text())
    emptied = f"env -i PATH={os.environ['PATH']} {old}"
    env = dict(docker.env, DOCKER=emptied, VERSION="1", REVISION="x")
    done = subprocess.run(["sh", str(tmp_path / "dockers/build.sh"), "tiny", "dyno-tiny:1"], env=env, **run)
    assert done.returncode == 0, done.stdout


def test_pinning_runs_in_the_builders_image_and_writes_one_lock(docker, images, tmp_path):
    """make pin-PLATFORM on a host without Python: a registry and a site on this machine, a checkout whose name has blanks and a colon."""
    site = tmp_path / "site"
    (site / "v2/some/base/manifests").mkdir(parents=True)
    (site / "v2/some/base/manifests/1.0").write_bytes(b"the manifest")
    (site / "a.whl").write_bytes(b"a wheel")
    server = ThreadingHTTPServer(("localhost", 0), partial(SimpleHTTPRequestHandler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"localhost:{server.server_address[1]}"
    house = tmp_path / "my: checkout/docker"
    shutil.copytree(ROOT / "docker/pins", house / "pins", ignore=shutil.ignore_patterns("__pycache__"))
    (house / "toy").mkdir()
    text = f"ARG BASE={here}/some/base:1.0\nARG BUILDER={images.base('py311')}\nARG A_URL=http://{here}/a.whl\nFROM ${{BASE}}\n"
    (house / "toy/Dockerfile").write_text(text)
    os.chown(house / "toy", UID, UID)
    env = dict(docker.env, DOCKER=CLIENT, PIN_FLAGS="--network=host", SUDO_UID=str(UID), SUDO_GID=str(UID))
    for folder in (house, house.parent, *list(tmp_path.parents)[:3]):
        if str(folder) != "/tmp":
            folder.chmod(0o755)  # pytest's folders are closed to other users
    done = subprocess.run(["sh", "docker/pins/pin.sh", "toy"], cwd=house.parent, env=env, text=True, capture_output=True)
    server.shutdown()
    server.server_close()
    assert (house / "toy/pins.lock").read_text().splitlines() == [
        f"sha256:{hashlib.sha256(b'the manifest').hexdigest()}  {here}/some/base:1.0",
        f"sha256:{hashlib.sha256(b'a wheel').hexdigest()}  http://{here}/a.whl",
    ]
    assert (house / "toy/pins.lock").stat().st_uid == UID and (house / "toy/Dockerfile").read_text() == text
    (line,) = done.stderr.splitlines()  # the stand-in is in no registry: named, and the rest is pinned all the same
    assert done.returncode == 1 and line.startswith(images.base("py311") + ": ")


def test_docker_stop_is_heard_in_the_first_moments(docker, images, volume):
    """--init: without it a process of number 1 ignores the signal until Python has set its own handler, and is killed 10 s later."""
    matrix_file(volume)
    container = docker(*command(volume, images("cpu"), "run", platform="standin-stopped", options=["--detach", "--init"])).stdout.strip()
    time.sleep(0.1)
    began = time.monotonic()
    docker("stop", container)
    assert time.monotonic() - began < 5
    docker("rm", container)


def test_results_without_a_volume_are_told_before_measuring_and_nobody_becomes_root(docker, images):
    done = docker("run", "--rm", "--network=none", images("cpu"), "doctor", check=False)
    assert "records would be lost with the container" in done.stdout and "owner of results" not in done.stdout
    quick = ["--profile", "quick", "--only", "model=squeezenet1_1", "--only", "backend=onnxruntime", "--only", "batch_size=1"]
    done = docker("run", "--rm", "--network=none", images("cpu"), "run", *quick)
    assert "records would be lost with the container: mkdir -p results; docker run -v" in done.stderr.splitlines()[0]


def test_make_builds_checks_and_measures(images, tmp_path):
    """make cpu, as a user would; the image is built already, so the build is a look at the cache."""
    images("cpu")
    matrix_file(tmp_path, backend=["onnxruntime"], batch_size=[1])
    flags = " ".join(f"--build-arg {key}={images.base('py311')}" for key in ("BASE", "BUILDER"))
    output = images.make(
        "cpu",
        f"BUILD_FLAGS=--network=host {flags}",
        f"RESULTS={tmp_path}/out",
        f"MATRIX={tmp_path}/matrix.yaml",
        "RUN_FLAGS=--network=none",
    )
    assert re.search(r"ok +device cpu", output)  # doctor's
    (file,) = tmp_path.glob("out/records/cpu-*.jsonl")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["status"] for record in records if record["kind"] == "cell"] == ["ok", "ok"]
    facts = next(record for record in records if record["kind"] == "environment")["environment"]
    assert facts["image"].startswith("dyno-cpu:") and re.search(r"sha256:[0-9a-f]{64}", facts["image_digest"])
    assert facts["container"] == "docker" and facts["packages"]["onnxruntime"] == facts["frameworks"]["onnxruntime"]


def test_a_change_of_the_code_builds_again_without_the_packages(docker, images, tmp_path):
    """A new version of Dyno is the image's last layers; those of the packages stay."""

    def layers():
        return json.loads(docker("image", "inspect", images("cpu"), "--format", "{{json .RootFS.Layers}}").stdout)

    before, house = layers(), tmp_path / "house"
    house.mkdir()
    for name in ("docker", "make", "runner"):
        shutil.copytree(ROOT / name, house / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "matrix.yaml", "pyproject.toml", "README.md", "LICENSE", ".dockerignore"):
        shutil.copy(ROOT / name, house)
    (house / "runner/changed.py").write_text("CHANGED = True\n")
    flags = " ".join(f"--build-arg {key}={images.base('py311')}" for key in ("BASE", "BUILDER"))
    images.note("cpu, code changed", images.build_s("cpu", flags, house), built("cpu"), images.base("py311"))
    after = json.loads(docker("image", "inspect", built("cpu"), "--format", "{{json .RootFS.Layers}}").stdout)
    assert len(after) == len(before) and [old == new for old, new in zip(before, after, strict=True)].index(False) == len(before) - 3
    docker("tag", images("cpu"), built("cpu"))


@pytest.fixture(scope="module")
def networks(docker, images, volume):
    """The networks' files in the cache, made by the cpu image: what `dyno export` is for."""
    matrix_file(volume)
    docker(*command(volume, images("cpu"), "export", options=["--rm"]))
    return volume


@pytest.mark.parametrize("platform", sorted(MEASURED), indirect=True)
def test_a_container_killed_in_the_middle_loses_at_most_the_cell_in_progress(docker, images, networks, platform):
    name, volume, image = platform, networks, images(platform)
    platform = f"standin-{name}"
    user = None if name.startswith("ncs2") else USER  # its entry point leaves root by itself
    planned = json.loads(docker(*command(volume, image, "plan", "--json", platform=platform, user=user, options=["--rm"])).stdout)["cells"]
    container = docker(*command(volume, image, "run", platform=platform, user=user, options=["--detach"])).stdout.strip()
    ended = _wait_for(lambda: len(cells(volume, platform)) >= 2, docker, container)
    assert not ended, docker("logs", container).stderr
    docker("kill", "--signal", "KILL", container)
    docker("wait", container)
    docker("rm", container)
    before = cells(volume, platform)
    # an anchor is a mark in time: its cell is still to be measured
    left = {cell["id"] for cell in planned} - {record["cell_id"] for record in before if record["role"] == "cell"}
    assert left, "all was done before the container was killed: the test has shown nothing"
    docker(*command(volume, image, "run", platform=platform, user=user, options=["--rm"]))
    after = cells(volume, platform)
    assert [record["id"] for record in after[: len(before)]] == [record["id"] for record in before]
    measured = [record["cell_id"] for record in after[len(before) :] if record["role"] == "cell"]
    assert sorted(measured) == sorted(left)
    status = {record["cell"]["backend"]: record["status"] for record in after}
    assert {backend for backend, state in status.items() if state == "ok"} == MEASURED[name]
    assert {state for backend, state in status.items() if backend not in MEASURED[name]} <= {"skipped"}
    assert (volume / f"records/{platform}-bench.jsonl").stat().st_uid == UID


def _wait_for(condition, docker, container, limit_s=300):
    """Wait until the condition holds; True if the container ended before."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, docker("logs", container).stderr
        if docker("inspect", "--format", "{{.State.Running}}", container).stdout.strip() != "true":
            return True
        time.sleep(0.2)
    return False


def test_the_host_image_makes_the_report(docker, images, volume):
    """make report IN_DOCKER=1 on the records that the images above left."""
    images("host")
    matrix_file(volume)
    base, builder = images.base("py312"), images.base("py311")
    images.make(
        "report",
        "IN_DOCKER=1",
        f"BUILD_FLAGS=--network=host --build-arg BASE={base} --build-arg BUILDER={builder}",
        f"RESULTS={volume}",
        "RUN_FLAGS=--network=none --user 12345",
    )
    page = volume / "report/index.html"
    assert page.stat().st_uid == UID and "standin-cpu" in page.read_text()


def test_records_of_all_images_merge_into_one_report(volume, tmp_path):
    """After the runs above: the host takes the records of four Pythons and three frameworks together."""
    files = sorted(volume.glob("records/standin-*.jsonl"))
    assert len(files) >= len(MEASURED)
    arguments = [sys.executable, "-m", "analysis", "report", "--records", str(volume / "records"), "--out", str(tmp_path)]
    done = subprocess.run(arguments, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    page = (tmp_path / "index.html").read_text()
    assert all(f"standin-{name}" in page for name in MEASURED)


def test_the_sticks_image_leaves_root_but_may_open_its_device(docker, images, volume):
    script = "id -u; grep CapEff /proc/self/status; touch /results/by-the-stick"
    run = [
        "run",
        "--rm",
        "--network=none",
        "--volume",
        f"{volume}:/results",
        "--entrypoint",
        "as-owner",
        images("ncs2"),
        "sh",
        "-c",
        script,
    ]
    uid, capabilities = docker(*run).stdout.splitlines()
    assert int(uid) == UID and int(capabilities.split()[1], 16) == 1 << 1  # CAP_DAC_OVERRIDE and nothing else
    assert (volume / "by-the-stick").stat().st_uid == UID


def test_the_sticks_image_leaves_root_also_where_results_are_roots_and_says_what_it_lacks(docker, images, tmp_path):
    run = ["run", "--rm", "--network=none", "--volume", f"{tmp_path}:/results", "--entrypoint", "as-owner"]
    assert docker(*run, images("ncs2"), "id", "-u").stdout == "1000\n"
    done = docker(*run, "--cap-drop", "ALL", images("ncs2"), "id", check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "--cap-add DAC_OVERRIDE --cap-add SETGID --cap-add SETUID" in done.stderr


def check_myriad_answers(answers):
    """What 2021.4.2 was seen to say. It calls every grouped convolution unsupported, though Intel lists MobileNet v2 as tested on the stick:
    query_network looks before the plugin's own rewriting, so that one answer is no verdict; the others are."""
    assert not [name for name, answer in answers.items() if "read" in answer]
    missing = {name: set(answer.get("unsupported", ())) - {"GroupConvolution"} for name, answer in answers.items()}
    v3 = {"mobilenet_v3_large", "mobilenet_v3_small"} & set(answers)
    assert {name for name in missing if "HardSigmoid" in missing[name]} == v3 != set()
    others = {name for name in missing if missing[name] - {"HardSigmoid"}}
    # what stands between grouped convolutions: the shuffle, and the slices and joints of dual paths
    assert {"shufflenet_v2_x0_5", "shufflenet_v2_x1_0"} & set(answers) <= others
    assert others <= {name for name in answers if name.startswith(("shufflenet", "timm-dpn"))}
    assert [answer["load"] for answer in answers.values() if "load" in answer] == ["Can not init Myriad device: NC_ERROR"]


def ask_the_stick(docker, images, volume, large, small):
    """Export networks in the cpu image, then ask the MYRIAD plugin of the stick's image: {network: its answer}."""
    files = []
    for name, models, px in (("large", large, 224), ("small", small, 96)):
        if models:
            matrix_file(volume, name, model=models, backend=["openvino"], batch_size=[1], input_px=[px])
            docker(*command(volume, images("cpu"), "export", options=["--rm"], matrix=name))
            folders = {name.replace(":", "-") for name in models}
            files += [path for path in volume.glob(f"cache/networks/*-{px}px/b1.onnx") if path.parent.name.split("-random")[0] in folders]
    assert len(files) == len(large) + len(small)
    run = ["run", "--rm", "--network=none", "--volume", f"{volume}:/results", "--volume", f"{HERE}/myriad.py:/myriad.py:ro"]
    inside = sorted(f"/results/{path.relative_to(volume)}" for path in files)
    answers = json.loads(docker(*run, "--entrypoint", "python3", images("ncs2"), "-W", "ignore", "/myriad.py", *inside).stdout)
    return {path.split("/")[4].split("-random")[0]: answer for path, answer in answers.items()}


def test_the_myriad_plugin_says_what_it_lacks_of_networks_and_that_no_stick_is_there(docker, images, volume):
    """OpenVINO 2021.4.2's MYRIAD plugin tells without a stick which operators it has; loading a network needs one."""
    networks = ["mobilenet_v2", "mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5"]
    answers = ask_the_stick(docker, images, volume, [], networks)
    check_myriad_answers(answers)
    assert answers["resnet18"]["unsupported"] == [] and answers["mobilenet_v2"]["unsupported"] == ["GroupConvolution"]


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_the_myriad_plugin_says_what_it_lacks_for_all_networks_of_the_studies(docker, images, volume):
    zoo = yaml.safe_load((ROOT / "matrix.yaml").read_text())["profiles"]["zoo"]["axes"]["model"]
    assert len(zoo) == 42
    # adaptive pooling to 6 or 7 px exports from few sizes only; small images for the rest, to be quick
    large = [name for name in zoo if name.startswith(("vgg", "alexnet"))]
    answers = ask_the_stick(docker, images, volume, large, [name for name in zoo if name not in large])
    check_myriad_answers(answers)
    assert {"mobilenet_v3_large", "shufflenet_v2_x1_0"} <= set(answers)
    shutil.rmtree(volume / "cache/networks")  # some GB
