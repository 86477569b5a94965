"""pyperf on ONNX Runtime: 3 processes of 5 values; the case comes in the environment, because pyperf owns the command line."""

import json
import os

import pyperf
from ort import session

case = json.loads(os.environ["DYNO_PEER_CASE"])
made, feeds = session(case)
runner = pyperf.Runner(processes=3, values=5, warmups=1, loops=case["loops"])
runner.bench_func("onnxruntime", made.run, None, feeds)
