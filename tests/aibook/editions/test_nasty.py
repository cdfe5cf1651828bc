"""Every construct that the book may use, in one text, flattened."""

from pathlib import Path

import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from aibook.editions.colab import leftovers
from aibook.editions.colab.words import WORDS

NASTY = Path(__file__).with_name("nasty.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_nothing_is_left_over(flat, language):
    text = flat(NASTY, language)
    assert leftovers(new_notebook(cells=[new_markdown_cell(text)])) == []

def test_show(flat):
    open("/tmp/w/nasty_out.md","w").write(flat(NASTY)); open("/tmp/w/nasty_zh.md","w").write(flat(NASTY,"zh_CN"))
