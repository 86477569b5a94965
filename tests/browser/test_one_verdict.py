"""The verdict is written twice, in Python for the first paint and in the script for every limit: here both answer the same questions."""

import itertools
import json

import pytest

from analysis.report import screen
from analysis.report.verdict import Limits, Seen, decide
from tests.browser.conftest import SETS

ASK = """([device, asked]) => { window.choose.state.device = device;
  return asked.map(limits => { const said = window.choose.decide(device, limits); return [said.title, said.sentence]; }); }"""


def questions(rows):
    """Limits of every kind, at, between and beyond the values that the networks have."""

    def around(name):
        values = sorted({getattr(row, name) for row in rows if getattr(row, name)})
        return (
            [None, *(factor * values[at] for at in {0, len(values) // 2, len(values) - 1} for factor in (0.9, 1.004, 1.2))]
            if values
            else [None]
        )

    times, batches = around("ms"), sorted({row.batch for row in rows})[:2]
    for ms, top1, batch in itertools.product(times, around("top1"), [0, *batches]):
        yield Limits(ms=ms, top1=top1, batch=batch)
    for of, ms in itertools.product(("p90", "p99"), times):
        yield Limits(of=of, ms=ms, batch=batches[0])
    for rate, mib, mj in itertools.product(around("rate")[:5], around("mib")[:5], around("mj")[:4]):
        yield Limits(rate=rate, mib=mib, mj=mj, batch=batches[0])
    for precision in sorted({row.precision for row in rows}):
        yield Limits(ms=times[-1], precision=precision, batch=batches[0])


@pytest.mark.parametrize("name", [name for name in SETS if not name.startswith("only")])
def test_python_and_the_script_give_the_same_verdict_for_every_limit(browser, page_of, name):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(page_of(name).as_uri())
    store = json.loads(page.locator("#choices").text_content())
    asked = 0
    for device in store["data"]["devices"]:
        rows = screen.unpacked(store["data"], device)
        data, _, images = store["screens"][device]["seen"]["words"].removesuffix(" images").partition("’s ")
        seen = Seen(data, int(images.replace(",", "")))
        limits = list(questions(rows))
        said = page.evaluate(ASK, [device, [vars(one) for one in limits]])
        for one, words in zip(limits, said, strict=True):
            found = decide(rows, one, seen)
            assert [found.title, found.sentence] == words, one
        asked += len(limits)
    assert asked > 20
    page.close()


def test_the_boards_of_these_sets_have_what_they_are_for(page_of):
    text = page_of("boards").read_text()
    assert all(word in text for word in ("(sustained)", "(cold)", "so far 2 of 3", "Not measured here: ", "chip guess"))
