"""What every page of the book carries: its addresses in both languages, and its buttons."""

from pathlib import Path, PurePosixPath

from docutils import nodes
from sphinx.application import Sphinx

from aibook import house
from aibook.site.editions import EDITIONS, colab_url, page_url
from aibook.site.ext.labels import LABELS
from aibook.translate.sources import catalog_path
from aibook.translate.tree import SOURCE

BEFORE_THEME = 100  # the theme tries its templates out as soon as it gets a page


def add_context(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Give the templates what they show on this page beside its text."""
    language = app.config.language
    edition = EDITIONS[language]
    other = next(e for e in EDITIONS.values() if e.language != language)
    up = context["pathto"]("", resource=True)  # from this page to the root of its edition
    context.update(
        language=edition.html_lang,
        labels=LABELS[language],
        other=other,
        other_page=f"{up}../{other.folder}/{page}.html",
        alternates={e.html_lang: page_url(e.language, page) for e in EDITIONS.values()},
        translations=language != "en",
        repository=house.repository_url(),
    )
    if doctree is None:
        return
    source = PurePosixPath(app.env.doc2path(page, base=False))
    text = source if language == SOURCE else catalog_path(Path(source), language).as_posix()
    context["edit_url"] = f"{house.repository_url()}/edit/main/{text}"
    context["issue_url"] = f"{house.repository_url()}/issues/new?title={page}%20({language})"
    if source.suffix == ".ipynb":
        notebook = str(source.relative_to("notebooks"))
        context["colab"] = colab_url(language, notebook)
        context["download"] = f"{up}colab/{notebook}"


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", add_context, priority=BEFORE_THEME)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
