"""Top-1 of two data sets is never mixed: not in a recommendation, an analysis or a chart, and the records keep both."""

import pandas as pd
import pytest

from analysis.analyses import density, frontiers, pareto
from analysis.charts import base
from analysis.frame import data_sets
from analysis.importers import zhao
from analysis.report import entries


@pytest.fixture(scope="module")
def mixed():
    """39 networks on two devices with CIFAR-100's Top-1, and six on a third with ImageNet's."""
    cifar = zhao.read()
    some = cifar[cifar["platform"].eq("jetson-nano")].head(6)
    other = some.assign(
        accuracy_data=None, top1=76.0, platform="other", machine="other", model=some["model"] + "-x", label=some["model"] + "-x"
    )
    return pd.concat([cifar, other], ignore_index=True)


def test_the_usual_data_set_stays_and_the_others_are_cleared(mixed):
    kept = data_sets.most_common(mixed)
    assert kept["top1"].notna().sum() == mixed["top1"].ne(76.0).sum() and not kept["top1"].eq(76.0).any()
    assert mixed["top1"].eq(76.0).sum() == 6 and data_sets.most_common(kept)["top1"].equals(kept["top1"])


def test_measured_accuracies_bear_their_own_name_and_stay(mixed):
    measured = mixed.assign(accuracy_source=mixed["accuracy_source"].where(mixed["platform"].ne("other"), "measured"))
    assert data_sets.most_common(measured)["top1"].eq(76.0).sum() == 6


def test_each_platform_keeps_its_own_usual_data_set(mixed):
    assert data_sets.most_common_each(mixed)["top1"].equals(mixed["top1"])
    both = mixed.assign(platform="one")
    assert not data_sets.most_common_each(both)["top1"].eq(76.0).any()


def test_no_chart_and_no_analysis_shows_both(mixed):
    one = mixed.assign(platform="one", machine="one")
    for found in (base.networks(mixed), density.analyse(mixed), base.slice_of(one), pareto.analyse(one), frontiers.members(one)):
        assert found["top1"].notna().any() and not found["top1"].eq(76.0).any()
    assert not any(row.top1 == 76.0 for row in entries.entries(one))
    assert pareto.analyse(mixed)["top1"].eq(76.0).any()  # a panel of its own
