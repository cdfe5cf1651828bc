"""Units are found in every construct that the book uses, and nothing else of a text is ever touched."""

import re
import textwrap

import pytest
import yaml

from aibook import house
from aibook.translate.markdown import EXTENSIONS, MarkupError, parse, scalar, split_row

CONSTRUCTS = {
    "headings": ("# One *two* #\n\nSetext\n------\n", ["One *two*", "Setext"]),
    "hard break": ("One  \ntwo\\\nthree\nfour\n", ["One  \ntwo\\\nthree four"]),
    "trailing space": ("One \n  two   \n\n\n   \nthree\t\n", ["One two", "three"]),
    "quotation": ("> One\n> two\nlazy\n>\n> > three\n> > four\n", ["One two lazy", "three four"]),
    "nested list": (
        "- one\n  more\n  - two\n\n    second paragraph\n      wrapped\n    1. three\n- four\n",
        ["one more", "two", "second paragraph wrapped", "three", "four"],
    ),
    "table": (
        "| a | b \\| c |\n|---|--:|\n| 1 | 2 |\n| x |  `y`|\nu | v\n",
        ["| a | b \\| c |", "| x | `y` |", "| u | v |"],
    ),
    "table in quotation": ("> | a | b |\n> |---|---|\n> | one | two |\n", ["| a | b |", "| one | two |"]),
    "footnote": (
        "See[^n].\n\n[^n]: A note\n    of two lines.\n\nAfter.\n",
        ["See[^n].", "A note of two lines.", "After."],
    ),
    "definition list": (
        "Term\n: What it is\n  at length\n: Or else\n",
        ["Term", "What it is at length", "Or else"],
    ),
    "html": (
        '<div class="a">\n  <b>Bold</b>\n</div>\n\n<!-- no text -->\n\n<img src="a.png">\n',
        ['<div class="a">\n  <b>Bold</b>\n</div>'],
    ),
    "not text": (
        "---\nkey: value\n---\n(target)=\n```python\ncode\n```\n\n    indented\n\n$$\nx\n$$ (label)\n\n"
        "\\begin{align}\nx\n\\end{align}\n\n% comment\n\n+++\n\n{glue:text}`a` {cite:p}`b` $x$ `c`\n"
        "\n<https://a.org>\n\n"
        "[r]: https://a.org 'title'\n",
        [],
    ),
    "roles": (
        "{glue:text}`acc:.1f` % by {cite:t}`he2016`, {numref}`Figure %s <f>`, {doc}`text <page>` [a][r]."
        "\n\n[r]: b.html\n",
        ["{glue:text}`acc:.1f` % by {cite:t}`he2016`, {numref}`Figure %s <f>`, {doc}`text <page>` [a][r]."],
    ),
    "figure": (
        ':::{figure} a.png\n:alt: "Two: one"\n:name: f\n:width: 80%\n\nA caption\nof two lines.\n\nA legend.\n:::\n',
        ["Two: one", "A caption of two lines.", "A legend."],
    ),
    "nested fences": (
        "::::{admonition} A *title*\n:class: tip\n\nText.\n\n:::{note} On the first line\nof two\n"
        ":::\n\n```{dropdown} Hint\n"
        "```python\nno unit\n```\n```\n::::\n",
        ["A *title*", "Text.", "On the first line", "of two", "Hint"],
    ),
    "admonition in a list": (
        "1. one\n\n   ```{tip}\n   Two\n   lines.\n\n   - item\n     wrapped\n   ```\n",
        ["one", "Two lines.", "item wrapped"],
    ),
    "exercise": (
        "```{exercise} Name\n:label: ex\n\nDo it.\n```\n\n```{solution-start} ex\n:class: dropdown\n```\n\nSo.\n\n"
        "```{solution-end}\n```\n",
        ["Name", "Do it.", "So."],
    ),
    "quiz": (
        ":::{quiz} What is $y$ in `f`?\n- [ ] wrong $y$\n  Because\n  it is.\n\n  ```python\n"
        "  x = 1  # no unit\n  ```\n"
        "- [x] right\n\n  A paragraph.\n  - [ ] an inner item\n    stays whole\n:::\n",
        [
            "What is $y$ in `f`?",
            "wrong $y$",
            "Because it is.",
            "right",
            "A paragraph.",
            "[ ] an inner item stays whole",
        ],
    ),
    "code with a caption": ("```{code-block} python\n:caption: A title\n\nx = 1\n```\n", ["A title"]),
    "card": ("::::{card} Title\nHead\n^^^\nBody\n+++\nFoot\n::::\n", ["Title", "Head", "Body", "Foot"]),
    "nbgrader's marks": ("### BEGIN SOLUTION\nAn answer.\n### END SOLUTION\n", ["An answer."]),
    "opaque": ("```{bibliography}\n:style: plain\n```\n\n```{math}\n:label: e\nx\n```\n", []),
    "unicode line ends": (
        "One\u2028two\x0bthree\x0c.\n\nFour\u0085five\n",
        ["One\u2028two\x0bthree\x0c.", "Four\u0085five"],
    ),
    "no end of line": ("One\n\n- two", ["One", "two"]),
    "empty": ("", []),
    "tabs": ("-\tone\n\ttwo\n\n\t- three\n", ["one two", "three"]),
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", CONSTRUCTS)
def test_units_and_round_trip(name, newline):
    source, texts = CONSTRUCTS[name]
    source = source.replace("\n", newline)
    document = parse(source)
    assert [unit.text for unit in document.units] == texts
    assert document.rewrite(lambda unit: unit.text) == source


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", CONSTRUCTS)
def test_translation_changes_words_and_nothing_else(name, newline):
    """Shouting is a language too: the same structure, other words, each found again in the same place."""
    source = CONSTRUCTS[name][0].replace("\n", newline)
    document = parse(source)
    written = document.rewrite(lambda unit: _shout(unit.text))
    again = parse(written)
    assert [block for _, block in again.skeleton] == [block for _, block in document.skeleton]
    assert [unit.text for unit in again.units] == [_shout(unit.text) for unit in document.units]
    assert ("\n" in written.replace("\r\n", "")) == ("\n" in source.replace("\r\n", ""))


def _shout(text: str) -> str:
    """Other words; texts with names of targets, code or tags in them stay."""
    if re.search(r"[`<]|\]\(|\]\[|\[\^", text):
        return text
    return "".join("好" if "a" <= character <= "z" and character != "x" else character for character in text)


def test_continuation_lines_keep_their_indentation_and_quote_marks():
    source = "> - One  \n>   two\n\n- [ ] three  \n  four\n"
    assert parse(source).rewrite(lambda unit: unit.text.upper()) == "> - ONE  \n>   TWO\n\n- [ ] THREE  \n  FOUR\n"


def test_soft_wrapping_is_no_change():
    text = "One two *three\nfour* five `six\nseven`."
    wrapped = "One\ntwo *three four* five\n`six seven`."
    assert [unit.text for unit in parse(text).units] == [unit.text for unit in parse(wrapped).units]


def test_sections_are_the_headings_above():
    units = parse("Before.\n\n## A: b & c\n\nText.\n\n### Next\n\nMore.\n").units
    assert [unit.section for unit in units] == ["", "a-b-c", "a-b-c", "next", "next"]


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("Text\n\n```{unheard-of}\n```\n", 3, "directives.py"),
        ("| a | b |\n|---|---|\n| c |\n", 3, "1 cells, the table 2"),
        (":::{note}\n---\nclass: a\n---\n:::\n", 2, ":name: value"),
        ("::::{admonition} A\n:class: b\n:::{note}\nc\n:::\n::::\n", 3, "line empty before this fence"),
        (':::{figure} a.png\n:alt: "open\n:::\n', 2, "double quotes"),
    ],
)
def test_what_cannot_be_told_apart_is_an_error_with_its_line(source, line, words):
    with pytest.raises(MarkupError) as error:
        parse(source)
    assert str(error.value).startswith(f"line {line}: ")
    assert words in str(error.value)


@pytest.mark.parametrize(
    "text", ["好", "好: 不好", "- 好", '说“好”和"x"', "a # b", "12", "yes", "a\\b", " a", "[a]", "注：好"]
)
def test_scalar_is_what_yaml_reads(text):
    assert yaml.safe_load(f"key: {scalar(text)}") == {"key": text}
    source = f":::{{figure}} a.png\n:alt: {scalar(text)}\n:::\n"
    assert [unit.text for unit in parse(source).units] == ([text] if text != "12" else [])


def test_rows():
    assert split_row("| a | `b \\| c` | |") == ["a", "`b \\| c`", ""]
    assert split_row("a | b") == ["a", "b"]


def test_the_site_reads_markdown_with_the_same_extensions():
    assert set(house.config()["parse"]["myst_enable_extensions"]) == EXTENSIONS


def test_deep_nesting_of_fences_keeps_positions():
    source = textwrap.dedent(
        """\
        - item

          :::::{tab-set}

          ::::{tab-item} First

          :::{note}
          > quoted
          > text
          :::
          ::::
          :::::
        """
    )
    document = parse(source)
    assert [unit.text for unit in document.units] == ["item", "First", "quoted text"]
    assert "  > 引文\n" in document.rewrite(lambda unit: "引文" if unit.text == "quoted text" else unit.text)
