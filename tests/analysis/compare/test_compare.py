"""Comparing two sweeps: verdicts, their error rates on simulated sweeps, and what is named beside them."""

import json
from pathlib import Path

import numpy as np
import pytest
import records
from typer.testing import CliRunner

from analysis.cli import app
from analysis.compare import compare, judge
from analysis.compare import noise as noise_floor
from analysis.compare import text as comparison
from analysis.errors import FrameError
from analysis.frame.columns import CELL
from analysis.frame.finish import finish
from analysis.frame.frame import latest
from analysis.frame.row import row
from analysis.report import insight, report
from analysis.stats import variance_shrinkage

pd = pytest.importorskip("pandas")


def sweep(rng, base_s, cv, replicates, shift=0.0, host="h", **columns):
    """A frame of one cell per entry of base_s, whose processes scatter by cv around it times exp(shift)."""
    shift = np.broadcast_to(shift, len(base_s))
    rows = []
    for number, (seconds, sd, by) in enumerate(zip(base_s, np.broadcast_to(cv, len(base_s)), shift, strict=True)):
        medians = tuple(seconds * np.exp(by + sd * rng.standard_normal(replicates)))
        cell = dict(zip(CELL, ("cpu", "cpu", "onnxruntime", f"m{number:03}", "fp32", 1, 224, "latency"), strict=True))
        facts = {"role": "cell", "anchor": None, "attempt": 1, "status": "ok", "reason": None, "started_at": "2026", "source": "records"}
        rows.append(
            cell
            | facts
            | {"cell_id": cell["model"], "host": host, "contended": False, "replicate_medians_s": medians, "rounds": replicates}
            | columns
        )
    return pd.DataFrame(rows)


def times(rng, cells):
    return np.exp(rng.normal(-4, 1, cells)), rng.uniform(0.02, 0.04, cells)


def verdicts(table):
    return table.set_index("model")["verdict"]


@pytest.mark.parametrize("cells, replicates", [(8, 3), (40, 3), (40, 5)])
def test_identical_sweeps_seldom_differ(cells, replicates):
    rng = np.random.default_rng(cells + replicates)
    false = 0
    for _ in range(30):
        base, cv = times(rng, cells)
        table = compare.compare(sweep(rng, base, cv, replicates), sweep(rng, base, cv, replicates)).cells
        false += table["verdict"].isin([judge.FASTER, judge.SLOWER]).any()
    assert false <= 4  # of 30 sweeps; 1.5 are expected at 5 %, 5 or more has a chance of 2 %


def test_without_correction_identical_sweeps_would_differ():
    rng = np.random.default_rng(5)
    base, cv = times(rng, 400)
    found = compare.compare(sweep(rng, base, cv, 3), sweep(rng, base, cv, 3))
    table = found.cells
    raw = (table["low"] > 1) | (table["high"] < 1)
    assert 0.02 < raw.mean() < 0.09  # each interval alone is wrong in 5 % of cells
    assert found.counts[judge.SLOWER] + found.counts[judge.FASTER] == 0


@pytest.mark.parametrize("replicates, least", [(3, 0.75), (5, 0.93)])
def test_a_planted_change_of_ten_per_cent_is_found(replicates, least):
    rng = np.random.default_rng(replicates)
    found, wrong = [], 0
    for _ in range(15):
        base, cv = times(rng, 30)
        shift = np.where(np.arange(30) < 10, np.log(1.1), 0.0)
        table = verdicts(compare.compare(sweep(rng, base, cv, replicates), sweep(rng, base, cv, replicates, shift)).cells)
        found.append((table.iloc[:10] == judge.SLOWER).mean())
        wrong += (table.iloc[:10] == judge.FASTER).sum()
    assert np.mean(found) >= least
    assert wrong == 0


def test_faster_is_of_b_against_a():
    rng = np.random.default_rng(0)
    table = compare.compare(sweep(rng, [0.1] * 6, 0.01, 3), sweep(rng, [0.05] * 6, 0.01, 3)).cells
    assert set(table["verdict"]) == {judge.FASTER}
    assert table["ratio"].between(0.48, 0.52).all() and (table["low"] < table["ratio"]).all() and (table["ratio"] < table["high"]).all()


def test_same_is_claimed_only_where_the_interval_is_narrow():
    rng = np.random.default_rng(1)
    quiet = compare.compare(sweep(rng, [0.1] * 10, 0.001, 5), sweep(rng, [0.1] * 10, 0.001, 5)).cells
    noisy = compare.compare(sweep(rng, [0.1] * 10, 0.05, 3), sweep(rng, [0.1] * 10, 0.05, 3)).cells
    assert set(quiet["verdict"]) == {judge.SAME}
    assert set(noisy["verdict"]) == {judge.INCONCLUSIVE}
    assert set(noisy["reason"]) == {"interval too wide"}


def test_a_sure_change_that_is_too_small_to_matter_is_not_slower():
    rng = np.random.default_rng(2)
    frames = sweep(rng, [0.1] * 10, 0.0005, 5), sweep(rng, [0.101] * 10, 0.0005, 5)
    assert set(compare.compare(*frames).cells["verdict"]) == {judge.SAME}
    assert set(compare.compare(*frames, smallest_effect=0.002).cells["verdict"]) == {judge.SLOWER}


def test_the_noise_floor_between_sweeps_makes_verdicts_careful():
    rng = np.random.default_rng(3)
    frames = sweep(rng, [0.1] * 12, 0.003, 3), sweep(rng, [0.1] * 12, 0.003, 3, shift=np.log(1.04))
    assert compare.compare(*frames).counts[judge.SLOWER] == 12
    assert compare.compare(*frames, floor=compare.Between(0.03)).counts[judge.SLOWER] == 0
    # known from one draw only, even a noise that looks small settles nothing
    assert compare.compare(*frames, floor=compare.Between(0.01, degrees=1.0)).counts[judge.SLOWER] == 0


def test_one_process_a_side_is_inconclusive():
    rng = np.random.default_rng(4)
    table = compare.compare(sweep(rng, [0.1] * 3, 0.01, 1), sweep(rng, [0.2] * 3, 0.01, 1)).cells
    assert set(table["verdict"]) == {judge.INCONCLUSIVE}
    assert set(table["reason"]) == {"one replicate a side says nothing about noise"}


def test_cells_that_failed_were_contended_or_are_missing_say_so():
    rng = np.random.default_rng(5)
    a, b = sweep(rng, [0.1] * 6, 0.01, 3), sweep(rng, [0.1] * 6, 0.01, 3)
    b.loc[0, ["status", "reason"]] = ["failed", "out of memory"]
    b.loc[1, "contended"] = True
    table = compare.compare(a, b.drop(index=2)).cells.set_index("model")
    assert table["reason"].iloc[:3].tolist() == ["failed (out of memory) in B", "contended in B", "not measured in B"]
    assert set(table["verdict"].iloc[:3]) == {judge.INCONCLUSIVE}
    assert table["broken"].tolist() == [True, False, False, False, False, False]


def test_cells_that_are_not_finished_say_how_far_they_are():
    cells = [records.cell_record("synthetic-cpu", "pytorch", model) for model in records.QUICK]
    cells[0] |= {"ended": "interrupted", "asked": 5}
    frame = finish(records.frame_of(*cells))
    assert frame["so_far"].fillna("").tolist() == ["3 of 5"] + [""] * 5
    reasons = compare.compare(frame, frame).cells.set_index("model")["reason"]
    assert (
        reasons[records.QUICK[0]].endswith("so far 3 of 5 in A, so far 3 of 5 in B") and not reasons.iloc[1:].str.contains("so far").any()
    )


def test_exit_codes_tell_slower_from_inconclusive():
    rng = np.random.default_rng(6)
    narrow = lambda seconds, shift=0.0: sweep(rng, [seconds] * 6, 0.0005, 4, shift)
    same, slow = compare.compare(narrow(0.1), narrow(0.1)), compare.compare(narrow(0.1), narrow(0.1, 0.1))
    wide = compare.compare(sweep(rng, [0.1] * 6, 0.1, 3), sweep(rng, [0.1] * 6, 0.1, 3))
    failed = narrow(0.1)
    failed.loc[0, "status"] = "failed"
    assert [found.exit_code() for found in (same, slow, wide)] == [0, 1, 0]
    assert [found.exit_code(strict=True) for found in (same, slow, wide)] == [0, 1, 1]
    assert compare.compare(narrow(0.1), failed).exit_code() == 1


def test_unlike_environments_are_named_and_like_ones_are_not():
    rng = np.random.default_rng(7)
    a = sweep(rng, [0.1] * 4, 0.01, 3, env_governor="performance", env_python="3.12.1", env_frameworks_torch="2.12.0", env_packages_six="1")
    b = sweep(rng, [0.1] * 4, 0.01, 3, env_governor="powersave", env_python="3.12.1", env_frameworks_torch="2.13.0", env_packages_six="2")
    named = compare.compare(a, b).unlike
    assert {item["fact"]: (item["a"], item["b"]) for item in named} == {
        "governor": ("performance", "powersave"),
        "frameworks.torch": ("2.12.0", "2.13.0"),
    }


def test_records_of_another_rule_of_the_threads_are_named_and_never_judged():
    rng = np.random.default_rng(21)
    a = sweep(rng, [0.1] * 4, 0.01, 3, env_threads_rule="usable CPUs")
    b = sweep(rng, [0.2] * 4, 0.01, 3, env_threads_rule="physical cores")
    found = compare.compare(a, b)
    table = found.cells
    assert set(table["verdict"]) == {judge.INCONCLUSIVE} and found.exit_code() == 0
    assert set(table["reason"]) == {"another rule of the threads: usable CPUs in A, physical cores in B"}
    assert [item["fact"] for item in found.unlike] == ["threads_rule"]


def test_records_of_two_hosts_on_one_side_are_refused():
    rng = np.random.default_rng(8)
    both = pd.concat([sweep(rng, [0.1] * 4, 0.01, 3), sweep(rng, [0.1] * 4, 0.01, 3, host="other")], ignore_index=True)
    with pytest.raises(FrameError, match="several hosts"):
        compare.compare(both, both)


def test_moderated_variances_are_nearer_the_truth_than_each_cells_own():
    rng = np.random.default_rng(9)
    true = rng.uniform(0.02, 0.04, 60) ** 2
    degrees = np.full(60, 4.0)
    own = true * rng.chisquare(4, 60) / 4
    mixed, total = variance_shrinkage.moderate(own, degrees)
    assert np.abs(np.log(mixed / true)).mean() < 0.75 * np.abs(np.log(own / true)).mean()
    assert (total > 8).all() and (total <= degrees.sum()).all()


def test_few_cells_are_not_moderated():
    own, degrees = np.array([1e-4, 9e-4]), np.array([4.0, 4.0])
    mixed, total = variance_shrinkage.moderate(own, degrees)
    assert mixed.tolist() == own.tolist() and total.tolist() == [4.0, 4.0]


def test_inverse_trigamma_inverts():
    from scipy import special

    for x in (0.3, 1.0, 7.5, 200.0):
        assert variance_shrinkage._inverse_trigamma(float(special.polygamma(1, x))) == pytest.approx(x, rel=1e-6)


def test_calibration_recovers_the_noise_of_processes_and_of_sweeps():
    rng = np.random.default_rng(10)
    base = np.exp(rng.normal(-4, 1, 300))
    drift = 0.03 * rng.standard_normal(300)
    found = noise_floor.floor(sweep(rng, base, 0.02, 4), sweep(rng, base, 0.02, 4, shift=drift))
    still = noise_floor.floor(sweep(rng, base, 0.02, 4), sweep(rng, base, 0.02, 4))
    assert found.process_sd == pytest.approx(0.02, rel=0.1) and found.sweep_sd == pytest.approx(0.03, rel=0.15)
    assert still.sweep_sd < 0.006 and abs(still.shift) < 0.005
    assert found.smallest_effect > still.smallest_effect


def test_a_common_shift_between_sweeps_is_noise_too():
    rng = np.random.default_rng(11)
    found = noise_floor.floor(sweep(rng, [0.1] * 20, 0.002, 3), sweep(rng, [0.1] * 20, 0.002, 3, shift=0.05))
    assert found.shift == pytest.approx(0.05, abs=0.003) and found.shared_sd == pytest.approx(0.05, abs=0.005)
    assert found.sweep_sd < 0.005 and found.between.allowance(0.05) > 0.5  # one draw says little of the next
    assert found.false_verdicts == 20


def test_a_noise_floor_of_too_few_cells_is_refused():
    rng = np.random.default_rng(12)
    with pytest.raises(FrameError, match="3 cells"):
        noise_floor.floor(sweep(rng, [0.1] * 3, 0.01, 3), sweep(rng, [0.1] * 3, 0.01, 3))


def files(tmp_path, load=1.0):
    """Two folders of records: six networks on three backends, the second with ``load`` on one backend."""
    for name, run, by in (("a", "20260101T000000Z-0001", 1.0), ("b", "20260102T000000Z-0002", load)):
        cells = [
            records.cell_record("synthetic-cpu", backend, model, run=run, load=by if backend == "openvino" else 1.0)
            for backend in ("pytorch", "onnxruntime", "openvino")
            for model in records.QUICK
        ]
        records.write(tmp_path / name / "records.jsonl", [records.environment_record("synthetic-cpu", run), *cells])
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_the_command_prints_a_table_json_and_markdown(tmp_path):
    paths = files(tmp_path, load=1.2)
    noise = ["--noise", str(tmp_path / "noise.json")]
    table, text, markdown = (run("compare", *paths, *noise, "--format", name) for name in ("table", "json", "markdown"))
    assert [result.exit_code for result in (table, text, markdown)] == [1, 1, 1]
    lines = table.output.splitlines()
    assert lines[0].startswith("all cells: platform synthetic-cpu") and [line.split()[2] for line in lines[2:8]] == ["SLOWER"] * 6
    parsed = json.loads(text.output)
    assert parsed["verdicts"]["SLOWER"] == 6 and len(parsed["cells"]) == 18 and parsed["floor"] is None
    assert markdown.output.count("| SLOWER |") == 6 and "noise between sweeps is not known" in markdown.output


def test_the_command_uses_the_noise_floor_of_that_host(tmp_path):
    paths, out = files(tmp_path), tmp_path / "noise.json"
    assert "18 cells, measured 2 times" in run("noise", *paths, "--out", str(out)).output
    stored = json.loads(out.read_text())
    assert json.loads(run("compare", *paths, "--noise", str(out), "--format", "json").output)["floor"] == pytest.approx(
        np.hypot(stored["sweep_sd"], stored["shared_sd"])
    )
    out.write_text(json.dumps(stored | {"host": "another"}))
    assert json.loads(run("compare", *paths, "--noise", str(out), "--format", "json").output)["floor"] is None
    out.write_text("[1]")
    broken = run("compare", *paths, "--noise", str(out))
    assert broken.exit_code == 2 and "not a noise floor" in broken.output


def test_inconclusive_cells_fail_a_strict_comparison_only(tmp_path):
    paths = files(tmp_path)
    arguments = ["compare", *paths, "--noise", str(tmp_path / "none.json")]
    assert run(*arguments).exit_code == 0
    assert run(*arguments, "--strict").exit_code == 1
    assert run(*arguments, "--smallest-effect", "0.2", "--strict").exit_code == 0


def test_a_missing_folder_is_a_usage_error(tmp_path):
    result = run("compare", str(tmp_path / "nothing"), str(tmp_path))
    assert result.exit_code == 2 and "no such file or folder" in result.output


def test_names_in_records_can_not_break_the_markdown_table():
    rng = np.random.default_rng(13)
    a = sweep(rng, [0.1] * 4, 0.01, 3)
    a.loc[0, "model"] = "evil|name\n| x"
    lines = comparison.as_markdown(compare.compare(a, a)).splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 6 and len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_frames_from_records_can_be_compared_directly():
    frame = finish(records.frame_of(*[records.cell_record("synthetic-cpu", "pytorch", model) for model in records.QUICK]))
    table = compare.compare(frame, frame).cells
    assert set(table["ratio"]) == {1.0} and not table["verdict"].isin([judge.FASTER, judge.SLOWER]).any()


def floor_of(host, sweep_sd):
    return noise_floor.Floor(host, 8, 3, 0.02, sweep_sd, 0.0, 0.001, 0.05, 0.06, 0, [])


def measured_again(load):
    """A frame of the quick networks, measured again under a load of ``load``."""
    cells = [records.cell_record("synthetic-cpu", "pytorch", m, run="a") for m in records.QUICK]
    cells += [records.cell_record("synthetic-cpu", "pytorch", m, run="b", attempt=2, load=load) for m in records.QUICK]
    environments = [records.environment_record("synthetic-cpu", name) for name in "ab"]
    return report.by_machine(records.frame_of(*environments, *cells))


def test_the_report_tells_no_change_below_the_noise_floor_and_says_what_it_is():
    frame = measured_again(1.15)
    host = frame["host"].iloc[0]
    assert len(insight.changes(frame)) == len(records.QUICK)
    noisy, other = (floor_of(host, 0.08),), (floor_of("another", 0.08),)
    assert insight.changes(frame, noisy).empty and len(insight.changes(frame, other)) == len(records.QUICK)
    assert len(insight.changes(measured_again(1.6), noisy)) == len(records.QUICK)
    of_one_moment = frame.assign(rounds=1)
    later = frame["run"].eq("b")
    assert insight.changes(frame.assign(env_threads_rule=np.where(later, "physical cores", "usable CPUs"))).empty
    assert insight.changes(of_one_moment).empty and len(insight.changes(of_one_moment, (floor_of(host, 0.005),))) == len(records.QUICK)
    said = insight.change_sentence(frame, insight.changes(frame, noisy), noisy)
    assert f"Noise floor: two identical sweeps differ on {host} by 8.3 %" in said and "smaller changes are not reported" in said
    assert f"The noise floor of {host} is unknown" in insight.change_sentence(frame, insight.changes(frame), other)


def test_the_report_tells_hardly_ever_a_change_between_identical_sweeps():
    rng = np.random.default_rng(14)
    told = 0
    for _ in range(40):
        base, cv = times(rng, 40)
        sweeps = [sweep(rng, base, cv, 3).assign(attempt=n, run=str(n), started_at=f"2026-0{n}", file="f") for n in (1, 2)]
        both = pd.concat(sweeps, ignore_index=True).assign(latency_s=0.1, label="m", series="s")
        told += not insight.changes(both).empty
    assert told <= 5  # of 40 pairs of sweeps, 5 % are expected


def test_the_report_finds_the_noise_floor_beside_the_records(tmp_path):
    noise_floor.save(floor_of("h", 0.03), tmp_path / "noise.json")
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "x.jsonl").write_text("")
    assert [floor.host for floor in noise_floor.beside([tmp_path / "records"])] == ["h"]
    assert [floor.host for floor in noise_floor.beside([tmp_path / "records" / "x.jsonl", tmp_path])] == ["h"]
    assert noise_floor.beside([tmp_path / "records" / "x.jsonl"]) == ()
    (tmp_path / "noise.json").write_text('{"host": "h", "cells": 1, "process_sd": 1e999}')
    with pytest.raises(FrameError, match="not a noise floor"):
        noise_floor.beside([tmp_path])


def test_attempts_decide_which_record_of_a_file_counts_and_dates_which_file():
    def told(attempt, started_at, file):
        return records.cell_record(
            "synthetic-cpu", "pytorch", "resnet18", attempt=attempt, run=f"{file}{attempt}", started_at=started_at
        ), file

    def winner(*lines):
        rows = [row(line, Path(file)) for line, file in lines]
        return latest(finish(pd.DataFrame(rows).assign(host="h")))["run"].tolist()

    back = told(1, "2026-03-01T12:00:00Z", "x"), told(2, "2026-03-01T11:00:00Z", "x")  # the clock went back an hour
    assert winner(*back) == winner(*reversed(back)) == ["x2"]
    newer = told(1, "2026-04-01T00:00:00Z", "y")
    assert winner(*back, newer) == winner(newer, *back) == ["y1"]


@pytest.mark.parametrize("calibrated, most", [(True, 6), (False, 60)])
def test_with_the_floor_sweeps_that_differ_by_themselves_seldom_differ(calibrated, most):
    """Heavy tails between processes, cells of unlike noise, and 2 % between sweeps that replicates don't show; 8 cells noise_floor."""
    rng = np.random.default_rng(15)

    def pair(cells):
        base, cv = np.exp(rng.normal(-4, 1, cells)), 0.02 * np.exp(0.5 * rng.standard_normal(cells))
        frames = [sweep(rng, base, 0.0, 3, 0.02 * rng.standard_normal(cells)) for _ in range(2)]
        for frame in frames:
            tails = rng.standard_t(4, (cells, 3)) / np.sqrt(2)
            frame["replicate_medians_s"] = [
                tuple(np.exp(np.log(m) + c * z)) for m, c, z in zip(frame["replicate_medians_s"], cv, tails, strict=True)
            ]
        return frames

    differ = 0
    for _ in range(60):
        floor = noise_floor.floor(*pair(8)).between if calibrated else None
        table = compare.compare(*pair(40), floor=floor).cells
        differ += table["verdict"].isin([judge.FASTER, judge.SLOWER]).any()
    assert differ <= most and (calibrated or differ > 30)  # 3 of 60 are expected with the floor


def drifting(rng, base, cells_sd, common_sd, sweeps=2):
    """Identical sweeps, each with a drift of its own per cell and one that its cells share."""
    return [sweep(rng, base, 0.02, 3, common_sd * rng.standard_normal() + cells_sd * rng.standard_normal(len(base))) for _ in range(sweeps)]


def false_cells(rng, rounds, calibrating, **noise):
    """Share of cells with a false verdict when sweeps of 40 cells are compared, with a floor from ``calibrating`` sweeps of 8."""
    wrong = 0
    for _ in range(rounds):
        base = np.exp(rng.normal(-4, 1, 40))
        floor = noise_floor.floor(*drifting(rng, base[:8], sweeps=calibrating, **noise)).between
        wrong += compare.compare(*drifting(rng, base, **noise), floor=floor).cells["verdict"].isin([judge.FASTER, judge.SLOWER]).sum()
    return wrong / (40 * rounds)


@pytest.mark.parametrize("calibrating", [2, 4])
@pytest.mark.parametrize(
    "noise", [{"cells_sd": 0.03, "common_sd": 0.0}, {"cells_sd": 0.0, "common_sd": 0.02}, {"cells_sd": 0.01, "common_sd": 0.05}]
)
def test_what_all_cells_drift_by_together_gives_hardly_any_false_verdict(calibrating, noise):
    assert false_cells(np.random.default_rng(16), 60, calibrating, **noise) <= 0.05


def test_more_sweeps_find_smaller_changes_beyond_a_common_drift():
    rng = np.random.default_rng(17)
    base = np.exp(rng.normal(-4, 1, 40))

    def found(calibrating):
        floors = [noise_floor.floor(*drifting(rng, base[:8], 0.0, 0.02, calibrating)).between for _ in range(30)]
        pairs = [(sweep(rng, base, 0.02, 3), sweep(rng, base, 0.02, 3, np.log(1.3))) for _ in floors]
        return np.mean([compare.compare(*pair, floor=floor).counts[judge.SLOWER] / 40 for pair, floor in zip(pairs, floors, strict=True)])

    assert found(6) > found(2) and found(6) > 0.9


def test_replicates_of_one_moment_settle_nothing_where_nobody_knows_how_moments_differ():
    """Called faster or slower by replicates alone, 53 % of cells would be at moments that differ by 3 %."""
    rng = np.random.default_rng(19)
    frames = sweep(rng, [0.1] * 6, 0.01, 3, rounds=1), sweep(rng, [0.1] * 6, 0.01, 3, np.log(1.3), rounds=1)
    blind = compare.compare(*frames).cells
    assert set(blind["verdict"]) == {judge.INCONCLUSIVE} and set(blind["reason"]) == {judge.ONE_MOMENT}
    assert compare.compare(*frames, floor=compare.Between(0.02)).counts[judge.SLOWER] == 6
    one_side = compare.compare(frames[0].assign(rounds=3), frames[1]).cells
    assert set(one_side["verdict"]) == {judge.INCONCLUSIVE}


def test_a_measured_noise_floor_counts_where_replicates_were_spread_too():
    rng = np.random.default_rng(20)
    frames = sweep(rng, [0.1] * 12, 0.003, 3), sweep(rng, [0.1] * 12, 0.003, 3, shift=np.log(1.04))
    assert frames[0]["rounds"].tolist() == [3] * 12
    anchors = compare.Between(0.05, is_of_anchors=True)  # which replicates in rounds show by themselves
    assert compare.compare(*frames, floor=anchors).counts[judge.SLOWER] == 12
    assert compare.compare(*frames, floor=compare.Between(0.05)).counts[judge.SLOWER] == 0


def test_anchors_tell_how_moments_differ_where_the_host_is_not_calibrated():
    rng = np.random.default_rng(18)
    base = [0.05] * 40

    def with_anchors(moment_sd):
        cells = sweep(rng, base, 0.01, 3, moment_sd * rng.standard_normal(40), rounds=1)
        anchors = [sweep(rng, base[:1], 0.01, 1, moment_sd * rng.standard_normal()).assign(role="anchor", anchor=name) for name in "abc"]
        return pd.concat([cells, *anchors], ignore_index=True)

    def wrong(moment_sd, keep):
        comparisons = []
        for _ in range(40):
            frames = [with_anchors(moment_sd) for _ in range(2)]
            comparisons.append(compare.compare(*(frame[frame["role"].isin(["cell", keep])] for frame in frames)))
        return np.mean([found.cells["verdict"].isin([judge.FASTER, judge.SLOWER]).mean() for found in comparisons]), comparisons[0]

    (blind, unknown), (seeing, known) = wrong(0.05, "none"), wrong(0.05, "anchor")
    assert blind == 0 and seeing < 0.05
    assert unknown.floor_of is None and known.floor_of == "anchors" and known.floor > 0
