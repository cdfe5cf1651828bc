"""Catalogs follow the English text without losing a translation, and stay as they are when nothing changed."""

import polib
import pytest

from aibook.translate.command import main, survey

PO = "book/page.po"


def entries(book, path=PO) -> dict[str, polib.POEntry]:
    return {entry.msgid: entry for entry in polib.pofile(str(book.catalog(path)))}


def report(book, path="book/page.md"):
    (found,) = [r for r in survey(book.root, "zh_CN", update=False) if r.path.as_posix() == path]
    return found


def test_every_text_of_the_book_has_an_entry_with_its_place(book):
    assert main(root=book.root) == 0
    assert sorted(book.catalogs()) == [
        "zh_CN/_config.po",
        "zh_CN/_toc.po",
        "zh_CN/book/page.po",
        "zh_CN/notebooks/cv/01-first.po",
    ]
    found = entries(book, "notebooks/cv/01-first.po")
    assert [(text, entry.comment, entry.occurrences[0][0]) for text, entry in found.items()] == [
        ("A chapter", "heading 1", "notebooks/cv/01-first.ipynb#head"),
        ("We begin.", "paragraph", "notebooks/cv/01-first.ipynb#head"),
        ("A curve of $x$.", "paragraph", "notebooks/cv/01-first.ipynb#code"),
        ("A rising curve.", "alt text", "notebooks/cv/01-first.ipynb#code"),
    ]
    assert entries(book)["A page"].occurrences == [("book/page.md#a-page", "")]


def test_updating_twice_changes_nothing(translated_book):
    book = translated_book
    book.add("book/other.md", 'Odd "quotes", a \\ and\ta tab, ' + "many words " * 40 + "and 很多字" * 60 + ".\n")
    main(root=book.root)
    first = book.catalogs()
    assert main(root=book.root) == 0
    assert book.catalogs() == first
    (entry,) = entries(book, "book/other.po")
    assert entry.startswith('Odd "quotes", a \\ and\ta tab')


def test_catalogs_carry_no_date(translated_book):
    for content in translated_book.catalogs().values():
        assert b"Date" not in content


def test_a_changed_text_offers_its_old_translation_as_fuzzy(translated_book):
    book = translated_book
    book.add("book/page.md", "# A page\n\nTwo short lines of one paragraph, with $x^2$.\n")
    assert report(book).outdated
    assert main(root=book.root) == 0
    entry = entries(book)["Two short lines of one paragraph, with $x^2$."]
    assert entry.fuzzy
    assert entry.msgstr == "一段话，其中有 $x^2$。"
    assert entry.previous_msgid == "Two lines of one paragraph, with $x^2$."
    assert (report(book).missing, report(book).fuzzy) == (0, 1)

    # A second change keeps the text that the translation was made for.
    book.add("book/page.md", "# A page\n\nTwo short lines of one long paragraph, with $x^2$.\n")
    main(root=book.root)
    entry = entries(book)["Two short lines of one long paragraph, with $x^2$."]
    assert entry.fuzzy
    assert entry.previous_msgid == "Two lines of one paragraph, with $x^2$."
    assert len(polib.pofile(str(book.catalog(PO)))) == 2


def test_a_vanished_text_is_kept_as_obsolete_and_comes_back(translated_book):
    book = translated_book
    before = book.catalog(PO).read_bytes()
    page = (book.root / "book/page.md").read_text()
    book.add("book/page.md", "# A page\n")
    main(root=book.root)
    obsolete = [entry.msgid for entry in entries(book).values() if entry.obsolete]
    assert obsolete == ["Two lines of one paragraph, with $x^2$."]
    assert report(book).done
    book.add("book/page.md", page)
    main(root=book.root)
    assert book.catalog(PO).read_bytes() == before


def test_rewrapping_the_english_changes_nothing(translated_book):
    before = translated_book.catalogs()
    translated_book.add("book/page.md", "# A page\n\nTwo lines of one\nparagraph, with\n$x^2$.\n")
    main(root=translated_book.root)
    assert translated_book.catalogs() == before


def test_the_same_text_may_read_differently_in_two_places(book):
    book.add("book/page.md", "# One\n\nLight\n\n# Two\n\nLight\n")
    main(root=book.root)
    path = book.catalog(PO)
    po = polib.pofile(str(path))
    assert [place for place, _ in po.find("Light").occurrences] == ["book/page.md#one", "book/page.md#two"]
    po.append(polib.POEntry(msgid="Light", msgctxt="book/page.md#two", msgstr="轻"))
    for text, chinese in (("One", "一"), ("Two", "二")):
        po.find(text).msgstr = chinese
    po.find("Light", msgctxt=False).msgstr = "光"
    po.save(str(path))
    main(root=book.root)
    assert report(book).done
    from aibook.translate.tree import _translated

    assert _translated(book.root, report(book).path, "zh_CN", []) == "# 一\n\n光\n\n# 二\n\n轻\n"


def test_the_catalog_of_a_file_that_is_gone_goes(translated_book):
    (translated_book.root / "book/page.md").unlink()
    assert main(check=True, root=translated_book.root) == 1
    main(root=translated_book.root)
    assert not translated_book.catalog(PO).exists()
    assert main(check=True, root=translated_book.root) == 0


@pytest.mark.parametrize("damage", [b"<<<<<<< HEAD\n", b"\xff\xfe"])
def test_a_damaged_catalog_is_named(translated_book, damage, capsys):
    path = translated_book.catalog(PO)
    path.write_bytes(path.read_bytes() + damage)
    assert main(root=translated_book.root) == 1
    assert "book/page.po" in capsys.readouterr().out
