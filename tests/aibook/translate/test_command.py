"""`aibook translate`: what it says, and what it answers to a script."""

import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from aibook import house
from aibook.translate.command import main


def say(book, **options) -> tuple[int, str]:
    stream = io.StringIO()
    status = main(root=book.root, console=Console(file=stream, width=160), **options)
    return status, stream.getvalue()


def row(text: str, path: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(path + " ")]
    return line.split()[1:]


def test_check_writes_nothing_and_fails_until_all_is_done(book):
    status, text = say(book, check=True)
    assert status == 1
    assert row(text, "book/page.md") == ["2", "2", "·", "·", "·", "out", "of", "date"]
    assert "Run `aibook translate`" in text
    assert book.catalogs() == {}
    status, text = say(book)
    assert status == 0
    assert row(text, "book/page.md") == ["2", "2", "·", "·", "·", "to", "do"]
    assert say(book, check=True)[0] == 1


def test_a_translated_book_passes(translated_book):
    before = translated_book.catalogs()
    status, text = say(translated_book, check=True)
    assert status == 0
    assert row(text, "notebooks/cv/01-first.ipynb") == ["4", "·", "·", "·", "·", "done"]
    assert translated_book.catalogs() == before


@pytest.mark.parametrize(
    ("chinese", "complaint"),
    [
        ("一段话。", "lost: math x^2"),
        ("- 一段话，其中有 $x^2$。", "changes the structure: bullet_list_open"),
        ("一段话, 其中有 $x^2$。", "half-width punctuation"),
    ],
)
def test_a_wrong_translation_fails_with_its_place_and_reason(translated_book, chinese, complaint):
    translated_book.translate("book/page.po", {"Two lines of one paragraph, with $x^2$.": chinese})
    status, text = say(translated_book, check=True)
    assert status == 1
    (line,) = [line for line in text.splitlines() if complaint in line]
    assert line.startswith("book/page.md#a-page ")
    assert row(text, "book/page.md")[3] == "1"


def test_warnings_do_not_fail(translated_book):
    translated_book.add("book/glossary.md", "| English | 中文 |\n|---|---|\n| page | 书页 |\n")
    say(translated_book)
    translated_book.translate(
        "book/glossary.po", {"| English | 中文 |": "| English | 中文 |", "| page | 书页 |": "| page | 书页 |"}
    )
    say(translated_book)
    status, text = say(translated_book, check=True)
    assert status == 0
    assert "“page” is 书页 in the glossary" in text


def test_brackets_in_a_text_are_no_style_of_the_console(translated_book):
    translated_book.translate("book/page.po", {"A page": "[/red] 页,[CLS]"})
    status, text = say(translated_book, check=True)
    assert status == 1
    assert "[/red] 页,[CLS]" in text


def test_a_source_that_cannot_be_read_is_named(book):
    book.add("book/page.md", "Text.\n\n```{unheard-of}\n```\n")
    status, text = say(book, check=True)
    assert status == 1
    assert "book/page.md, line 3: directive {unheard-of}" in text
    book.add("book/page.md", "Text.\n")
    book.add("notebooks/cv/01-first.ipynb", '{"cells": [}')
    assert "01-first.ipynb" in say(book)[1]


def test_the_command_line(book, monkeypatch):
    from aibook.cli import app

    monkeypatch.setattr(house, "ROOT", book.root)
    result = CliRunner().invoke(app, ["translate", "--check"])
    assert result.exit_code == 1
    assert "book/page.md" in result.output
    assert CliRunner().invoke(app, ["translate"]).exit_code == 0
    assert "zh_CN/book/page.po" in book.catalogs()
