"""What holds on the page of every set: it is accessible, small, early, complete without scripts and a connection, and prints whole."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from analysis.report import watch
from tests.browser.conftest import SETS

LARGEST = 1_500_000  # bytes of the file
PAINT_MS = 300
MOST_SCREENS = 6  # at 1440x900, as it opens
LOADS = r"""(?:src|href)=["']?(?:https?:)?//|@import|url\(["']?https?:"""
CLIPPED = """() => [...document.querySelectorAll('#screen td, #screen th, #screen p, #screen h1, #screen button, #screen label')].filter(el => {
  if (!el.getClientRects().length) return false;
  const { right } = el.getBoundingClientRect(); return right > innerWidth + 1; }).map(el => el.textContent.trim().slice(0, 40))"""


@pytest.fixture
def opened(browser, page_of):
    """Open a set's page in a context of its own."""
    contexts = []

    def open_(name, width=1440, height=900, scripts=True, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=scripts, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.requests = []
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(page_of(name).as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", SETS)
def test_axe_finds_nothing_serious_with_all_parts_open(opened, name):
    page = opened(name)
    page.wait_for_selector("html[data-ready=yes]")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate("window.dyno.everything()")
    assert _grave(page) == []


@pytest.mark.parametrize("name", ["own", "boards"])
def test_axe_finds_nothing_serious_in_the_dark(opened, name):
    page = opened(name, scheme="dark")
    page.wait_for_selector("html[data-ready=yes]")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate("window.dyno.everything()")
    assert _grave(page) == []


def _grave(page):
    found = Axe().run(page).response["violations"]
    return [
        (v["id"], v["nodes"][0]["html"][:120], v["nodes"][0]["failureSummary"][:200])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", SETS)
def test_a_page_is_one_small_file_that_asks_for_nothing(opened, page_of, name):
    text = page_of(name).read_text(encoding="utf-8")
    assert len(text.encode()) <= LARGEST and not re.search(LOADS, text)
    assert opened(name).requests == [page_of(name).as_uri()]


@pytest.mark.parametrize("name", SETS)
def test_the_first_paint_comes_early(browser, page_of, tmp_path, name):
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    bare = tmp_path / "bare.html"
    bare.write_text("<!doctype html><title>bare</title><p>What the browser itself takes here, busy as it may be")
    late = []
    for _ in range(5):
        times = []
        for file in (bare, page_of(name)):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(file.as_uri())
            page.wait_for_function(paint) if file == bare else page.wait_for_timeout(150)
            times.append(page.evaluate(paint) or 1e9)
            page.close()
        late.append(times[1] - min(times[0], 100))
    assert min(late) < PAINT_MS


@pytest.mark.parametrize("name", SETS)
def test_a_page_is_at_most_six_screens_long_and_nothing_is_cut_at_its_side(opened, name):
    page = opened(name)
    assert page.evaluate("document.documentElement.scrollHeight / innerHeight") <= MOST_SCREENS
    assert page.evaluate(CLIPPED) == []
    table = page.locator("#choices-table")
    assert table.evaluate("el => el.scrollWidth - el.clientWidth") <= 1


@pytest.mark.parametrize("name", SETS)
def test_without_scripts_every_part_can_be_opened_and_no_control_is_dead(opened, name):
    page = opened(name, scripts=False)
    assert page.locator("#verdict").inner_text()
    assert not page.locator("#limits").is_visible() and not page.locator("#theme").is_visible()
    for button in page.locator("#screen button").all():
        assert not button.is_visible(), button.inner_text()
    part = page.locator("details.part").first
    part.locator("summary").click()
    assert part.get_attribute("open") is not None


@pytest.mark.parametrize("name", SETS)
def test_every_link_inside_the_page_leads_somewhere(opened, page_of, name):
    page = opened(name)
    for link in page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))"):
        if link.startswith("#"):
            assert page.locator(f"[id='{link[1:]}']").count() == 1, link
        elif not link.startswith("figures/"):  # these tests write none
            assert (page_of(name).parent / link.replace("%20", " ")).exists(), link


def test_on_paper_no_table_is_cut_and_no_chip_loses_its_words(browser, page_of, tmp_path):
    page = browser.new_page(viewport={"width": 794, "height": 1123})  # A4 at 96 dpi
    page.goto(page_of("boards").as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.evaluate("window.dyno.settled()")
    wide = "[...document.querySelectorAll('table')].filter(t => t.getClientRects().length && t.getBoundingClientRect().right > 795).map(t => t.textContent.slice(0, 60))"
    assert page.evaluate(wide) == []
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000
    page.close()


def test_an_open_page_reloads_when_its_stamp_changes(browser, page_of, tmp_path):
    text = page_of("one cell").read_text(encoding="utf-8")
    nonce = re.search(r'<script nonce="([0-9a-f]+)"', text)[1]
    live = text.replace("</body>", f'<script nonce="{nonce}">{watch.SCRIPT % "1"}</script></body>')
    (tmp_path / "index.html").write_text(live, encoding="utf-8")
    watch.stamp(tmp_path, "1")
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    (tmp_path / "index.html").write_text(
        live.replace("</title>", " second</title>").replace("document.title =", "document.unused ="), encoding="utf-8"
    )
    page.wait_for_timeout(4000)
    still = page.title()
    watch.stamp(tmp_path, "2")
    page.wait_for_selector("title:text('second')", state="attached", timeout=15000)
    assert "second" not in still
    page.close()
