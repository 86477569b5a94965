"""Public machines of another regime (automatic mixed precision at batch 1024) never worsen what is predicted at batch 1."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.data import catalogue
from analysis.data.families import family
from analysis.importers import zhao
from analysis.predict import learn, predictor, public, tables
from analysis.predict.blend import blend
from analysis.predict.networks import Networks, networks

DATA = Path(__file__).parents[2] / "data"


def at_batch_1(rows: pd.DataFrame):
    """Networks that the catalogue has, at 224 px and batch 1, and their seconds."""
    known = [catalogue.known(model, 224) for model in rows["model"]]
    has = np.array([one is not None for one in known])
    rows, known = rows[has], [one for one in known if one is not None]
    keys = [tables.key(model, 224) for model in rows["model"]]
    nets = networks(known, np.ones(len(rows)), keys, [family(model) for model in rows["model"]])
    return nets, rows["latency_s"].to_numpy(float)


def h100():
    """28 networks on an H100: Dyno's own records, PyTorch fp32."""
    return at_batch_1(pd.read_csv(DATA / "h100_batch1.csv"))


def nano(backend):
    """The networks of the first study on a Jetson Nano, by the features of their 224-px graphs."""
    frame = zhao.read()
    return at_batch_1(frame[frame["platform"].eq("jetson-nano") & frame["backend"].eq(backend)])


CASES = {"h100": h100, "nano-pytorch": lambda: nano("pytorch"), "nano-tensorrt": lambda: nano("tensorrt")}


def errors(nets: Networks, y: np.ndarray, count: int, seeds: int):
    """Median absolute log errors (with public machines, without; of a scale factor to the multiply-adds), mean over splits."""
    found = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(y))
        train, test = order[:count], order[count:]
        own = predictor.train(nets[train], y[train]) if count >= predictor.FEWEST else None
        sources = [m.source(public.unlike(m, "gpu", 1)) for m in public.machines()]
        made = blend(nets[train], y[train], sources, own)
        if made is None:  # the public machines know none of these networks, and there are too few for a predictor: nothing is said
            continue
        value, low, high = made.predict(nets[test])
        size = np.log(nets.total_macs)
        scale = np.exp(size[test] + np.median(np.log(y[train]) - size[train]))
        alone = scale if own is None else own.predict(nets[test]).value
        found.append([np.median(np.abs(np.log(v / y[test]))) for v in (value, alone, scale)])
        assert ((low > 0) & (low <= value) & (value <= high)).all()
    return np.mean(found, axis=0) if found else np.zeros(3)


@pytest.mark.parametrize("case", CASES)
def test_with_a_predictor_of_its_own_a_device_is_predicted_no_worse_for_them(case):
    nets, y = CASES[case]()
    with_them, without, _ = errors(nets, y, 12, 5)
    assert with_them <= without * 1.001


@pytest.mark.parametrize("case", CASES)
def test_with_three_networks_they_do_no_worse_than_a_scale_factor(case):
    nets, y = CASES[case]()
    with_them, _, scale = errors(nets, y, 3, 10)
    assert with_them <= scale


def table(name):
    machine = next(m for m in public.machines() if name in m.name)
    return machine.nets, np.exp(machine.log) * machine.nets.batch


def test_intervals_hold_nine_of_ten_also_of_families_that_training_never_saw():
    nets, y = table("i9_10940x")
    inside, new = [], []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(y))
        train, test = order[:50], order[50:]
        got = predictor.train(nets[train], y[train]).predict(nets[test])
        inside.append((got.low <= y[test]) & (y[test] <= got.high))
        new.append(got.new_family)
    held, unknown = np.concatenate(inside), np.concatenate(new)
    assert 0.87 <= held.mean() <= 0.94 and held[unknown].mean() >= 0.87


def test_what_is_like_nothing_measured_is_promised_less_firmly():
    nets, y = table("i9_10940x")
    order = np.random.default_rng(1).permutation(len(y))
    train = [row for row in order if nets.family[row] != "vgg"][:50]
    got = predictor.train(nets[train], y[train]).predict(nets)
    span, vgg = np.log(got.high / got.low), nets.family == "vgg"
    assert np.median(span[vgg]) > 2 * np.median(span[~vgg])


def test_a_family_that_runs_oddly_elsewhere_is_flagged_and_widened():
    odd = public.odd_families("gpu")
    assert odd["efficientformer"] > np.log(3) and not {"resnet", "mobilenetv3", "vit"} & set(odd)
    assert {"vgg", "vitamin", "selecsls", "sequencer", "wide_resnet"} <= set(public.odd_families("cpu"))
    assert not {"resnet", "vit"} & set(public.odd_families("cpu"))
    nets, y = table("rtx4090")
    them, others = nets.family == "efficientformer", nets.family != "efficientformer"
    low, high, notes = learn._odd(nets[them], nets[others], odd, y[them], y[them], [()] * int(them.sum()))
    assert (high > 3 * y[them]).all() and (low == y[them]).all()
    assert all("efficientformer runs" in note[-1] and "slower" in note[-1] for note in notes)
    few, more = (np.concatenate([np.flatnonzero(others), np.flatnonzero(them)[:members]]) for members in (learn.HARDLY, learn.HARDLY + 1))
    for rows, flagged in ((few, True), (more, False)):
        _, high, notes = learn._odd(nets[them], nets[rows], odd, y[them], y[them], [()] * int(them.sum()))
        assert any(notes) == flagged == bool((high > y[them]).any())


def test_what_is_known_of_odd_families_from_another_machine_holds_them_in_their_intervals():
    nets, y = table("rtx4090")
    machine = next(m for m in public.machines() if "nchw" in m.name and "rtx3090" in m.name)
    off = public._off(machine)
    odd = {name: float(np.median(off[machine.nets.family == name])) for name in ("cait", "efficientformer", "sequencer", "tnt", "xcit")}
    train = np.random.default_rng(0).permutation(len(y))[:50]
    test = np.setdiff1d(np.flatnonzero(np.isin(nets.family, list(odd))), train)
    got = predictor.train(nets[train], y[train]).predict(nets[test])
    low, high, _ = learn._odd(nets[test], nets[train], odd, got.low, got.high, [()] * len(test))
    plain, widened = ((a <= y[test]) & (y[test] <= b) for a, b in ((got.low, got.high), (low, high)))
    assert widened.mean() > max(0.75, plain.mean() + 0.1)
