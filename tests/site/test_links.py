"""The links beside every page's title, read from the pages as they were written: no browser is needed for them."""

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest

from aibook import house
from aibook.site.editions import EDITIONS
from tests.site.pages import NOTEBOOKS, PAGES

LANGS = {edition.folder: edition.html_lang for edition in EDITIONS.values()}
SITE = house.BUILD / "site"
pytestmark = pytest.mark.usefixtures("address")  # which builds the site


class Tags(HTMLParser):
    """The attributes of a page's links, and its language."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[dict[str, str]] = []
        self.lang = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "a":
            self.links.append(given)
        elif tag == "html":
            self.lang = given["lang"]


@cache
def tags(path: Path) -> Tags:
    return Tags(path.read_text(encoding="utf-8"))


def the_link(page: Path, attribute: str, value: str | None = None) -> str:
    """Address in the one link that has this attribute, or this word in it."""
    with_it = [link for link in tags(page).links if attribute in link]
    (found,) = [link["href"] for link in with_it if value is None or value in link[attribute].split()]
    return found


@pytest.mark.parametrize("folder", LANGS)
@pytest.mark.parametrize("name", PAGES)
def test_language_switch_leads_to_the_same_page(name: str, folder: str) -> None:
    page = SITE / folder / f"{name}.html"
    (other,) = set(LANGS) - {folder}
    there = (page.parent / the_link(page, "data-language")).resolve()
    assert there == (SITE / other / f"{name}.html").resolve()
    assert (tags(page).lang, tags(there).lang) == (LANGS[folder], LANGS[other])


@pytest.mark.parametrize("folder", LANGS)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_opens_in_colab_and_downloads(name: str, folder: str) -> None:
    page = SITE / folder / f"{name}.html"
    notebook = name.removeprefix("notebooks/") + ".ipynb"
    repository = urlsplit(house.repository_url()).path
    colab = f"https://colab.research.google.com/github{repository}/blob/gh-pages/{folder}/colab/{notebook}"
    assert the_link(page, "class", "tool-colab") == colab
    download = (page.parent / the_link(page, "download")).resolve()
    assert download == (SITE / folder / "colab" / notebook).resolve()
    nbformat.validate(nbformat.read(download, as_version=nbformat.NO_CONVERT))
