"""Ids of cells: readable, fit for a file's name, one to one."""

import itertools
import random
import re

from runner.records.cell import Cell

PLAIN = Cell("cpu", "cpu", "pytorch", "resnet18", "fp32", 1, 224, "latency")


def test_a_plain_cell_has_a_plain_id():
    assert PLAIN.id == "cpu.cpu.pytorch.resnet18.fp32.b1.224px.latency"


def test_labels_that_a_slug_cannot_hold_never_share_an_id():
    labels = ["a/b", "a b", "a-b", "a:b", "сеть", "网络", "网路", "a.b", "a_b", "", " ", "a\u0000b", "\ud800"]
    ids = [PLAIN._replace(model=label).id for label in labels]
    assert len(set(ids)) == len(labels)
    assert all(re.match(r"[A-Za-z0-9_.-]+$", name) for name in ids)


def test_ids_are_one_to_one_over_thousands_of_odd_cells():
    rng = random.Random(0)
    words = ["".join(rng.choice("ab./-: \u00e9.b1") for _ in range(rng.randrange(5))) for _ in range(12)]
    cells = {PLAIN._replace(platform=a, model=b, scenario=c) for a, b, c in itertools.product(words, words, words)}
    cells |= {PLAIN._replace(model="a." + a, backend=b, precision="b." + c) for a, b, c in itertools.product(words, words, words)}
    assert len({cell.id for cell in cells}) == len(cells)
