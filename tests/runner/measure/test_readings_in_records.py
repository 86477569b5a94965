"""What the run makes of the readings of sensors beside: energy per image, and others on the GPU."""

from types import SimpleNamespace

from runner.measure.run import Run
from runner.measure.supervise import Outcome
from runner.records.cell import cell_from

CELL = {
    "platform": "cuda",
    "device": "gpu",
    "backend": "noop",
    "model": "noop",
    "precision": "fp32",
    "batch_size": 8,
    "input_px": 224,
    "scenario": "latency",
}


def replicates(readings):
    """The replicates of a run whose measuring process gave 10 samples and these readings."""
    run = Run.__new__(Run)
    run.protocol = {"contention_retries": 1, "contention_limit": 0.05, "timeout_s": 1}
    run.sustained_s, run.sampler = 0.0, SimpleNamespace()
    run._cool_down = run._wait_for_quiet = lambda: None

    def job(*arguments, **options):
        result = {"samples_s": [0.1] * 10, "window_batches": 1, "spans": {}, "sensors": {}, "contended": False, "contention": {}}
        return Outcome(result=result, readings={name: dict(values) for name, values in readings.items()})

    run._job = job
    line = {"role": "cell", "replicates": [], "discarded": [], "parity": None}
    assert run._replicates(cell_from(CELL), None, line, 1) is None
    return line


def test_energy_of_the_window_is_shared_among_its_images():
    readings = {"nvml": {"energy_j": 40.0, "above_idle_j": None, "power_w": 40.0, "others_share": 0.0}, "thermal": {"hottest_c": 50.0}}
    (replicate,) = replicates(readings)["replicates"]
    assert replicate["sensors"]["nvml"]["energy_j_per_image"] == 0.5  # 40 J over 10 batches of 8
    assert replicate["sensors"]["nvml"]["above_idle_j_per_image"] is None
    assert "energy_j_per_image" not in replicate["sensors"]["thermal"] and replicate["contended"] is False


def test_others_on_the_gpu_make_a_cell_contended_after_one_more_try():
    line = replicates({"nvml": {"others_share": 0.4}})
    assert line["replicates"][0]["contended"] is True and len(line["discarded"]) == 1
