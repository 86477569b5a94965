"""Boards of a kind: the nested model finds what was put in, its intervals cover, and a board that is off is named."""

import numpy as np
import pytest

from analysis.analyses import boards
from analysis.report.report import by_machine
from analysis.stats import nested
from tests.analysis.records import cell_record, environment_record, frame_of


def made(rng, n_boards, n_cells, n_runs, sd_boards, sd_runs, shift=None):
    """(cells, boards, logs) of made-up boards."""
    effect = rng.normal(0, sd_boards, n_boards) + (shift if shift is not None else 0)
    rows = [
        (f"c{c}", f"b{b}", c + effect[b] + rng.normal(0, sd_runs)) for c in range(n_cells) for b in range(n_boards) for _ in range(n_runs)
    ]
    cells, of, logs = zip(*rows, strict=True)
    return list(cells), list(of), np.array(logs)


def test_balanced_components_are_those_of_the_textbook():
    cells, of = ["c"] * 6, ["a", "a", "b", "b", "c", "c"]
    logs = np.array([1.0, 1.2, 2.0, 2.4, 3.0, 3.6])
    found = nested.fit(cells, of, logs)
    within = (0.02 + 0.08 + 0.18) / 3
    between = 2 * np.var([1.1, 2.2, 3.3], ddof=1)
    assert found.runs.sd**2 == pytest.approx(within)
    assert found.boards.sd**2 == pytest.approx((between - within) / 2)


def test_intervals_cover_the_truth_whatever_the_ratio_of_the_components():
    rng = np.random.default_rng(1)
    for sd_boards, sd_runs, least_above_0 in ((0.05, 0.01, 0.99), (0.01, 0.03, 0.0)):
        inside, above_0 = 0, 0
        for _ in range(300):
            found = nested.fit(*made(rng, 6, 3, 3, sd_boards, sd_runs))
            inside += found.boards.low <= sd_boards <= found.boards.high
            above_0 += found.boards.low > 0
        assert inside / 300 >= 0.92 and above_0 / 300 >= least_above_0  # where runs scatter more than boards it is wider than it must be


def test_a_board_that_is_off_is_named_and_none_of_good_ones_is():
    rng = np.random.default_rng(2)
    named = [nested.fit(*made(rng, 6, 4, 2, 0.01, 0.01, shift=np.array([0, 0, 0, 0.2, 0, 0]))).off for _ in range(50)]
    assert sum(off == ("b3",) for off in named) >= 45
    assert sum(bool(nested.fit(*made(rng, 6, 4, 2, 0.01, 0.01)).off) for _ in range(50)) <= 3


def test_boards_that_share_no_cell_or_have_single_runs_are_no_ground_for_a_model():
    with pytest.raises(ValueError, match="two boards"):
        nested.fit(["a", "b"], ["x", "y"], np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="twice on one board"):
        nested.fit(["a", "a"], ["x", "y"], np.array([1.0, 2.0]))


def fleet(n_boards=4, slow=None):
    records = []
    for board in range(n_boards):
        for run in range(3):
            name = f"2026010{run + 1}T000000Z-b{board}"
            records.append(environment_record("synthetic-edge", name, host=f"board-{board}"))
            speed = (70 / (1.25 if board == slow else 1.0), 2e-2)
            records += [
                cell_record("synthetic-edge", "pytorch", model, run=name, samples=12, speed=speed)
                for model in ("vgg16", "vgg19", "resnet152")
            ]
    return by_machine(frame_of(*records))


def test_the_report_puts_boards_beside_runs_and_names_the_slow_one():
    found = boards.analyse(fleet(slow=2))
    assert found["variance"]["boards"].tolist() == [4] and found["variance"]["kind"].tolist() == ["synthetic-edge"]
    assert found["boards"][found["boards"]["off"]]["board"].tolist() == ["board-2"]
    assert "board-2 is off: +2" in boards.explain(fleet(slow=2))


def test_one_board_of_a_kind_says_what_would_do():
    assert "dyno fleet plan" in boards.applies(fleet(n_boards=1))


def test_a_table_in_which_nobody_names_a_task_is_read_as_one_without_a_fleet():
    frame = by_machine(frame_of(*(cell_record("cpu", "pytorch", name) for name in ("resnet18", "alexnet"))))
    without = frame.assign(task=np.nan)
    assert len(boards.runs(without)) == 2 and boards.applies(without) == boards.applies(frame.assign(task=None))
