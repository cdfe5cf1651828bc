"""The site as a reader meets it: every page of both languages in a headless browser."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from aibook.site.editions import EDITIONS
from tests.site.pages import NOTEBOOKS, PAGES, ROOT

FOLDERS = [edition.folder for edition in EDITIONS.values()]
NARROW, WIDE = {"width": 360, "height": 740}, {"width": 1400, "height": 900}
# Left open by a reader: what unfolds must be as sound as what is seen at once.
UNFOLD = """() => {
  document.querySelectorAll('details').forEach(fold => { fold.open = !fold.matches('.tool-menu'); });
  document.querySelectorAll('.toggle-hidden').forEach(fold => fold.classList.remove('toggle-hidden'));
  return new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
}"""
# Of the thousands of coloured words in listings one of each colour and ground, of the rows of tables one of each form.
THIN = """() => {
  const seen = new Set();
  const first = kind => !seen.has(kind) && seen.add(kind);
  document.querySelectorAll('pre').forEach(listing => {
    const ground = getComputedStyle(listing).backgroundColor + (listing.closest('.cell_output') ? 'out' : 'in');
    listing.querySelectorAll('span').forEach(word => {
      if (!first(ground + word.className + (word.getAttribute('style') || ''))) word.replaceWith(word.textContent);
    });
  });
  const form = row => [row, ...row.querySelectorAll('*')].map(e => e.tagName + '.' + e.className).join(' ');
  document.querySelectorAll('tbody tr').forEach(row => {
    if (!first(row.closest('table').className + form(row))) row.remove();
  });
}"""
# A check of contrast takes 5 ms a word, and depends on what a word shares with many: its colour and size, and the
# grounds below it. One of each is marked, and judged.
SAMPLE = """() => {
  const seen = new Set(), grounds = new Map([[null, '']]);
  const ground = element => {
    if (!grounds.has(element)) {
      const { backgroundColor, backgroundImage, opacity, position } = getComputedStyle(element);
      const own = [backgroundColor, backgroundImage, opacity, position].join();
      const clear = own === 'rgba(0, 0, 0, 0),none,1,static';
      grounds.set(element, ground(element.parentElement) + (clear ? '' : own));
    }
    return grounds.get(element);
  };
  document.querySelectorAll('[data-sample]').forEach(e => e.removeAttribute('data-sample'));
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (!words.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const { color, fontSize, fontWeight } = getComputedStyle(element);
    const kind = [color, fontSize, fontWeight, ground(element)].join();
    if (!seen.has(kind)) { seen.add(kind); element.setAttribute('data-sample', ''); }
  }
}"""
# The dark theme differs from the light one in its colours alone, and both editions share their colours: contrast, most
# of the cost, is judged in both themes of the English pages, and of one Chinese page.
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
NO_CONTRAST = {"rules": {"color-contrast": {"enabled": False}}}
BRIEF = {"resultTypes": ["violations"]}  # what passes is not told, which halves the time
Open = Callable[..., Any]  # gives a `Watched` of conftest.py


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_page_is_sound(name: str, folder: str, address: str, open_browser: Open) -> None:
    watched = open_browser(viewport=WIDE, color_scheme="light")
    page = watched.open(f"{address}/{folder}/{name}.html")
    page.evaluate(UNFOLD)
    page.set_viewport_size(NARROW)
    problems = too_wide(page)  # while all rows of all tables are there
    page.set_viewport_size(WIDE)
    page.evaluate(THIN)
    colours = folder == "en" or name == ROOT
    problems += violations(page, **NO_CONTRAST) + (pale(page) if colours else [])
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    problems += pale(page) if colours else []
    edition = next(edition for edition in EDITIONS.values() if edition.folder == folder)
    assert page.get_attribute("html", "lang") == edition.html_lang
    assert not watched.wrong + problems, "\n".join(watched.wrong + problems)


def pale(page: Page) -> list[str]:
    """The words that are hard to read against their ground, one of each kind."""
    page.evaluate(SAMPLE)
    return violations(page, context={"include": [["[data-sample]"]]}, **CONTRAST)


def violations(page: Page, *, context: dict | None = None, **options: object) -> list[str]:
    """What axe finds against the accessibility rules, one line for each rule and place."""
    found = Axe().run(page, context, BRIEF | options).response["violations"]
    theme = page.get_attribute("html", "data-theme")
    places = [(rule, node) for rule in found for node in rule["nodes"]]
    return [f"{theme}: {rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule, node in places]


@pytest.mark.parametrize(
    "odd_one",
    [
        "<pre style='background: #fff'><span style='color: #ccc'>word</span></pre>",
        "<p>Some <em style='color: #ccc'>words</em></p>",
        "<p style='background: #555'>Some words</p>",
        "<div style='background: #555'><p style='background: none'><em>Some</em> words</p></div>",
        "<p style='opacity: .3'>Some words</p>",
        "<table><tbody><tr><td>dark</td></tr><tr class='odd' style='color: #ccc'><td>pale</td></tr></table>",
    ],
)
def test_a_sample_of_the_words_still_shows_one_that_is_hard_to_read(odd_one: str, open_browser: Open) -> None:
    page = open_browser(viewport=WIDE).page
    usual = "<pre>" + "<span class='k'>good</span> " * 20 + "</pre>" + "<p>Some <em>words</em></p>" * 20
    rows = "<table><tbody>" + "<tr><td>some</td><td>words</td></tr>" * 20 + "</tbody></table>"
    for more, found in (("", False), (odd_one, True)):
        page.set_content(f"<html lang='en'><title>t</title><main><h1>t</h1>{usual}{rows}{more}</main></html>")
        page.evaluate(THIN)
        assert page.locator("pre span").count() == 1 + more.count("<span") and page.locator("td").count() < 5
        assert bool(pale(page)) == found
        assert page.locator("[data-sample]").count() < 10


def too_wide(page: Page) -> list[str]:
    width = page.evaluate("document.documentElement.scrollWidth")
    return [f"scrolls sideways: {width} px on a screen of {NARROW['width']}"] if width > NARROW["width"] else []


@pytest.mark.parametrize("name", [ROOT, "book/results", NOTEBOOKS[0]])
def test_language_switch_leads_to_the_same_page_and_back(name: str, address: str, open_browser: Open) -> None:
    page = open_browser(viewport=WIDE).open(f"{address}/en/{name}.html")
    for folder, lang in (("zh", "zh-CN"), ("en", "en")):
        page.click("a[data-language]")
        page.wait_for_url(f"{address}/{folder}/{name}.html", wait_until="domcontentloaded")
        assert page.get_attribute("html", "lang") == lang


@pytest.mark.parametrize(
    ("folder", "query", "shown"),
    [
        ("en", "convolutional", "convolution"),
        ("en", "networks", "network"),
        ("zh", "卷积", "卷积"),
        ("zh", "神经网络", "网络"),
        ("zh", "积神", "积神"),
        ("zh", "He 残差", "残差"),
    ],
)
def test_search_finds(folder: str, query: str, shown: str, address: str, open_browser: Open) -> None:
    """`积神` is no word: it shows that what stands inside a sentence, across words, is found."""
    watched = open_browser(viewport=WIDE)
    page = watched.open(f"{address}/{folder}/{ROOT}.html")
    page.click(".search-button-field")
    page.fill("#pst-search-dialog input", query)
    page.press("#pst-search-dialog input", "Enter")
    page.wait_for_selector("#search-results .search li a")
    page.wait_for_function(
        "shown => document.querySelector('#search-results').textContent.toLowerCase().includes(shown)", arg=shown
    )
    assert watched.wrong == []


def test_search_says_that_it_finds_nothing(address: str, open_browser: Open) -> None:
    page = open_browser().open(f"{address}/zh/search.html?q=鼷鼠")
    page.wait_for_function("document.querySelector('.search-summary').textContent.trim() !== ''")
    assert page.locator("#search-results .search li").count() == 0
    assert re.search("[\u4e00-\u9fff]", page.inner_text(".search-summary")), "the message is not in Chinese"


def test_theme_toggle_goes_through_light_dark_and_system(address: str, open_browser: Open) -> None:
    page = open_browser(color_scheme="light", viewport=WIDE).open(f"{address}/en/{ROOT}.html")
    seen = [page.get_attribute("html", "data-mode")]
    backgrounds = set()
    for _ in range(3):
        page.click(".theme-switch-button")
        seen.append(page.get_attribute("html", "data-mode"))
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert sorted(seen[:3]) == ["auto", "dark", "light"]
    assert seen[3] == seen[0]
    assert len(backgrounds) == 2
    page.click(".theme-switch-button")
    mode = page.get_attribute("html", "data-mode")
    page.reload()
    assert page.get_attribute("html", "data-mode") == mode, "the choice is forgotten on the next page"


@pytest.mark.parametrize(("folder", "label"), [("en", "▶ Play again"), ("zh", "▶ 再播放一遍")])
def test_a_film_starts_when_the_reader_gets_there_and_plays_again(
    folder: str, label: str, address: str, open_browser: Open
) -> None:
    name = "notebooks/mbrl/01-models-planning-dyna"
    page = open_browser(viewport=WIDE, reduced_motion="no-preference").open(f"{address}/{folder}/{name}.html")
    film, button = page.locator("img.film").first, page.locator(".film-again").first
    assert page.locator("img.film").count() == page.locator(".film-again").count() > 0
    film.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('img.film').src.endsWith('?1')")
    assert button.inner_text() == label
    button.click()
    assert (film.get_attribute("src") or "").endswith("?2")
    page.wait_for_function("document.querySelector('img.film').complete")
    assert film.evaluate("film => film.naturalWidth") > 0


def test_a_film_waits_for_a_reader_who_wants_no_motion(address: str, open_browser: Open) -> None:
    name = "notebooks/mbrl/01-models-planning-dyna"
    page = open_browser(viewport=WIDE).open(f"{address}/en/{name}.html")
    film = page.locator("img.film").first
    film.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    assert "?" not in (film.get_attribute("src") or "")
    page.locator(".film-again").first.click()
    assert (film.get_attribute("src") or "").endswith("?1")


@pytest.mark.parametrize(("locale", "folder"), [("zh-CN", "zh"), ("zh-TW", "zh"), ("en-GB", "en"), ("fr-FR", "en")])
def test_root_page_takes_the_browsers_language(locale: str, folder: str, address: str, open_browser: Open) -> None:
    page = open_browser(locale=locale).open(f"{address}/")
    assert urlsplit(page.url).path == f"/{folder}/{ROOT}.html"


def test_root_page_remembers_the_language_that_was_chosen(address: str, open_browser: Open) -> None:
    page = open_browser(locale="en-US", viewport=WIDE).open(f"{address}/")
    page.click("a[data-language='zh']")
    page.wait_for_load_state("networkidle")
    page.goto(f"{address}/")
    page.wait_for_load_state("networkidle")
    assert urlsplit(page.url).path.startswith("/zh/")


def test_everything_can_be_read_without_scripts(address: str, open_browser: Open) -> None:
    page = open_browser(java_script_enabled=False, viewport=WIDE).open(f"{address}/")
    page.click("text=阅读中文版")
    assert page.locator("article h1").is_visible()
    assert not page.locator(".theme-switch-button").is_visible(), "a button that does nothing is shown"
    page.click("a[data-language]")
    assert urlsplit(page.url).path == f"/en/{ROOT}.html"


def test_page_is_light(address: str, open_browser: Open) -> None:
    """A page without formulas: the stock theme takes 31 requests and 2.4 MB."""
    watched = open_browser(viewport=WIDE)
    watched.open(f"{address}/en/book/references.html")
    assert len(watched.requests) <= 10, watched.requests
    assert sum(watched.sizes.values()) < 600_000, watched.sizes
