"""Which networks to measure first."""

import cost_laws
import numpy as np
import pytest

from analysis.predict import transfer
from analysis.predict.networks import networks
from runner.networks import informative


def test_the_set_has_k_different_networks_and_its_beginning_stays_as_k_grows():
    features = list(cost_laws.zoo(40).values())
    ten = informative.most_informative(features, 10)
    assert len(set(ten)) == 10 and informative.most_informative(features, 4) == ten[:4]
    assert sorted(informative.most_informative(features[:3], 10)) == [0, 1, 2]


def test_a_set_of_no_networks_is_refused():
    with pytest.raises(ValueError, match="at least 1 network, not 0"):
        informative.most_informative(list(cost_laws.zoo(5).values()), 0)


def test_twins_are_not_both_chosen():
    features = list(cost_laws.zoo(12).values())
    chosen = informative.most_informative(features + features, 12)
    assert sorted(i % 12 for i in chosen) == list(range(12))
    assert sorted(informative.most_informative(features + features, 24)) == list(range(24))


def test_the_set_covers_the_families():
    names = list(cost_laws.zoo(60))
    chosen = informative.most_informative(list(cost_laws.zoo(60).values()), 10)
    assert len({names[i].rstrip("0123456789") for i in chosen}) == len(cost_laws.FAMILIES)


def test_the_chosen_tell_more_than_random_ones():
    zoo = cost_laws.zoo(60)
    n = networks(list(zoo.values()), [1.0] * 60, list(zoo), [name.rstrip("0123456789") for name in zoo])
    here, there = (np.array([cost_laws.seconds(machine, c, 1) for c in zoo.values()]) for machine in ("made-up-gpu", "made-up-cpu"))
    where = {name: i for i, name in enumerate(n.model)}

    def source(asked):
        return np.log(here[[where[m] for m in asked.model]]), np.zeros(len(asked))

    def error(rows):
        rows = np.array(rows)
        rest = np.setdiff1d(np.arange(60), rows)
        return np.median(np.abs(transfer.carry(n, n[rows], there[rows], source, True).predict(n[rest])[0] / there[rest] - 1))

    random = [error(np.random.default_rng(seed).permutation(60)[:8]) for seed in range(12)]
    assert error(informative.most_informative(list(zoo.values()), 8)) < np.mean(random)
