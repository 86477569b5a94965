"""`dyno recommend`, the page and the terminal give one answer for the same records: network, weights, size, precision and backend."""

import pytest

from analysis.errors import FrameError
from analysis.frame import frame as frames
from analysis.predict import limits as bounds
from analysis.predict import offers, recommend
from analysis.report import report, screen
from analysis.report.entries import entries
from analysis.report.verdict import Limits, decide
from tests.browser.conftest import SETS


@pytest.fixture(scope="module")
def merged(tmp_path_factory):
    made = {}

    def of(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("set")
            SETS[name](folder / "records")
            made[name] = frames.merge([folder / "records"])
        return made[name]

    return of


def asked(rows, batch):
    """Limits from none to what nothing meets, as the page has them and as `recommend` does."""
    times = sorted(row.ms for row in rows if row.batch == batch)
    tops = sorted(row.top1 for row in rows if row.top1 is not None)
    middle = times[len(times) // 3] * 1.01
    for ms in (None, middle, times[len(times) // 2], times[0] / 2):
        for top1 in (None, *([tops[len(tops) // 2]] if tops and ms in (None, middle) else [])):
            yield Limits(ms=ms, top1=top1, batch=batch), bounds.Limits(latency_s=None if ms is None else ms / 1e3, top1=top1)


def first_of(table):
    """What `recommend` names first of what was measured."""
    own = table[table["kind"].ne("predicted") & table["top1"].notna()]
    row = None if own.empty else own.iloc[0]
    return row if row is None else (row["model"], row["weights"], row["input_px"], row["backend"], row["precision"])


def taken(row):
    return row if row is None or row.top1 is None else (row.model, row.tag, row.px, row.framework, row.precision)


@pytest.mark.parametrize("license", [None, "commercial"])
@pytest.mark.parametrize("name", [name for name in SETS if not name.startswith("only")])
def test_recommend_and_the_page_take_the_same_whatever_the_limits(merged, name, license):
    frame, known = merged(name).frame, offers.catalogue(license)
    names = set(frame["model"])  # a prediction is never the first choice of either, and takes most of the time
    known = known[[not names.isdisjoint(one) for one in known["names"]]]
    rows = entries(report.by_machine(frame, license))
    compared = 0
    for device in dict.fromkeys(row.device for row in rows):
        mine = [row for row in rows if row.device == device]
        for batch in sorted({row.batch for row in mine})[:2]:
            for page, given in asked(mine, batch):
                found = decide(mine, page)
                table = recommend.advise(frame, device, given, batch, known).shown
                if any(row.top1 is not None for row in mine):
                    assert taken(found.take) == first_of(table), (device, page, found.title)
                    compared += 1
    assert compared or all(row.top1 is None for row in rows)


@pytest.mark.parametrize("name", ["only failures", "only contended"])
def test_where_nothing_can_be_ranked_neither_names_a_network(merged, name):
    frame = merged(name).frame
    assert all(device.verdict.take is None for device in screen.devices(merged(name)))
    with pytest.raises(FrameError):
        recommend.advise(frame, str(frame["platform"].iloc[0]), bounds.Limits(), 1)
