"""Metrics, intervals and fits: numbers that can be checked by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.frame import metrics
from analysis.stats import fit, intervals, noise_model
from tests.analysis.records import cell_record, frame_of


def test_metrics_turn_si_into_what_readers_want():
    row = pd.DataFrame({"latency_s": [0.08], "batch_size": [4], "params_m": [2.0], "top1": [70.0], "noise": [0.05], "energy_j": [0.5]})
    assert metrics.latency(row)[0] == pytest.approx(80)
    assert metrics.time_per_image(row)[0] == pytest.approx(20)
    assert metrics.density(row)[0] == 35
    assert metrics.params_size(row)[0] == pytest.approx(8e6 / 2**20)
    assert metrics.noise(row)[0] == pytest.approx(5)
    assert metrics.energy(row)[0] == pytest.approx(500)


def test_every_metric_names_its_unit_and_direction():
    for metric in metrics.METRICS.values():
        assert metric.label and metric.unit and metric.better in ("lower", "higher")


def test_a_metric_is_one_function(monkeypatch):
    monkeypatch.setattr(metrics, "METRICS", dict(metrics.METRICS))

    @metrics.metric("Images per joule", "images/J", "higher")
    def per_joule(frame):
        return 1 / frame["energy_j"]

    table = metrics.table(frame_of(cell_record("synthetic-edge", "pytorch", "resnet18")))
    assert table["per_joule"].iloc[0] == pytest.approx(1 / table["energy_j"].iloc[0])
    assert per_joule.title == "Images per joule (images/J)"


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.012345, "0.0123"), (1.005, "1.00"), (12.345, "12.3"), (1234.5, "1,230"), (0, "0"), (99.96, "100.0"), (-2.5, "-2.50")],
)
def test_numbers_have_significant_digits(value, said):
    assert metrics.significant(value) == said


def test_the_interval_of_a_latency_is_student_s_on_the_logarithm():
    values = [1.0, 1.1, 0.9]
    logs = np.log(values)
    low, high = stats.t.interval(0.95, 2, logs.mean(), logs.std(ddof=1) / np.sqrt(3))
    found = noise_model.times([values, [1.0]]).bounds()
    assert [side[0] for side in found] == pytest.approx((np.exp(low), np.exp(high)))
    assert np.isnan(found[0][1]) and np.isnan(found[1][1])


def test_the_interval_of_a_ratio_is_welch_s():
    a, b = [2.0, 2.1, 2.2, 1.9], [1.0, 1.02, 0.97]
    expected = stats.ttest_ind(np.log(a), np.log(b), equal_var=False)
    found = noise_model.difference(noise_model.times([b]), noise_model.times([a]))
    interval = expected.confidence_interval(0.95)
    assert (found.effect - found.half_width())[0] == pytest.approx(interval.low) and (found.effect + found.half_width())[
        0
    ] == pytest.approx(interval.high)
    assert found.p()[0] == pytest.approx(expected.pvalue)


def test_intervals_of_ratios_cover_what_they_promise():
    rng = np.random.default_rng(1)
    a, b = (np.exp(rng.normal(m, s, (4000, 3))) for m, s in ((0.5, 0.05), (0.0, 0.01)))
    found = noise_model.difference(noise_model.times(list(b)), noise_model.times(list(a)))
    assert 0.94 <= np.mean(np.abs(found.effect - 0.5) <= found.half_width()) <= 0.96


def test_the_geometric_mean_of_ratios_and_its_interval():
    mean, low, high = intervals.geometric_mean([1, 2, 4, 2, 2, 1, 4, 2])
    assert mean == pytest.approx(2) and 1.3 < low < 2 < high < 3
    assert np.isnan(intervals.geometric_mean([1, 2])[1])


X = np.geomspace(0.05, 25, 40)


@pytest.mark.parametrize(("name", "truth", "log_y"), [
    ("linear", lambda x: 3 + 2 * x, False),
    ("logarithmic", lambda x: 70 + 3 * np.log(x), False),
    ("power", lambda x: 5 * x**0.6, True),
    ("exponential", lambda x: 4 * np.exp(-0.2 * x), True),
    ("saturating", lambda x: 80 - 30 * np.exp(-0.5 * x), False),
    ("quadratic", lambda x: 10 + 4 * x - 0.2 * x**2, False),
    ("logistic", lambda x: 80 / (1 + np.exp(-1.4 * (np.log(x) + 0.5))), False),
])  # fmt: skip
def test_the_law_that_made_the_points_is_chosen(name, truth, log_y):
    noise = np.random.default_rng(3).normal(0, 0.01, len(X))
    y = truth(X) * np.exp(noise) if log_y else truth(X) + 20 * noise
    found = fit.fit(X, y, log_y=log_y)
    assert found.law.name == name
    assert found.r2 > 0.98 and found.n == 40
    assert found.law.name in found.summary and "R²" in found.summary and "n = 40" in found.summary


def test_leave_one_out_error_is_that_of_refitting_without_each_point():
    rng = np.random.default_rng(0)
    x, y = X, 3 + 2 * X + rng.normal(0, 1, len(X))
    linear = [law for law in fit.LAWS if law.name == "linear"]
    errors = [y[i] - np.polyval(np.polyfit(np.delete(x, i), np.delete(y, i), 1), x[i]) for i in range(len(x))]
    assert fit.fit(x, y, laws=linear).loo_rmse == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-6)


def test_the_prediction_band_holds_19_of_20_new_points():
    rng = np.random.default_rng(5)
    linear = [law for law in fit.LAWS if law.name == "linear"]
    inside = []
    for _ in range(60):
        found = fit.fit(X, 3 + 2 * X + rng.normal(0, 1, len(X)), laws=linear)
        new = rng.uniform(0.1, 24, 100)
        y, band = 3 + 2 * new + rng.normal(0, 1, 100), found.curve(new)
        inside.append(np.mean((band["plo"] <= y) & (y <= band["phi"])))
        assert (band["lo"] > band["plo"]).all() and (band["hi"] < band["phi"]).all()
    assert 0.935 < np.mean(inside) < 0.965


def test_an_extra_parameter_must_earn_its_place():
    rng = np.random.default_rng(11)
    chosen = [
        fit.fit(X, 10 + X + rng.normal(0, 2, len(X)), laws=[law for law in fit.LAWS if law.name in ("linear", "quadratic")]).law.name
        for _ in range(40)
    ]
    assert chosen.count("linear") >= 28


def test_too_few_points_have_no_curve():
    assert fit.fit([1, 2, 3], [1, 2, 3]) is None
    assert fit.fit([1] * 8, range(8)) is None
    assert fit.fit([1, 2, np.nan, 4], [1, 2, 3, np.nan]) is None


def test_points_that_are_not_finite_are_left_out():
    x, y = np.append(X, [np.nan, 3.0]), np.append(3 + 2 * X, [1.0, np.inf])
    assert fit.fit(x, y).n == 40
