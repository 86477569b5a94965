"""A slow-down planted into real networks: does `dyno compare --run` find it, and nothing else?

    python benchmarks/planted.py [--percent 10] [--rounds 13] [--backend pytorch] [--budget 15m]

Each network is measured as it is (A) and with the share more time in its forward pass (B), in alternating rounds on this machine; every
second one is the same in both, so that false verdicts show, too. Prints the verdicts, the share that was found and the share that is false.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NETWORKS = (
    "squeezenet1_1",
    "resnet18",
    "mobilenet_v2",
    "alexnet",
    "mnasnet1_0",
    "shufflenet_v2_x1_0",
    "mobilenet_v3_large",
    "squeezenet1_0",
)
ROOT = Path(__file__).resolve().parents[1]
MATRIX = """protocol: {{min_time_s: 0.4, max_time_s: 1.2, warmup_max_s: 0.8, quiet_wait_s: 5}}
axes: {{backend: pytorch, precision: fp32, batch_size: 1, input_px: 224, scenario: latency, model: [{models}]}}
"""


def network(name, num_classes, share):
    """A network of torchvision whose forward pass takes the share longer: it waits, busily, after its work."""
    import torchvision

    built = torchvision.models.get_model(name, weights=None, num_classes=num_classes)
    plain = built.forward

    def forward(images):
        began = time.perf_counter()
        outputs = plain(images)
        end = began + (1 + share) * (time.perf_counter() - began)
        while time.perf_counter() < end:
            pass
        return outputs

    if share:
        built.forward = forward
    return built


def __getattr__(asked):
    """`planted:resnet18_10` is resnet18, 10 % slower; a matrix names networks so."""
    name, _, percent = asked.rpartition("_")
    if name not in NETWORKS or not percent.isdigit():
        raise AttributeError(asked)
    return lambda num_classes=1000: network(name, num_classes, int(percent) / 100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--percent", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=13)
    parser.add_argument("--budget", default="15m")
    parser.add_argument("--networks", type=int, default=len(NETWORKS))
    parser.add_argument("--folder", help="where the results go; they stay there")
    given = parser.parse_args()
    folder = Path(given.folder or tempfile.mkdtemp(prefix="planted"))
    folder.mkdir(parents=True, exist_ok=True)
    chosen = NETWORKS[: given.networks]
    slowed = chosen[::2]
    for side, percent in (("a", 0), ("b", given.percent)):
        models = [f"{{name: 'planted:{name}_{percent if name in slowed else 0}', label: {name}}}" for name in chosen]
        (folder / f"{side}.yaml").write_text(MATRIX.format(models=", ".join(models)))
    env = dict(os.environ, PYTHONPATH=os.pathsep.join((str(ROOT), str(ROOT / "benchmarks"))))
    words = [
        "compare",
        "--run",
        "a.yaml",
        "b.yaml",
        "--rounds",
        str(given.rounds),
        "--time-budget",
        given.budget,
        "--format",
        "json",
        "--results",
        "r",
    ]
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "runner", *words], cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)
    cells = json.loads(done.stdout)["cells"]
    for cell in cells:
        what = f"+{given.percent} %" if cell["model"] in slowed else "same"
        print(f"{cell['model']:20} {what:6} {cell['verdict']:12} {100 * (cell['ratio'] - 1):+5.1f} %  of {cell['replicates_a']} pairs")
    found = sum(cell["verdict"] == "SLOWER" for cell in cells if cell["model"] in slowed)
    false = sum(cell["verdict"] in ("SLOWER", "FASTER") for cell in cells if cell["model"] not in slowed)
    print(f"found {found} of {len(slowed)}, false {false} of {len(cells) - len(slowed)}, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
