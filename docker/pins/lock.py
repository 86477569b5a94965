"""Write a lock (py312.txt) from its source (py312.in): every package, transitive ones too, with its hashes.

    python docker/pins/lock.py docker/pins/py312.in --python python3.12

The lock's interpreter resolves the source's lines together; each package is then written with the hashes of
its wheels for x86-64 and aarch64 (one hash where the wheel is universal) and with the groups that need it.
A source line is ``requirement  # group, group``; the word ``alone`` keeps a package's dependencies out (they
are listed by hand), ``other index`` leaves its hashes out (the file differs by index). The source's first line
names the glibc of the oldest base that takes the lock: no wheel asks for a newer one. Runs on Python 3.11+.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ARCHES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Line:
    requirement: str
    groups: tuple[str, ...]
    alone: bool
    other_index: bool


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text: str) -> list[Line]:
    """Source lines; words after ``#`` and before a colon are the groups and marks."""
    lines = []
    for row in text.splitlines():
        requirement, _, comment = row.partition("#")
        if requirement.strip():
            words = [word.strip() for word in comment.partition(":")[0].split(",")]
            groups = tuple(word for word in words if word not in ("alone", "other index"))
            lines.append(Line(requirement.strip(), groups, "alone" in words, "other index" in words))
    return lines


def report(pip: list[str], arguments: list[str]) -> dict[str, dict]:
    """What pip would install, by canonical name."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [*pip, "install", "--quiet", "--dry-run", "--ignore-installed", "--only-binary=:all:", "--report", file.name, *arguments]
        subprocess.run(command, check=True)
        return {canonical(item["metadata"]["name"]): item for item in json.load(open(file.name))["install"]}


def resolve(pip: list[str], lines: list[Line]) -> dict[str, tuple[str, set[str]]]:
    """name -> (version, groups): all lines resolved together, then each group within that resolution."""
    found = {}
    for line in lines:
        if line.alone:
            name, version = line.requirement.split("==")
            found[canonical(name)] = (version, set(line.groups))
    followed = [line for line in lines if not line.alone]
    if not followed:
        return found
    together = {name: item["metadata"]["version"] for name, item in report(pip, [line.requirement for line in followed]).items()}
    found.update({name: (version, set()) for name, version in together.items()})
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("".join(f"{name}=={version}\n" for name, version in together.items()))
        constraints.flush()
        for group in sorted({group for line in followed for group in line.groups}):
            wanted = [line.requirement for line in followed if group in line.groups]
            for name in report(pip, ["--constraint", constraints.name, *wanted]):
                found[name][1].add(group)
    return found


def hashes(pip: list[str], version: tuple[int, int], glibc_minor: int, names: dict[str, str]) -> dict[str, list[str]]:
    """name -> sha256 of its wheel for each architecture that has one."""
    result: dict[str, list[str]] = {name: [] for name in names}
    tag = "%d%d" % version
    abi = f"cp{tag}m" if version < (3, 8) else f"cp{tag}"
    platform = f"--python-version {tag} --implementation cp --abi {abi} --abi abi3 --abi none".split()
    for arch in ARCHES:
        # from the newest glibc tag down: pip takes the platforms in this order
        glibc = [argument for minor in range(glibc_minor, 11, -1) for argument in ("--platform", f"manylinux_2_{minor}_{arch}")]
        target = [
            *platform,
            *glibc,
            "--platform",
            f"manylinux2014_{arch}",
            "--platform",
            f"manylinux1_{arch}",
            "--no-deps",
            "--ignore-requires-python",
            "--target",
            "/nonexistent",
        ]
        pinned = {name: f"{name}=={number}" for name, number in names.items()}
        try:
            items = report(pip, [*target, *pinned.values()])
        except subprocess.CalledProcessError:  # one of them has no wheel here: ask one by one
            items = {}
            for requirement in pinned.values():
                try:
                    items.update(report(pip, [*target, requirement]))
                except subprocess.CalledProcessError:
                    print(f"{requirement}: no wheel for {arch}", file=sys.stderr)
        for name, item in items.items():
            digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
            if digest not in result[name]:
                result[name].append(digest)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument(
        "--python", required=True, help="interpreter that the lock is for; it needs pip 23 or later unless every line is alone"
    )
    options = parser.parse_args()
    version = tuple(json.loads(subprocess.check_output([options.python, "-c", "import sys; print(list(sys.version_info[:2]))"])))
    text = options.source.read_text()
    lines = parse(text)
    other = {canonical(re.split("[=<>]", line.requirement)[0]) for line in lines if line.other_index}
    found = resolve([options.python, "-m", "pip"], lines)
    glibc = re.search(r"glibc 2\.(\d+)", text)
    if not glibc:
        sys.exit(f"{options.source}: its first line has to name the oldest glibc, as in: glibc 2.31")
    digests = hashes(
        [sys.executable, "-m", "pip"],
        version,
        int(glibc.group(1)),
        {name: number for name, (number, _) in found.items() if name not in other},
    )
    rows = [f"# Written from {options.source.name} by lock.py on Python {version[0]}.{version[1]}; edit that one. Groups follow each line."]
    for name, (number, groups) in sorted(found.items()):
        proof = "".join(f" --hash=sha256:{digest}" for digest in sorted(digests.get(name, [])))
        if not proof and name not in other:
            sys.exit(f"{name}=={number}: no wheel and so no hash")
        rows.append(f"{name}=={number}{proof}  # {' '.join(sorted(groups))}")
    options.source.with_suffix(".txt").write_text("\n".join(rows) + "\n")
    print(f"{options.source.with_suffix('.txt')}: {len(rows) - 1} packages")


if __name__ == "__main__":
    main()
