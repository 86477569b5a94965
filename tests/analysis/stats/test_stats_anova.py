"""Variance and pairs: the studies' SPSS output to six digits, textbook identities, and what other packages compute."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats

from analysis.analyses import anova as anova_analysis
from analysis.analyses import pairs as pairs_analysis
from analysis.frame import setups
from analysis.importers import zhao
from analysis.stats import anova, pairs

LSD = Path(__file__).parents[2] / "data" / "zhao_spss_lsd.csv"


@pytest.fixture(scope="module")
def colab():
    cells = setups.observations(zhao.read())
    return cells[cells["platform"] == "colab"]


@pytest.fixture(scope="module")
def crossed(colab):
    return anova.factorial(colab, "log_time", ["model", "batch_size"])


def six(value):
    return pytest.approx(value, rel=5e-7)


def test_the_studies_batch_size_anova_comes_out_to_six_digits(colab):
    table = anova.one_way(colab, "log_time", "batch_size")
    assert table.loc["between", "f"] == six(150.39244443207727)
    assert table.loc["between", "p"] == six(1.801969224819205e-82)
    assert table.loc["between", "ss"] == six(330.4500541066055)
    assert table.loc["within", "ss"] == six(97.41149200711763)
    assert (table.loc["between", "df"], table.loc["within", "df"]) == (6, 266)
    levene = anova.levene(colab, "log_time", "batch_size")
    assert levene["statistic"] == six(0.04132995838912236)
    assert levene["p"] == six(0.9997044760399147)


def test_the_studies_network_anova_comes_out_to_six_digits(colab):
    table = anova.one_way(colab, "log_time", "model")
    assert table.loc["between", "f"] == six(1.7492012085159274)
    assert table.loc["between", "p"] == six(0.006812099435876647)
    assert (table.loc["between", "df"], table.loc["within", "df"]) == (38, 234)
    assert anova.levene(colab, "log_time", "model")["statistic"] == six(0.10723158881846623)


def test_every_pair_of_the_studies_lsd_tables_comes_out(colab):
    """tests/data/zhao_spss_lsd.csv: significance and lower limit of Zhao's SPSS tables, 741 pairs of networks and 21 of batch sizes."""
    expected = pd.read_csv(LSD, dtype={"a": str, "b": str})
    found = pd.concat(
        [pairs.lsd(colab, "log_time", factor).assign(factor=factor).astype({"a": str, "b": str}) for factor in ("model", "batch_size")]
    )
    turned = found.rename(columns={"a": "b", "b": "a"}).assign(low=-found["high"], high=-found["low"])
    both = expected.merge(pd.concat([found, turned]), on=["factor", "a", "b"])
    assert len(both) == len(expected) == 741 + 21
    np.testing.assert_allclose(both["p"], both["sig"], rtol=5e-7)
    np.testing.assert_allclose(both["low"], both["ci95_low"], atol=5e-9)
    errors = both.groupby("factor")["std_error"].agg(["min", "max"])
    assert errors.loc["model"].tolist() == [six(0.6378481545073001)] * 2
    assert errors.loc["batch_size"].tolist() == [six(0.13703988125642455)] * 2


def test_the_crossed_analysis_finds_what_one_way_hides(crossed):
    assert crossed.r2 == pytest.approx(0.9935, abs=5e-5)
    crossed = crossed.table
    assert crossed.loc["model", "f"] == pytest.approx(205.74, abs=0.005)
    assert crossed.loc["batch_size", "f"] == pytest.approx(4549.15, abs=0.005)
    assert crossed.loc["residual", "df"] == 228
    share = crossed["ss"] / (crossed["ss"] + crossed.loc["residual", "ss"])
    assert crossed.loc["model", "partial_eta2"] == pytest.approx(share["model"])


def test_pair_counts_are_114_then_none_then_584(colab):
    one_way = pairs.lsd(colab, "log_time", "model")
    assert len(one_way) == 741
    assert (one_way["p"] < 0.05).sum() == 114
    assert (one_way["p_holm"] < 0.05).sum() == 0
    assert (pairs.crossed(colab, "log_time", ["model", "batch_size"], "model")["p"] < 0.05).sum() == 584


def test_effects_add_up_on_the_log_scale_and_not_on_raw_time(colab):
    log = anova.nonadditivity(colab, "log_time", ["model", "batch_size"])
    raw = anova.nonadditivity(colab, "image_s", ["model", "batch_size"])
    assert log["p"] == pytest.approx(0.41, abs=0.005)
    assert raw["f"] > 1000 and raw["p"] < 1e-100


def unbalanced(seed=0, n=90):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.choice(list("pqr"), n), "b": rng.choice(list("xyz"), n), "c": rng.choice(list("uv"), n)})
    return frame.assign(
        y=frame["a"].map({"p": 0, "q": 1, "r": 3})
        + frame["b"].eq("x") * 0.7
        + (frame["a"].eq("p") & frame["b"].eq("y"))
        + rng.normal(size=n)
    )


def test_type_two_sums_match_statsmodels_on_unbalanced_data_with_an_interaction():
    frame = unbalanced()
    ours = anova.factorial(frame, "y", ["a", "b", "c"], interactions=[("a", "b")]).table
    theirs = sm.stats.anova_lm(smf.ols("y ~ C(a) + C(b) + C(c) + C(a):C(b)", frame).fit(), typ=2)
    names = {"a": "C(a)", "b": "C(b)", "c": "C(c)", "a x b": "C(a):C(b)", "residual": "Residual"}
    for mine, other in names.items():
        assert ours.loc[mine, "ss"] == pytest.approx(theirs.loc[other, "sum_sq"], rel=1e-9), mine
        assert ours.loc[mine, "df"] == theirs.loc[other, "df"]
    assert ours.loc["a x b", "p"] == pytest.approx(theirs.loc["C(a):C(b)", "PR(>F)"], rel=1e-9)


def test_welch_and_games_howell_match_their_published_formulas():
    frame = unbalanced(3)
    frame["y"] *= frame["a"].map({"p": 1, "q": 3, "r": 0.3})
    from statsmodels.stats.oneway import anova_oneway

    ours, theirs = anova.welch(frame, "y", "a"), anova_oneway(frame["y"], frame["a"], use_var="unequal")
    assert ours["f"] == pytest.approx(theirs.statistic) and ours["p"] == pytest.approx(theirs.pvalue)
    table = pairs.games_howell(frame, "y", "a")
    pq = stats.ttest_ind(frame.loc[frame["a"].eq("p"), "y"], frame.loc[frame["a"].eq("q"), "y"], equal_var=False)
    assert table.loc[0, "df"] == pytest.approx(pq.df)
    assert table.loc[0, "difference"] / table.loc[0, "std_error"] == pytest.approx(pq.statistic)
    assert table.loc[0, "p"] == pytest.approx(stats.studentized_range.sf(abs(pq.statistic) * np.sqrt(2), 3, pq.df), abs=1e-6)


def test_tukeys_hsd_matches_scipy_where_there_is_one_factor():
    frame = unbalanced(5).assign(one="same")
    groups = [frame.loc[frame["a"].eq(name), "y"] for name in "pqr"]
    ours, theirs = pairs.crossed(frame, "y", ["a"], "a"), stats.tukey_hsd(*groups)
    interval = theirs.confidence_interval(0.95)
    for at, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        assert ours.loc[at, "p"] == pytest.approx(theirs.pvalue[i, j], abs=1e-6)
        assert ours.loc[at, "low"] == pytest.approx(interval.low[i, j], abs=1e-5)


@pytest.mark.parametrize(("k", "df"), [(3, 4.0), (39, 228.0), (10, 2000.0)])
def test_the_fast_studentized_range_agrees_with_scipys_alone_and_interpolated(k, df):
    q = np.array([0.5, 2.0, 3.5, 5.0, 8.0])
    exact = stats.studentized_range.sf(q, k, df)
    np.testing.assert_allclose(pairs.studentized_range_sf(q, k, df), exact, atol=1e-6)
    np.testing.assert_allclose(pairs.studentized_range_sf(np.r_[q, np.linspace(0.1, 9, 120)], k, df)[:5], exact, atol=5e-6)
    assert np.isnan(pairs.studentized_range_sf(np.array([np.nan]), k, df))[0]


def test_holm_is_holms_step_down():
    np.testing.assert_allclose(pairs.holm(np.array([0.01, 0.04, np.nan, 0.03, 0.5])), [0.04, 0.09, np.nan, 0.09, 0.5])
    assert len(pairs.holm(np.array([]))) == 0


def test_assumptions_say_in_words_which_one_fails():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": np.repeat(list("pqrs"), 30), "b": np.tile(list("xyz"), 40)})
    good = anova.assumptions(frame.assign(y=rng.normal(size=120)), "y", ["a", "b"])
    assert good["holds"].all() and "residuals look normal" in good["words"].iloc[0]
    spread = frame["a"].map({"p": 1, "q": 1, "r": 1, "s": 12})
    bad = anova.assumptions(frame.assign(y=spread * rng.normal(size=120)), "y", ["a", "b"]).set_index("check")
    assert not bad.loc["equal variance over a (Brown-Forsythe)", "holds"]
    assert "Games-Howell" in bad.loc["equal variance over a (Brown-Forsythe)", "words"]


def test_too_little_data_is_one_plain_message():
    lonely = pd.DataFrame({"a": ["x", "y"], "y": [1.0, 2.0]})
    with pytest.raises(ValueError, match="2 group"):
        anova.one_way(lonely, "y", "a")
    with pytest.raises(ValueError, match="no degree of freedom"):
        anova.factorial(lonely, "y", ["a"])


def test_the_analyses_report_both_ways_and_explain_them():
    frame = zhao.read()
    tables = anova_analysis.analyse(frame)
    single = tables["one-way, as in the studies"].set_index("factor")
    assert single.loc["batch_size", "f"] == six(150.39244443207727)
    assert "the batch size explains 77 %" in anova_analysis.explain(frame)
    counts = (
        pairs_analysis.analyse(frame)["pairs found different"]
        .query("setup == 'colab pytorch 32 px' and factor == 'model'")
        .set_index("method")
    )
    assert counts["different"].tolist()[:1] == [584] and counts.loc["Fisher's LSD, one-way (as in the studies)", "different"] == 114
    networks = pairs_analysis.analyse(frame)["networks"]
    assert networks["relative_time"].min() == 1 and networks.iloc[0]["model"] == "squeezenet1_1"


def test_analyses_of_a_frame_with_nothing_to_cross_are_empty_not_errors():
    frame = zhao.read()
    one = frame[(frame["model"] == "alexnet") & (frame["batch_size"] == 1)]
    for module in (anova_analysis, pairs_analysis):
        assert all(table.empty for table in module.analyse(one).values())
        assert module.explain(one)
        assert module.explain(frame.iloc[:0])
