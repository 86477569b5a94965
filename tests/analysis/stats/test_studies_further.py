"""What the studies did and how, offered beside the right way: outliers by raw times, the exponential of the mean curve, any two factors, an exchange."""

import itertools

import numpy as np
import pandas as pd
import pytest

from analysis.analyses import anova, clusters
from analysis.checks import base, curve_outliers, rising_time
from analysis.frame import setups
from analysis.importers import zhao
from analysis.report import report
from analysis.stats import suspects
from tests.analysis.records import CLASSIC, cell_record, environment_record, frame_of

BATCH = np.array([1.0, 2, 4, 8, 16, 32, 64])


def test_two_exchanged_batch_sizes_are_named_and_a_true_curve_is_not():
    curve = 0.02 / BATCH + 0.004
    assert suspects.exchanged_batches(BATCH, curve * np.exp(0.02 * np.array([1, -1, 1, 0, -1, 1, -1]))) is None
    for i, j in ((0, 3), (1, 2), (2, 6)):
        seen = curve.copy()
        seen[[i, j]] = curve[[j, i]]
        assert suspects.exchanged_batches(BATCH, seen) == (i, j)


def test_an_outlier_alone_is_no_exchange():
    curve = 0.02 / BATCH + 0.004
    curve[4] *= 2
    assert suspects.exchanged_batches(BATCH, curve) is None


def test_the_checks_name_the_exchange_and_accuse_no_single_value():
    frame = zhao.read()
    at = {b: frame.index[(frame["model"] == "vgg16") & (frame["platform"] == "colab") & (frame["batch_size"] == b)][0] for b in (2, 16)}
    per_image = {b: frame.loc[row, "latency_s"] / b for b, row in at.items()}
    frame.loc[at[2], "latency_s"], frame.loc[at[16], "latency_s"] = 2 * per_image[16], 16 * per_image[2]
    cells = base.cells_of(frame)
    said = [message for _, _, message in curve_outliers.find(cells) if "vgg16 on" in message]
    assert said and all("batch 2 and 16 look exchanged" in message for message in said)
    assert not [message for _, _, message in rising_time.find(cells) if message.startswith("vgg16 ")]


def test_the_studies_exponential_is_offered_beside_the_batch_law_without_the_outliers():
    rng = np.random.default_rng(0)
    curves = pd.DataFrame(
        [np.exp(rng.normal(0, 0.02, 7)) * (0.02 * size / BATCH + 0.004) for size in np.linspace(0.9, 1.1, 10)], columns=BATCH
    )
    curves.index = [f"net{at}" for at in range(10)]
    curves.loc["slow"] = 40 * curves.iloc[0]
    table, aside = clusters.as_studied(curves)
    assert aside == ["slow"] and set(table["networks"]) == {10}
    error = table.set_index("law")["error of the mean curve (%)"]
    assert error["a/b + c"] < 3 < error["saturating exponential"]


def crossed_frame():
    """Eight networks in two precisions and two power modes: fp16 gains 2 in MAXN and only 1.2 in 15W."""
    records = []
    for precision, mode in itertools.product(("fp32", "fp16"), ("MAXN", "15W")):
        run = f"r-{mode}"
        records.append(environment_record("synthetic-edge", run, power_mode=mode))
        load = {"fp32": 1.0, "fp16": 0.5 if mode == "MAXN" else 0.83}[precision] * (1 if mode == "MAXN" else 1.5)
        records += [cell_record("synthetic-edge", "tensorrt", model, precision=precision, run=run, load=load) for model in CLASSIC[10:18]]
    return report.by_machine(frame_of(*{record["id"]: record for record in records}.values()))


def test_any_two_factors_of_a_set_up_are_crossed_with_their_interaction():
    table = anova.analyse(crossed_frame())["crossed"]
    mine = table[table["setup"] == "precision x power mode"].set_index("source")
    assert {"model", "precision", "power_mode", "precision x power_mode"} <= set(mine.index)
    assert mine.loc["precision x power_mode", "p"] < 1e-3 and mine.loc["precision", "p"] < 1e-6
    assert "the precision" in anova.explain(crossed_frame()) or "the network" in anova.explain(crossed_frame())


def test_without_every_combination_nothing_is_crossed():
    frame = crossed_frame()
    cells = setups.comparable(frame[~((frame["precision"] == "fp16") & (frame["power_mode"] == "15W"))])
    assert anova.crossings(cells) == []


@pytest.mark.parametrize("column", ["formula", "outliers"])
def test_the_studies_way_stands_in_the_report_of_zhao(column):
    table = clusters.analyse(zhao.read())["raw times and the mean curve, as in the studies"]
    assert len(table) == 2 and table[column].notna().all()
