"""A page in headless Chromium: built once from synthetic records, opened anew for each test."""

import os
import shutil
from pathlib import Path

import pytest

from analysis.frame import frame as frames
from analysis.report import figures, report
from tests.analysis.records import QUICK, sweep

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
    formats, figures.FORMATS = figures.FORMATS, ()
    try:
        return report.write(frames.merge([folder / "records"]), folder / "report", gif=False).page
    finally:
        figures.FORMATS = formats


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
