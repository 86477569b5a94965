"""The merge through the cache: the same frame and the same counts as reading the files one by one, whatever they hold."""

import json
import os
import random
from collections import Counter

import duckdb
import pandas as pd
import pytest

from analysis.commands.import_ import read
from analysis.errors import FrameError
from analysis.frame import entries
from analysis.frame import frame as frames
from analysis.importers import _lines
from analysis.merge import cache, sources, table
from tests.analysis.records import QUICK, cell_record, environment_record, sweep, write

EVIL = "../../../x/<script>alert(1)</script>'; DROP TABLE turns; --\n\x1b[2J\u202e{{7*7}}\"\\"


def contents(merged):
    """All that a merge holds, to be compared: what was set aside, environments, files, and the frame's values by column and row."""
    frame = merged.frame.astype(object).where(merged.frame.notna(), None)  # missing is None or NaN
    return merged.problems, merged.environments, merged.files, {name: frame[name].tolist() for name in sorted(frame)}


def imported(path, count=50, **changes):
    """A file of imported rows as `import` writes them."""
    frame = read_table(path.parent / "source.csv", count)
    path.write_text(_lines.dump(frame.assign(**changes)))
    return path


def read_table(path, count):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"net{n % 9},{2 ** (n % 4)},{1.5 + n},{n if n % 3 else ''}" for n in range(count)]
    path.write_text("model,batch_size,latency_ms,memory_mb\n" + "\n".join(lines) + "\n")
    frame = read("table", path, {}, {"platform": "board"})
    path.unlink()
    return frame


@pytest.fixture
def mixed(tmp_path):
    """Cells of four platforms with all that goes wrong, imported rows, torn, foreign and hostile lines."""
    folder = sweep(tmp_path / "records", models=QUICK, batch_sizes=(1, 8), samples=50)
    rows = imported(folder / "imported-a.jsonl").read_text().splitlines()
    line = json.loads(rows[0])
    odd = [
        rows[0],  # once more
        json.dumps(line | {"id": "other-schema", "schema_version": 77}),
        json.dumps(line | {"id": "more", "row": line["row"] | {"colour": "red", "depth": 7}}),
        json.dumps(line | {"id": "text for a number", "row": line["row"] | {"memory_mb": "none"}}),
        json.dumps(line | {"id": "number as text", "row": line["row"] | {"latency_s": "0.5"}}),
        json.dumps(line | {"id": "text as number", "row": line["row"] | {"model": 5}}),
        json.dumps(line | {"id": "too much", "row": line["row"] | {"top1": 170.0}}),
        json.dumps(line | {"id": "part of a pixel", "row": line["row"] | {"input_px": 22.4}}),
        json.dumps(line | {"id": "part of an image", "row": line["row"] | {"batch_size": 1.5}}),
        json.dumps(line | {"id": "half a character \ud800", "row": line["row"]}),
        json.dumps(line | {"id": "null", "row": line["row"] | {"precision": None}}),
        json.dumps(line | {"id": "evil", "row": line["row"] | {"model": EVIL, "platform": EVIL}}),
        json.dumps({key: value for key, value in line.items() if key != "row"}),
        json.dumps(line | {"id": "half", "row": {"platform": "x"}}),
        json.dumps(cell_record("synthetic-cpu", "pytorch", "resnet18", run="elsewhere")),
        "[1, 2]",
        "null",
        "",
        "   ",
        '{"deep": ' + "[" * 3000 + "]" * 3000 + "}",
        rows[1][:100],
    ]
    (folder / "imported-b.jsonl").write_text("\n".join([*rows[:5], *[r.replace(":board", ":b") for r in odd]]))
    (folder / "imported-latin.jsonl").write_bytes(
        "\n".join(r.replace("table:", "latin:") for r in rows[:9]).encode() + b"\n\xff\xfe\x00\n\x1f\n"
    )
    cell = json.dumps(cell_record("synthetic-cpu", "pytorch", "resnet18", run="bytes"), ensure_ascii=False).encode()
    (folder / "bytes.jsonl").write_bytes(b"\xef\xbb\xbf" + cell + b"\n" + cell.replace(b"bytes", b"b\xed\xa0\x80") + b"\n")
    return folder


def test_the_frame_through_the_cache_is_the_frame_read_file_by_file(mixed, tmp_path):
    assert contents(table.merge([mixed], tmp_path / "cache")) == contents(frames.merge([mixed]))


def test_measured_accuracies_come_through_the_cache(tmp_path):
    cells = [cell_record("synthetic-cpu", "pytorch", model) for model in ("resnet18", "alexnet")]
    part = {"data": "pets", "data_id": "d", "format": "folder", "data_images": 100, "classes": 10, "network": "n", "preprocessing": {}, "first": 0,
            "last": 100, "images": 100, "unreadable": 0, "unreadable_first": None, "not_finite": 0, "top1": 71, "top5": 90, "executed": None}  # fmt: skip
    count = {
        key: cells[0][key] for key in ("schema_version", "run", "environment", "cell", "cell_id", "status", "reason", "weights", "seed")
    }
    write(
        tmp_path / "r" / "x.jsonl", [environment_record("synthetic-cpu"), *cells, count | {"kind": "accuracy", "id": "a", "accuracy": part}]
    )
    merged = table.merge([tmp_path / "r"], tmp_path / "cache")
    assert contents(merged) == contents(frames.merge([tmp_path / "r"]))
    assert merged.frame.set_index("model")["top1"]["resnet18"] == 71.0


def test_only_new_and_changed_files_are_read_again(mixed, tmp_path, monkeypatch):
    table.merge([mixed], tmp_path / "cache")
    read_again = []
    real = cache._read
    monkeypatch.setattr(cache, "_read", lambda fresh, *rest: (read_again.extend(one.path for one in fresh), real(fresh, *rest))[1])
    table.merge([mixed], tmp_path / "cache")
    assert read_again == []
    (mixed / "imported-c.jsonl").write_text((mixed / "imported-a.jsonl").read_text().replace("table:", "later:"))
    with open(mixed / "synthetic-cpu-host0.jsonl", "a") as file:
        file.write("\n" + json.dumps(cell_record("synthetic-cpu", "pytorch", "vgg19", run="20260109T000000Z-0001")) + "\n")
    assert contents(table.merge([mixed], tmp_path / "cache")) == contents(frames.merge([mixed]))
    assert sorted(path.rsplit("/", 1)[1] for path in read_again) == ["imported-c.jsonl", "synthetic-cpu-host0.jsonl"]
    (mixed / "imported-a.jsonl").unlink()
    assert contents(table.merge([mixed], tmp_path / "cache")) == contents(frames.merge([mixed]))


def test_a_cache_that_mostly_holds_dead_rows_is_made_anew(tmp_path):
    path = imported(tmp_path / "r" / "a.jsonl")
    for count in (20, 30, 40):
        imported(path, count)
        assert contents(table.merge([tmp_path / "r"], tmp_path / "cache")) == contents(frames.merge([tmp_path / "r"]))
    assert len(list((tmp_path / "cache").glob("part-*.parquet"))) == 1


def test_a_cache_that_was_killed_or_damaged_is_no_matter(mixed, tmp_path):
    folder = tmp_path / "cache"
    table.merge([mixed], folder)
    (folder / "part-leftover.parquet").write_text("half")
    (folder / "manifest.json").write_text('{"made_with')
    assert contents(table.merge([mixed], folder)) == contents(frames.merge([mixed]))
    assert not (folder / "part-leftover.parquet").exists()


def test_the_first_complete_record_of_a_task_stays_and_the_others_are_counted(tmp_path):
    task = {"submission": "s", "platform": "synthetic-cpu", "board": "b1", "round": 1, "block": 1}

    def delivery(run, **changes):
        return cell_record("synthetic-cpu", "pytorch", "resnet18", run=run, samples=50, **{"task": task} | changes)

    write(tmp_path / "r" / "a.jsonl", [environment_record("synthetic-cpu", "lost"), delivery("lost", status="failed")])
    write(tmp_path / "r" / "b.jsonl", [environment_record("synthetic-cpu", "done"), delivery("done")])
    write(
        tmp_path / "r" / "c.jsonl",
        [environment_record("synthetic-cpu", "twice"), delivery("twice"), delivery("other", task=task | {"board": "b2"})],
    )
    merged = table.merge([tmp_path / "r"], tmp_path / "cache")
    assert contents(merged) == contents(frames.merge([tmp_path / "r"]))
    assert sorted(merged.frame["run"]) == ["done", "other"]
    assert merged.problems == {("a.jsonl", entries.REPEATED_TASK): 1, ("c.jsonl", entries.REPEATED_TASK): 1}


def test_lines_of_ten_thousand_nodes_out_of_order_twice_and_torn_are_counted_exactly(tmp_path):
    """Each node's 20 rows arrive in two pieces, in any order; a tenth twice, a twentieth torn at the end of their file."""
    rng = random.Random(1)
    nodes, each, files = 1000, 20, 50  # docs/scale.md has the figures of ten thousand
    template = json.loads(_lines.dump(read_table(tmp_path / "x" / "t.csv", 1)))
    lines, twice, torn = [], 0, 0
    for node in range(nodes):
        for index in range(each):
            name = f"node{node}:{index}"
            line = json.dumps(template | {"id": name, "row": template["row"] | {"record_id": name, "platform": f"kind{node % 7}"}})
            lines.append(line)
            if rng.random() < 0.1:
                lines.append(line)
                twice += 1
    rng.shuffle(lines)
    (tmp_path / "r").mkdir()
    for number in range(files):
        tail = lines[0][: rng.randrange(20, 200)] if rng.random() < 0.5 else ""
        torn += bool(tail)
        (tmp_path / "r" / f"{number}.jsonl").write_text("\n".join(lines[number::files]) + "\n" + tail)
    opened = table.open_table([tmp_path / "r"], tmp_path / "cache")
    counted = Counter()
    for (_, what), count in opened.problems.items():
        counted[what] += count
    assert len(opened) == nodes * each
    assert counted == {entries.REPEATED: twice, "are torn or no JSON": torn}
    opened.close()


def test_the_exported_table_has_a_row_per_record_with_its_environment(mixed, tmp_path):
    opened = table.open_table([mixed], tmp_path / "cache")
    assert table.export(opened, tmp_path / "out.parquet") == len(opened)
    rows = opened.connection.execute(f"SELECT * FROM '{tmp_path / 'out.parquet'}'").df()
    opened.close()
    measured = rows[rows["environment_facts"].notna()].iloc[0]
    assert json.loads(measured["environment_facts"])["cpus"] == 2 and len(rows) == len(frames.merge([mixed]).frame)


def test_an_export_with_an_unknown_ending_says_which_there_are(mixed, tmp_path):
    opened = table.open_table([mixed], tmp_path / "cache")
    with pytest.raises(FrameError, match=r"\.xlsx is unknown; end the name in \.parquet or \.csv"):
        table.export(opened, tmp_path / "out.xlsx")
    opened.close()


def test_a_folder_that_cannot_hold_the_cache_is_named(mixed, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FrameError, match="can't write the merge's cache.*DYNO_MERGE_CACHE"):
        table.merge([mixed], tmp_path / "file" / "cache")


def test_caches_of_other_paths_lie_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNO_MERGE_CACHE", os.fspath(tmp_path))
    assert cache.default_folder(["a"]) != cache.default_folder(["b"])
    assert cache.default_folder(["a", "s3://x/y"]) == cache.default_folder(["s3://x/y", "a"])


def test_a_file_that_vanishes_while_folders_are_listed_is_no_error(tmp_path, monkeypatch):
    path = imported(tmp_path / "r" / "a.jsonl")
    monkeypatch.setattr(frames, "record_files", lambda paths, problems: [path, path.with_name("gone.jsonl")])
    assert [source.path for source in sources.sources([tmp_path / "r"], tmp_path, Counter())] == [str(path)]


@pytest.mark.parametrize(
    ("name", "said"),
    [("out", "has no ending; end the name in .parquet or .csv"), (".csv", "has no ending"), ("folder.csv", "can't be written: Is a directory"), ("file/out.csv", "can't be written: ")],
)  # fmt: skip
def test_an_export_that_can_not_be_written_is_one_plain_line(mixed, tmp_path, name, said):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("mine")
    opened = table.open_table([mixed], tmp_path / "cache")
    with pytest.raises(FrameError) as caught:
        table.export(opened, tmp_path / name)
    opened.close()
    assert said in str(caught.value) and "Errno" not in str(caught.value) and ".part" not in str(caught.value)


def test_an_export_replaces_a_file_and_takes_an_ending_in_capitals(mixed, tmp_path):
    opened = table.open_table([mixed], tmp_path / "cache")
    for name in ("out.PARQUET", "out.CSV"):
        (tmp_path / name).write_text("old")
        count = table.export(opened, tmp_path / name)
        read = pd.read_csv(tmp_path / name, dtype=str) if name == "out.CSV" else duckdb.sql(f"FROM read_parquet('{tmp_path / name}')").df()
        assert len(read) == count == len(opened)
    opened.close()


def test_an_export_as_csv_runs_nothing_in_a_spreadsheet(tmp_path):
    write(tmp_path / "r" / "a.jsonl", [cell_record("=1+1", "pytorch", "@SUM(A1)"), cell_record("fine", "pytorch", "resnet18")])
    opened = table.open_table([tmp_path / "r"], tmp_path / "cache")
    table.export(opened, tmp_path / "out.csv")
    opened.close()
    found = pd.read_csv(tmp_path / "out.csv")
    assert sorted(found["platform"]) == ["'=1+1", "fine"] and sorted(found["model"]) == ["'@SUM(A1)", "resnet18"]
