"""The chance that a better network is left: of errors that families and backends share, not of a thousand independent ones."""

import numpy as np
import pytest

from analysis.predict import doubt, search
from analysis.predict.doubt import any_meets

FREEDOM = search.FREEDOM


def drawn(z, family, draws=200_000):
    """How often any of the networks meets the limit, by drawing errors."""
    generator = np.random.default_rng(0)
    scale = np.sqrt(FREEDOM / generator.chisquare(FREEDOM, draws))[:, None]
    names, index = np.unique(family, return_inverse=True)
    shared, alone = generator.normal(size=(draws, len(names)))[:, index], generator.normal(size=(draws, len(z)))
    errors = scale * (np.sqrt(doubt.SHARED) * shared + np.sqrt(1 - doubt.SHARED) * alone)
    return float((errors <= z).any(1).mean())


@pytest.mark.parametrize("families", [1, 4, 40])
def test_the_doubt_is_how_often_drawn_errors_let_any_network_in(families):
    z = np.linspace(-5, -1.5, 40)
    family = np.array([f"f{i % families}" for i in range(40)], object)
    assert any_meets(z, np.ones(40), family, FREEDOM) == pytest.approx(drawn(z, family), abs=0.01)


def test_of_one_network_it_is_the_chance_by_which_it_is_chosen_and_of_none_it_is_nothing():
    z = np.array([-2.0])
    assert any_meets(z, np.array([0.5]), np.array(["vgg"]), FREEDOM) == pytest.approx(0.5 * search.stats.t.cdf(-2, FREEDOM), abs=0.003)
    assert any_meets(z[:0], z[:0], np.array([], object), FREEDOM) == 0


def test_a_second_backend_adds_less_doubt_than_as_many_networks_of_other_families():
    z, family = np.full(200, -3.0), np.array([f"f{i % 20}" for i in range(200)], object)
    once = any_meets(z, np.ones(200), family, FREEDOM)
    twice = any_meets(np.tile(z, 2), np.ones(400), np.tile(family, 2), FREEDOM)
    others = any_meets(np.tile(z, 2), np.ones(400), np.concatenate([family, np.char.add(family.astype(str), "b")]), FREEDOM)
    independent = 1 - (1 - search.stats.t.cdf(-3, FREEDOM)) ** 200
    assert once < twice < others < independent
