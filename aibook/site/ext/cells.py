"""Folded code cells whose summary says in the page's language what unfolds; MyST-NB's carries an English label."""

from html import escape

from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def visit_fold(self: HTML5Translator, node: HideCodeCellNode) -> None:
    show, hide = escape(node["prompt_show"]), escape(node["prompt_hide"])
    self.body.append(f'<details class="hide {" ".join(node["classes"])}">\n<summary>')
    self.body.append(f'<span class="prompt-show">{show}</span><span class="prompt-hide">{hide}</span></summary>\n')


def depart_fold(self: HTML5Translator, node: HideCodeCellNode) -> None:
    self.body.append("</details>\n")


def setup(app: Sphinx) -> dict:
    app.add_node(HideCodeCellNode, override=True, html=(visit_fold, depart_fold))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
