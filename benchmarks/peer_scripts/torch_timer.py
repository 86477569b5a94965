"""torch.utils.benchmark on the network's own module: prints {"median": seconds}. The case comes as JSON."""

import json
import sys

case = json.loads(sys.argv[1])
sys.path.insert(0, case["root"])
import torch
from torch.utils.benchmark import Timer

from runner.networks import artefact
from runner.networks.spec import ModelSpec

art = artefact.in_cache(case["cache"], ModelSpec(case["model"]), 0, case["batch"], case["px"])
module, inputs = art.module(), torch.from_numpy(art.batch())
with torch.inference_mode():
    # its own default is one thread
    timer = Timer("module(inputs)", globals={"module": module, "inputs": inputs}, num_threads=case["threads"])
    found = timer.adaptive_autorange(threshold=0.1, min_run_time=case["budget"], max_run_time=2 * case["budget"])
print(json.dumps({"median": found.median}))
