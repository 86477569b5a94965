"""The first screen in a browser, over several sets of records: it decides at once, says the same with and without scripts, and stays readable everywhere."""

import re

import pytest

from tests.browser.conftest import SETS

NAMES = """() => { const panel = document.querySelector('#plot svg'); if (!panel) return [];
  return [...panel.querySelectorAll('.name')].map(t => { const {left, top, right, bottom} = t.getBoundingClientRect(); return [t.textContent, left, top, right, bottom]; }); }"""
# Contrast of a text with what lies behind it, by WCAG 2's formula.
CONTRAST = """() => { const lum = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const parse = text => text.match(/[\\d.]+/g).map(Number), bad = [];
  for (const el of document.querySelectorAll('#screen p, #screen h1, #screen button, #screen label, #screen td, #screen th, #screen small, #screen .chip, summary h2, summary span, footer p')) {
    if (!el.textContent.trim() || !el.getClientRects().length) continue;
    let back = el, paper; do { paper = parse(getComputedStyle(back).backgroundColor); back = back.parentElement; } while (back && paper[3] === 0);
    const [a, b] = [lum(parse(getComputedStyle(el).color).slice(0, 3)), lum(paper.slice(0, 3))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) bad.push(el.textContent.trim().slice(0, 40)); }
  return bad; }"""


@pytest.fixture
def see(browser, page_of):
    """Open a set's page; what it logs is kept on `page.log`."""
    contexts = []

    def see_(name, width=1440, scheme="light", scripts=True, fragment=""):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts)
        contexts.append(context)
        page = context.new_page()
        page.log = []
        page.on("console", lambda message: page.log.append(message.text))
        page.on("pageerror", lambda error: page.log.append(str(error)))
        page.goto(page_of(name).as_uri() + fragment)
        return page

    yield see_
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", SETS)
def test_the_verdict_is_the_same_with_and_without_scripts(see, name):
    live, still = see(name), see(name, scripts=False)
    for place in ("#verdict", "#because", "#choices-table", "#trust-text"):
        assert live.locator(place).inner_text() == still.locator(place).inner_text()
    assert live.log == [] and live.title().startswith(live.locator("#verdict").inner_text().replace("\u00a0", " "))


@pytest.mark.parametrize("name", SETS)
def test_every_network_of_the_frontier_is_named_inside_the_panel_and_on_no_other_name(see, name):
    for width in (1440, 390):
        page = see(name, width)
        names = page.evaluate(NAMES)
        assert len(names) == page.locator("#plot .pt.on").count()
        if names:
            box = page.locator("#plot svg").bounding_box()
            for word, left, top, right, bottom in names:
                assert (
                    left >= box["x"] - 1
                    and right <= box["x"] + box["width"] + 1
                    and top >= box["y"] - 1
                    and bottom <= box["y"] + box["height"] + 1
                ), word
        for i, (word, left, top, right, bottom) in enumerate(names):
            for other, l2, t2, r2, b2 in names[i + 1 :]:
                assert min(right, r2) - max(left, l2) < 1.5 or min(bottom, b2) - max(top, t2) < 3, (word, other)


@pytest.mark.parametrize("name", SETS)
def test_no_sentence_shows_a_missing_number_or_a_lazy_plural(see, name):
    page = see(name)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    text = page.evaluate("document.body.innerText")
    found = re.finditer(
        r"\bnan\b|nan-|\binf\b|\bNone\b|\bNaN\b|undefined|\(s\)|(?<![\d.,/-])1 (?:\w+ )?(?:platforms|networks|cells|records|files|devices|backends|processes|runs|machines|curves|"
        r"sizes|lines|conditions|clusters|comparisons|parts|remarks|rows|set-ups)\b|\b0 of 1\b|\b1 of 1\b|\b0 runs\b",
        text,
    )
    assert [text[max(0, one.start() - 40) : one.end() + 20] for one in found] == []
    headings = page.evaluate("[...document.querySelectorAll('thead th')].map(th => th.textContent)")
    assert not [heading for heading in headings if "_" in heading and not heading.startswith(("synthetic", "colab", "jetson", "elsewhere"))]


@pytest.mark.parametrize("name", SETS)
def test_a_phone_scrolls_only_downwards(see, name):
    page = see(name, 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_eyes_need(see, scheme):
    assert see("own", scheme=scheme).evaluate(CONTRAST) == []


def test_a_limit_changes_the_answer_and_the_link_keeps_it(see):
    page = see("own")
    first = page.locator("#verdict").inner_text()
    slider = page.locator("#l-ms")
    slider.focus()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    second = page.locator("#verdict").inner_text()
    assert second != first and "ms=" in page.evaluate("location.hash")
    again = see("own", fragment=page.evaluate("location.hash"))
    assert again.locator("#verdict").inner_text() == second
    assert again.locator("#l-ms + output").inner_text() == page.locator("#l-ms + output").inner_text()


def test_a_tab_shows_another_device(see):
    page = see("own")
    page.locator("#tabs button", has_text="synthetic-edge").click()
    assert page.locator("#tabs button[aria-pressed=true]").inner_text() == "synthetic-edge"
    assert page.title().endswith("(synthetic-edge)") and "device=synthetic-edge" in page.evaluate("location.hash")


def test_the_first_screen_is_painted_before_the_charts_library_is_read(see):
    page = see("own")
    page.wait_for_selector("#screen[data-live=yes]")
    assert page.evaluate("!window.vegaEmbed") and page.locator("#plot circle").count() > 5


def test_a_reader_takes_away_what_the_page_shows(see):
    page = see("own")
    head, *lines = page.evaluate("window.choose.csv()").splitlines()
    assert head.startswith('network,weights,"Top-1, %",batch,ms') and len(lines) == page.locator("#plot .pt").count()
    body = [line for line in page.evaluate("window.choose.latex()").splitlines() if line.endswith(r"\\")]
    assert (
        len({line.count("&") for line in body}) == 1 and len(body) - 1 == page.locator("#choices-table tbody tr:not(:has(.guess))").count()
    )
    with page.expect_download() as download:
        page.locator("[data-take=cite]").click()
    assert download.value.path().read_text().startswith("% environment sha256:")
