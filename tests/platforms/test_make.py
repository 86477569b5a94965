"""The targets of make/platforms.mk and the scripts behind them, with a docker that only says what it was asked."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def house(tmp_path):
    """A copy of what the targets read, with a Makefile that has nothing else."""
    for name in ("docker", "make"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner/__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "Makefile").write_text("-include make/*.mk\n")
    (tmp_path / "matrix.yaml").write_text("axes: {}\n")
    (tmp_path / "docker-fake").write_text(
        """#!/bin/sh
# Answers `image inspect --format ...` from files named after labels; prints everything else.
case "$*" in
    "info --format"*) echo "${SERVER:-27.5.1}|/|runc $RUNTIMES" ;;
    version*) echo "${CLIENT:-20.10.24}" ;;
    "buildx version") test -n "$BUILDX" ;;
    "image inspect dyno-"*) test -z "$ABSENT" ;;
    "image inspect --format {{if .RepoDigests}}"*" "*/* | "image inspect --format {{if .RepoDigests}}"*" python:"*) test -z "$DIGEST" || echo "name@$DIGEST" ;;
    "build "*"--target sums"*) printf '%s  https://files.example/a.whl\n' "$SUM" >sums && tar -cf - sums && rm sums ;;
    "image inspect"*Labels*) label=$(echo "$4" | sed 's/.*Labels "\\([a-z.-]*\\)".*/\\1/'); cat "$LABELS/$label" 2>/dev/null || true ;;
    "image inspect"*) echo sha256:abc ;;
    *) for word in "$@"; do printf '[%s]' "$word"; done; echo ;;
esac
"""
    )
    (tmp_path / "docker-fake").chmod(0o755)
    (tmp_path / "labels").mkdir()
    return tmp_path


def run(house, *command, check=True, **env):
    settings = {"DOCKER": str(house / "docker-fake"), "LABELS": str(house / "labels"), "PREFLIGHT": "true", "SUM": "sha256:" + "5" * 64}
    env = dict(os.environ, **dict(settings, **env))
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        env.pop(name, None)
    done = subprocess.run(command, cwd=house, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def label(house, name, text):
    (house / "labels" / name).write_text(text + "\n")


@pytest.mark.parametrize(
    "release, expected",
    [
        ("# R32 (release), REVISION: 4.4, GCID: 23942405", "jetson-jp4 nvcr.io/nvidia/l4t-pytorch:r32.4.4-pth1.6-py3 32.4.4"),
        ("# R32 (release), REVISION: 6.1, GCID: 27863751", "jetson-jp4 nvcr.io/nvidia/l4t-pytorch:r32.6.1-pth1.9-py3 32.6.1"),
        ("# R32 (release), REVISION: 7.6, GCID: 1", "jetson-jp4"),
        ("# R35 (release), REVISION: 6.4, GCID: 1", "jetson-jp5"),
        ("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic", "jetson-jp6"),
        ("# R36 (release), REVISION: 5.0, GCID: 1", "jetson-jp6"),
        ("# R38 (release), REVISION: 2.1, GCID: 1", "jetson-jp7"),
        ("# R39 (release), REVISION: 2.0, GCID: 1", "jetson-jp7"),
    ],
)
def test_a_jetsons_release_picks_its_platform(house, release, expected):
    (house / "l4t").write_text(release + "\n")
    assert run(house, "sh", "docker/jetson.sh", L4T_RELEASE_FILE=str(house / "l4t")).stdout.strip() == expected


@pytest.mark.parametrize(
    "release, reason",
    [
        (None, "this is no Jetson"),
        ("something else", "names no L4T release"),
        ("# R32 (release), REVISION: 3.1, GCID: 1", "update to JetPack 4.6.1 or later"),
        ("# R34 (release), REVISION: 1.1, GCID: 1", "no image is made for L4T r34.1.1"),
        ("# R36 (release), REVISION: 3.0, GCID: 1", "update to JetPack 6.1 or later"),
    ],
)
def test_where_no_image_fits_make_jetson_says_why_in_one_line(house, release, reason):
    file = house / "l4t"
    if release:
        file.write_text(release + "\n")
    done = run(house, "make", "jetson", check=False, L4T_RELEASE_FILE=str(file))
    own = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode and len(own) == 1 and reason in own[0] and done.stdout == ""


def test_make_jetson_builds_the_image_of_this_release_on_its_base(house):
    (house / "l4t").write_text("# R32 (release), REVISION: 6.1, GCID: 1\n")
    build = builds(run(house, "make", "jetson", L4T_RELEASE_FILE=str(house / "l4t")).stdout)[-1]
    assert "--file docker/jetson-jp4/Dockerfile" in build and "--tag dyno-jetson-jp4:1.2.3" in build
    assert "--build-arg BASE=nvcr.io/nvidia/l4t-pytorch:r32.6.1-pth1.9-py3" in build and "--build-arg L4T=32.6.1" in build


def test_the_run_is_told_what_was_typed_so_that_it_can_say_what_to_type_next(house):
    (house / "l4t").write_text("# R32 (release), REVISION: 6.1, GCID: 1\n")
    assert "[--env][DYNO_MAKE=jetson]" in run(house, "make", "jetson", L4T_RELEASE_FILE=str(house / "l4t")).stdout.splitlines()[-1]
    assert "[--env][A=b][--env][DYNO_MAKE=cpu]" in run(house, "make", "cpu", "RUN_FLAGS=--env A=b").stdout.splitlines()[-1]


def builds(out):
    """The docker build commands that were given, each as one string."""
    return [line[1:-1].replace("][", " ") for line in out.splitlines() if line.startswith("[build]")]


def test_labelled_images_are_mounted_where_accuracy_looks(house, tmp_path):
    out = run(house, "make", "accuracy-cpu", f"DATA={tmp_path}").stdout
    assert f'[type=bind,"source={tmp_path}",target=/data,readonly]' in out and "[accuracy][/data]" in out
    done = run(house, "make", "accuracy-cpu", "DATA=/nowhere", check=False)
    assert done.returncode and "name the folder of labelled images" in done.stderr and builds(done.stdout) == []


def test_a_new_platform_is_one_dockerfile(house):
    (house / "docker/toaster").mkdir()
    (house / "docker/toaster/Dockerfile").write_text("# toaster: two slots.\nFROM scratch\nENV DYNO_PLATFORM=toaster\n")
    assert "toaster: two slots." in run(house, "make", "platforms").stdout
    assert "--tag dyno-toaster:1.2.3" in run(house, "make", "build-toaster").stdout.replace("][", " ")


def test_a_platforms_target_builds_checks_and_measures_in_this_order(house):
    label(house, "dyno.docker-flags", "--device-cgroup-rule='c 189:* rmw' --ipc=host")
    lines = run(house, "make", "--silent", "cpu", "ARGS=--profile quick").stdout.splitlines()
    lines = [line for line in lines if line.startswith(("[build", "[run"))]
    assert [line.split("]")[0] for line in lines] == ["[build", "[run", "[run"]
    assert lines[1].endswith("[dyno-cpu:1.2.3][doctor]") and lines[2].endswith("[dyno-cpu:1.2.3][run][--profile][quick]")
    assert "[--device-cgroup-rule=c 189:* rmw][--ipc=host]" in lines[2]  # one word, though it holds blanks
    assert f'[--mount][type=bind,"source={house}/results",target=/results]' in lines[2] and "[--init]" in lines[2]
    assert (house / "results").is_dir()  # else Docker would make it, as root


def test_an_unhappy_doctor_does_not_keep_a_platform_from_measuring(house):
    fake = house / "docker-fake"
    fake.write_text(fake.read_text().replace("*) for", '*doctor) echo "FAIL"; exit 1 ;;\n    *) for'))
    done = run(house, "make", "--silent", "cpu")
    assert "FAIL" in done.stdout and done.stdout.strip().endswith("[run]")
    assert run(house, "make", "--silent", "doctor-cpu", check=False).returncode != 0


def test_records_belong_to_whoever_calls_make_and_carry_host_and_digest(house):
    flags = run(house, "sh", "docker/flags.sh", "image").stdout
    assert f"--user {os.getuid()}:{os.getgid()}" in flags and "--env DYNO_IMAGE_DIGEST=sha256:abc" in flags and "--hostname " in flags
    label(house, "dyno.docker-user", "root")
    assert "--user" not in run(house, "sh", "docker/flags.sh", "image").stdout


def test_devices_and_files_are_passed_only_where_the_host_has_them(house):
    label(house, "dyno.docker-devices", "gpu=/dev/dri npu=/dev/accel")
    label(house, "dyno.docker-mounts", "/etc/nv_tegra_release /etc/nvpmodel.conf")
    host = house / "host"
    (host / "dev/dri").mkdir(parents=True)
    (host / "dev/dri/renderD128").write_text("")
    os.chown(host / "dev/dri/renderD128", -1, os.getgid() or 104)
    (host / "etc").mkdir()
    (host / "etc/nv_tegra_release").write_text("")
    (host / "proc/device-tree").mkdir(parents=True)
    (host / "proc/device-tree/model").write_bytes(b"Somebody's Jetson Nano\0")
    flags = run(house, "sh", "docker/flags.sh", "image", HOST_ROOT=str(host)).stdout
    assert f"--device /dev/dri --group-add {os.getgid() or 104}" in flags and "/dev/accel" not in flags
    assert "--volume /etc/nv_tegra_release:/etc/nv_tegra_release:ro" in flags and "nvpmodel" not in flags
    assert "DYNO_BOARD=Somebody's Jetson Nano" in shlex.split(flags)
    assert "--env DYNO_DEVICES=cpu,gpu " in flags  # so that nothing is planned for the processor that isn't there


@pytest.mark.parametrize(
    "name, text",
    [
        ("dyno.docker-flags", "--runtime nvidia --privileged"),
        ("dyno.docker-flags", "--ipc=hostile"),
        ("dyno.docker-flags", "--gpus all $(touch owned)"),
        ("dyno.docker-flags", "--volume /:/host"),
        ("dyno.docker-devices", "gpu=/dev/../etc"),
        ("dyno.docker-devices", "gpu=/dev/dri;touch"),
        ("dyno.docker-devices", "/dev/sda"),
        ("dyno.docker-groups", "/dev/../etc/shadow"),
        ("dyno.docker-mounts", "/etc/shadow"),
    ],
)
def test_a_label_that_asks_for_anything_else_is_refused_and_nothing_runs(house, name, text):
    """An image from a registry may say anything; its labels are data and never a shell's words."""
    label(house, name, text)
    (house / "results").mkdir()
    done = run(house, "sh", "docker/run.sh", "image", "doctor", check=False, RESULTS="results", MATRIX="matrix.yaml")
    assert done.returncode == 2 and done.stdout == "" and not (house / "owned").exists()
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"image: its label {name} asks for `") and text.split()[-1].strip(")") in line


def test_every_images_own_labels_are_known(house):
    for path in sorted(ROOT.glob("docker/*/Dockerfile")):
        for name in ("flags", "devices", "groups", "mounts"):
            found = re.search(f'dyno.docker-{name}="([^"]*)"', path.read_text())
            label(house, f"dyno.docker-{name}", found[1] if found else "")
        out = run(house, "sh", "docker/flags.sh", "image").stdout
        asked = re.search('dyno.docker-flags="([^"]*)"', path.read_text())
        assert not asked or asked[1] in out


def test_on_jetpack_6_the_groups_of_all_tegra_and_dri_nodes_are_passed_by_number(house):
    """The shape of a JetPack 6 board: video 44, render 104, nvmap 993, and nodes of root's."""
    dockerfile = (house / "docker/jetson-jp6/Dockerfile").read_text()
    label(house, "dyno.docker-groups", re.search('dyno.docker-groups="([^"]*)"', dockerfile)[1])
    groups = {
        "nvmap": 993,
        "nvhost-gpu": 44,
        "nvhost-ctrl-nvdla0": 44,
        "nvgpu/igpu0/ctrl": 44,
        "dri/card0": 44,
        "dri/renderD128": 104,
        "nvidia0": 0,
    }
    if os.getuid() != 0:  # only root may give a file to a group that it isn't in
        groups = dict.fromkeys(groups, os.getgid())
    for node, group in groups.items():
        path = house / "host/dev" / node
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        os.chown(path, -1, group)
    words = shlex.split(run(house, "sh", "docker/flags.sh", "image", HOST_ROOT=str(house / "host")).stdout)
    passed = [int(after) for word, after in zip(words, words[1:], strict=False) if word == "--group-add"]
    assert passed == sorted(set(groups.values()) - {0})


def test_sudo_keeps_buildkit_and_results_belong_to_who_called_it(house):
    """A sudo that empties the environment, as the real one does."""
    sudo = house / "bin/sudo"
    sudo.parent.mkdir()
    sudo.write_text('#!/bin/sh\nexec env -i PATH="$PATH" LABELS="$LABELS" SUM="$SUM" "$@"\n')
    sudo.chmod(0o755)
    fake = house / "bin/docker"
    fake.write_text(
        (house / "docker-fake").read_text().replace("*) for", 'build*) echo "buildkit=$DOCKER_BUILDKIT home=$HOME" ;;\n    *) for')
    )
    fake.chmod(0o755)
    path = f"{sudo.parent}:{os.environ['PATH']}"
    assert "buildkit=1 home=\n" in run(house, "make", "build-cpu", "DOCKER=sudo docker", PATH=path).stdout
    fake.write_text(fake.read_text().replace('case "$*" in', 'test "$1" != --context || shift 2\ncase "$*" in', 1))
    assert "buildkit=1 home=" in run(house, "make", "build-cpu", "DOCKER=docker --context docker-box", PATH=path).stdout
    flags = run(house, "sh", "docker/flags.sh", "image", SUDO_UID="1001", SUDO_GID="1002").stdout
    assert "--user 1001:1002" in flags


def test_paths_may_hold_blanks_quotes_commas_and_colons(house):
    odd = house / """a 'b' "c", d:e"""
    odd.mkdir()
    (odd / "matrix.yaml").write_text("axes: {}\n")
    shutil.copytree(house / "docker", odd / "docker")
    shutil.copytree(house / "make", odd / "make")
    shutil.copytree(house / "runner", odd / "runner")
    shutil.copy(house / "Makefile", odd)
    out = run(
        house, "make", "-C", odd, "--no-print-directory", "doctor-cpu", f"RESULTS={odd}/my results", f"MATRIX={odd}/matrix.yaml"
    ).stdout
    place = str(odd).replace('"', '""')
    assert f'[type=bind,"source={place}/my results",target=/results]' in out
    assert f'[type=bind,"source={place}/matrix.yaml",target=/matrix.yaml,readonly]' in out
    assert (odd / "my results").is_dir()


def test_a_missing_matrix_is_an_error_before_anything_is_built(house):
    done = run(house, "make", "cpu", "MATRIX=nowhere.yaml", check=False)
    assert done.returncode and "MATRIX=nowhere.yaml: no such file" in done.stderr and builds(done.stdout) == []
    assert not (house / "nowhere.yaml").exists()


def test_a_shell_without_a_terminal_is_refused_before_anything_is_built(house):
    done = run(house, "make", "shell-cpu", check=False)
    assert done.returncode and "a shell needs a terminal" in done.stderr and builds(done.stdout) == []


def test_what_is_not_pinned_is_recorded_on_first_use_and_stops_the_build_when_it_changes(house):
    first = run(house, "make", "build-jetson-jp5", DIGEST="sha256:" + "1" * 64)
    lock = (house / "docker/jetson-jp5/pins.lock").read_text()
    assert f"sha256:{'1' * 64}  nvcr.io/nvidia/l4t-jetpack:r35.4.1" in lock and f"sha256:{'5' * 64}  https://files.example/a.whl" in lock
    assert "another source saw sha256:d1c8e971" in first.stderr
    again = run(house, "make", "build-jetson-jp5", DIGEST="sha256:" + "2" * 64)  # the tag has moved: the recorded one is used
    assert f"BASE=nvcr.io/nvidia/l4t-jetpack:r35.4.1@sha256:{'1' * 64}" in builds(again.stdout)[-1] and "another source" not in again.stderr
    changed = run(house, "make", "build-jetson-jp5", check=False, SUM="sha256:" + "6" * 64)
    assert changed.returncode and "this machine got sha256:5555" in changed.stderr and "pins.lock" in changed.stderr
    assert (ROOT / "docker/jetson-jp5/Dockerfile").read_text() == (house / "docker/jetson-jp5/Dockerfile").read_text()


def test_a_published_image_of_this_revision_is_pulled_else_one_is_built(house):
    out = run(house, "make", "build-cpu", "DYNO_REGISTRY=ghcr.io/somebody").stdout
    assert "[tag][ghcr.io/somebody/dyno-cpu:1.2.3][dyno-cpu:1.2.3]" in out and builds(out) == []  # no checkout: by version
    fake = house / "docker-fake"
    fake.write_text(fake.read_text().replace("*) for", "pull*) exit 1 ;;\n    *) for"))
    done = run(house, "make", "build-cpu", "DYNO_REGISTRY=ghcr.io/somebody")
    assert "ghcr.io/somebody has no image of 1.2.3, so it is built" in done.stderr and len(builds(done.stdout)) == 1


def preflight(house, *arguments, **env):
    (house / "bin").mkdir(exist_ok=True)
    (house / "bin/df").write_text('#!/bin/sh\nprintf "head\\nx 1 1 %s 1 /\\n" "${FREE_GB:-100}000000"\n')  # whatever this machine has
    (house / "bin/df").chmod(0o755)
    path = f"{house}/bin:{os.environ['PATH']}"
    env = dict({"MACHINE": "aarch64", "RUNTIMES": "nvidia ", "ABSENT": "yes", "PATH": path}, **env)
    return run(house, "sh", "docker/preflight.sh", *arguments, check=False, **env)


@pytest.fixture
def orin(house):
    (house / "host/etc").mkdir(parents=True)
    (house / "host/etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.3, GCID: 1\n")
    return str(house / "host")


def test_preflight_passes_on_a_board_that_is_ready(house, orin):
    done = preflight(house, "jetson-jp6", HOST_ROOT=orin)
    assert done.returncode == 0 and done.stderr == ""
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["docker", "BuildKit", "nvidia", "space", "processor", "L4T"]
    assert preflight(house, "--quiet", "jetson-jp6", HOST_ROOT=orin).stdout == ""
    (house / "host/dev").mkdir()
    (house / "host/dev/nvidiactl").write_text("")
    done = preflight(house, "cuda", HOST_ROOT=orin, MACHINE="x86_64")
    assert done.returncode == 0 and "ok    driver         NVIDIA's is loaded" in done.stdout


@pytest.mark.parametrize(
    "env, platform, expected",
    [
        ({"CLIENT": "28.2.2"}, "jetson-jp6", "BuildKit       docker 28.2.2 has no buildx: sudo apt-get install docker-buildx"),
        ({"RUNTIMES": ""}, "jetson-jp6", "nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"),
        ({"RUNTIMES": ""}, "jetson-jp4", "sudo apt-get install nvidia-container-runtime nvidia-docker2"),
        ({"FREE_GB": "7"}, "jetson-jp6", "space          7 GB free in /, the image needs about 16 GB: "),
        ({"SERVER": "19.03.6"}, "jetson-jp6", "docker         19.03.6 is too old, 20.10 or later is needed: sudo apt-get update"),
        ({"MACHINE": "x86_64"}, "cuda", "driver         NVIDIA's is not loaded (no /dev/nvidiactl): sudo ubuntu-drivers install"),
        ({"MACHINE": "x86_64"}, "jetson-jp6", "jetson-jp6 is made for arm64, this is x86_64"),
        ({"MACHINE": "armv7l"}, "ncs2", "install a 64-bit system (arm64)"),
        ({}, "jetson-jp5", "this board's release goes with jetson-jp6: make jetson-jp6"),
        ({"HOST_ROOT": "/nowhere"}, "jetson-jp6", "this is no Jetson"),
        ({"DOCKER": "docker-that-is-not-there"}, "cpu", "it is not installed: sudo apt-get install docker.io"),
    ],
)
def test_each_failure_of_preflight_is_one_line_with_what_mends_it(house, orin, env, platform, expected):
    done = preflight(house, "--quiet", platform, **dict({"HOST_ROOT": orin}, **env))
    failed = [line for line in done.stderr.splitlines() if expected in line]
    assert done.returncode == 1 and len(failed) == 1 and failed[0].startswith("FAIL  "), done.stderr


def test_an_image_that_can_be_pulled_needs_no_buildx(house, orin):
    done = preflight(house, "--quiet", "jetson-jp6", HOST_ROOT=orin, CLIENT="28.2.2", DYNO_REGISTRY="ghcr.io/somebody")
    assert done.returncode == 0 and "--    BuildKit" in done.stderr and "needed where ghcr.io/somebody lacks the image" in done.stderr


@pytest.mark.parametrize(
    "says, expected",
    [
        ("permission denied while trying to connect to the Docker daemon socket", "sudo usermod -aG docker"),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "sudo systemctl start docker",
        ),
    ],
)
def test_a_daemon_that_is_not_reached_says_for_whom_and_why(house, says, expected):
    (house / "docker-fake").write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    done = preflight(house, "cpu")
    assert done.returncode == 1 and expected in done.stderr and "docker" in done.stderr.splitlines()[0]


def test_make_builds_nothing_on_a_host_that_is_not_ready(house):
    done = run(house, "make", "build-cpu", check=False, CLIENT="28.2.2", PREFLIGHT="sh docker/preflight.sh")
    assert done.returncode and "has no buildx" in done.stderr and builds(done.stdout) == []


def test_make_doctor_checks_the_host_and_asks_the_images_that_are_here(house, orin):
    out = run(house, "make", "doctor", MACHINE="aarch64", RUNTIMES="nvidia", HOST_ROOT=orin, PREFLIGHT="sh docker/preflight.sh").stdout
    assert "ok    L4T" in out and "[dyno-jetson-jp6:1.2.3][doctor]" in out and "dyno-cpu" not in out


def test_make_doctor_says_what_an_image_lacks_here_in_place_of_starting_it(house):
    for path in set(house.glob("docker/*/Dockerfile")) - {house / "docker/cpu/Dockerfile", house / "docker/cuda/Dockerfile"}:
        path.unlink()
    env = {"MACHINE": "x86_64", "RUNTIMES": "", "HOST_ROOT": "/nowhere", "PREFLIGHT": "sh docker/preflight.sh"}
    done = run(house, "make", "doctor", check=False, **env)
    assert done.returncode and "[dyno-cpu:1.2.3][doctor]" in done.stdout and "[dyno-cuda" not in done.stdout
    assert "FAIL  nvidia runtime docker run --gpus needs it: " in done.stderr


POWER = """#!/bin/sh
# nvpmodel of a board with modes 0, 1 and 2, of which 2 takes a reboot.
mode=$(cat "$HOUSE/mode")
case $1 in
    -q) echo "NV Power Mode: NAME$mode"; echo "$mode" ;;
    -m) echo "set $2" >>"$HOUSE/set"; [ "$2" = 2 ] || echo "$2" >"$HOUSE/mode" ;;
esac
"""


@pytest.fixture
def nvpmodel(house):
    (house / "nvpmodel").write_text(POWER)
    (house / "nvpmodel").chmod(0o755)
    (house / "mode").write_text("1\n")
    return {"NVPMODEL": str(house / "nvpmodel"), "HOUSE": str(house)}


def test_power_modes_are_measured_one_after_the_other_and_the_first_is_set_again(house, orin, nvpmodel):
    done = run(house, "make", "jetson", "POWER_MODES=0 1 2", check=False, HOST_ROOT=orin, **nvpmodel)
    runs = [line for line in done.stdout.splitlines() if line.endswith("[run]")]
    assert ["[--env][DYNO_MODE=0]" in runs[0], "[--env][DYNO_MODE=1]" in runs[1]] == [True, True] and len(runs) == 2
    assert "mode 2 does not exist here or takes effect only after a reboot" in done.stderr and done.returncode != 0
    assert (house / "mode").read_text() == "1\n"


def test_ctrl_c_sets_the_power_mode_that_was_there(house, nvpmodel):
    env = dict(os.environ, **nvpmodel)
    process = subprocess.Popen(
        ["sh", "docker/power_modes.sh", "0", "sh", "-c", "echo measuring; exec sleep 30"],
        cwd=house,
        env=env,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert [process.stdout.readline() for _ in range(2)] == [b"power mode 0\n", b"measuring\n"]
    assert (house / "mode").read_text() == "0\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(10) == 130 and (house / "mode").read_text() == "1\n"


def test_ctrl_c_on_make_sets_it_again_too(house, orin, nvpmodel):
    """As a terminal sends it: to make, the script and docker at once."""
    fake = house / "docker-fake"
    fake.write_text(fake.read_text().replace("*) for", "*' run') echo measuring; exec sleep 30 ;;\n    *) for"))
    settings = {"DOCKER": str(fake), "LABELS": str(house / "labels"), "PREFLIGHT": "true", "SUM": "sha256:" + "5" * 64, "HOST_ROOT": orin}
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    process = subprocess.Popen(
        ["make", "jetson", "POWER_MODES=0"],
        cwd=house,
        env=dict(env, **settings, **nvpmodel),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert any(line == b"measuring\n" for line in process.stdout) and (house / "mode").read_text() == "0\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(10) != 0
    deadline = time.monotonic() + 5  # make does not wait for what it has interrupted
    while (house / "mode").read_text() != "1\n" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (house / "mode").read_text() == "1\n"


def test_the_report_can_be_made_in_the_host_image(house):
    shutil.copy(ROOT / "Makefile", house)
    done = run(house, "make", "report", "IN_DOCKER=1", check=False)
    assert done.returncode == 2 and "RESULTS=results: no such folder; measure first" in done.stderr and builds(done.stdout) == []
    (house / "results").mkdir()
    out = run(house, "make", "report", "IN_DOCKER=1").stdout
    assert builds(out)[0].endswith(" .") and "--tag dyno-host:1.2.3" in builds(out)[0]
    assert out.strip().splitlines()[-1].endswith("[dyno-host:1.2.3][report][--records][/results/records][--out][/results/report]")
    (house / "old").mkdir()
    out = run(house, "make", "compare-cpu", "BEFORE=old").stdout
    name = f"cpu-{os.uname().nodename}.jsonl"
    assert out.strip().splitlines()[-1].endswith(f"[compare][/before/{name}][/results/records/{name}]")
    assert "host" not in run(house, "make", "platforms").stdout.replace("host image", "")


def rounds_of(out):
    """(image, round, place of the results) of each `run`, in order."""
    calls = [re.findall(r"\[([^]]*)\]", line) for line in out.splitlines() if "[--round]" in line]
    return [(call[call.index("run", 1) - 1], call[call.index("--round") + 1], call[call.index("--results") + 1]) for call in calls]


def test_two_images_are_measured_in_alternating_rounds_and_compared_in_the_host_image(house):
    out = run(house, "make", "compare-cpu", "A=dyno-cpu:1", "B=dyno-cpu:2", "ROUNDS=3", "ARGS=--profile quick").stdout
    found = rounds_of(out)
    assert [sorted(image for image, *_ in found[at : at + 2]) for at in (0, 2, 4)] == [["dyno-cpu:1", "dyno-cpu:2"]] * 3
    assert [number for _, number, _ in found] == ["1", "1", "2", "2", "3", "3"]
    places = {image: place for image, _, place in found}
    assert places["dyno-cpu:1"].endswith("/a") and places["dyno-cpu:2"] == places["dyno-cpu:1"][:-1] + "b"
    assert all("[--profile][quick]" in line for line in out.splitlines() if "[--round]" in line)
    a, b = (places[image] + "/records" for image in ("dyno-cpu:1", "dyno-cpu:2"))
    compared, said = out.strip().splitlines()[-2:]
    assert compared.endswith(f"[dyno-host:1.2.3][compare][--paired][{a}][{b}]")
    (folder,) = {place.parent for place in (house / "results" / "compare").glob("*/[ab]")}
    assert said.startswith("records of both sides: ") and (house / said.split(": ", 1)[1]).samefile(folder)  # as this host names it


def test_two_matrices_are_compared_in_the_platforms_own_image(house):
    for name in ("before", "after"):
        (house / f"{name}.yaml").write_text("axes: {}\n")
    out = run(house, "make", "compare-cpu", "A=before.yaml", "B=after.yaml", "ROUNDS=2").stdout
    assert {image for image, *_ in rounds_of(out)} == {"dyno-cpu:1.2.3"} and len(rounds_of(out)) == 4
    mounted = [Path(re.search(r'source=([^"]*\.yaml)', line)[1]).name for line in out.splitlines() if "[--round]" in line]
    assert sorted(mounted) == ["after.yaml"] * 2 + ["before.yaml"] * 2


@pytest.mark.parametrize(
    "given, said",
    [
        (["A=dyno-cpu:1"], "name both sides"),
        (["A=none.yaml", "B=dyno-cpu:2"], "none.yaml: no such matrix"),
        (["A=dyno-cpu:1", "B=dyno-cpu:2", "ROUNDS=1"], "ROUNDS=1: give the number"),
        ([], "BEFORE=: name the earlier records"),
    ],
)
def test_what_can_not_be_compared_is_said_before_anything_is_built(house, given, said):
    done = run(house, "make", "compare-cpu", *given, check=False)
    assert done.returncode == 2 and said in done.stderr and builds(done.stdout) == []


def test_an_image_that_is_not_here_is_named_before_anything_is_measured(house):
    done = run(house, "make", "compare-cpu", "A=dyno-cpu:1", "B=dyno-cpu:2", check=False, ABSENT="yes")
    assert done.returncode == 2 and "dyno-cpu:1: no matrix (.yaml), and no image that is here" in done.stderr
    assert "[--round]" not in done.stdout


def test_a_search_is_chosen_in_the_host_image_and_measured_in_the_platforms_own_in_turns(house):
    fake = (house / "docker-fake").read_text()
    answer = """*dyno-host*search*--next) n=$(cat turns 2>/dev/null || echo 0); echo $((n + 1)) >turns; for word in "$@"; do printf '[%s]' "$word" >>asked; done; echo >>asked
        if [ "$n" -lt 2 ]; then echo "# network $n: why"; else printf '# nothing more to measure\\n# the best is network 1\\n'; fi ;;
    *dyno-cpu*run*) for word in "$@"; do printf '[%s]' "$word"; done; echo; test ! -e failing ;;"""
    (house / "docker-fake").write_text(fake.replace('case "$*" in', 'case "$*" in\n    ' + answer, 1))
    out = run(house, "make", "search-cpu", "LIMITS=--max-latency-ms 30 --backend onnxruntime").stdout
    asked = (house / "asked").read_text().splitlines()
    assert len(asked) == 3 and all(
        line.endswith(
            "[dyno-host:1.2.3][search][--max-latency-ms][30][--backend][onnxruntime][--platform][cpu][--results][/results][--next]"
        )
        for line in asked
    )
    measured = [line for line in out.splitlines() if line.endswith("[dyno-cpu:1.2.3][run][--results][/results]")]
    assert len(measured) == 2 and all("/results/search/next.yaml" in line for line in measured)
    assert out.rstrip().endswith("nothing more to measure\nthe best is network 1")
    (house / "turns").unlink()
    (house / "failing").touch()  # exit code 1 of a run: its cell failed, and the search goes on
    assert "the best is network 1" in run(house, "make", "search-cpu", "LIMITS=--max-latency-ms 30").stdout


def test_a_search_without_limits_is_refused_before_anything_is_built(house):
    done = run(house, "make", "search-cpu", check=False)
    assert done.returncode == 2 and "LIMITS is empty" in done.stderr and not builds(done.stdout)
