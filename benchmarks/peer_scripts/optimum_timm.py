"""optimum-benchmark on timm's network of the same name, in its own environment: prints {"median": seconds}. The case comes as JSON."""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"


def main():
    case = json.loads(sys.argv[1])
    from optimum_benchmark import Benchmark, BenchmarkConfig, InferenceConfig, InlineConfig, ProcessConfig, PyTorchConfig

    scenario = InferenceConfig(
        latency=True,
        memory=False,
        energy=False,
        warmup_runs=10,
        iterations=10,
        duration=case["budget"],
        input_shapes={"batch_size": case["batch"]},
    )
    # 0.6.0 gives each of the two to the other's setter, so both are the number of threads
    threads = dict.fromkeys(("intra_op_num_threads", "inter_op_num_threads"), case["threads"])
    # library, task and model_type given, or it asks the hub
    what = {"library": "timm", "task": "image-classification", "model_type": case["model"], "device": "cpu"}
    backend = PyTorchConfig(model=case["model"], model_kwargs={"zero_init_last": False}, **what, **threads)
    launcher = {"process": ProcessConfig, "inline": InlineConfig}[case["launcher"]]()
    report = Benchmark.launch(BenchmarkConfig(name="peer", launcher=launcher, scenario=scenario, backend=backend))
    print(json.dumps({"median": report.to_dict()["forward"]["latency"]["p50"]}))


if __name__ == "__main__":  # the process launcher starts this file again
    main()
