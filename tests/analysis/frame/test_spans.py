"""What stands beside a latency: transfers, the device's own time, energy above idle."""

import numpy as np
import pytest

from analysis.analyses import spans
from analysis.frame.frame import merge
from tests.analysis.records import cell_record, environment_record, write


@pytest.fixture
def frame(tmp_path):
    """A GPU's cells: one that waits for launches, one that computes; transfers known."""
    lines = [environment_record("synthetic-gpu")]
    for model, device_s, latency_s in (("resnet18", 0.001, 0.004), ("resnet50", 0.019, 0.02)):
        record = cell_record("synthetic-gpu", "pytorch", model)
        for replicate in record["replicates"]:
            replicate.update(samples_s=[latency_s] * 10, device_samples_s=[device_s] * 10)
            replicate["spans"].update(h2d_s=0.002, d2h_s=0.0)
            replicate["sensors"] = {"nvml": {"above_idle_j_per_image": 0.25}}
        lines.append(record)
    return merge([write(tmp_path / "x.jsonl", lines)]).frame


def test_device_time_transfers_and_energy_above_idle_are_columns_and_a_table(frame):
    assert frame["device_s"].tolist() == [0.001, 0.019] and frame["h2d_s"].tolist() == [0.002, 0.002]
    table = spans.analyse(frame)
    assert table["on the device, ms"].tolist() == [1.0, 19.0] and table["above idle, mJ per image"].tolist() == [250.0, 250.0]


def test_it_is_said_where_launching_is_what_is_timed_and_where_transfers_weigh(frame):
    said = spans.explain(frame)
    assert "In 1 of 2 cells" in said and "50 % for resnet18" in said


def test_without_such_readings_there_is_no_table(frame):
    bare = frame.assign(device_s=np.nan, h2d_s=np.nan, d2h_s=np.nan, above_idle_j=np.nan)
    assert spans.analyse(bare).empty and "No transfer" in spans.explain(bare)
