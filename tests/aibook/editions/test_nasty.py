"""Every construct that the book may use, in one text, flattened."""

from pathlib import Path

import pytest

from aibook import house

NASTY = Path(__file__).with_name("nasty.md").read_text(encoding="utf-8")
SITE = house.site_url()
HE = "https://doi.org/10.1109/CVPR.2016.90"


@pytest.fixture(scope="module")
def english(flat):
    return flat(NASTY)  # raises where anything is left that Colab would show as it is written


@pytest.fixture(scope="module")
def chinese(flat):
    return flat(NASTY, "zh_CN")


@pytest.mark.parametrize(
    "part",
    [
        "## A heading with 93.3 % in it",
        f"cites [He et al. (2016)]({HE}) and ([He et al., 2016]({HE}); [Xiao et al., 2017](https://arxiv.org/abs/1708.",
        "also ([Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167)).\n",
        "lines with [Girshick et al. (2014)](https://doi.org/10.1109/CVPR.2014.81); [Ren et al. (2015)](",
        "has code `{note}` and ``{cite:p}`key` `` which stay, $x_{t}$, and **bold 60,000**.",
        f"See [the labs]({SITE}/en/book/how-to-use.html#labs-section), [The labs]({SITE}/en/book/how-to-use.html#labs-",
        f"[there]({SITE}/en/book/how-to-use.html#labs-section),\n[How to use it]({SITE}/en/book/how-to-use.html), [a",
        f"[(1)]({SITE}/en/notebooks/cv/01-toy.html#equation-eq-one), [(2)](",
        f"[Figure 1]({SITE}/en/notebooks/cv/01-toy.html#fig-pixel), [see no. 1](",
        f"[Exercise 1]({SITE}/en/notebooks/cv/01-toy.html#ex-one)",
        '[outside](https://example.org "title"), spanned, `code`, [logit](',
        '<abbr title="a network">CNN</abbr>',
        f"<kbd>Ctrl</kbd>, H<sub>2</sub>O, $a^2$, [the source]({house.repository_url()}",
        "/blob/main/pyproject.toml), a note<sup>one</sup> and an ![inline picture](data:image/png;base64,iVBOR",
        "<sup>one</sup> The note's text.",
        "$$\na = b \\tag{1}\n$$\n",
        f"- An item with ([He et al., 2016]({HE}))\n  and more.\n\n  $$\n  c = d \\tag{{2}}\n  $$\n",
        "\n  > **Note**\n  >\n  > In an item, 93.256.\n",
        "\n> > **Tip**\n> >\n> > In a quotation.\n",
        "\n$$\n\\begin{aligned}\na &= b  \\\\\nc &= d\n\\end{aligned}\n$$\n\n$$\ne = \\begin{pmatrix}",
        "\\end{pmatrix} \\tag{3}\n$$",
        f"| `a\\|b` [He et al. (2016)]({HE}) | 93.26 |",
        "- **Term with $x$**:\n  Its definition, [The labs](",
        "- **Second term**:\n  Another.\n",
        "<details>\n<summary>A title with <em>stress</em></summary>\n\nInside:\n\n> **Warning**\n>\n> Nested, with\n",
        '> code = "{cite:p}`he2016deep` stays"\n> ```\n\n</details>',
        "> **Note**\n>\n> The text may begin here\n> and go on.\n",
        "> **See also**\n>\n> [The labs](",
        "![One grey pixel](data:image/png;base64,",
        "\n\n**Figure 1**. The caption cites [He et al. (2016)](",
        "#### Exercise 1: Count *them*\n\nHow many? Use [(1)](",
        "<summary>Hint about $n$</summary>\n\nLook at 60000.\n\n</details>",
        "<summary>Solution to exercise 1</summary>\n\nAll of 60000.\n\n</details>",
        "**Check yourself:** What is $1 + 1$, says [He et al. (2016)](",
        "<summary>$3$, with <strong>stress</strong> and <code>code</code></summary>\n\n❌ Not quite. Too many: see ",
        "<summary>two</summary>\n\n✅ Right. Right: see\n\n```python\n1 + 1\n```\n\n</details>",
        "**Table 1**. Some things\n\n| Name | Value |\n| --- | --- |\n| first | 93 |",
        "**Table 2**. Captioned\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "**One**\n\nFirst.",
        "> **Aside**\n>\n> Beside the text.",
        '```python\nprint("{note}")\n```',
        "````markdown\n```{note}\nShown as it is written.\n```\n````",
        f"- K. He, X. Zhang, S. Ren, J. Sun (2016). [*Deep Residual Learning for Image Recognition*]({HE}). IEEE",
    ],
)
def test_each_construct_in_english(english, part):
    assert part in english


@pytest.mark.parametrize("gone", ["A comment of the author's", "front matter", "(a-target)=", "+++", "tableofcontents"])
def test_what_readers_do_not_see_is_gone(english, gone):
    assert gone not in english


@pytest.mark.parametrize(
    "part",
    [
        f"[He 等（2016）]({HE}) and （[He 等，2016]({HE})；[Xiao 等，2017](",
        "（[Ioffe 和 Szegedy，2015](",
        f"[The labs]({SITE}/zh/book/how-to-use.html#labs-section)",
        "> **注**\n>\n",
        "**图 1**　The caption",
        "#### 练习 1：Count *them*",
        "<summary>练习 1 的解答</summary>",
        "**自测：** What is",
        "✅ 正确。",
    ],
)
def test_words_and_links_in_chinese(chinese, part):
    assert part in chinese
