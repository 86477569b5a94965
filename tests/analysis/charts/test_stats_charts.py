"""Charts of the statistics: they draw what the numbers say, stay inside their page, and say why where they don't apply."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis.charts import _style, batch_law, critical_difference, roofline
from analysis.importers import zhao
from analysis.stats import ranks
from tests.analysis.good_frame import SETUPS, good


@pytest.fixture(scope="module")
def frame():
    return good(1, 12, spread=0.5)


def drawn(module, frame):
    with _style.LIGHT.context():
        figure = module.draw(frame, _style.LIGHT)
        FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.parametrize("module", [batch_law, critical_difference, roofline])
def test_names_lie_within_the_page_and_on_no_other_name(module, frame):
    assert module.applies(frame) is None
    figure = drawn(module, frame)
    renderer = figure.canvas.get_renderer()
    for axis in figure.axes:
        boxes = [label.get_window_extent(renderer) for label in axis.get_yticklabels() if label.get_text() and label.get_visible()]
        boxes += [
            axis.xaxis.label.get_window_extent(renderer),
            axis.title.get_window_extent(renderer),
            axis._left_title.get_window_extent(renderer),
        ]
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 + 1 for box in boxes)
        assert axis.get_window_extent(renderer).width > 150
    for axis in figure.axes[:1] if module is not roofline else []:
        rows = sorted((label.get_window_extent(renderer) for label in axis.get_yticklabels()), key=lambda box: box.y0)
        assert all(low.y1 <= high.y0 + 1 for low, high in zip(rows, rows[1:], strict=False))
    assert module.explain(frame).endswith(".")


def test_bars_overlap_exactly_where_ranks_differ_by_less_than_the_critical_difference(frame):
    table = critical_difference.analysis.tables(frame)["networks"]
    order, width = ranks.mean_ranks(table), ranks.critical_difference(table.shape[1], len(table))
    axis = drawn(critical_difference, frame).axes[0]
    segments = next(c for c in axis.collections if len(c.get_segments()) == len(order)).get_segments()
    np.testing.assert_allclose([s[1, 0] - s[0, 0] for s in segments], width)
    np.testing.assert_allclose([s.mean(axis=0)[0] for s in segments], order)


def test_a_chart_that_has_no_data_says_so():
    published = zhao.read()
    assert "three batch sizes" in batch_law.applies(published[published["platform"] == "jetson-nano"])
    assert roofline.applies(published) is None  # the catalogue knows the graphs of published networks
    assert "conditions" in critical_difference.applies(good(0, 4, batches=(1,), chosen=SETUPS[:1]))
