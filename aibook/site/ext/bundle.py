"""One style sheet and one script for every page, with only the rules that a page of this book can use.

The theme and its extensions bring some twenty files and 2 MB of icons, maps and rules for things that this book
has not. At the end of a build they become `bundle.css` and `bundle.js`, and the rest of them is removed.
"""

import hashlib
import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from aibook.site import css
from aibook.site.ext.labels import LABELS

logger = logging.getLogger(__name__)

STYLES = [
    "basic.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "togglebutton.css",
    "copybutton.css",
    "mystnb.*.css",
    "exercise.css",
    "sphinx-design.min.css",
    "book.css",
]
SCRIPTS = [
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "clipboard.min.js",
    "copybutton.js",
    "togglebutton.js",
    "design-tabs.js",
    "scripts/sphinx-book-theme.js",
    "scripts/pydata-sphinx-theme.js",
    "book.js",
]
# Brought by extensions of Jupyter Book and used by no page; searching loads its own scripts on its own page.
LEFT_OUT = ["sphinx-thebe.*", "translations.js", "searchtools.js", "language_data.js"]
REMOVED = ["scripts", "styles", "vendor", "locales", "images", "*webpack-macros.html", "*.png", "*-solid.svg"]
KEPT = {"copy-button.svg"}
MARK = "?v=BUNDLE"
ENGLISH_FOLD = "Toggle hidden content"  # a label in togglebutton.js that has no setting
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
WHOLE_ICON_FONTS = re.compile(r"@font-face\s*{[^}]*vendor/fontawesome[^}]*}")
INLINE_SCRIPT = re.compile(r"^(?:let toggle\w+|var togglebutton\w+) = ")


def check_files(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Warn of a script or a style that some extension adds and that would be missing from every page."""
    known = [Path(name).name for name in STYLES + SCRIPTS] + LEFT_OUT
    for file in [*context["script_files"], *context["css_files"]]:
        name = Path(str(getattr(file, "filename", file) or "")).name
        if name and name != "mathjax.js" and not any(Path(name).match(pattern) for pattern in known):
            logger.warning("%s is in no list of aibook/site/ext/bundle.py: bundle it or leave it out", name)


def bundle(app: Sphinx, failure: Exception | None) -> None:
    """Write the bundles, point the pages to them by a hash of their content, remove what they replace."""
    if failure or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    pages = {path: path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html")}
    script = _settings(app) + "\n;".join(SOURCE_MAP.sub("", path.read_text("utf-8")) for path in _find(static, SCRIPTS))
    script = script.replace(ENGLISH_FOLD, LABELS[app.config.language]["fold"])
    words = css.words([*pages.values(), script])
    sheets = [WHOLE_ICON_FONTS.sub("", path.read_text("utf-8")) for path in _find(static, STYLES)]
    style = "\n".join(css.purge(sheet, words) for sheet in sheets)
    (static / "bundle.css").write_text(style, encoding="utf-8")
    (static / "bundle.js").write_text(script, encoding="utf-8")
    version = hashlib.sha256((style + script).encode()).hexdigest()[:8]
    for path, text in pages.items():
        if MARK in text:
            path.write_text(text.replace(MARK, f"?v={version}"), encoding="utf-8")
    keep = {name for text in pages.values() for name in re.findall(r"_static/([^\"?#]+)", text)} | KEPT
    for path in {*_find(static, STYLES + SCRIPTS), *static.glob("sphinx-thebe.*")}:
        path.unlink()
    for pattern in REMOVED:
        for path in static.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in keep:
                path.unlink()


def _find(static: Path, names: list[str]) -> list[Path]:
    """The files in this order; an extension adds its own only where a page uses it, so that one may be missing."""
    return [path for name in names for path in static.glob(name)]


def _settings(app: Sphinx) -> str:
    """The settings that extensions hand to their scripts in lines of their own."""
    bodies = [str(script.attributes.get("body", "")) for script in app.builder._js_files]
    return "".join(dict.fromkeys(f"{body}\n" for body in bodies if INLINE_SCRIPT.match(body)))


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", check_files, priority=900)
    app.connect("build-finished", bundle, priority=900)  # the theme writes its pygments.css as late
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
