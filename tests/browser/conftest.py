"""A page in headless Chromium: built once from synthetic records, opened anew for each test."""

import os
import shutil
from pathlib import Path

import pytest

from analysis.commands import import_
from analysis.frame import frame as frames
from analysis.importers import table, zhao
from analysis.predict import path
from analysis.report import report
from tests.analysis.records import (
    CLASSIC,
    QUICK,
    cell_record,
    environment_record,
    profile_record,
    search_path,
    sweep,
    write,
)

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items):
    """Without Chromium these tests can't run; they say so."""
    if CHROMIUM is None and not os.environ.get("DYNO_REQUIRE_CHROMIUM"):  # set in CI, where a skip would hide a missing install
        for item in items:
            if "browser" in Path(item.fspath).parts:
                item.add_marker(pytest.mark.skip(reason="no Chromium on the PATH; install it or name it in CHROMIUM"))


@pytest.fixture(scope="session")
def report_page(tmp_path_factory):
    """The page of six networks and a seventh with a hostile name on three platforms; no pictures beside it."""
    folder = tmp_path_factory.mktemp("browser")
    platforms = ("synthetic-cpu", "synthetic-gpu", "synthetic-edge")
    sweep(folder / "records", platforms=platforms, models=(*QUICK, "densenet121", "vgg16"), batch_sizes=(1, 4, 16), samples=20)
    return report.write(frames.merge([folder / "records"]), folder / "report", files=False, methods=True).page


def _small(folder):
    sweep(
        folder,
        platforms=("synthetic-cpu", "synthetic-edge"),
        models=(*QUICK, "resnet152", "timm:dpn68", "vgg19"),
        batch_sizes=(1, 8),
        samples=20,
    )


def _zhao(folder):
    import_.write(zhao.read(), folder / "imported-zhao.jsonl")


def _one_cell(folder):
    write(folder / "x.jsonl", [environment_record("synthetic-cpu"), cell_record("synthetic-cpu", "pytorch", "resnet18")])


def _failures(folder):
    write(folder / "x.jsonl", [cell_record("synthetic-cpu", "pytorch", model, status="failed", reason="out of memory") for model in QUICK])


def _contended(folder):
    write(
        folder / "x.jsonl",
        [cell_record("synthetic-cpu", backend, model, contended=True) for model in QUICK for backend in ("pytorch", "openvino")],
    )


def _imports_without_a_size(folder):
    lines = ["net,ms,batch", *(f"{model},{5 + 3 * at},1" for at, model in enumerate(QUICK))]
    folder.mkdir(parents=True)
    (folder / "times.csv").write_text("\n".join(lines))
    columns = {"model": "net", "latency_s": "ms", "batch_size": "batch"}
    import_.write(
        table.read(folder / "times.csv", columns=columns, platform="elsewhere", backend="pytorch", precision="fp32"),
        folder / "imported.jsonl",
    )


def _boards(folder):
    """Two boards and a workstation: sustained runs of half of a board's networks, an unfinished cell, two networks that only the workstation timed, where
    operators were watched, too; and a search was made."""
    models = CLASSIC[10:40:2]
    names = {"synthetic-edge": "Synthetic Orin Nano", "synthetic-stick": "Synthetic Nano"}
    for number, (platform, board) in enumerate(names.items()):
        run = f"20260101T00000{number}Z-000{number}"
        facts = environment_record(platform, run, board=board, power_mode="MAXN", frameworks={"tensorrt": "10.3.0", "openvino": "2026.4.1"})
        backend = "tensorrt" if number == 0 else "openvino"
        records = [facts, *(cell_record(platform, backend, model, run=run) for model in models[2:])]
        for model in models[2::2] if number == 0 else ():
            late = cell_record(platform, backend, model, run=run, role="sustained", replicates=1, id=f"{run}/{model}/sustained")
            cold = late["replicates"][0]["samples_s"][0]
            late["replicates"][0]["sustained"] = {
                "window_s": 5.0,
                "medians_s": [cold, 1.2 * cold],
                "cold_s": cold,
                "sustained_s": 1.2 * cold,
                "ratio": 1.2,
            }
            records.append(late)
        records.append(cell_record(platform, backend, "alexnet", run=run, replicates=2, ended="interrupted", asked=3))
        write(folder / f"{platform}.jsonl", records)
    run = "20260101T000000Z-0001"
    watched = [profile_record("synthetic-cpu", "openvino", model, 0.6 + 0.02 * at) for at, model in enumerate(models[:6])]
    cells = [cell_record("synthetic-cpu", "openvino", model) for model in models]
    write(folder / "cpu.jsonl", [environment_record("synthetic-cpu", run), *cells, *watched])
    search_path(folder.parent, models[:5])


def _uneven(folder):
    """A GPU's odds and ends: many networks in one precision, one or two in others, some of them at two batch sizes, one process each."""
    records = [environment_record("synthetic-gpu", cpu="Synthetic CPU", gpu="Synthetic GPU")]
    records += [cell_record("synthetic-gpu", "pytorch", model, replicates=1) for model in CLASSIC[:14]]
    records += [cell_record("synthetic-gpu", "pytorch", model, 64, replicates=1) for model in CLASSIC[8:13]]
    records += [cell_record("synthetic-gpu", "pytorch", model, size, precision="fp16") for model, size in (("resnet50", 1), ("vgg11", 64))]
    records += [cell_record("synthetic-gpu", "tensorrt", "resnet18", size, precision="fp16", quality=["drifting"]) for size in (1, 64)]
    records += [cell_record("synthetic-gpu", "tensorrt", "vgg16", precision="int8", status="failed", reason="out of memory")]
    write(folder / "x.jsonl", records)


SETS = {"own": _small, "zhao": _zhao, "one cell": _one_cell, "only failures": _failures, "only contended": _contended,
        "imports without a size": _imports_without_a_size, "boards": _boards, "uneven": _uneven}  # fmt: skip


@pytest.fixture(scope="session")
def page_of(tmp_path_factory):
    """The page of a set of records by its name in SETS, made once."""
    made = {}

    def page(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("set")
            SETS[name](folder / "records")
            made[name] = report.write(frames.merge([folder / "records"]), folder / "report", files=False, searched=path.table(folder)).page
        return made[name]

    return page


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def open_page(browser, report_page):
    """Open the page and wait until its charts can be drawn; every console message, error and request is kept on `page.log`."""
    pages = []

    def open_(scheme="light", fragment="", width=1280):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(page)
        page.log, page.requests = [], []
        page.on("console", lambda message: page.log.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: page.log.append(f"error: {error}"))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(report_page.as_uri() + fragment)
        page.wait_for_selector("html[data-ready=yes]")  # no function: the page's policy forbids eval
        return page

    yield open_
    for page in pages:
        page.close()
