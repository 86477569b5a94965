"""MLPerf LoadGen, SingleStream, on ONNX Runtime: prints {"median": seconds, "says": its verdict}. The case comes as JSON."""

import json
import os
import sys

import mlperf_loadgen as lg
from ort import session

case = json.loads(sys.argv[1])
made, feeds = session(case)


def issue(samples):
    for sample in samples:
        made.run(None, feeds)
        lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0)])


sut = lg.ConstructSUT(issue, lambda: None)
qsl = lg.ConstructQSL(8, 8, lambda samples: None, lambda samples: None)
settings = lg.TestSettings()
settings.scenario, settings.mode = lg.TestScenario.SingleStream, lg.TestMode.PerformanceOnly
settings.min_duration_ms, settings.min_query_count = int(1000 * case["budget"]), 64
log = lg.LogSettings()
output = lg.LogOutputSettings()
output.outdir, output.copy_summary_to_stdout = case["folder"], False
log.log_output = output
lg.StartTestWithLogSettings(sut, qsl, settings, log)
lg.DestroyQSL(qsl)
lg.DestroySUT(sut)
lines = open(os.path.join(case["folder"], "mlperf_log_summary.txt")).read().splitlines()
facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
(median,) = (int(value) / 1e9 for name, value in facts.items() if name.startswith("50.00 percentile latency"))
print(json.dumps({"median": median, "says": facts.get("Result is", "")}))
