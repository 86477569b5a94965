"""Charts: names that don't overlap, bubbles that tell the truth, one meaning per colour, a film that fits."""

import itertools

import numpy as np
import pytest
from PIL import Image

from analysis import charts
from analysis.charts import _labels, _style, base, complexity_accuracy, density_bars
from analysis.report import animation, report
from tests.analysis.records import CLASSIC, cell_record, frame_of


@pytest.fixture(scope="module")
def frame():
    """The studies' 42 networks on two backends at batch 1."""
    return report.by_machine(frame_of(*(cell_record("synthetic-cpu", b, m, samples=12) for b in ("pytorch", "openvino") for m in CLASSIC)))


def texts(figure, axis):
    """(text, box) of every name and title in an axis."""
    renderer = figure._get_renderer()
    return [(t.get_text(), t.get_window_extent(renderer)) for t in axis.texts if t.get_text()]


def overlapping(boxes):
    return [(a, b) for (a, x), (b, y) in itertools.combinations(boxes, 2) if x.x0 < y.x1 and y.x0 < x.x1 and x.y0 < y.y1 and y.y0 < x.y1]


@pytest.mark.parametrize("name", ["complexity_accuracy", "pareto", "speed_accuracy", "density_accuracy", "memory_params"])
def test_no_name_overlaps_another_or_leaves_the_picture(frame, name):
    with _style.LIGHT.context():
        figure = charts.load(name).draw(frame, _style.LIGHT)
        figure.draw_without_rendering()
        for axis in figure.axes:
            boxes = texts(figure, axis)
            assert boxes and overlapping(boxes) == []
            assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1 for _, box in boxes)
            assert axis._left_title.get_window_extent().x1 <= figure.bbox.x1


def test_every_network_of_figure_1_is_named_or_lies_where_no_name_fits(frame):
    with _style.LIGHT.context():
        figure = complexity_accuracy.draw(frame, _style.LIGHT)
        named = {text for text, _ in texts(figure, figure.axes[0])}
    assert len(named) >= 0.9 * len(complexity_accuracy.rows_of(frame))


def test_a_name_stays_off_bubbles_while_there_is_room():
    with _style.LIGHT.context():
        figure, (axis,) = base.panels(1, _style.LIGHT)
        axis.set(xlim=(0, 10), ylim=(0, 10))
        base.settle(figure)
        dots = np.column_stack([axis.transData.transform([(5, 5), (6, 5)]), [30, 30]])
        assert _labels.place(axis, [5], [5], ["name"], [30], dots, np.empty((0, 2)), 8, "black", "grey") == []
        ((_, box),) = texts(figure, axis)
        for x, y, radius in dots:
            near = np.clip([x, y], [box.x0, box.y0], [box.x1, box.y1])
            assert np.hypot(*(near - [x, y])) > radius - 3


def test_a_caption_breaks_neither_before_a_number_that_belongs_to_a_name_nor_before_its_last_word():
    figure, axes = base.panels(2, _style.LIGHT)
    base.caption(axes[0], "name", "linear: y = 71.3 + 2.3 x; R² = 0.37, leave-one-out error 5.5 %, reached 49.9 GB/s at best, n = 5")
    first, *lines = axes[0].get_title(loc="left").split("\n")
    assert first == "name" and len(lines) > 1 and all("\u00a0=\u00a0" in line or "=" not in line for line in lines)
    assert (
        lines[-1].strip() != "5"
        and min(map(len, lines)) > 0.6 * max(map(len, lines))
        and not any(line.endswith("leave-") for line in lines)
    )


def test_a_small_table_of_times_has_no_bar_and_a_contended_one_says_so():
    few = report.by_machine(frame_of(*(cell_record("c", "pytorch", m, contended=True) for m in ("resnet18", "resnet34"))))
    module = charts.load("time_table")
    with _style.LIGHT.context():
        figure = module.draw(few, _style.LIGHT)
    assert len(figure.axes) == 1 and "ms per image" in figure.get_supxlabel()
    assert "All 2 cells were contended" in module.explain(few)


def test_two_names_that_fit_nowhere_are_not_written_on_one_another():
    with _style.LIGHT.context():
        figure, (axis,) = base.panels(1, _style.LIGHT, width=1.6, height=1.2)
        axis.set(xlim=(0, 1), ylim=(0, 1))
        base.settle(figure)
        count = 60
        at = np.full(count, 0.5)
        left = _labels.place(
            axis, at, at, [f"a_long_name_{i}" for i in range(count)], [2] * count, np.empty((0, 3)), np.empty((0, 2)), 8, "black", "grey"
        )
        assert left and overlapping(texts(figure, axis)) == []


def test_the_area_of_a_bubble_is_its_parameters_in_legend_and_plot(frame):
    with _style.LIGHT.context():
        figure = complexity_accuracy.draw(frame, _style.LIGHT)
    axis = figure.axes[0]
    rows = complexity_accuracy.rows_of(frame)
    areas = np.sort(np.concatenate([c.get_sizes() for c in axis.collections if len(c.get_offsets()) and len(c.get_sizes())]))
    per_million = areas / np.sort(rows["params"].to_numpy(float))
    assert per_million == pytest.approx(per_million[0])
    for handle, size in zip(axis.get_legend().legend_handles, complexity_accuracy.SIZES, strict=True):
        assert handle.get_markersize() ** 2 / size == pytest.approx(per_million[0])


def test_the_caption_names_law_equation_r2_error_and_n(frame):
    sentence = complexity_accuracy.explain(frame)
    assert all(part in sentence for part in ("y = ", "R² = ", "leave-one-out error", "n = 42"))


def test_a_family_has_one_look_everywhere_and_no_two_known_ones_share_it():
    looks = [_style.family(name) for name in _style.FAMILIES]
    assert len(set(looks)) == len(looks)
    assert _style.family("some_new_family") == _style.family("some_new_family")
    assert {colour for colour, _ in looks} <= set(_style.OKABE_ITO.values())


def test_figure_and_page_colour_a_family_alike(frame):
    spec = charts.load("pareto").interactive(frame).to_dict(validate=False)
    encodings = [layer["encoding"] for layer in spec["spec"]["layer"] if "color" in layer["encoding"]]
    scale = encodings[0]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == {f: _style.family(f)[0] for f in scale["domain"]}


def test_a_contended_cell_is_in_no_chart_that_ranks():
    rows = [cell_record("synthetic-cpu", "pytorch", m, contended=m == "resnet18") for m in ("resnet18", "resnet34", "resnet50")]
    frame = report.by_machine(frame_of(*rows))
    assert "resnet18" not in set(charts.load("pareto").placed(frame)["label"])
    assert "resnet18" in set(charts.load("time_table").rows_of(frame)["label"])  # shown there, with a dagger


@pytest.mark.parametrize("name", charts.names())
def test_a_chart_says_why_it_has_nothing_to_show(name):
    failed = report.by_machine(frame_of(cell_record("synthetic-cpu", "pytorch", "resnet18", status="failed")))
    assert charts.load(name).applies(failed)


def test_the_film_of_figure_1_loops_fits_and_ends_on_the_whole_picture(frame, tmp_path):
    path = tmp_path / "film.gif"
    assert animation.write(path, frame) == "film.gif"
    assert path.stat().st_size <= animation.MOST_BYTES
    with Image.open(path) as film:
        assert film.info["loop"] == 0 and film.n_frames > 42
        inks = []
        for number in (0, film.n_frames // 2, film.n_frames - 1):
            film.seek(number)
            inks.append(int((np.asarray(film.convert("L")) < 250).sum()))
        assert inks[0] < inks[1] < inks[2]
        assert film.info["duration"] >= 3000


def test_a_network_that_named_no_image_rightly_is_left_out_of_a_logarithmic_axis(frame):
    none = frame.assign(top1=frame["top1"].where(frame["model"] != "alexnet", 0.0))
    rows = density_bars.rows_of(none)
    assert "alexnet" in set(density_bars.rows_of(frame)["model"]) and "alexnet" not in set(rows["model"]) and rows["density"].gt(0).all()
