"""Which machines there are: a nodes file, or what `sinfo` says.

platforms:
  cpu: {devices: [cpu], runtime: docker, image: "dyno-cpu:1.0"}
  jetson-jp4: {devices: [gpu, cpu], runtime: docker, image: "dyno-jetson-jp4:1.0", flags: --runtime nvidia --group-add video}
  bare: {devices: [cpu], runtime: none, command: /opt/dyno/bin/dyno}
nodes:
  rack-1: cpu
  nano-1: {platform: jetson-jp4, address: 10.0.0.7, user: bench, port: 22}
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as show  # as much as a line takes
from typing import Any

from analysis.errors import FrameError
from runner import files
from runner.errors import MatrixError
from runner.plan import yaml_text

RUNTIMES = ("docker", "podman", "apptainer", "none")


class FleetError(FrameError):
    """The fleet can't do this; the message is one line: where, what was found, what would do."""


@dataclass(frozen=True)
class Platform:
    """A kind of node and how the runner is started there. image: of a container runtime; command: of the bare runner (runtime none)."""

    name: str
    devices: tuple[str, ...]
    runtime: str = "docker"
    image: str = ""
    flags: str = ""
    command: str = "dyno"
    resources: tuple[tuple[str, str], ...] = ()  # of Kubernetes, as nvidia.com/gpu: 1


@dataclass(frozen=True)
class Node:
    """A machine. address, user and port are for SSH alone."""

    name: str
    platform: str
    address: str = ""
    user: str = ""
    port: int = 22


@dataclass(frozen=True)
class Fleet:
    """Platforms by name, and the nodes."""

    platforms: dict[str, Platform]
    nodes: tuple[Node, ...]

    def of(self, platform: str) -> list[Node]:
        """The nodes of a kind."""
        return [node for node in self.nodes if node.platform == platform]


def load(path: str | Path) -> Fleet:
    """The fleet of a nodes file; raises FleetError with the place of what is wrong."""
    try:
        text = files.read_text(path)
        document = yaml_text.tree(text, str(path)) if text.strip() else None
    except OSError as error:
        raise FleetError(f"{path}: can't be read: {error.strerror}; docs/fleet.md shows a nodes file")
    except UnicodeDecodeError:
        raise FleetError(f"{path}: no UTF-8 text; docs/fleet.md shows a nodes file")
    except MatrixError as error:  # a tab, a key that appears twice
        raise FleetError(str(error))
    if not isinstance(document, dict) or not isinstance(document.get("platforms"), dict):
        raise FleetError(f"{path}: no platforms; docs/fleet.md shows a nodes file")
    _keys(document, ("platforms", "nodes"), str(path))
    platforms = {_word(name, f"{path}: platforms"): _platform(str(name), facts, path) for name, facts in document["platforms"].items()}
    nodes = document.get("nodes") or {}
    if not isinstance(nodes, dict):
        raise FleetError(f"{path}: nodes: found {type(nodes).__name__}; give `name: platform` lines")
    found = tuple(_node(_word(name, f"{path}: nodes"), facts, platforms, path) for name, facts in nodes.items())
    for number, node in enumerate(found):
        same = next((one.name for one in found[:number] if (one.address, one.port) == (node.address, node.port)), None)
        if same:
            raise FleetError(
                f"{path}: nodes.{node.name}: is {same} too, by its address and port; a machine is one node, so that nothing is measured beside it"
            )
    return Fleet(platforms, found)


def _word(name: object, where: str) -> str:
    """A name as YAML read it: `on` is a truth value there, and 1.10 a number that loses its nought."""
    if isinstance(name, bool | float) or name is None:
        raise FleetError(f"{where}: YAML reads a name as {show(name)}; put it in quotes")
    return str(name)


def _keys(facts: Mapping[Any, Any], known: tuple[str, ...], where: str) -> None:
    for key in facts:
        if key not in known:
            raise FleetError(f"{where}: {show(key).strip(chr(39))} is unknown; choose from {', '.join(sorted(known))}")


def _platform(name: str, facts: Any, path: str | Path) -> Platform:
    where = f"{path}: platforms.{name}"
    _named(name, where)
    if not isinstance(facts, dict):
        raise FleetError(f"{where}: found {show(facts)}; give devices, runtime and image")
    _keys(facts, ("devices", "runtime", "image", "flags", "command", "resources"), where)
    for key in ("runtime", "image", "flags", "command"):
        if not isinstance(facts.get(key, ""), str | None) or not str(facts.get(key, "")).isprintable():
            raise FleetError(f"{where}.{key}: {show(facts[key])} is not a line of text")
    runtime = facts.get("runtime") or "docker"
    if runtime not in RUNTIMES:
        raise FleetError(f"{where}.runtime: {runtime} is unknown; choose from {', '.join(RUNTIMES)}")
    if runtime != "none" and not facts.get("image"):
        raise FleetError(f"{where}: no image; name the platform's image, or say runtime: none for the bare runner")
    devices = facts.get("devices") or ["cpu"]
    devices = devices if isinstance(devices, list) else [devices]
    for device in devices:
        _named(device, f"{where}.devices")
    resources = facts.get("resources") or {}
    if not isinstance(resources, dict) or not all(isinstance(value, str | int) for value in resources.values()):
        raise FleetError(f"{where}.resources: found {show(resources)}; give `name: count` lines")
    return Platform(
        name,
        tuple(devices),
        runtime,
        str(facts.get("image") or ""),
        str(facts.get("flags") or ""),
        str(facts.get("command") or "dyno"),
        tuple((str(key), str(value)) for key, value in resources.items()),
    )


def _node(name: str, facts: Any, platforms: Mapping[str, Platform], path: str | Path) -> Node:
    _named(name, f"{path}: nodes")
    facts = facts if isinstance(facts, dict) else {"platform": facts}
    _keys(facts, ("platform", "address", "user", "port"), f"{path}: nodes.{name}")
    platform = facts.get("platform")
    if not isinstance(platform, str) or platform not in platforms:
        raise FleetError(
            f"{path}: nodes.{name}: platform {show(platform).strip(chr(39))} is unknown; choose from {', '.join(platforms) or 'none'}, or add it to platforms"
        )
    address, user, port = facts.get("address") or name, facts.get("user") or "", facts.get("port") or 22
    for key, value in (("address", address), ("user", user)):
        if not isinstance(value, str) or value and not re.fullmatch(r"[A-Za-z0-9_\[][A-Za-z0-9_.:%\]-]*", value):
            raise FleetError(f"{path}: nodes.{name}.{key}: {show(value)} is none that SSH takes")
    if type(port) is not int or not 0 < port < 65536:
        raise FleetError(f"{path}: nodes.{name}.port: {show(port)} is not a port number")
    return Node(name, platform, address, user, port)


def _named(name: object, where: str) -> None:
    """Names of platforms, nodes and devices stand in scripts, in tables and in the engines' own files."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
        raise FleetError(f"{where}: {show(name)} is not a name; use letters, digits, dots, hyphens and underscores")


def from_sinfo(fleet: Fleet) -> Fleet:
    """The same platforms with Slurm's nodes: a node is of the platform that one of its features names."""
    found: list[Node] = []
    for line in command(["sinfo", "--noheader", "--Node", "--format=%N|%f"]).splitlines():
        name, _, features = line.strip().partition("|")
        platform = next((feature for feature in features.split(",") if feature in fleet.platforms), None)
        if platform and name not in [node.name for node in found]:
            found.append(Node(name, platform, name))
    if not found:
        raise FleetError(
            f"sinfo: no node has one of the features {', '.join(fleet.platforms)}; set Feature= in slurm.conf to the platform's name"
        )
    return Fleet(fleet.platforms, tuple(found))


def command(words: list[str], timeout_s: float = 60.0) -> str:
    """The output of an engine's command; FleetError with its own words where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s)
    except FileNotFoundError:
        raise FleetError(f"{words[0]}: not installed here; run this where the engine's commands are")
    except subprocess.TimeoutExpired:
        raise FleetError(f"{words[0]}: no answer in {timeout_s:.0f} s; is the engine's controller up?")
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise FleetError(f"{' '.join(words[:2])}: {said}")
    return done.stdout
