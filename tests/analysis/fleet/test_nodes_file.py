"""A nodes file of any shape is taken or refused in one line."""

import copy
import random
import time

import pytest
import yaml

from analysis.fleet import nodes
from tests.analysis import mutations

GOOD = {
    "platforms": {
        "jetson-jp6": {"devices": ["gpu", "cpu"], "runtime": "docker", "image": "dyno:jp6", "flags": "--gpus all", "resources": {"nvidia.com/gpu": 1}},
        "shelf": {"devices": "cpu", "runtime": "none", "command": "python3 -m runner"},
    },
    "nodes": {"orin-1": {"platform": "jetson-jp6", "address": "10.0.0.7", "user": "bench", "port": 2222}, "n1": "shelf"},
}  # fmt: skip
BOMB = "a: &a [x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24))


@pytest.mark.parametrize("count", [150, pytest.param(5000, marks=pytest.mark.long)])
def test_broken_nodes_files_are_taken_or_refused_in_a_line(tmp_path, count):
    rng, refused = random.Random(count), 0
    path = tmp_path / "nodes.yaml"
    for number in range(count):
        if number % 2:
            path.write_bytes(mutations.data(yaml.safe_dump(GOOD).encode(), rng))
        else:
            path.write_text(yaml.dump(mutations.tree(GOOD, rng)), encoding="utf-8", errors="surrogatepass")
        begin = time.process_time()
        try:
            found = nodes.load(path)
            assert all(node.platform in found.platforms for node in found.nodes)
        except nodes.FleetError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 800
        assert time.process_time() - begin < 5
    assert 0 < refused < count


@pytest.mark.parametrize("place", ["image", "devices", "resources", "platform", "port"])
def test_a_bomb_of_aliases_is_refused_at_once(tmp_path, place):
    tree = copy.deepcopy(GOOD)
    kind = "platforms" if place in ("image", "devices", "resources") else "nodes"
    tree[kind]["jetson-jp6" if kind == "platforms" else "orin-1"][place] = "BOMB"
    (tmp_path / "nodes.yaml").write_text(BOMB + yaml.safe_dump(tree).replace("BOMB", "*y"))
    begin = time.process_time()
    with pytest.raises(nodes.FleetError):
        nodes.load(tmp_path / "nodes.yaml")
    assert time.process_time() - begin < 2
