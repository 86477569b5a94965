"""The page in a browser: silent, offline, filtered, sorted, compared, by mouse and by keys, in light and dark."""

import pytest

FILTERS = ("platform", "backend", "scenario", "batch_size", "family")
ROWS = "(name) => { const v = dyno.views.get(name); return v.view.data(v.main).filter(r => r.label).map(r => ({...r})); }"


def draw(page, *names):
    """Draw all charts, or wait for the filters to have worked."""
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.evaluate("dyno.everything()")
    page.evaluate("dyno.settled()")


def toggle(page, field, value, on):
    page.evaluate("document.getElementById('filtering').open = true")
    page.locator(f'fieldset[data-f="{field}"] input[value="{value}"]').set_checked(on)
    page.evaluate("dyno.settled()")


def point_of(page):
    """Where a point of the Pareto chart is, scrolled into view and clear of the filters' bar."""
    page.evaluate("document.querySelector('[data-chart=\"pareto\"] .role-mark.mark-symbol path').scrollIntoView({block: 'center'})")
    return page.evaluate("""(() => { const {x, y, width, height} = document.querySelector('[data-chart="pareto"] .role-mark.mark-symbol path').getBoundingClientRect();
        return {x, y, width, height}; })()""")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_error_no_warning_no_request(open_page, scheme):
    page = open_page(scheme)
    draw(page)
    assert page.log == []
    assert [url for url in page.requests if not url.startswith("file:") or not url.endswith("index.html")] == []
    assert page.locator(".chart svg").count() == page.locator(".chart").count() >= 8


def test_the_first_paint_does_not_wait_for_the_charts(open_page):
    page = open_page()
    paint, ready = page.evaluate("[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.now()]")
    assert paint < ready
    assert page.evaluate("document.querySelector('#choices-table table').rows.length") > 1
    # The library is inert text until a chart comes into view.
    assert page.evaluate("document.getElementById('library').type") == "text/plain"


def test_every_filter_changes_what_is_drawn_and_back(open_page):
    page = open_page()
    draw(page)
    seen = {row["platform"] for row in page.evaluate(ROWS, "pareto")}
    assert len(seen) == 1
    for field in FILTERS:
        values = page.evaluate('f => [...document.querySelectorAll(`fieldset[data-f="${f}"] input`)].map(i => [i.value, i.checked])', field)
        off = [value for value, on in values if not on]
        before = page.evaluate(ROWS, "pareto")
        if off:
            toggle(page, field, off[0], True)
            more = page.evaluate(ROWS, "pareto")
            assert len(more) > len(before) and off[0] in {str(row[field]) for row in more}
            toggle(page, field, off[0], False)
        else:
            there = str(before[0][field])
            toggle(page, field, there, False)
            assert there not in {str(row[field]) for row in page.evaluate(ROWS, "pareto")}
            toggle(page, field, there, True)
        assert len(page.evaluate(ROWS, "pareto")) == len(before)
    assert page.log == []


def test_the_frontier_and_its_names_follow_the_filters(open_page):
    page = open_page()
    draw(page)
    lines = "[...document.querySelectorAll('[data-chart=\"pareto\"] .mark-line.role-mark path')].map(p => p.getAttribute('d'))"
    names = "[...document.querySelectorAll('[data-chart=\"pareto\"] .mark-text.role-mark text')].map(t => t.textContent)"
    first, said = page.evaluate(lines), page.evaluate(names)
    assert first and said and set(said) <= {row["label"] for row in page.evaluate(ROWS, "pareto")}
    toggle(page, "batch_size", "4", True)
    assert (
        len(page.evaluate(lines)) == 2 * len(first) and page.evaluate(names) == []
    )  # two frontiers a panel: names would lie on one another
    toggle(page, "batch_size", "1", False)
    second = page.evaluate(lines)
    assert len(second) == len(first) and second != first and page.evaluate(names)
    assert page.log == []


def test_nothing_left_by_the_filters_is_said(open_page):
    page = open_page()
    draw(page)
    for value in page.evaluate("[...document.querySelectorAll('fieldset[data-f=\"platform\"] input:checked')].map(i => i.value)"):
        toggle(page, "platform", value, False)
    assert page.locator('[data-chart="pareto"] .none').inner_text() == "No cell matches the filters."
    assert page.log == []


def test_tables_follow_the_filters_and_sort(open_page):
    page = open_page()
    rows = "[...document.querySelectorAll('#t-speedup table')][0]"
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    head = page.locator("#t-speedup table").first.locator("th[data-k=speedup]")
    head.locator("button").click()
    at = page.evaluate(f"[...{rows}.tHead.rows[0].cells].findIndex(c => c.dataset.k === 'speedup')")
    values = page.evaluate(f"[...{rows}.tBodies[0].rows].map(r => parseFloat(r.cells[{at}].textContent))")
    assert values == sorted(values) and head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert page.evaluate(f"[...{rows}.tBodies[0].rows].map(r => parseFloat(r.cells[{at}].textContent))") == sorted(values, reverse=True)


def test_tables_of_other_platforms_are_hidden(open_page):
    page = open_page()
    page.evaluate("dyno.settled()")
    chosen = page.evaluate("document.querySelector('fieldset[data-f=\"platform\"] input:checked').value")
    shown = page.evaluate("[...document.querySelectorAll('details[data-platform]')].filter(d => !d.hidden).map(d => d.dataset.platform)")
    assert set(shown) == {chosen}


def test_a_click_on_a_point_compares_the_network_everywhere(open_page):
    page = open_page()
    draw(page)
    box = point_of(page)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.evaluate("dyno.settled()")
    names = page.locator("#picked button").all_inner_texts()
    assert len(names) == 1
    assert names[0].removesuffix(" ×") in page.locator("#compared table").inner_text()
    on = [row for row in page.evaluate(ROWS, "speed_accuracy") if row["on"] == 1]
    assert {row["label"] for row in on} == {names[0].removesuffix(" ×")}
    page.locator("#clear").click()
    assert page.locator("#compared").is_hidden()


def test_a_point_tells_its_numbers_when_the_mouse_is_on_it(open_page):
    page = open_page()
    draw(page)
    box = point_of(page)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator("#vg-tooltip-element")
    tip.wait_for(state="visible")
    assert "network" in tip.inner_text() and "Latency (ms per batch)" in tip.inner_text()


def test_keys_alone_walk_through_a_chart_compare_and_filter(open_page):
    page = open_page()
    draw(page)
    page.locator('[data-chart="pareto"]').focus()
    page.keyboard.press("ArrowRight")
    first = page.locator("#live").inner_text()
    page.keyboard.press("ArrowRight")
    assert first and page.locator("#live").inner_text() not in ("", first) and "Top-1 accuracy (%)" in first
    page.keyboard.press("Enter")
    assert page.locator("#picked button").count() == 1
    page.locator('fieldset[data-f="backend"] input').first.focus()
    page.keyboard.press("Space")
    assert not page.locator('fieldset[data-f="backend"] input').first.is_checked()


def test_a_link_leads_to_one_chart_with_its_filters(open_page):
    page = open_page()
    toggle(page, "batch_size", "4", True)
    page.locator("#pick").fill("resnet50")
    page.locator("#pick").press("Tab")
    state = page.evaluate("location.hash").split("?")[1]
    again = open_page(fragment="#fig-speedup?" + state)
    assert again.locator('fieldset[data-f="batch_size"] input[value="4"]').is_checked()
    assert again.locator("#picked button").all_text_contents() == ["resnet50 ×"]
    again.wait_for_timeout(1500)
    assert (
        -1 < again.evaluate("document.getElementById('fig-speedup').getBoundingClientRect().top") < 900
    )  # browsers scroll to fractions of a pixel


def test_everything_that_can_be_used_has_a_name(open_page):
    page = open_page()
    draw(page)
    nameless = page.evaluate("""[...document.querySelectorAll('button, a[href], input, [role=application]')].filter(e => !e.textContent.trim()
        && !e.getAttribute('aria-label') && !(e.labels && e.labels.length)).map(e => e.outerHTML.slice(0, 80))""")
    assert nameless == []
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("[...document.querySelectorAll('th')].every(th => ['col', 'row'].includes(th.scope))")


OVERLAPS = """() => { const found = [];
  for (const svg of document.querySelectorAll('.chart svg')) {
    const texts = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim() && t.getAttribute('opacity') !== '0').map(t => [t.textContent, t.getBoundingClientRect()]);
    for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) { const [s, a] = texts[i], [t, b] = texts[j];
      const w = Math.min(a.right, b.right) - Math.max(a.left, b.left), h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (w > 1.5 && h > 3) found.push([s, t]); } }
  return found; }"""


@pytest.mark.parametrize("every_platform", [False, True])
def test_no_two_labels_overlap(open_page, every_platform):
    page = open_page()
    draw(page)
    if every_platform:
        page.locator('fieldset[data-f="platform"] [data-all]').click()
        page.evaluate("dyno.settled()")
    assert page.evaluate(OVERLAPS) == []


def test_the_theme_follows_the_system_and_the_button(open_page):
    page = open_page("dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(20, 24, 29)"
    page.locator("#theme").click()
    assert page.evaluate(paper) == "rgb(255, 255, 255)"


def test_the_page_does_not_scroll_sideways_on_a_phone(open_page):
    page = open_page(width=390)
    draw(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_printing_shows_all_tables_and_no_controls(open_page):
    page = open_page()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details')].every(d => d.open)")
    assert page.locator("#filters").is_hidden() and page.locator("#limits").is_hidden()
