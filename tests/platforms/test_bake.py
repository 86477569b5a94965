"""The published images are those that make builds: docker-bake.hcl, target by target, and the workflow that runs it."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import hcl2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
IMAGES = sorted(path.parent.name for path in ROOT.glob("docker/*/Dockerfile"))
VALUES = {
    "REGISTRY": "ghcr.io/somebody",
    "VERSION": "1.2.3",
    "REVISION": "abc",
    "SOURCE": "https://example.org/dyno",
    "CREATED": "2026-11-27",
}


def plain(value):
    """What python-hcl2 read, with the variables filled in and its quotation marks gone."""
    if isinstance(value, dict):
        return {key.strip('"'): plain(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        text = value.strip('"')
        return VALUES.get(text, re.sub(r"\$\{(\w+)\}", lambda match: VALUES[match[1]], text))
    return value


@pytest.fixture(scope="module")
def targets():
    """{name: target} with what it inherits."""
    with (ROOT / "docker-bake.hcl").open() as file:
        read = plain(hcl2.load(file))
    found = {name: body for target in read["target"] for name, body in target.items()}
    (group,) = read["group"]
    assert sorted(group["default"]["targets"]) == sorted(set(found) - {"common"}) == IMAGES
    common = found.pop("common")
    assert all(body["inherits"] == ["common"] for body in found.values())
    return {
        name: {
            **common,
            **body,
            "labels": {**common["labels"], **body.get("labels", {})},
            "args": {**common["args"], **body.get("args", {})},
        }
        for name, body in found.items()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{name: words of the docker build that make gives}, by a docker that has every base, without a digest."""
    folder = tmp_path_factory.mktemp("bake")
    docker = folder / "docker"
    docker.write_text(
        '#!/bin/sh\ncase "$*" in "image inspect"*) ;; *"--target sums"*) tar -cf - --files-from /dev/null ;; *) printf "%s\\n" "$*" ;; esac\n'
    )
    docker.chmod(0o755)
    env = dict(os.environ, DOCKER=str(docker), **VALUES)
    for name in ("BUILD_FLAGS", "DYNO_REGISTRY"):
        env.pop(name, None)
    lines = {}
    for name in IMAGES:
        done = subprocess.run(["sh", "docker/build.sh", name, f"dyno-{name}:1.2.3"], cwd=ROOT, env=env, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        lines[name] = shlex.split(done.stdout.splitlines()[-1])
    return lines


def after(words, flag):
    return dict(word.partition("=")[::2] for before, word in zip(words, words[1:], strict=False) if before == flag)


@pytest.mark.parametrize("name", IMAGES)
def test_a_target_builds_what_make_builds(targets, made, name):
    target, words = targets[name], made[name]
    assert words[words.index("--file") + 1] == target["dockerfile"] and words[-1] == target["context"]
    assert words[words.index("--tag") + 1] in [tag.removeprefix("ghcr.io/somebody/") for tag in target["tags"]]
    given = after(words, "--build-arg")
    assert {key: given[key] for key in target["args"]} == target["args"]
    dockerfile = (ROOT / target["dockerfile"]).read_text()
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile, re.MULTILINE))
    assert all(defaults[key] == value for key, value in given.items() if key not in target["args"])  # bases: the Dockerfile's own
    labels = after(words, "--label")
    if name == "ncs2":  # its base differs by architecture
        del labels["org.opencontainers.image.base.name"]
    assert labels == target["labels"]


@pytest.mark.parametrize("name", IMAGES)
def test_a_target_is_published_for_its_architectures_with_sbom_and_provenance(targets, name):
    dockerfile = (ROOT / f"docker/{name}/Dockerfile").read_text()
    arches = re.search('dyno.arch="([^"]*)"', dockerfile)[1].split()
    assert targets[name]["platforms"] == [f"linux/{arch}" for arch in arches]
    assert any(word.startswith("type=sbom") for word in targets[name]["attest"])
    assert any(word.startswith("type=provenance") for word in targets[name]["attest"])
    assert targets[name]["tags"] == [f"ghcr.io/somebody/dyno-{name}:{tag}" for tag in ("1.2.3", "abc")]
    labels = set(targets[name]["labels"]) | set(re.findall(r"org\.opencontainers[\w.]+(?==)", dockerfile))
    wanted = {"source", "url", "created", "title", "description", "version", "revision", "licenses"} | (
        {"base.name"} if name != "ncs2" else set()
    )
    assert {f"org.opencontainers.image.{key}" for key in wanted} <= labels


def test_the_workflow_publishes_every_image_on_a_tag():
    workflow = yaml.safe_load((ROOT / ".github/workflows/images.yml").read_text())
    job = workflow["jobs"]["image"]
    assert sorted(job["strategy"]["matrix"]["target"]) == IMAGES
    assert workflow[True]["push"] == {"tags": ["v*"]}  # YAML 1.1 reads "on" as true
    steps = "\n".join(str(step.get("run", "")) for step in job["steps"])
    assert "docker buildx bake --print" in steps and "--push" in steps and all(f"{name}=" in steps for name in VALUES)
