"""The Colab edition of whole notebooks."""

import ast

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from aibook import house
from aibook.editions import colab, setup_cell
from aibook.editions.colab import FlattenError, leftovers

SITE = house.site_url()


def code(source, *tags, **metadata):
    outputs = [new_output("stream", text="seen\n")]
    return new_code_cell(source, metadata={"tags": list(tags), **metadata}, outputs=outputs)


EXERCISE = ":::{exercise}\n:label: ex-one\nHow many?\n:::"
START = ":::{solution-start} ex-one\n:class: dropdown\n:::"
END = ":::{solution-end}\n:::"


def test_the_first_cell_opens_the_notebook_and_leads_to_its_page(make):
    first = make(code("1")).cells[0]
    assert first.cell_type == "markdown"
    repository = house.repository_url().removeprefix("https://github.com/")
    assert f"https://colab.research.google.com/github/{repository}/" in first.source
    assert "/gh-pages/en/colab/cv/01-toy.ipynb" in first.source
    assert f"{SITE}/en/notebooks/cv/01-toy.html" in first.source
    assert "/gh-pages/zh/colab/cv/01-toy.ipynb" in make(code("1"), language="zh_CN").cells[0].source


def test_code_and_outputs_stay_as_they_are(make):
    first, second = code("%%time\nx = 1  # note `{cite:p}`"), code("y = '''{note}`x`'''", "parameters")
    cells = [first, second, code("z", "hide-input")]
    made = [cell for cell in make(*cells).cells if cell.cell_type == "code"]
    assert [cell.source for cell in made[:2]] == [cell.source for cell in cells[:2]]
    assert made[2].source == "#@title Code\nz"
    assert made[2].metadata.cellView == "form"
    assert ast.dump(ast.parse(made[2].source)) == ast.dump(ast.parse("z"))
    assert all(cell.outputs == code("").outputs for cell in made)


def test_a_solution_over_several_cells_is_closed(make):
    made = make(
        new_markdown_cell(EXERCISE),
        new_markdown_cell(f"{START}\n\nFirst **this**:"),
        code("x = 1"),
        new_markdown_cell("Then that."),
        code("y = 2", "hide-input"),
        new_markdown_cell(END),
        code("z = 3"),
        new_markdown_cell("After."),
    )
    texts = [cell.source for cell in made.cells[3:]]
    assert texts == [
        "<details>\n<summary>Solution to exercise 1</summary>\n\nFirst **this**:\n\n</details>",
        "#@title Solution to exercise 1\nx = 1",
        "<details>\n<summary>Solution to exercise 1</summary>\n\nThen that.\n\n</details>",
        "#@title Solution to exercise 1\ny = 2",
        "z = 3",
        "After.",
    ]
    assert [cell.metadata.get("cellView") for cell in made.cells[3:]] == [None, "form", None, "form", None, None]


def test_a_solution_within_one_cell(make):
    made = make(new_markdown_cell(f"{EXERCISE}\n\nBefore.\n\n{START}\nInside.\n\n{END}\n\nBehind."))
    assert made.cells[2].source.endswith(
        "Before.\n\n<details>\n<summary>Solution to exercise 1</summary>\n\nInside.\n\n</details>\n\nBehind."
    )


def test_hidden_cells_still_run(make):
    made = make(code("a", "remove-cell"), new_markdown_cell("Not shown.", metadata={"tags": ["remove-cell"]})).cells
    assert [cell.source for cell in made[2:]] == ["#@title Code\na"]
    assert made[2].outputs == []


def test_a_figure_made_by_code_has_its_caption_below(make):
    figure = {"figure": {"caption": "Loss of {cite:t}`he2016deep`.", "name": "fig-loss"}}
    made = make(code("plot()", mystnb=figure), new_markdown_cell("See {numref}`fig-loss`."), language="zh_CN").cells
    assert made[3].source == "**图 1**　Loss of [He 等（2016）](https://doi.org/10.1109/CVPR.2016.90)."
    assert made[4].source == f"See [图 1]({SITE}/zh/notebooks/cv/01-toy.html#fig-loss)."
    assert len({cell.id for cell in made}) == len(made)


def test_set_up_cell_has_the_address_of_this_book(make):
    made = make(code("import helpers  # of another address", setup_cell.TAG))
    assert made.cells[2].source == setup_cell.source()


def test_metadata(make):
    made = make(code("1"))
    assert made.metadata.colab == {"provenance": [], "toc_visible": True}
    assert made.metadata.kernelspec["name"] == "python3"
    assert "accelerator" not in made.metadata


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (":::{mermaid}\na --> b\n:::", "cell 1: the directive `{mermaid}` has no form"),
        ("A {py:func}`sum`.", "cell 1: the role `{py:func}` has no form"),
        ("{glue:text}`missing:.1f`", "no output of the notebook is glued as `missing`"),
        ("{cite:p}`nobody1900`", "no entry `nobody1900`"),
        ("[x](#nowhere)", "`#nowhere` leads to no label"),
        ("[x](nowhere.ipynb)", "`nowhere.ipynb` leads to no page"),
        ("{numref}`nowhere`", "label `nowhere`"),
        ("![x](nowhere.png)", "no picture `nowhere.png`"),
        (":::{note}\n:::{tip}\nx\n:::\n:::", "as it is written: cell 2: colon fence"),
        ("{{ name }}", "substitutions"),
        (":::{quiz} Q?\n- an answer without a box\n:::", r"does not begin with \[ \] or \[x\]"),
        (f"{EXERCISE}\n\n{START}", "solution-start} without a"),
        (END, "solution-end} without a"),
        (":::{bibliography}\n:::", "nothing is cited"),
    ],
)
def test_what_has_no_form_is_an_error_that_names_it(make, source, said):
    with pytest.raises(FlattenError, match=f"^notebooks/cv/01-toy.*{said}"):
        make(new_markdown_cell(source))


@pytest.mark.parametrize(
    "source",
    [
        "A {cite:p}`key`.",
        "> {glue:text}`x`",
        ":::{note}\nx\n:::",
        "- ```{note}\n  x\n  ```",
        ":::\n",
        "(label)=\n# Title",
        "% comment",
        "+++",
        "$$a$$ (label)",
        "\\begin{align}\na\n\\end{align}",
        "Term\n: definition",
        "x[^1]\n\n[^1]: note",
        "[x]{.class}",
        "`x`{.class}",
        "{{ x }}",
        "[x](#label)",
        "![x](picture.png)",
        "[x](other.ipynb)",
        "<details>\n<summary>{glue:text}`x`</summary>\n</details>",
        '<img src="picture.png">',
        "| a |\n|---|\n| {ref}`x` |",
    ],
)
def test_leftovers_finds(source):
    assert leftovers(new_notebook(cells=[new_markdown_cell(source)]))


@pytest.mark.parametrize("source", ["`{cite:p}`", "```\n:::{note}\n```", "    {x}`y`", "$x_{t}$", "[x](https://x.org)"])
def test_leftovers_passes(source):
    assert leftovers(new_notebook(cells=[new_markdown_cell(source)])) == []


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_notebook_of_the_book(language, tmp_path):
    import nbformat

    written = colab.write(language, tmp_path)
    assert sorted(path.relative_to(tmp_path) for path in written) == [
        path.relative_to(house.NOTEBOOKS) for path in house.notebooks()
    ]
    for path in written:
        node = nbformat.read(path, as_version=4)
        nbformat.validate(node)
        assert leftovers(node) == []
