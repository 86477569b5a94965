"""Parts of the page that come from other records than cells, and what each says where it has none."""

import re

import numpy as np
import pandas as pd
import pytest

from analysis import analyses
from analysis.charts import _places
from analysis.frame import frame as frames
from analysis.frame.metrics import METRICS
from analysis.predict import candidates, path
from analysis.report import dots, figures, headings, pictured, plot, predicted, profiled, report, searched, sections
from analysis.report.entries import entries
from analysis.report.verdict import Limits, decide
from tests.analysis.records import CLASSIC, QUICK, cell_record, environment_record, frame_of, profile_record, search_path, sweep, write
from tests.browser.conftest import SETS


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    """Boards with sustained runs and energy, a watched workstation, a search."""
    folder = tmp_path_factory.mktemp("boards")
    SETS["boards"](folder / "records")
    return folder, report.write(frames.merge([folder / "records"]), folder / "report", files=False, searched=path.table(folder))


@pytest.mark.parametrize("name", ["profile", "search", "energy", "sustained", "roofline"])
def test_a_part_that_has_records_is_closed_until_opened(boards, name):
    text = boards[1].page.read_text()
    part = re.search(rf'<details class="part[^"]*" id="(?:t|fig)-{name}"[^>]*>', text)
    assert part and " open" not in part[0]


def test_a_part_without_records_is_a_line_at_the_end(tmp_path):
    write(tmp_path / "x.jsonl", [environment_record("synthetic-cpu"), cell_record("synthetic-cpu", "pytorch", "resnet18")])
    text = report.write(frames.merge([tmp_path]), tmp_path / "out", files=False).page.read_text()
    end = text[text.index('id="without"') :]
    for title in ("Where the time goes", "The search’s path", "Energy", "Cold against sustained", "Accuracy, measured"):
        assert f"<b>{title}</b>" in end and f"<h2>{title}</h2>" not in text
    assert not (tmp_path / "out" / "figures").exists() and not (tmp_path / "out" / "tables" / "profile.csv").exists()


def test_shares_of_operators_add_up_and_the_longest_network_comes_first(boards):
    merged = frames.merge([boards[0] / "records"])
    table = profiled.table(merged.profiles, report.by_machine(merged.frame))
    shares = table[[name for name in table if name.endswith(", %")]]
    assert len(table) == 6 and np.allclose(shares.sum(axis=1), 100) and table["operators, ms"].is_monotonic_decreasing
    assert profiled.sentence(table).startswith("Convolution takes most in 6 of 6 profiles")
    assert (boards[0] / "report" / "tables" / "profile.csv").exists()


def test_a_network_that_was_watched_again_is_told_once(tmp_path):
    lines = [profile_record("synthetic-cpu", "pytorch", "resnet18", share, id=str(share)) for share in (0.5, 0.9)]
    merged = frames.merge([write(tmp_path / "x.jsonl", [cell_record("synthetic-cpu", "pytorch", "resnet18"), *lines])])
    assert profiled.table(merged.profiles, report.by_machine(merged.frame))["convolution, %"].tolist() == [pytest.approx(90)]


def test_a_search_says_what_it_measured_and_which_step_found_the_best(tmp_path):
    search_path(tmp_path, CLASSIC[:5])
    steps = path.table(tmp_path)
    assert (
        searched.sentence(steps)
        == f"The last search measured 5 networks; the best within its limits is {CLASSIC[2]}, 72.0 % Top-1, found at step 3."
    )
    assert searched.table(steps)["meets the limits"].tolist() == [True] * 3 + [False] * 2
    assert searched.svg(steps).count('class="mark"') == 10 and searched.svg(steps).count('class="limit"') == 1


def test_an_accuracy_that_was_measured_is_told_with_its_interval_and_not_for_others():
    facts = {"top1": [71.0, 71.0], "top1_low": 70.0, "top1_high": 72.0, "accuracy_source": "measured", "accuracy_data": "mine", "accuracy_images": 5000.0,
             "accuracy_weights": ["random", "random, measured in fp32 with pytorch on x cpu (y)"]}  # fmt: skip
    frame = report.by_machine(frame_of(*(cell_record("synthetic-cpu", backend, "resnet18") for backend in ("pytorch", "openvino")))).assign(
        **facts
    )
    module = analyses.load("accuracy")
    assert module.analyse(frame)["series"].tolist() == ["pytorch"] and "71.0 % (95 % interval 70.0 to 72.0)" in module.explain(frame)
    assert pictured.drawing_of("accuracy", frame).count('class="bar"') == 1


def test_a_dot_plot_keeps_its_marks_and_names_inside():
    svg = dots.svg([dots.Dot(name, word, 1.0 + at, 0.5, 9.0) for at, name in enumerate(QUICK) for word in ("cold", "late")], "ms", "Times")
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())
    places = [tuple(map(float, pair)) for pair in re.findall(r"translate\(([\d.]+) ([\d.]+)\)", svg)]
    assert len(places) == 12 and all(dots.LEFT <= x <= width and 0 < y < height for x, y in places)
    assert dots.svg([], "ms", "Times") == ""


def test_a_verdict_says_when_its_top_1_is_of_other_weights_than_were_timed():
    random, best, other = (cell_record("synthetic-cpu", "pytorch", "wide_resnet50_2", samples=12, weights=weights, weights_tag=tag)
                             for weights, tag in (("random", None), ("IMAGENET1K_V2", "IMAGENET1K_V2"), ("pretrained", "IMAGENET1K_V1")))  # fmt: skip
    said = [decide(entries(report.by_machine(frame_of(record))), Limits(ms=1e4)).sentence for record in (random, best, other)]
    assert "Its Top-1 is that of the weights IMAGENET1K_V2; random ones were timed, which take as long." in said[0]
    assert said[1].endswith("Licence of its weights: unknown.") and "timed" not in said[1]
    assert "Its Top-1 is that of the weights IMAGENET1K_V2; IMAGENET1K_V1 was timed." in said[2]


def test_no_heading_of_a_table_is_the_name_of_a_variable(tmp_path):
    sweep(tmp_path, platforms=("synthetic-cpu", "synthetic-edge"), models=CLASSIC[10:22], batch_sizes=(1, 4, 16), samples=12)
    frame = report.by_machine(frames.merge([tmp_path]).frame)
    raw, known = [], {*headings.HEADINGS, *METRICS}
    for name in analyses.names():
        for table in report.analyse(name, frame).tables.values():
            raw += [(name, column) for column in map(str, table) if "_" in column and column not in known]
    for module in ("boards", "anova"):
        columns = [name for table in ("COLUMNS", "VARIANCE", "BOARDS") for name in getattr(analyses.load(module), table, ())]
        raw += [(module, column) for column in columns if "_" in column and column not in known]
    assert {column for _, column in raw if not column.startswith("synthetic")} == set()


def test_a_figure_is_written_whole_or_the_old_one_stays(tmp_path):
    (tmp_path / "pareto.svg").write_text("old")
    (tmp_path / "pareto.pdf").mkdir()  # can't be replaced
    frame = report.by_machine(frame_of(*(cell_record("synthetic-cpu", "pytorch", model) for model in QUICK)))
    drawn = figures.draw("pareto", "synthetic-cpu", "pareto", tmp_path, frame)
    assert drawn.missing and {file.name for file in tmp_path.iterdir()} <= {"pareto.svg", "pareto.pdf"}


def test_backends_in_sentences_are_spelt_as_their_makers_do():
    frame = report.by_machine(frame_of(*(cell_record("my-openvino-box", backend, "resnet18") for backend in ("openvino", "pytorch"))))
    said = report.analyse("inference_time", frame).sentence
    assert "OpenVINO on my-openvino-box" in said or "PyTorch on my-openvino-box" in said


def test_a_long_table_is_built_on_demand():
    held = {}
    table = pd.DataFrame({"label": [f"n{at}" for at in range(200)]})
    section = sections.of_analysis(sections.Analysed("x", "X", {"x": table}), pd.DataFrame(), held)
    assert section["tables"][0]["long"] in held and "html" not in section["tables"][0]


def test_a_graph_that_was_measured_under_another_name_is_not_predicted():
    known = candidates.rows(candidates.catalogued("commercial"))
    twin = known[known["names"].map(lambda names: {"resnet50", "timm:resnet50"} <= set(names)) & known["input_px"].eq(224)].iloc[0]
    measured = pd.DataFrame({"model": ["timm:resnet50"], "input_px": [224], "op_features": [twin["op_features"]]})
    shown = predicted.alike(known, measured)
    assert predicted.alike(known, measured.assign(op_features=[{}])).columns.equals(known.columns)
    assert len(shown) > 50 and not shown["names"].map(lambda names: "resnet50" in names).any()


def test_a_name_without_a_line_is_nearer_to_its_own_point_than_to_any_other():
    panel, rng = (44.0, 24.0, 628.0, 416.0), np.random.default_rng(1)
    for count in (2, 5, 12):
        points = [tuple(point) for point in rng.uniform((80, 60), (300, 200), (count, 2))] + [(90.0, 300.0), (121.0, 300.0)]
        taken = []
        for x, y in points:
            box, far = _places.place(x, y, _places.LETTER * 12, points, [], [], taken, panel)
            taken.append(box)
            apart = {p: np.hypot(max(box[0] - p[0], 0, p[0] - box[2]), max(box[1] - p[1], 0, p[1] - box[3])) for p in points}
            assert far or min(apart, key=apart.get) == (x, y)


def test_a_narrow_range_of_times_still_has_numbers_on_its_axis():
    assert plot.ticks(23, 41) == [30, 40] and plot.ticks(0.4, 130) == [0.5, 1, 2, 5, 10, 20, 50, 100]
    assert plot.ticks(1, 5000) == [1, 10, 100, 1000]


def test_facts_of_a_machine_are_told_in_words_and_units():
    told = {"memory_bytes": 8 * 2**30, "sensors_at_rest_nvml_sm_clock_hz_median": 1.98e9, "frameworks_torch": "2.13.0", "gpu": "A GPU"}
    told |= {"gpus_first": {"power_limit_w": 700.0, "mig": [0, 0], "uuid": "x"}, "protocol_max_time_s": 0.5, "cpus": 2}
    frame = frame_of(environment_record("synthetic-cpu", **told), cell_record("synthetic-cpu", "pytorch", "resnet18"))
    table = report.analyse("environments", report.by_machine(frame)).tables["environments"]
    said = dict(zip(table["fact"], table.iloc[:, 1], strict=True))
    assert said["memory, GiB"] == "8.00" and said["version of torch"] == "2.13.0" and said["protocol: max time, s"] == "0.500"
    assert not [word for word in (*said, *map(str, said.values())) if "{" in word or re.search(r"[a-z]_[a-z]", word)]


def test_transfers_name_their_host_memory():
    record = cell_record("synthetic-gpu", "pytorch", "resnet18")
    for replicate in record["replicates"]:
        replicate["spans"] |= {"h2d_s": 3 * np.median(replicate["samples_s"]), "d2h_s": 1e-5}
        replicate["executed"]["transfers"] = "pinned"
    found = report.analyse("spans", report.by_machine(frame_of(record)))
    assert next(iter(found.tables.values()))["host memory of transfers"].tolist() == ["pinned"] and "3 times the latency" in found.sentence
