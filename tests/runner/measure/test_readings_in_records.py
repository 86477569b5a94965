"""What the run makes of the readings of sensors beside: energy per image, and others on the GPU."""

from runner.measure.bench import settle
from runner.measure.outcome import Outcome


def settled(readings):
    """The replicate of a measuring process that gave 10 samples and these readings."""
    result = {
        "samples_s": [0.1] * 10,
        "window_batches": 1,
        "spans": {},
        "watched_images": 80,
        "sensors": {},
        "contended": False,
        "contention": {},
    }
    replicate, _ = settle(Outcome(result=result, readings=readings), 0.05)
    return replicate


def test_energy_of_the_window_is_shared_among_its_images():
    readings = {"nvml": {"energy_j": 40.0, "above_idle_j": None, "power_w": 40.0, "others_share": 0.0}, "thermal": {"hottest_c": 50.0}}
    replicate = settled(readings)
    assert replicate.sensors["nvml"]["energy_j_per_image"] == 0.5  # 40 J over the 80 images that ran
    assert replicate.sensors["nvml"]["above_idle_j_per_image"] is None
    assert "energy_j_per_image" not in replicate.sensors["thermal"] and replicate.contended is False


def test_others_on_the_gpu_make_a_replicate_contended():
    assert settled({"nvml": {"others_share": 0.4}}).contended is True
    assert settled({"nvml": {"others_share": 0.04}}).contended is False
