"""The editions of the site: one per language, with its folder and its addresses."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from aibook import house

PUBLISHED_BRANCH = "gh-pages"  # the branch that holds the built site, from which Colab opens notebooks


@dataclass(frozen=True)
class Edition:
    """One language of the book. `language` is Sphinx's code, `html_lang` the browser's, `folder` the site's."""

    language: str
    folder: str
    html_lang: str
    name: str


EDITIONS = {
    "en": Edition("en", "en", "en", "English"),
    "zh_CN": Edition("zh_CN", "zh", "zh-CN", "中文"),
}


def chosen(language: str) -> list[Edition]:
    """The editions that `--language` names: one, or every one for `all`."""
    return list(EDITIONS.values()) if language == "all" else [EDITIONS[language]]


def page_url(language: str, page: str) -> str:
    """Published address of a page, e.g. `notebooks/cv/01-image-recognition` (a path without its suffix)."""
    return f"{house.site_url()}/{EDITIONS[language].folder}/{page}.html"


def colab_path(language: str, notebook: str) -> str:
    """Place of a notebook's Colab edition on the site; `notebook` is its path below `notebooks/`."""
    return str(PurePosixPath(EDITIONS[language].folder, "colab", notebook))


def colab_url(language: str, notebook: str) -> str:
    """Address that opens a notebook's Colab edition in Colab; `notebook` is its path below `notebooks/`."""
    repository = urlsplit(house.repository_url()).path.strip("/")
    path = colab_path(language, notebook)
    return f"https://colab.research.google.com/github/{repository}/blob/{PUBLISHED_BRANCH}/{path}"
