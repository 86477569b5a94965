"""The targets of make/platforms.mk and the scripts behind them, with a docker that only says what it was asked."""

import os
import shutil
import subprocess
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
    (tmp_path / "docker-fake").write_text(
        """#!/bin/sh
# Answers `image inspect --format ...` from files named after labels; prints everything else.
case "$*" in
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
    env = dict(os.environ, DOCKER=str(house / "docker-fake"), LABELS=str(house / "labels"), **env)
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
    out = run(house, "make", "-n", "jetson", L4T_RELEASE_FILE=str(house / "l4t")).stdout
    assert "--file docker/jetson-jp4/Dockerfile --tag dyno-jetson-jp4:1.2.3" in out
    assert "--build-arg BASE=nvcr.io/nvidia/l4t-pytorch:r32.6.1-pth1.9-py3 --build-arg L4T=32.6.1" in out


def test_labelled_images_are_mounted_where_accuracy_looks(house, tmp_path):
    out = run(house, "make", "-n", "accuracy-cpu", f"DATA={tmp_path}").stdout
    assert f"--volume '{tmp_path}:/data:ro'" in out and "accuracy /data" in out
    done = run(house, "make", "accuracy-cpu", "DATA=/nowhere", check=False)
    assert done.returncode and "name the folder of labelled images" in done.stderr


def test_a_new_platform_is_one_dockerfile(house):
    (house / "docker/toaster").mkdir()
    (house / "docker/toaster/Dockerfile").write_text("# toaster: two slots.\nFROM scratch\n")
    assert "toaster: two slots." in run(house, "make", "platforms").stdout
    assert "--tag dyno-toaster:1.2.3" in run(house, "make", "build-toaster").stdout.replace("][", " ")


def test_a_platforms_target_builds_checks_and_measures_in_this_order(house):
    label(house, "dyno.docker-flags", "--device-cgroup-rule='c 189:* rmw' --ipc=host")
    lines = run(house, "make", "--silent", "cpu", "ARGS=--profile quick").stdout.splitlines()
    lines = [line for line in lines if line.startswith("[")]
    assert [line.split("]")[0] for line in lines] == ["[build", "[run", "[run"]
    assert lines[1].endswith("[dyno-cpu:1.2.3][doctor]") and lines[2].endswith("[dyno-cpu:1.2.3][run][--profile][quick]")
    assert "[--device-cgroup-rule=c 189:* rmw][--ipc=host]" in lines[2]  # one word, though it holds blanks
    assert f"[--volume][{house}/results:/results]" in lines[2]
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
    label(house, "dyno.docker-devices", "/dev/dri /dev/accel")
    label(house, "dyno.docker-mounts", "/etc/nv_tegra_release /etc/nvpmodel.conf")
    host = house / "host"
    (host / "dev/dri").mkdir(parents=True)
    (host / "dev/dri/renderD128").write_text("")
    (host / "etc").mkdir()
    (host / "etc/nv_tegra_release").write_text("")
    (host / "proc/device-tree").mkdir(parents=True)
    (host / "proc/device-tree/model").write_bytes(b"NVIDIA Jetson Nano Developer Kit\0")
    flags = run(house, "sh", "docker/flags.sh", "image", HOST_ROOT=str(host)).stdout
    assert f"--device /dev/dri --group-add {os.getgid()}" in flags and "/dev/accel" not in flags
    assert "--volume /etc/nv_tegra_release:/etc/nv_tegra_release:ro" in flags and "nvpmodel" not in flags
    assert "--env DYNO_BOARD='NVIDIA Jetson Nano Developer Kit'" in flags
