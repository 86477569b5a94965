"""Statistics: known truths come back, published identities hold, and what cannot be said is not said."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sp

pass
from analysis.analyses import batch_law as law_analysis
from analysis.analyses import clusters as cluster_analysis
from analysis.analyses import cost as cost_analysis
from analysis.analyses import density, frontiers, memory_line, rank_stability
from analysis.analyses import ranks as rank_analysis
from analysis.analyses import roofline as roofline_analysis
from analysis.errors import FrameError
from analysis.frame import noise, setups
from analysis.importers import zhao
from analysis.stats import batch_law, clusters, cost, intervals, noise_model, pareto, ranks, robust, roofline
from tests.analysis.good_frame import SETUPS, good

B = np.array([1, 2, 4, 8, 16, 32, 64.0])


@pytest.fixture(scope="module")
def published():
    return zhao.read()


@pytest.fixture(scope="module")
def frame():
    return good(3, 24, spread=0.4)


# Batch law


def test_the_batch_law_fits_zhaos_39_curves_within_3_percent(published):
    found = law_analysis.fits(published)
    assert len(found) == 39
    assert found["error"].median() < 0.03
    assert found["loo_error"].median() < 0.045


def test_a_known_law_comes_back_with_its_knee():
    fit = batch_law.fit_curve(B[::-1], (0.03 / B + 0.001)[::-1])
    assert fit["a_s"] == pytest.approx(0.03) and fit["c_s"] == pytest.approx(0.001) and fit["knee"] == pytest.approx(30)
    assert fit["law"] == "a/b + c" and fit["error"] < 1e-9


def test_the_closed_form_is_the_non_negative_least_squares_solution():
    from scipy.optimize import nnls

    rng = np.random.default_rng(0)
    times = np.exp(rng.normal(-5, 1, (60, 7)))  # nonsense curves, so that both limits bind in some
    a, c = batch_law.two_parameters(B, times)
    for row in range(60):
        exact, _ = nnls(np.column_stack([1 / B, np.ones(7)]) / times[row][:, None], np.ones(7))
        np.testing.assert_allclose([a[row], c[row]], exact, rtol=1e-8, atol=1e-15)
    assert (a == 0).any() and (c == 0).any()


def test_gaps_in_a_curve_are_ignored():
    times = 0.03 / B + 0.001
    times[3] = np.nan
    a, c = batch_law.two_parameters(B, times[None])
    assert (a[0], c[0]) == (pytest.approx(0.03), pytest.approx(0.001))


def test_another_law_is_taken_only_where_it_predicts_better():
    rising = batch_law.fit_curve(B, 0.02 / B + 0.002 + 0.0004 * B)
    assert rising["law"] == "a/b + c + d*b" and rising["law_knee"] == pytest.approx(np.sqrt(0.02 / 0.0004), rel=0.01)
    slow = batch_law.fit_curve(B, 0.02 * B**-0.6 + 0.001)
    assert slow["law"] == "a/b^p + c" and slow["law_parameters"][2] == pytest.approx(0.6, abs=0.02)
    flat = batch_law.fit_curve(B, np.full(7, 0.004))
    assert flat["knee"] == 0
    taken = [
        batch_law.fit_curve(B, (0.03 / B + 0.001) * np.exp(np.random.default_rng(seed).normal(0, 0.03, 7)))["law"] for seed in range(40)
    ]
    assert taken.count("a/b + c") >= 30


def test_knee_intervals_cover_the_truth():
    hits = 0
    for seed in range(200):
        noisy = (0.03 / B + 0.001) * (1 + np.random.default_rng(seed).normal(0, 0.04, 7))
        found = batch_law.intervals(B, noisy)
        hits += found["knee_low"] <= 30 <= found["knee_high"]
    assert 180 <= hits <= 199


def test_a_knee_that_the_data_cannot_bound_is_open():
    noisy = (0.03 / B[:3] + 0.0001) * np.array([1, 1.2, 0.85])
    assert batch_law.intervals(B[:3], noisy)["knee_high"] == np.inf
    assert np.isnan(batch_law.intervals(B[:2], noisy[:2])["knee_low"])


# Clusters


def two_shapes(seed, gap, n=40):
    rng = np.random.default_rng(seed)
    knees = np.where(np.arange(n) < n // 2, 5.0, 5.0 * np.exp(gap)) * np.exp(rng.normal(0, 0.08, n))
    return pd.DataFrame((knees[:, None] / B + 1) * np.exp(rng.normal(3, 1, (n, 1))) * np.exp(rng.normal(0, 0.02, (n, 7))), columns=B)


def test_two_shapes_are_found_whatever_the_networks_size():
    members, choice, words = clusters.cluster(clusters.shapes(two_shapes(0, 2.0)))
    assert members["cluster"].nunique() == 2 and members["cluster"].iloc[:20].nunique() == 1 and members["cluster"].iloc[20:].nunique() == 1
    assert words.startswith("2 clusters are stable") and choice.set_index("k").loc[2, "stability"] > 0.95


def test_a_continuum_is_said_to_be_one():
    claims = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        knees = 20 * np.exp(rng.normal(0, 0.5, 40))
        curves = pd.DataFrame((knees[:, None] / B + 1) * np.exp(rng.normal(0, 0.03, (40, 7))))
        members, _, words = clusters.cluster(clusters.shapes(curves), resamples=60, seed=seed)
        claims += members["cluster"].nunique() > 1
    assert claims <= 1
    assert "No number of clusters is stable" in words


def test_silhouettes_match_scikit_learns():
    from sklearn.metrics import silhouette_samples

    rng = np.random.default_rng(0)
    points, assigned = rng.normal(size=(30, 3)), np.r_[rng.integers(1, 4, 29), 9]
    np.testing.assert_allclose(clusters.silhouettes(points, assigned), silhouette_samples(points, assigned), atol=1e-12)


def test_zhaos_curves_have_no_stable_clusters_and_the_analysis_says_so(published):
    tables = cluster_analysis.analyse(published)
    assert tables["members"].empty and len(tables["choice"]) == 5
    assert "No number of clusters is stable" in cluster_analysis.explain(published)


# Robust line


def test_outliers_do_not_bend_the_line_and_are_named():
    rng = np.random.default_rng(0)
    x = np.linspace(10, 500, 30)
    y = 500 + 1.2 * x + rng.normal(0, 5, 30)
    y[[3, 17, 29]] += [200, -150, 400]
    line = robust.line(x, y)
    assert set(np.flatnonzero(line.aside)) == {3, 17, 29}
    assert line.slope == pytest.approx(1.2, abs=0.03) and line.intercept == pytest.approx(500, abs=6)
    low, high = line.slope_interval()
    assert low < 1.2 < high
    clean = robust.line(np.delete(x, [3, 17, 29]), np.delete(y, [3, 17, 29]))
    reference = sp.linregress(np.delete(x, [3, 17, 29]), np.delete(y, [3, 17, 29]))
    assert clean.slope == pytest.approx(reference.slope) and clean.r2 == pytest.approx(reference.rvalue**2)


def test_prediction_bands_hold_95_percent_of_new_points():
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(150):
        x = rng.uniform(0, 100, 25)
        line = robust.line(x, 10 + 2 * x + rng.normal(0, 3, 25))
        new = rng.uniform(0, 100, 20)
        low, high = line.band(new)
        y = 10 + 2 * new + rng.normal(0, 3, 20)
        inside.append(np.mean((low <= y) & (y <= high)))
    assert 0.92 < np.mean(inside) < 0.97


def test_zhaos_memory_line_beats_the_studies_and_sets_points_aside(published):
    table = memory_line.analyse(published)
    assert len(table) == 1
    row = table.iloc[0]
    assert row["loo_percent"] < 4.1 and row["r2"] > 0.99 and "alexnet" in row["set_aside"]
    with pytest.raises(ValueError, match="four points"):
        robust.line(np.array([1, 2, 3.0]), np.array([1, 2, 3.0]))


# Intervals


def test_wilson_matches_statsmodels_and_never_leaves_0_to_1():
    from statsmodels.stats.proportion import proportion_confint

    low, high = intervals.wilson(np.array([0.0, 0.571, 1.0]), 1000)
    for at, count in enumerate((0, 571, 1000)):
        expected = proportion_confint(count, 1000, method="wilson")
        assert (low[at], high[at]) == (pytest.approx(expected[0], abs=1e-12), pytest.approx(expected[1], abs=1e-12))
    assert np.isnan(intervals.wilson(np.array([0.5]), np.array([np.nan]))[0][0])


def test_bounds_of_a_latency_come_from_replicates_and_are_unknown_with_one_and_imported_values_stand_within_their_noise():
    table = pd.DataFrame({"latency_s": [1.0, 1.0, 1.0, 1.0], "replicate_medians_s": [(0.9, 1.0, 1.1), (1.0,), (), ()],
                          "noise": [0.5, 0.5, 0.2, np.nan], "status": "ok", "host": "h", "role": "cell", "contended": False, "rounds": 1}).assign(**dict.fromkeys(noise.CELL))  # fmt: skip
    bounds = noise.bounds(noise.add_noise(table))
    logs = np.log([0.9, 1.0, 1.1])
    half = sp.t.ppf(0.975, 2) * np.std(logs, ddof=1) / np.sqrt(3)
    assert bounds.loc[0, "high_s"] == pytest.approx(np.exp(logs.mean() + half))
    assert bounds.loc[1].isna().all()
    assert bounds.loc[2, "high_s"] == pytest.approx(1.2) and bounds.loc[3, "low_s"] == pytest.approx(np.exp(-0.01))
    floor = {"h": noise_model.Between(0.0, process_sd=0.02)}
    assert noise.bounds(noise.add_noise(table, floor)).loc[1, "high_s"] == pytest.approx(np.exp(1.96 * 0.02), rel=1e-4)


# Ranks


def test_friedman_and_critical_difference_match_scipy_and_demsar():
    data = np.random.default_rng(0).normal(size=(14, 4)) + np.array([0, 0.4, 0.8, 0.8])
    test = ranks.friedman(pd.DataFrame(data))
    expected = sp.friedmanchisquare(*data.T)
    assert test["chi2"] == pytest.approx(expected.statistic) and test["p"] == pytest.approx(expected.pvalue)
    assert ranks.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)  # Demsar 2006, section 3.2.2
    tied = pd.DataFrame([[1, 1, 2], [1, 2, 2], [3, 1, 1], [1, 2, 3]])
    assert ranks.friedman(tied)["chi2"] == pytest.approx(sp.friedmanchisquare(*tied.to_numpy().T).statistic)


def test_cliques_are_the_longest_runs_within_the_critical_difference():
    order = pd.Series({"a": 1.0, "b": 1.5, "c": 2.2, "d": 4.0, "e": 4.1})
    assert ranks.cliques(order, 1.3) == [(0, 2), (3, 4)]
    assert ranks.cliques(order, 0.05) == [] and ranks.cliques(order, 9) == [(0, 4)]


def test_rank_correlations_match_scipy_and_their_intervals_cover():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    found = ranks.correlation(x, y)
    assert found["rho"] == pytest.approx(sp.spearmanr(x, y).statistic) and found["tau"] == pytest.approx(sp.kendalltau(x, y).statistic)
    assert found["rho_low"] < found["rho"] < found["rho_high"] and found["tau_low"] < found["tau"] < found["tau_high"]
    truth = 6 / np.pi * np.arcsin(0.8 / 2)  # Spearman's rho of a normal pair with correlation 0.8
    hits = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        u = rng.normal(size=40)
        v = 0.8 * u + 0.6 * rng.normal(size=40)
        fit = ranks.correlation(u, v, resamples=300, seed=seed)
        hits += fit["rho_low"] <= truth <= fit["rho_high"]
    assert hits >= 132


def test_networks_whose_intervals_overlap_are_ties():
    x = np.array([1.0, 1.01, 2.0, 3.0, 4.0])
    wide = (x * 0.9, x * 1.1)
    signs = ranks.order_signs(x, *wide)
    assert signs[0, 1] == 0 and signs[2, 0] == 1 and signs[0, 2] == -1
    swapped = np.array([1.01, 1.0, 2.0, 3.0, 4.0])
    assert ranks.correlation(x, swapped)["tau"] < 1
    found = ranks.correlation(x, swapped, wide, (swapped * 0.9, swapped * 1.1))
    assert found["tau"] == pytest.approx(1) and found["ties"] == pytest.approx(0.1)


def test_rank_stability_names_unlike_inputs(published):
    table = rank_stability.analyse(published).set_index(["a", "b"])
    unlike = table[~table["same_input"].astype(bool)]
    assert len(unlike) == 2 and all("tensorrt" in pair[0] + pair[1] for pair in unlike.index)
    assert "whose inputs differ in size" in rank_stability.explain(published)
    batch = table[table["across"] == "batch size"]
    assert len(batch) == 6 and batch["rho"].between(0.9, 1).all()


def test_a_network_with_gaps_costs_itself_and_not_the_conditions_that_others_share():
    table = pd.DataFrame(np.arange(24.0).reshape(6, 4), columns=list("abcd"))
    table.loc[0:3, "d"] = np.nan  # one network with gaps
    table.loc[6] = [1.0, np.nan, np.nan, np.nan]  # one condition that few networks saw
    whole = rank_analysis.complete(table)
    assert list(whole.columns) == ["a", "b", "c"] and list(whole.index) == [0, 1, 2, 3, 4, 5]


def test_the_best_network_by_rank_is_the_one_that_is_always_fastest(frame):
    tables = rank_analysis.analyse(frame)
    assert {"networks", "backends on cpu", "backends on cuda"} <= set(tables["friedman"]["what"])
    cells = setups.observations(frame)
    means = cells.groupby("model")["log_time"].mean()
    assert tables["networks"]["name"].iloc[0] == means.idxmin()
    backends = tables["backends on cpu"].set_index("name")["mean_rank"]
    assert backends["onnxruntime"] < backends["pytorch"]


# Frontiers, density, roofline, cost


def test_a_frontier_holds_what_nothing_beats_and_intervals_widen_it():
    latency, top1 = np.array([1, 2, 2.02, 3, np.nan]), np.array([50, 70, 69.9, 60, 99.0])
    assert pareto.frontier(latency, top1).tolist() == [True, True, False, False, False]
    near = pareto.possible(latency * 0.98, latency * 1.02, top1 - 0.5, top1 + 0.5)
    assert near.tolist() == [True, True, True, False, False]
    overlapping = pareto.possible(np.array([1.9, 2.0, 2.3]), np.array([2.1, 2.2, 2.5]), np.array([69, 59, 59.0]), np.array([71, 61, 61.0]))
    assert overlapping.tolist() == [True, True, False]  # worse in Top-1, but perhaps faster; the third is neither


def test_overlap_is_counted_over_what_both_measured():
    table = pareto.overlap({"x": {"a", "b"}, "y": {"b", "c", "d"}}, {"x": set("abc"), "y": set("bcd")})
    row = table.iloc[0]
    assert (row["models"], row["shared"], row["either"], row["jaccard"]) == (2, 1, 2, 0.5)
    assert np.isnan(pareto.jaccard(set(), set()))


def test_zhaos_frontiers_share_less_than_half(published):
    tables = frontiers.analyse(published)
    assert tables["overlap"]["jaccard"].between(0.2, 0.5).all() and (tables["overlap"]["jaccard"] > tables["overlap"]["expected"]).all()
    assert (tables["sizes"]["possible"] >= tables["sizes"]["frontier"]).all()
    assert "share 29 to 45 % of their networks" in frontiers.explain(published)


def test_density_has_wilson_bars_and_each_network_once(published):
    table = density.analyse(published)
    assert len(table) == 39 and table["density"].is_monotonic_decreasing
    row = table.set_index("model").loc["densenet121"]
    assert row["density"] == pytest.approx(56.3 / 7.979)
    assert row["low"] == pytest.approx(100 * intervals.wilson(0.563, 10000)[0] / 7.979)
    assert density.analyse(published.assign(accuracy_images=None, accuracy_data=None))["low"].isna().all()


def test_the_roofline_finds_peak_bandwidth_and_what_binds():
    features = {"conv3x3": {"count": 3, "macs": 1, "bytes": 4e8, "out": 1}}
    cells = pd.DataFrame(
        {
            "gmacs": [10.0, 0.5, 0.01],
            "params_m": [1.0, 1.0, 1.0],
            "precision": "fp32",
            "batch_size": 1,
            "op_features": [{"a": {"bytes": 4e7}}, features, {"a": {"bytes": 1e6}}],
            "latency_s": [0.01, 0.02, 0.01],
        }
    )
    found = roofline.place(cells.assign(throughput=np.nan))
    table = found.cells
    assert found.peak == pytest.approx(2e12) and found.bandwidth == pytest.approx(2e10) and found.ridge == pytest.approx(100)
    assert table["bound"].tolist() == ["compute", "memory", "overhead"] and table["share"].max() == pytest.approx(1)
    assert roofline.work(cells.assign(precision="int8"))["bytes"].tolist() == pytest.approx([1e7, 1e8, 0.25e6])
    assert roofline.work(cells.assign(batch_size=4))["bytes"].tolist() == pytest.approx([4e7 - 3e6, 4e8 - 3e6, 1e6 - 0.75e6])


def test_roofline_analysis_recovers_the_machine_that_made_the_data(frame):
    platforms = roofline_analysis.analyse(frame)["platforms"].set_index("setup")
    made = {f"{s[0]} {s[2]}": s[3] / 1e9 for s in SETUPS}
    for label, peak in made.items():
        assert platforms.loc[label, "peak_gflops"] == pytest.approx(peak, rel=0.35)
    assert "reaches at most" in roofline_analysis.explain(frame)


def test_prices_of_the_command_line_reach_the_table_of_costs(frame):
    prices = cost.prices(["cuda=2.5", "*=0.1"], 0.3, {"cuda", "cpu"})
    assert prices == {"*": {"per_kwh": 0.3, "per_hour": 0.1}, "cuda": {"per_kwh": 0.3, "per_hour": 2.5}}
    frame = cost.priced(frame, prices)
    table = cost_analysis.analyse(frame)
    assert (table["total_cost"] > table["machine_cost"]).all() and table["machine_cost"].gt(0).all()
    assert "per 1,000 images" in cost_analysis.explain(frame) and " J per" not in cost_analysis.explain(frame)


@pytest.mark.parametrize("text", ["cuda", "cuda=", "cuda=cheap", "cuda=-1", "cuda=inf", "elsewhere=1"])
def test_a_price_that_can_t_be_used_is_one_line(text):
    with pytest.raises(FrameError, match="--price"):
        cost.prices([text], None, {"cuda"})


def test_cost_needs_a_measurement_or_a_price_and_adds_them_up(frame):
    prices = {"cuda": {"per_hour": 2.0, "per_kwh": 0.3}}
    priced = cost.priced(frame, prices)
    table = cost.per_thousand(priced)
    row, costs = frame[frame["platform"].eq("cuda")].iloc[0], table[frame["platform"].eq("cuda")].iloc[0]
    assert costs["energy_j"] == pytest.approx(1000 * row["energy_j"])
    assert costs["machine_cost"] == pytest.approx(1000 / row["throughput"] / 3600 * 2.0)
    assert costs["total_cost"] == pytest.approx(costs["machine_cost"] + costs["energy_j"] / 3.6e6 * 0.3)
    assert table.loc[frame["platform"].eq("cpu"), "total_cost"].isna().all()
    assert cost_analysis.analyse(frame.assign(energy_j=np.nan)).empty
    best = cost_analysis.analyse(priced)
    assert (best[best["setup"].str.startswith("cuda")]["batch_size"] > 1).all() and "costs least" in cost_analysis.explain(frame)


# Set-ups


def test_labels_name_machine_and_backend_and_only_what_else_varies(frame, published):
    assert set(setups.labels(frame)) == {"cpu pytorch", "cpu onnxruntime", "cuda pytorch", "cuda tensorrt"}
    assert set(setups.labels(published)) == {"colab pytorch 32 px", "jetson-nano pytorch 32 px", "jetson-nano tensorrt 224 px"}
    parts = dict(setups.each(frame))
    assert sum(map(len, parts.values())) == len(frame) and len(parts) == 4


@pytest.mark.parametrize(
    "module",
    [law_analysis, cluster_analysis, cost_analysis, density, frontiers, memory_line, rank_stability, rank_analysis, roofline_analysis],
)
def test_every_analysis_takes_an_empty_frame_one_cell_and_cells_without_numbers(module, frame):
    frame = frame[frame["platform"].eq("cuda")]
    bare = frame.assign(gmacs=np.nan, params_m=np.nan, top1=np.nan, memory_mb=np.nan, energy_j=np.nan, op_features=None)
    for small in (frame.iloc[:0], frame.iloc[:1], bare, frame.assign(status="failed")):
        result = module.analyse(small)
        assert all(isinstance(part, pd.DataFrame) for part in (result.values() if isinstance(result, dict) else [result]))
        assert module.explain(small).endswith(".")
    assert module.explain(frame) and module.TITLE
