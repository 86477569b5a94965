"""Malformed matrix files and record lines, by structure (hypothesis) and by byte: never a traceback, never a good record lost, no code run."""

import copy
import json
import random
import time
from dataclasses import replace

import pytest
import records
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from analysis.compare import compare
from analysis.errors import FrameError
from analysis.frame.frame import latest, merge, ranked
from analysis.report import insight, screen
from runner import cli
from runner.machine import environment
from runner.measure import bench
from runner.records.line import line_from

QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True, "phases": [Phase.generate]}
MATRIX = {
    "protocol": {"seed": 1, "replicates": 1, "interval": 0.01, "weights": "random"},
    "axes": {"backend": ["noop"], "model": ["resnet18", {"name": "alexnet", "label": "mine", "num_classes": 10}], "batch_size": [1, 8], "input_px": 64},
    "exclude": [{"when": {"device": "myriad", "batch_size": [2, 4]}, "reason": "batch 1 only"}],
    "profiles": {"quick": {"protocol": {"replicates": 1}, "axes": [{}, {"scenario": "throughput"}]}},
    "accuracy": {"data": "images", "mean": [0.4, 0.4, 0.4]},
}  # fmt: skip
DEEP: list = []
for _ in range(60):
    DEEP = [DEEP]
STRANGE = [None, True, -1, 0, 1e300, float("nan"), float("inf"), 10**30, 10**400, "", "x", "\x00", "\x1b[2J", "\ud800", "<script>alert(1)</script>", "../../x",
           [], {}, [[]], [None], {"a": 1}, {"name": 1}, DEEP, "a" * 5000, "noop:x", "native", "null"]  # fmt: skip


def places(value, path=()):
    """Every place in a tree, as a path of keys."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


@st.composite
def mutated(draw, tree, most=3):
    """A copy of a tree with some values replaced, removed, moved or renamed."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        found = places(tree)
        if not found:
            break
        *above, key = draw(st.sampled_from(found))
        place = tree
        for step in above:
            place = place[step]
        action = draw(st.sampled_from(("replace", "replace", "remove", "rename", "copy", "any")))
        if action == "replace":
            place[key] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
        elif action == "remove":
            del place[key]
        elif action == "rename" and isinstance(place, dict):
            place[draw(st.sampled_from(("", "x", "name", "__class__", "schema_version")))] = place.pop(key)
        elif action == "copy":
            place[key] = copy.deepcopy(place)
        else:
            place[key] = draw(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5).map(repr)
            )
    return tree


@pytest.fixture
def light(monkeypatch):
    """Runs that write records without measuring anything."""

    def measure(self, series, *_):
        line = records.cell_record("cpu", series.cell.backend, "resnet18", samples=3, replicates=1)
        line |= {name: getattr(series.line, name) for name in ("id", "role", "anchor", "attempt", "content")}
        return replace(line_from(line), cell=series.cell, asked=series.asked)

    facts = environment.describe()
    monkeypatch.setattr(environment, "describe", lambda: dict(facts))
    monkeypatch.setattr(bench.Bench, "measure", measure)
    monkeypatch.setattr(bench.Bench, "rest_s", 0)
    monkeypatch.setattr(bench.Bench, "_wait_for_quiet", lambda self: None)
    monkeypatch.setenv("DYNO_HOST", "here")


def dyno(*arguments):
    """Exit code and output of a command in this process; what is no plain exit is raised."""
    result = CliRunner().invoke(cli.app, list(map(str, arguments)))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    result.output.encode("utf-8")  # a terminal could not take a lone surrogate
    return result.exit_code, result.output


def try_matrix(tmp_path, data):
    """The exit codes of four commands with this matrix; each is planned or refused in one line, or an assertion fails here."""
    path = tmp_path / "matrix.yaml"
    path.write_bytes(data)
    results, codes = tmp_path / "results", []
    for command in (("plan",), ("plan", "--profile", "quick", "--json"), ("status",), ("run",)):
        code, output = dyno(*command, "-m", path, "-r", results)
        assert code in (0, 1, 2) and "Traceback" not in output
        if code == 2:
            assert output.startswith("dyno: ") and output.count("\n") == 1
        codes.append(code)
    return codes


@settings(max_examples=250, **QUIET)
@given(tree=mutated(MATRIX))
def test_matrices_of_any_shape_are_planned_or_refused_in_one_line(tree, tmp_path_factory, light_session):
    tmp_path = tmp_path_factory.mktemp("m")
    codes = try_matrix(tmp_path, yaml.dump(tree, allow_unicode=True, default_flow_style=None).encode("utf-8", "surrogatepass"))
    assert len(codes) == 4


@pytest.fixture
def light_session(light):
    return light


def test_matrices_with_any_byte_changed_are_planned_or_refused_in_one_line(tmp_path, light):
    rng = random.Random(1)
    good = yaml.safe_dump(MATRIX).encode()
    plans = [try_matrix(tmp_path, broken(good, rng))[0] for _ in range(250)]
    assert plans.count(0) > 5 and plans.count(2) > 50  # some bytes don't matter; most do


def broken(data, rng):
    """Bytes with one to four places overwritten, cut, doubled or filled with noise."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at, length = rng.randrange(len(data) + 1), rng.randrange(1, 30)
        noise = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8)))
        token = rng.choice(
            [
                b"{",
                b"}",
                b"[",
                b"*a",
                b"&a ",
                b"!!binary ",
                b"\x00",
                b"\xff",
                b"\xed\xa0\x80",
                b": ",
                b"- ",
                b"1e999",
                b"NaN",
                b'"',
                b"\\ud800",
                b",,",
            ]
        )
        data[at : at + rng.choice((0, length))] = rng.choice((b"", noise, token, bytes(data[at : at + length]) * 2))
    return bytes(data)


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n".encode() for n in range(20)
)


@pytest.mark.parametrize(
    "data",
    [
        b"axes: !!python/object/apply:os.system ['touch %s']",
        b"axes: {backend: noop, model: !!python/object/new:os.system ['touch %s']}",
        b"!!python/object/apply:subprocess.check_output [[touch, '%s']]",
        b"axes: {backend: noop, model: {name: !!python/name:os.system }}\n# %s",
    ],
)
def test_a_matrix_can_not_run_code(tmp_path, light, data):
    planted = tmp_path / "planted"
    try_matrix(tmp_path, data % str(planted).encode())
    assert not planted.exists()


def test_a_yaml_bomb_is_refused_at_once(tmp_path, light):
    for data in (BOMB, BOMB + b"axes: *t\n", b"axes: {backend: noop, model: [*t]}\n" + BOMB, b"[" * 100000, b"? " * 2000, b"&a [*a]"):
        begin = time.process_time()
        assert try_matrix(tmp_path, data) == [2, 2, 2, 2]
        assert time.process_time() - begin < 10


def good_line(model, number=1):
    line = records.cell_record("cpu", "noop", model, samples=3, replicates=2, run="20260101T000000Z-0001", input_px=64)
    line["cell_id"] = f"cpu.cpu.noop.{model}.fp32.b1.64px.latency"
    return line | {"id": f"good/{model}/{number}"}


GOOD = [records.environment_record("cpu"), good_line("resnet18"), good_line("alexnet")]
TWO = {"axes": {"backend": "noop", "model": ["resnet18", "alexnet", "vgg11"], "input_px": 64}, "protocol": {"anchor_from": 0}}


def try_records(tmp_path, strange):
    """A record file with strange lines before, between and after good ones, through the runner and the analysis."""
    folder = tmp_path / "results" / "records"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cpu-here.jsonl"
    good = [json.dumps(line).encode() for line in GOOD]
    third = len(strange) // 3 + 1
    content = b"".join(
        line + b"\n" for line in [*strange[:third], good[0], good[1], *strange[third : 2 * third], good[2], *strange[2 * third :]]
    )
    path.write_bytes(content)
    (tmp_path / "matrix.yaml").write_text(yaml.safe_dump(TWO))
    for command in ("plan", "status", "run"):
        code, output = dyno(command, "-m", tmp_path / "matrix.yaml", "-r", tmp_path / "results")
        assert code == 0, output
    assert path.read_bytes().startswith(content)
    merged = merge([path])
    assert {"good/resnet18/1", "good/alexnet/1"} <= set(merged.frame["record_id"])
    for function in (latest, ranked, insight.changes, screen.choices):
        function(merged.frame)
    for function in (insight.doubts,):
        function(merged)
    try:
        compare.compare(merged.frame, merged.frame)
    except FrameError as error:
        assert "\n" not in str(error)
    return merged


@settings(max_examples=60, **QUIET)
@given(lines=st.lists(mutated(good_line("resnet18")) | mutated(GOOD[0]), min_size=6, max_size=6))
def test_record_lines_of_any_shape_are_set_aside_or_taken(lines, tmp_path_factory, light_session):
    for number, line in enumerate(lines):
        if isinstance(line, dict) and str(line.get("id")).startswith("good/"):
            line["id"] = f"bad/{number}"
    merged = try_records(tmp_path_factory.mktemp("r"), [json.dumps(line).encode() for line in lines])
    assert 2 <= len(merged.frame) <= 2 + len(lines) + 1  # the run measured the third network


def test_record_lines_with_any_byte_changed_are_set_aside_or_taken(tmp_path, light):
    rng = random.Random(2)
    good = [json.dumps(line | {"id": "bad"}).encode() for line in GOOD]
    for _ in range(40):
        merged = try_records(tmp_path, [broken(rng.choice(good), rng).replace(b"\n", b"").replace(b"\r", b"") for _ in range(9)])
        assert 2 <= len(merged.frame) <= 12 and merged.problems
    merged = try_records(tmp_path, [b"[" * 100000, b"9" * 100000, b'{"a":' * 50000, b"\xff\xfe\x00", b"null", b"{}"])
    assert sum(merged.problems.values()) == 6
