"""A translation that loses something of its source, or is not set as Chinese is, is told so; a good one passes."""

import pytest

from aibook.translate import glossary
from aibook.translate.check import document_problems, unit_problems, unit_warnings
from aibook.translate.markdown import parse

GOOD = [
    ("Loss $L$ falls by {glue:text}`fall:.1f` %.", "损失 $L$ 下降 {glue:text}`fall:.1f` %。"),
    ("See {cite:t}`he2016` and [chapter 1](../cv/a.ipynb).", "见 {cite:t}`he2016` 与[第 1 章](../cv/a.ipynb)。"),
    ("An *old* **idea**: `x`, {numref}`Figure %s <f>`[^n].", "一个**老**的**想法**：`x`，{numref}`图 %s <f>`[^n]。"),
    ("Run `a` (or `b`), then stop.", "运行 `a`（或 `b`），然后停下。"),
    ("| batch | {glue:text}`a` | big and small |", "| 批次 | {glue:text}`a` | 大与小 |"),
    ("| one | two |", "| 一，| 二。 |"),
    ("Adam, SGD, ResNet", "Adam, SGD, ResNet"),
    ("Half of it, 50% of all, is 3:2 or f(x).", "其中一半（50%）是 3:2 或 f(x)。"),
    ("one\\\ntwo", "一\\\n二"),
    ("Text <br> [r] and {{ sub }} with more.", "文字<br>[r] 和 {{ sub }} 等等。"),
]

# (source, translation, words of the complaint)
BAD = [
    ("Loss $L$.", "损失 $l$。", "lost: math L"),
    ("Loss $L$ of $L$.", "$L$ 的损失。", "lost: math L"),
    ("At {glue:text}`a:.1f` %.", "达到 {glue:text}`a:.2f` %。", "lost: role glue:text a:.1f"),
    ("By {cite:p}`he2016`.", "据 {cite:p}`he2015`。", "added: role cite:p he2015"),
    ("Use `x`.", "使用 `y`。", "lost: code x"),
    ("See [a](#one).", "见[甲](#two)。", "lost: link href=#one"),
    ("See {numref}`Figure %s <f>`.", "见 {numref}`图 %s <g>`。", "lost: role numref f"),
    ("![a plot](a.png)", "![图](b.png)", "lost: image src=a.png"),
    ("Text[^a].", "文字。", "lost: footnote a"),
    ("A <b>bold</b> word", "一个粗体词", "lost: tag <b>"),
    ("A **bold** word", "一个粗体词", "lost: emphasis"),
    ("**Note:** text", "**注意：**文字", "`**` is shown as it is"),
    ("[span]{#a}", "[甲]{#b}", "lost: span_open id=a"),
    ("one\\\ntwo", "一二", "line breaks"),
    ("One", "一\n\n二", "line breaks"),
    ("| one | two |", "| 一 |", "a row `| … |` of 2 cells"),
    ("| one | two |", "一 | 二", "a row `| … |` of 2 cells"),
    ("A text of some words", "A text of some words", "is not translated"),
    ("A text of some words", "Another text of some words", "is not translated"),
    ("One", "一 ", "white space"),
    ("a, b", "甲,乙", "half-width punctuation"),
    ("Why?", "为什么?", "half-width punctuation"),
    ("Now: `x`", "现在: `x`", "half-width punctuation"),
    ("CNN, so", "CNN, 所以", "half-width punctuation"),
    ("End.", "结束.", "ends with 。"),
    ("And so on...", "等等...", "ellipsis"),
    ("a (b)", "甲(乙)", "parenthesis"),
    ("network (CNN)", "网络 (CNN)", "parenthesis"),
    ('say "a"', '说"甲"', "straight quotes"),
    ("a CNN", "一个CNN", "one space between"),
    ("10 steps", "10步", "one space between"),
    ("of $x$ the", "的$x$", "one space between"),
    ("of `x` the", "`x`的", "one space between"),
    ("a [CNN](#a) here", "这里[CNN](#a)", "one space between"),
    ("one two", "一 二", "no space between two Chinese"),
    ("CNN, so", "CNN ，所以", "no space beside full-width"),
    ("So. CNN", "所以。 CNN", "no space beside full-width"),
    ("with CNN a", "用  CNN", "one space, not several"),
    ("10 steps", "１０ 步", "full-width letter or digit"),
]


def unit_of(source: str):
    document = parse(f"[^n]: note\n\n[^a]: note\n\n[r]: a.html\n\n{source}\n")
    if source.startswith("|"):
        document = parse(f"{source}\n|{'---|' * (source.count('|') - 1)}\n")
    return document, document.units[-1]


@pytest.mark.parametrize(("source", "translation"), GOOD)
def test_good_translations_pass(source, translation):
    document, unit = unit_of(source)
    assert unit.text == source
    assert unit_problems(unit, translation, document.env) == []


@pytest.mark.parametrize(("source", "translation", "complaint"), BAD)
def test_bad_translations_are_told(source, translation, complaint):
    document, unit = unit_of(source)
    assert any(complaint in problem for problem in unit_problems(unit, translation, document.env))


def test_the_source_itself_keeps_its_structure():
    for source, *_ in [*GOOD, *BAD]:
        document, unit = unit_of(source)
        assert [p for p in unit_problems(unit, source, document.env) if "translated" not in p] == []


def test_what_the_translator_keeps_may_stay_english():
    document, unit = unit_of("Deep Residual Learning for Image Recognition")
    assert unit_problems(unit, unit.text, document.env)
    assert unit_problems(unit, unit.text, document.env, keep=True) == []


def test_html_keeps_its_tags_and_translates_its_texts():
    document = parse('<div class="a"><img src="x.png" alt="A curve"> Some text</div>\n')
    (unit,) = document.units
    good = '<div class="a"><img src="x.png" alt="曲线"> 文字</div>'
    assert unit_problems(unit, good, document.env) == []
    assert unit_problems(unit, good.replace("div", "p"), document.env)
    assert unit_problems(unit, good.replace("x.png", "y.png"), document.env)
    assert any("full-width" in p for p in unit_problems(unit, good.replace("曲线", "曲线 ，"), document.env))


@pytest.mark.parametrize(
    ("translation", "what"),
    [
        ("- 一", "changes the structure: bullet_list_open"),
        ("1. 一", "changes the structure: ordered_list_open"),
        ("# 一", "changes the structure: heading_open"),
        ("```{unheard-of}", "breaks the markup"),
        ("一  \n    \n二", "changes the structure: "),
    ],
)
def test_a_unit_that_becomes_another_block_is_found(translation, what):
    document = parse("# Title\n\nFirst.\n\nSecond.\n")
    found = document_problems(document, {"Title": "标题", "First.": "先。", "Second.": translation})
    assert [unit.text for unit, _ in found] == ["Second."]
    assert what in found[0][1]
    assert document_problems(document, {"Title": "标题", "First.": "先。", "Second.": "后。"}) == []


def test_glossary_terms_are_warned_of(book):
    book.add(
        "book/glossary.md",
        "| English | 中文 | Meaning |\n|---|---|---|\n| [batch, mini-batch]{#b} | 批次（小批量） | Some examples |\n"
        "| [learning rate]{#l} | 学习率、步长 | A number |\n| rate | 速率 | One |\n"
        "| weight, bias | 权重、偏置 | Two |\n"
        "| one, two and three sets | 一、二、三 | Sets |\n"
        "| [CNN]{#c} | CNN | A net |\n",
    )
    terms = glossary.terms(book.root)
    assert terms == {
        "batch": ["批次"],
        "mini-batch": ["批次"],
        "learning rate": ["学习率", "步长"],
        "rate": ["速率"],
        "weight": ["权重", "偏置"],
        "bias": ["权重", "偏置"],
    }

    def warnings(source, translation):
        document, unit = unit_of(source)
        return unit_warnings(unit, translation, document.env, terms)

    assert warnings("Two Batches at this learning rate", "以此步长的两个批次") == []
    assert warnings("Two batches", "两个批量") == ["“batch” is 批次 in the glossary"]
    assert warnings("The learning rate", "速率") == ["“learning rate” is 学习率 or 步长 in the glossary"]
    assert warnings("The code `batch` separates", "代码 `batch` 分开") == []


def test_long_english_in_a_translation_is_warned_of():
    document, unit = unit_of("It says that all of this is as it was before.")
    (warning,) = unit_warnings(unit, "它说 that all of this is as it was before。", document.env, {})
    assert warning.startswith("English left")
