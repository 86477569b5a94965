"""Prediction on machines whose cost laws are known."""

import dataclasses
import json

import cost_laws
import numpy as np
import pandas as pd
import pytest

from analysis.errors import FrameError
from analysis.frame import setups
from analysis.predict import batch, estimate, graphs, learn, predictor, show, transfer
from analysis.predict.conformal import half_width, jackknife_plus
from analysis.predict.law import SLACK, Method, fit, view
from analysis.predict.networks import networks, unseen_groups


def nets(zoo, batch_size=1.0):
    return networks(list(zoo.values()), [batch_size] * len(zoo), list(zoo), [name.rstrip("0123456789") for name in zoo])


def times(zoo, machine="made-up-cpu", batch_size=1, noise=0.0, seed=0):
    wobble = np.exp(np.random.default_rng(seed).normal(0, noise, len(zoo)))
    return np.array([cost_laws.seconds(machine, complexity, batch_size) for complexity in zoo.values()]) * wobble


def graph(name, complexity):
    return graphs.Graph(name, 224, complexity, name.rstrip("0123456789"), "made up")


KNOWN = cost_laws.zoo(60)
OTHERS = cost_laws.zoo(40, seed=9)
TRAINED = predictor.train(nets(KNOWN), times(KNOWN, noise=0.05))


def test_a_known_cost_law_is_found_again():
    got = TRAINED.predict(nets(OTHERS))
    assert np.median(np.abs(got.value / times(OTHERS) - 1)) < 0.06


def test_a_known_cost_law_beats_multiply_adds_alone():
    n, y, test, truth = nets(KNOWN), times(KNOWN, noise=0.05), nets(OTHERS), times(OTHERS)
    slope, offset = np.polyfit(np.log(n.total_macs), np.log(y), 1)
    alone = np.abs(np.exp(slope * np.log(test.total_macs) + offset) / truth - 1)
    assert np.median(np.abs(TRAINED.predict(test).value / truth - 1)) < np.median(alone) / 3


def test_intervals_hold_nine_of_ten_truths():
    inside = []
    for seed in range(4):
        zoo, test = cost_laws.zoo(40, seed=seed), cost_laws.zoo(60, seed=100 + seed)
        got = predictor.train(nets(zoo), times(zoo, noise=0.1, seed=seed)).predict(nets(test))
        truth = times(test, noise=0.1, seed=50 + seed)
        inside.append(np.mean((got.low <= truth) & (truth <= got.high)))
    assert 0.85 <= np.mean(inside) <= 0.97


def test_intervals_are_wider_where_networks_scatter_more():
    loose = predictor.train(nets(KNOWN), times(KNOWN, noise=0.3)).predict(nets(OTHERS))
    tight = TRAINED.predict(nets(OTHERS))
    assert np.median(loose.high / loose.low) > 1.5 * np.median(tight.high / tight.low)


def test_a_new_family_gets_the_errors_of_families_left_out():
    without = {name: c for name, c in KNOWN.items() if not name.startswith("densenet")}
    got = predictor.train(nets(without), times(without, noise=0.05)).predict(nets(KNOWN))
    new = np.array([name.startswith("densenet") for name in KNOWN])
    assert set(got.basis[new]) <= {"leave-family-out", "leave-group-out"} and set(got.basis[~new]) == {"leave-one-out"}
    assert list(got.new_family) == list(new)


def test_an_unseen_operator_group_is_flagged_and_wide_and_never_ten_times_off():
    without = {name: c for name, c in KNOWN.items() if "convdw" not in c["groups"]}
    have = {name: c for name, c in KNOWN.items() if "convdw" in c["groups"]}
    got = predictor.train(nets(without), times(without)).predict(nets(have))
    known = predictor.train(nets(KNOWN), times(KNOWN)).predict(nets(have))
    assert all("convdw" in groups for groups in got.unseen) and set(got.basis) == {"leave-group-out"}
    assert (got.high / got.low > 1.5 * known.high / known.low).all()
    assert not any(known.unseen)


def test_a_trace_of_a_group_in_training_does_not_count_as_seen():
    some = cost_laws.network("resnet", 20, 1.0)
    some["groups"]["bmm"] = {"count": 1, "macs": 10, "bytes": 40, "out": 10}
    much = cost_laws.network("vit", 20, 1.0, ("linear", "bmm"))
    assert "bmm" in unseen_groups(nets({"resnet1": some}), nets({"vit1": much}))[0]
    assert unseen_groups(nets({"vit2": much}), nets({"vit1": much})) == [()]


def test_no_prediction_beats_the_best_measured_rate_by_more_than_the_slack():
    n, y = nets(KNOWN), times(KNOWN)
    law = fit([Method("size", 0.02)], np.ones(1), view(n, n), y, np.ones(len(y)), np.ones(len(y), bool))
    huge = networks([{"params": 0, "groups": {"elem": {"count": 0, "macs": 1e12, "bytes": 0, "out": 0}}}], [1.0], ["x"], ["x"])
    law = dataclasses.replace(law, coefficients=(0 * law.coefficients[0],))
    assert np.exp(law.log(view(huge, n)))[0] == pytest.approx(1e12 * np.min(y / n.total_macs) / SLACK)


def test_a_few_odd_networks_bend_the_others_little(monkeypatch):
    from analysis.predict import law

    n, everything = nets(KNOWN), np.ones(60, bool)
    seen, asked, y = view(n, n), view(nets(OTHERS), n), times(KNOWN, noise=0.02)
    odd = y.copy()
    odd[::15] /= 3

    def bent():
        a, b = (fit([Method("groups", 0.003)], np.ones(1), seen, z, np.ones(60), everything, False, False).log(asked) for z in (y, odd))
        return np.median(np.abs(b - a))

    robust = bent()
    monkeypatch.setattr(law, "HUBER", 1e9)
    assert robust < 0.02 and robust < 0.6 * bent()


def test_relatives_share_what_their_family_deviates_by():
    zoo, others = (cost_laws.zoo(40, seed=seed, families=("resnet",)) for seed in (1, 2))

    def labelled(made):  # the same networks under two names: nothing but the family tells them apart
        return networks(list(made.values()), [1.0] * len(made), list(made), ["slow" if i % 2 else "quick" for i in range(len(made))])

    factor = np.where(np.arange(40) % 2, 1.5, 1.0)
    got = predictor.train(labelled(zoo), times(zoo) * factor).predict(labelled(others)).value
    assert np.median(np.abs(got / (times(others) * factor) - 1)) < 0.05


def test_a_network_at_many_batch_sizes_is_left_out_as_a_whole():
    names = np.array(["a", "b", "a", "c", "b", "a"], object)
    fold = predictor.folds(names, 40)
    assert len({(n, f) for n, f in zip(names, fold, strict=True)}) == len(set(fold)) == 3
    assert set(predictor.folds(np.arange(100).astype(object), 7)) == set(range(7))


def test_too_few_networks_are_refused():
    few = dict(list(KNOWN.items())[:4])
    with pytest.raises(ValueError, match="4 networks were measured; a predictor needs 5"):
        predictor.train(nets(few), times(few))


def test_nothing_depends_on_the_order_of_the_records():
    n, y = nets(KNOWN), times(KNOWN, noise=0.05)
    order = np.random.default_rng(3).permutation(len(y))
    a, b = predictor.train(n, y), predictor.train(n[order], y[order])
    assert np.median(np.abs(np.log(a.predict(nets(OTHERS)).value / b.predict(nets(OTHERS)).value))) < 0.03


def test_the_conformal_quantile_counts_the_new_network():
    residuals = np.arange(1, 20) / 100  # 19 of them: rank ceil(20 * 0.9) = 18
    assert half_width(residuals) == 0.18
    assert half_width(np.array([0.1, 0.2])) > 0.2 and np.isinf(half_width(np.array([0.1])))
    low, high = jackknife_plus(np.zeros((1, 19)), residuals)
    assert (low[0], high[0]) == (-0.18, 0.18)


def test_few_calibration_networks_carry_a_platform_over():
    n, gpu, other = nets(KNOWN), times(KNOWN, "made-up-gpu"), times(KNOWN, "made-up-gpu-2", noise=0.02)
    where = {name: i for i, name in enumerate(n.model)}

    def source(asked):
        return np.log(gpu[[where[m] for m in asked.model]] / asked.batch), np.zeros(len(asked))

    errors, scaled, inside = [], [], []
    for seed in range(8):
        order = np.random.default_rng(seed).permutation(60)
        chosen, rest = order[:10], order[10:]
        value, low, high = transfer.carry(n, n[chosen], other[chosen], source).predict(n[rest])
        errors.append(np.median(np.abs(value / other[rest] - 1)))
        scaled.append(np.median(np.abs(gpu * np.median(other[chosen] / gpu[chosen]) / other - 1)[rest]))
        inside.append(np.mean((low <= other[rest]) & (other[rest] <= high)))
    assert np.mean(errors) < 0.8 * np.mean(scaled) and np.mean(errors) < 0.06
    assert 0.8 <= np.mean(inside) <= 0.99


def test_one_calibration_network_is_a_scale_factor_with_a_wide_interval():
    n, gpu = nets(KNOWN), times(KNOWN, "made-up-gpu")
    where = {name: i for i, name in enumerate(n.model)}

    def source(asked):
        return np.log(gpu[[where[m] for m in asked.model]]), np.zeros(len(asked))

    like, unlike = (transfer.carry(n, n[np.array([4])], 3 * gpu[[4]], source, unlike=flag).predict(n) for flag in (False, True))
    assert np.allclose(like[0], 3 * gpu)
    assert (like[2] / like[1] > 1.2).all() and (unlike[2] / unlike[1] > like[2] / like[1]).all()


def test_predict_says_what_it_learnt_from_and_how_far_it_goes():
    frame = cost_laws.frame(batches=(1, 8))
    complexity = cost_laws.network("resnet", 33, 1.7)
    report = estimate.estimate(frame, graph("resnet99", complexity), "made-up-cpu", 4)
    latency = report.quantities[0]
    truth = cost_laws.seconds("made-up-cpu", complexity, 4)
    assert latency.kind == "predicted" and latency.low <= truth <= latency.high and abs(latency.value / truth - 1) < 0.1
    assert (
        "60 networks in 6 families" in latency.learnt_from
        and set(latency.errors) == {"one_out", "family_out"}
        and latency.extrapolates == ()
    )
    assert "energy_j" in report.missing and report.missing["energy_j"] == "measured of no network on made-up-cpu, pytorch fp32 on cpu"
    throughput = report.quantities[1]
    assert throughput.value == pytest.approx(4 / latency.value) and throughput.low == pytest.approx(4 / latency.high)
    text = show.text(report)
    assert "with its family left out" in text and "extrapolates: no" in text and "energy         unknown" in text
    json.dumps(report.as_dict(), allow_nan=False)


def test_predict_names_family_size_batch_and_operators_beyond_training():
    frame = cost_laws.frame(networks=cost_laws.zoo(families=("resnet", "vgg")), batches=(1,))
    odd = cost_laws.network("resnet", 600, 9.0, ("conv1x1", "bmm", "ln"))
    notes = " ".join(estimate.estimate(frame, graph("odd1", odd), "made-up-cpu", 16).quantities[0].extrapolates)
    for part in ("bmm, ln", "family odd", "GMACs per image; measured were", "batch size 16; measured were 1"):
        assert part in notes


def test_beyond_a_single_measured_batch_size_the_interval_spans_fixed_to_proportional():
    frame = cost_laws.frame(networks=cost_laws.zoo(24), batches=(1,))
    one, many = (
        estimate.estimate(frame, graph("resnet99", cost_laws.network("resnet", 33, 1.7)), "made-up-cpu", b).quantities[0] for b in (1, 32)
    )
    assert many.low <= 1.01 * one.low and many.high >= 31 * one.high


def test_a_measured_network_is_reported_as_measured():
    frame = cost_laws.frame()
    report = estimate.estimate(frame, graphs.find(frame, "vgg1"), "made-up-cpu", 1)
    row = frame[frame["model"] == "vgg1"].iloc[0]
    assert report.quantities[0].kind == "measured" and report.quantities[0].value == row["latency_s"]
    assert "record made-up-cpu/vgg1/1" in report.quantities[0].learnt_from


def test_an_unmeasured_batch_size_follows_the_networks_own_law():
    frame = cost_laws.frame(networks=cost_laws.zoo(20), batches=(1, 2, 8, 16), noise=0.3)
    row = frame[(frame["model"] == "vgg1") & (frame["batch_size"] == 8)].iloc[0]
    truth = (
        cost_laws.seconds("made-up-cpu", cost_laws.zoo(20)["vgg1"], 4)
        * row["latency_s"]
        / cost_laws.seconds("made-up-cpu", cost_laws.zoo(20)["vgg1"], 8)
    )
    curve = batch.at(frame, "vgg1", 224, 4)
    assert curve.value == pytest.approx(truth, rel=0.01) and not curve.outside and curve.low <= truth <= curve.high
    assert batch.at(frame, "vgg1", 224, 64).outside and batch.at(frame, "never", 224, 4) is None
    assert estimate.estimate(frame, graphs.find(frame, "vgg1"), "made-up-cpu", 4).quantities[0].kind == "batch-size law"


def test_a_platform_with_few_networks_borrows_from_another():
    zoo = cost_laws.zoo(30)
    frame = pd.concat(
        [cost_laws.frame("made-up-gpu", zoo), cost_laws.frame("made-up-gpu-2", dict(list(zoo.items())[:8]))], ignore_index=True
    )
    complexity = cost_laws.network("densenet", 21, 1.2)
    latency = estimate.estimate(frame, graph("densenet99", complexity), "made-up-gpu-2", 1).quantities[0]
    assert latency.learnt_from.startswith("8 networks in") and "carried over from made-up-gpu, pytorch fp32 on gpu" in latency.learnt_from
    assert abs(latency.value / cost_laws.seconds("made-up-gpu-2", complexity, 1) - 1) < 0.2
    forced = learn.learn(frame, *setups.choose(frame, "made-up-gpu"), "latency_s", source="made-up-gpu-2")
    assert forced is None  # it knows fewer networks than the platform itself


def test_contended_and_throughput_cells_teach_nothing():
    frame = pd.concat(
        [cost_laws.frame(), cost_laws.frame(contended=True, backend="noisy"), cost_laws.frame(scenario="throughput", backend="many")],
        ignore_index=True,
    )
    assert {setup.backend for setup in setups.setups(frame)} == {"pytorch"}


def test_wrong_names_are_answered_with_what_there_is(tmp_path):
    frame = cost_laws.frame()
    with pytest.raises(FrameError, match="no records of it; there are made-up-cpu"):
        setups.choose(frame, "moon")
    with pytest.raises(FrameError, match="--backend tensorrt: not measured on made-up-cpu; choose from pytorch"):
        setups.choose(frame, "made-up-cpu", backend="tensorrt")
    with pytest.raises(FrameError, match="no such ONNX file"):
        graphs.find(frame, "nowhere.onnx")
    broken = tmp_path / "f.json"
    broken.write_text('{"groups": {"conv9": {}}}')
    with pytest.raises(FrameError, match="choose them from conv1x1"):
        graphs.find(frame, "x", features=broken)


@pytest.mark.parametrize(
    ("model", "said"),
    [("resnt50", "no such network in torchvision, timm or HarDNet; did you mean resnet50[?] Else give an ONNX file"),
     ("timm:convnxt_nano.d1h_in1k", "did you mean timm:convnext_nano[?]"), ("a\udcff", "no such network in torchvision, timm or HarDNet; give an ONNX"),
     ("timm:", "or a name as resnet50"), ("nowhere.networks:make", "can't be imported")],
)  # fmt: skip
def test_a_name_that_nobody_knows_is_one_line_with_what_was_meant(model, said, tmp_path):
    with pytest.raises(FrameError, match=said) as raised:
        graphs.find(cost_laws.frame(), model, cache=tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("domain", "shape", "kind", "said"), [
    ("com.acme", [1, 3, 8, 8], 1, "com.acme:Magic is not a standard operator"), ("", None, 1, "has no shape"), ("", [1, 8], 7, "is int64, as token ids are"),
])  # fmt: skip
def test_a_file_that_no_image_fits_is_told_in_the_words_of_a_run(tmp_path, domain, shape, kind, said):
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Magic" if domain else "Identity", ["x"], ["y"], domain=domain)
    ends = [onnx.helper.make_tensor_value_info("x", kind, shape), onnx.helper.make_tensor_value_info("y", kind, None)]
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "a.onnx"))
    with pytest.raises(FrameError, match=said):
        graphs.find(cost_laws.frame(), str(tmp_path / "a.onnx"))


@pytest.mark.parametrize("name", ["convnext_nano", "timm:convnext_nano", "timm:convnext_nano.d1h_in1k", "convnext_nano.d1h_in1k"])
def test_a_timm_network_is_known_by_its_bare_name_and_with_a_tag_of_weights(name):
    found = graphs.find(cost_laws.frame(), name)
    assert (found.model, found.origin) == ("timm:convnext_nano", "the catalogue") and found.complexity["params"] > 1e7
    assert "timm:convnext_nano at 224 px" in found.at(1).model


def test_what_is_missing_for_a_prediction_is_said_without_contradiction():
    few, wanted = cost_laws.frame(networks=cost_laws.zoo(4), batches=(1,)), graph("vgg99", cost_laws.network("vgg", 20, 1.0))
    with pytest.raises(
        FrameError, match="measured of 4 networks with a known graph on .*; 5 are needed, or 3 that another platform shares"
    ):
        estimate.estimate(few, wanted, "made-up-cpu", 1)
    unknown = cost_laws.frame(networks=cost_laws.zoo(9), batches=(1,)).assign(op_features=None)
    with pytest.raises(FrameError, match="no network measured on .* has a known graph"):
        estimate.estimate(unknown, wanted, "made-up-cpu", 1)
    with pytest.raises(FrameError, match="--from moon: nothing is known of it; choose from amp-"):
        estimate.estimate(cost_laws.frame(), wanted, "made-up-cpu", 1, source="moon")


def test_a_row_of_features_stands_for_a_network(tmp_path):
    complexity = cost_laws.network("resnet", 20, 1.0)
    as_json, as_csv = tmp_path / "f.json", tmp_path / "f.csv"
    as_json.write_text(json.dumps({"complexity": complexity}))
    columns = {f"{short}_{g}": work[long] / scale for g, work in complexity["groups"].items()
               for short, long, scale in (("n", "count", 1), ("mac", "macs", 1), ("io", "bytes", 4), ("out", "out", 1))}  # fmt: skip
    pd.DataFrame([{"model": "mine", "img": 224, "params": complexity["params"], **columns}]).to_csv(as_csv, index=False)
    frame = cost_laws.frame()
    a, b = (graphs.find(frame, "mine", features=path).at(1) for path in (as_json, as_csv))
    assert np.allclose(a.macs, b.macs) and np.allclose(a.bytes, b.bytes) and a.params == b.params


def test_no_pickle_is_read_or_written():
    from pathlib import Path

    sources = [path.read_text() for path in Path(predictor.__file__).parent.glob("*.py")]
    assert sources and not any("pickle" in text or "joblib" in text for text in sources)
