"""A book of a few pages that uses everything the real one uses: for the tests of the build."""

import shutil
from pathlib import Path

import nbformat.v4 as nb
import polib
from nbformat import NotebookNode
from nbformat import write as write_notebook

REPOSITORY = Path(__file__).resolve().parents[2]

INTRO = """# A toy book

It has a formula, a citation and a quiz, and it links to [its chapter](#toy-chapter).

$$ y = \\mathcal F(x) + x $$ (eq-residual)

Equation {eq}`eq-residual` is the residual block of {cite:t}`he2016deep` {cite:p}`he2016deep`.

```{note}
A note with **bold** text and `code`.
```

:::{quiz} What is $1 + 1$?
- [ ] One
  That is **one** too few.
- [x] Two, as $1 + 1 = 2$
  Count them.
:::

| a wide | table | of | many | columns | that | scrolls | inside | itself | on | narrow | screens |
|---|---|---|---|---|---|---|---|---|---|---|---|
| looooong | looooong | looooong | looooong | looooong | looooong | looooong | looooong | looooong | l | m | n |

```{tip}
:class: dropdown
Folded.
```
"""
REFERENCES = "# References\n\n```{bibliography}\n```\n"
CHINESE = {
    "Introduction to AI Applications": "人工智能应用简介",
    "the authors of Introduction to AI Applications": "《人工智能应用简介》作者",
    "Computer vision": "计算机视觉",
    "References": "参考文献",
    "A toy book": "一本小书",
    "It has a formula, a citation and a quiz, and it links to [its chapter](#toy-chapter).": (
        "它有一个公式、一处引用和一道测验，并链接到\n[它的一章](#toy-chapter)。"
    ),
    "Equation {eq}`eq-residual` is the residual block of {cite:t}`he2016deep` {cite:p}`he2016deep`.": (
        "公式 {eq}`eq-residual` 是 {cite:t}`he2016deep` {cite:p}`he2016deep` 的残差块。"
    ),
    "A note with **bold** text and `code`.": "带有**粗体**和 `code` 的说明。",
    "What is $1 + 1$?": "$1 + 1$ 等于多少？",
    "One": "一",
    "That is **one** too few.": "少了**一**。",
    "Two, as $1 + 1 = 2$": "二，因为 $1 + 1 = 2$",
    "Count them.": "数一数。",
    "Folded.": "折叠的内容。",
    "A toy chapter": "一章",
    "Convolutional networks see in {numref}`fig-bar`.": "{numref}`fig-bar`说明卷积神经网络如何看见图像。",
    "A bar.": "一根条。",
    "A teal bar": "一根青色的条",
    "Exercises": "练习",
    "Add": "加法",
    "Add one.": "加一。",
    "Hint": "提示",
    "Look again.": "再看一遍。",
    "A toy lab": "一个小实验",
}
SECRET = "the_solution"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="60"><path fill="teal" d="M0 0h900v60H0z"/></svg>'


def chapter() -> NotebookNode:
    figure = {"mystnb": {"image": {"alt": "A teal bar"}, "figure": {"caption": "A bar.", "name": "fig-bar"}}}
    cells = [
        nb.new_markdown_cell("(toy-chapter)=\n# A toy chapter\n\nConvolutional networks see in {numref}`fig-bar`."),
        nb.new_code_cell("draw()", metadata=figure, outputs=[nb.new_output("display_data", {"image/svg+xml": SVG})]),
        nb.new_code_cell(
            "print('wide ' * 40)", outputs=[nb.new_output("stream", name="stdout", text="wide " * 40 + "\n")]
        ),
        nb.new_code_cell("hidden = 1", metadata={"tags": ["hide-cell"]}),
        nb.new_code_cell("hidden = 2", metadata={"tags": ["hide-input"]}),
        nb.new_markdown_cell("## Exercises\n\n```{exercise} Add\n:label: toy-add\nAdd one.\n```"),
        nb.new_markdown_cell("```{solution-start} toy-add\n:class: dropdown\n```"),
        nb.new_code_cell("1 + 1", outputs=[nb.new_output("execute_result", {"text/plain": "2"}, execution_count=1)]),
        nb.new_markdown_cell("```{solution-end}\n```"),
        nb.new_markdown_cell("```{dropdown} Hint\nLook again.\n```"),
    ]
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nb.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def lab() -> NotebookNode:
    """A lab with one gap, whose solution must not be seen on the site."""
    notebook = chapter()
    grading = {"grade": False, "grade_id": "gap", "locked": False, "schema_version": 3, "solution": True, "task": False}
    source = f"### BEGIN SOLUTION\n{SECRET} = 1\n### END SOLUTION"
    notebook.cells = [
        nb.new_markdown_cell("# A toy lab", id="title"),
        nb.new_code_cell(source, id="gap", metadata={"nbgrader": grading}),
    ]
    return notebook


def write(root: Path) -> Path:
    """Write the toy book into `root`, with the real book's configuration, styles and templates."""
    root.mkdir(parents=True, exist_ok=True)
    for name in ("_config.yml", "pyproject.toml", "requirements.txt", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(REPOSITORY / name, root / name)
    for name in ("aibook", "helpers"):  # the wheel's packages
        (root / name).mkdir()
        (root / name / "__init__.py").touch()
    for name in ("_static", "_templates"):
        shutil.copytree(REPOSITORY / "book" / name, root / "book" / name)
    shutil.copy(REPOSITORY / "book" / "references.bib", root / "book")
    toc = "format: jb-book\nroot: book/intro\nparts:\n  - caption: Computer vision\n    chapters:\n"
    for page in ("notebooks/cv/01-toy", "notebooks/labs/01-toy", "book/references"):
        toc += f"      - file: {page}\n"
    (root / "_toc.yml").write_text(toc, encoding="utf-8")
    (root / "book" / "intro.md").write_text(INTRO, encoding="utf-8")
    (root / "book" / "references.md").write_text(REFERENCES, encoding="utf-8")
    for part in ("cv", "labs"):
        (root / "notebooks" / part).mkdir(parents=True)
    write_notebook(chapter(), root / "notebooks" / "cv" / "01-toy.ipynb")
    write_notebook(lab(), root / "notebooks" / "labs" / "01-toy.ipynb")
    return root


def translate(root: Path) -> None:
    """Fill in the catalogs that `aibook translate` has written; a text without words of its own stays."""
    for path in (root / "book" / "locale").rglob("*.po"):
        catalog = polib.pofile(path)
        for entry in catalog:
            entry.msgstr = entry.msgstr or CHINESE.get(entry.msgid, entry.msgid)
        catalog.save()
