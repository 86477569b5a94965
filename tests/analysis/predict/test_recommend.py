"""What to deploy within limits."""

import json

import cost_laws
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis.analyses import recommendation
from analysis.data import catalogue
from analysis.errors import FrameError
from analysis.frame import setups
from analysis.frame.frame import Merged
from analysis.predict import advice as advice_text
from analysis.predict import candidates, limits, recommend, show
from analysis.predict.limits import Limits

ZOO = cost_laws.zoo(24)
FRAME = pd.concat([cost_laws.frame("made-up-gpu", ZOO), cost_laws.frame("made-up-cpu", dict(list(ZOO.items())[:14]))], ignore_index=True)


def test_what_is_recommended_meets_the_limits_and_nothing_that_meets_them_beats_it():
    given = Limits(latency_s=0.3, memory_mb=300, top1=62)
    advice = recommend.advise(FRAME, "made-up-cpu", given)
    own = advice.recommended
    assert len(own) and (own["latency_s"] <= 0.3).all() and (own["memory_mb"] <= 300).all() and (own["top1"] >= 62).all()
    meets = advice.candidates[advice.candidates["meets"]]
    for row in own.to_dict("records"):
        assert not ((meets["latency_s"] < row["latency_s"]) & (meets["top1"] >= row["top1"])).any()
    assert advice.relax == ()


def test_measured_come_first_and_predicted_are_marked():
    own = recommend.advise(FRAME, "made-up-cpu", Limits(top1=1)).recommended
    kinds = list(own["kind"])
    assert kinds == sorted(kinds) and set(kinds) == {"measured", "predicted"}
    measured = set(list(ZOO)[:14])
    assert all((row["model"] in measured) == (row["kind"] == "measured") for row in own.to_dict("records"))
    assert own["latency_s"].between(own["latency_s_low"], own["latency_s_high"]).all()


def test_predicted_candidates_are_near_the_truth():
    table = recommend.advise(FRAME, "made-up-cpu", Limits()).candidates
    table = table[table["kind"] == "predicted"]
    truth = np.array([cost_laws.seconds("made-up-cpu", ZOO[model], 1) for model in table["model"]])
    assert len(table) == 10 and np.median(np.abs(table["latency_s"] / truth - 1)) < 0.15


def test_every_set_up_of_the_platform_competes_unless_one_is_asked_for():
    fast = FRAME[FRAME["platform"] == "made-up-cpu"].assign(
        backend="fast", latency_s=lambda f: f["latency_s"] / 3, cell_id=lambda f: f["cell_id"] + "fast"
    )
    both = pd.concat([FRAME, fast], ignore_index=True)
    assert set(recommend.advise(both, "made-up-cpu", Limits(top1=1)).recommended["backend"]) == {"fast"}
    assert set(recommend.advise(both, "made-up-cpu", Limits(top1=1), backend="pytorch").recommended["backend"]) == {"pytorch"}


def test_a_network_measured_at_other_batch_sizes_follows_its_own_law():
    frame = cost_laws.frame("made-up-gpu", dict(list(ZOO.items())[:8]), batches=(1, 2, 4, 8), noise=0.4)
    frame = frame[~((frame["model"] == "vgg1") & (frame["batch_size"] == 2))]
    row = recommend.advise(frame, "made-up-gpu", Limits(), 2).candidates.set_index("model").loc["vgg1"]
    ends = frame[frame["model"] == "vgg1"].set_index("batch_size")["latency_s"]
    assert row["kind"] == "predicted" and row["latency_s_high"] / row["latency_s_low"] < 1.2 and ends[1] < row["latency_s"] < ends[4]


def test_a_limit_in_the_middle_of_an_interval_is_a_coin_toss():
    table = pd.DataFrame(
        {"latency_s": [1.0, 1.0, 1.0, np.nan], "latency_s_low": [0.5, 0.5, 0.9, np.nan], "latency_s_high": [2.0, 2.0, 1.1, np.nan]}
    )
    assert limits.chance(table, "latency_s", 1.0)[0] == pytest.approx(0.5)
    assert limits.chance(table, "latency_s", 2.0)[:3] == pytest.approx([0.95, 0.95, 1.0], abs=1e-3)
    assert limits.chance(table, "latency_s", 0.5)[0] == pytest.approx(0.05, abs=1e-3)
    assert np.isnan(limits.chance(table, "latency_s", 1.0)[3])
    published = pd.DataFrame({"top1": [70.0, 69.0], "top1_low": [70.0, 69.0], "top1_high": [70.0, 69.0]})
    assert list(limits.chance(published, "top1", 70)) == [1.0, 0.0]


def test_where_nothing_fits_it_says_what_to_relax():
    advice = recommend.advise(FRAME, "made-up-cpu", Limits(latency_s=0.03, top1=69))
    assert advice.recommended.empty and advice.relax
    limit = advice.candidates.loc[advice.candidates["top1"] >= 69, "latency_s"].min()
    assert any(line.startswith("latency: 30.0 ms to ") and show.said("latency_s", limit) in line for line in advice.relax)
    assert "relax one" in advice_text.text(advice)


def test_where_no_single_limit_is_enough_the_nearest_is_named():
    advice = recommend.advise(FRAME, "made-up-cpu", Limits(latency_s=1e-5, top1=99.5))
    assert len(advice.relax) == 1 and advice.relax[0].startswith("no single limit is enough; nearest is ")


def test_a_limit_on_what_nobody_measured_is_not_met_in_silence():
    advice = recommend.advise(FRAME, "made-up-cpu", Limits(energy_j=1.0))
    assert advice.recommended.empty and advice.relax == ("energy: known of no network here; measure it, or leave the limit out",)


def test_a_measured_accuracy_has_wilsons_interval():
    frame = FRAME.copy()
    frame["accuracy_images"], frame["accuracy_source"] = 1000.0, "measured"
    row = recommend.advise(frame, "made-up-gpu", Limits()).candidates.iloc[0]
    assert row["top1_low"] < row["top1"] < row["top1_high"] and row["top1_high"] - row["top1_low"] == pytest.approx(5, abs=1)


def test_the_report_has_a_frontier_per_platform():
    table = recommendation.analyse(FRAME)
    assert list(dict.fromkeys(table["platform"])) == ["made-up-cpu", "made-up-gpu"]
    assert "predicted" in set(table.loc[table["platform"] == "made-up-cpu", "kind"]) and "are predicted" in recommendation.explain(FRAME)
    assert recommendation.applies(FRAME) is None and "known Top-1" in recommendation.applies(FRAME.assign(top1=np.nan))


def test_the_commands_print_tables_and_json(monkeypatch):
    from analysis.cli import app
    from analysis.merge import table

    monkeypatch.setattr(table, "merge", lambda paths: Merged(FRAME))
    asked = ["--platform", "made-up-cpu", "--max-latency-ms", "300", "--min-top1", "62"]
    said = CliRunner().invoke(app, ["recommend", *asked])
    assert said.exit_code == 0 and "latency at most 300 ms, Top-1 at least 62.0 %" in said.output and "○" in said.output
    found = json.loads(CliRunner().invoke(app, ["recommend", *asked, "--json"]).output)
    assert found["limits"]["latency_s"] == 0.3 and all(row["latency_s"] <= 0.3 for row in found["recommended"])
    unmeasured = list(ZOO)[20]
    said = CliRunner().invoke(app, ["predict", "--model", unmeasured, "--platform", "made-up-cpu", "--batch-size", "2"])
    assert said.exit_code == 0 and f"{unmeasured} at 224 px, batch 2" in said.output
    as_json = json.loads(CliRunner().invoke(app, ["predict", "--model", unmeasured, "--platform", "made-up-cpu", "--json"]).output)
    assert as_json["quantities"][0]["low"] < as_json["quantities"][0]["value"] < as_json["quantities"][0]["high"]


def test_what_is_imported_is_never_called_measured_and_its_spread_is_unknown():
    from analysis.importers import zhao

    advice = recommend.advise(zhao.read(), "jetson-nano", Limits(latency_s=0.1), 1)
    assert set(advice.recommended["kind"]) == {"imported"} and advice.recommended["sure"].isna().all()
    assert advice.recommended["latency_s_low"].isna().all() and "spread unknown" in advice_text.text(advice)


def test_what_is_measured_stands_first_even_where_a_prediction_promises_more():
    advice = recommend.advise(FRAME, "made-up-cpu", Limits(latency_s=10.0))
    lines = advice_text.text(advice).splitlines()
    marks = [line[0] for line in lines if line[0] in "●○" and "predicted;" not in line and "measured " not in line]
    assert marks[0] == "●" and marks == sorted(marks, reverse=marks[0] > marks[-1])
    best = advice.best_measured
    assert set(best["kind"]) == {"measured"} and best["top1"].is_monotonic_decreasing and best["latency_s"].is_monotonic_decreasing


def test_a_licence_that_forbids_sale_is_marked():
    known = pd.DataFrame(
        [{"model": "mine", "input_px": 224, "top1": 99.0, "top5": np.nan, "accuracy_source": "published", "accuracy_weights": "w",
          "params_m": FRAME["params_m"].iloc[0], "op_features": FRAME["op_features"].iloc[0], "family": "vgg", "terms": "non-commercial (cc-by-nc-4.0)"}]
    )  # fmt: skip
    advice = recommend.advise(FRAME, "made-up-cpu", Limits(latency_s=1e3), known=known)
    line = next(line for line in advice_text.text(advice).splitlines() if " mine " in line)
    assert line.startswith("○") and "non-commercial (cc-by-nc-4.0)" in line


def test_a_platform_whose_cells_were_all_disturbed_says_so():
    with pytest.raises(FrameError, match="had busy neighbours.*--retry contended"):
        recommend.advise(FRAME.assign(contended=True), "made-up-cpu", Limits())
    with pytest.raises(FrameError, match="no records of it; there are made-up-cpu"):
        recommend.advise(FRAME, "nowhere", Limits())


def known(model="resnet50", precision="fp32", **more):
    """Twelve measured networks of the catalogue, and the row of one of them."""
    names = [c.model for c in candidates.catalogued() if c.input_px == 224][::90][:12]
    rows = cost_laws.frame("made-up-cpu", dict(zip([model, *names], cost_laws.zoo(13).values(), strict=False)), batches=(1,))
    return rows.assign(weights="random", weights_tag=None, accuracy_source="published", accuracy_weights=None, precision=precision, **more)


def offered(table, model="resnet50"):
    return table[table["model"].eq(model) & table["input_px"].eq(224)]


def test_a_measured_time_serves_every_tag_of_its_graph_and_no_other_input_size():
    every = candidates.rows(candidates.catalogued(every_tag=True))
    own = offered(recommend.candidates(known(), *next(iter(setups.setups(known()).items())), 1, Limits(), every, every_tag=True))
    names = next(c for c in candidates.catalogued() if "resnet50" in c.names and c.input_px == 224).names
    tags = {c.weights for c in candidates.catalogued(every_tag=True) if c.model in names and c.input_px == 224}
    assert set(own["kind"]) == {"measured"} and set(own["weights"]) == tags and len(tags) > 10 and own["latency_s"].nunique() == 1
    published = catalogue.load().weights
    truth = {(r.weights, r.top1) for r in published[published["model"].isin(names) & published["input_px"].eq(224)].itertuples()}
    assert set(zip(own["weights"], own["top1"], strict=True)) <= truth


@pytest.mark.parametrize(
    ("parity", "said"), [(0.01, "Top-1 of fp32, parity passed"), (0.5, "not found to agree"), (np.nan, "not found to agree")]
)
def test_a_published_accuracy_is_an_fp16_rows_only_with_passed_parity(parity, said):
    frame = known(precision="fp16", parity_max_rel=parity)
    table = recommend.candidates(frame, *next(iter(setups.setups(frame).items())), 1, Limits(), candidates.rows(candidates.catalogued()))
    own = offered(table).iloc[0]
    assert said in own["terms"] and np.isfinite(own["top1"]) == (parity == 0.01)
    assert table.loc[table["kind"].eq("predicted"), "terms"].str.contains("Top-1 of fp32, parity unknown").all()


def test_int8_has_no_accuracy_until_it_is_counted():
    frame = known(precision="int8", parity_max_rel=0.01, top1=np.nan)
    table = recommend.candidates(frame, *next(iter(setups.setups(frame).items())), 1, Limits(), candidates.rows(candidates.catalogued()))
    assert table["top1"].isna().all() and set(table["kind"]) == {"measured", "predicted"}


def test_weights_that_forbid_commercial_use_are_left_out_of_measured_networks_too():
    bound = catalogue.load().weights
    free = {(c.model, c.input_px) for c in candidates.catalogued("commercial")}
    model = next(c.model for c in candidates.catalogued() if c.input_px == 224 and not c.also and (c.model, 224) not in free)
    assert bound.loc[bound["model"].eq(model), "license"].notna().all()
    frame = known(model)
    setup = next(iter(setups.setups(frame).items()))
    everything = [
        candidates.rows(candidates.catalogued()),
        pd.concat([candidates.rows(candidates.catalogued("commercial")), candidates.barred()], ignore_index=True),
    ]
    both = [offered(recommend.candidates(frame, *setup, 1, Limits(), one), model).iloc[0] for one in everything]
    mine = recommend.candidates(frame, *setup, 1, Limits(), everything[0].iloc[:0])  # own candidates alone: no licence is asked for
    assert offered(mine, model)["top1"].notna().all()
    assert both[0]["top1"] > 50 and np.isnan(both[1]["top1"]) and both[1]["terms"] == "no weights for commercial use"
