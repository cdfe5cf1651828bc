"""The Chinese tree: all text translated, everything else as it is."""

import json
import time

import nbformat
import pytest
import yaml

from aibook.translate import tree


def files(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_english_is_a_plain_copy_without_the_catalogs(translated_book, tmp_path):
    tree.write("en", tmp_path / "en", root=translated_book.root)
    source = files(translated_book.root)
    assert files(tmp_path / "en") == {path: text for path, text in source.items() if "locale" not in path}


def test_chinese(translated_book, tmp_path):
    tree.write("zh_CN", tmp_path / "zh", root=translated_book.root)
    written = files(tmp_path / "zh")
    assert set(written) == {path for path in files(translated_book.root) if "locale" not in path}
    assert written["book/page.md"].decode() == "# 一页\n\n一段话，其中有 $x^2$。\n"
    assert written["book/_static/plain.css"] == b"a { color: red }\n"
    assert written["_config.yml"].decode() == "title: 一本书  # its name\nauthor: 我们：大家\nlogo: logo.svg\n"
    assert yaml.safe_load(written["_toc.yml"])["parts"][0]["caption"] == "从这里开始"


def test_chinese_notebook_keeps_code_and_outputs(translated_book, tmp_path):
    path = "notebooks/cv/01-first.ipynb"
    source = nbformat.read(translated_book.root / path, as_version=4)
    tree.write("zh_CN", tmp_path / "zh", root=translated_book.root)
    for node in (
        nbformat.read(tmp_path / "zh" / path, as_version=4),
        tree.translated(translated_book.root / path, root=translated_book.root),
    ):
        nbformat.validate(node)
        assert node.metadata.pop("language") == "zh-CN"
        assert node.metadata == source.metadata
        head, code = node.cells
        assert head.source == "# 一章\n\n我们开始。"
        assert code.source == source.cells[1].source
        assert code.outputs == source.cells[1].outputs
        assert code.metadata.mystnb == {
            "figure": {"caption": "$x$ 的曲线。", "name": "curve"},
            "image": {"alt": "一条上升的曲线。"},
        }
        assert code.metadata.tags == ["display"]


def test_what_is_untranslated_is_listed_and_nothing_is_written(translated_book, tmp_path):
    translated_book.add("book/new.md", "".join(f"Paragraph {number}.\n\n" for number in range(20)))
    translated_book.add("book/page.md", "# Another page\n")
    with pytest.raises(tree.UntranslatedError) as error:
        tree.write("zh_CN", tmp_path / "zh", root=translated_book.root)
    message = str(error.value)
    assert "21 texts have no translation into zh_CN" in message
    assert "book/new.md: 'Paragraph 0.'" in message
    assert "… and 9 more" in message
    assert "aibook translate --check" in message
    assert not (tmp_path / "zh").exists()


def test_fuzzy_counts_as_untranslated(translated_book, tmp_path):
    path = translated_book.catalog("book/page.po")
    path.write_text(path.read_text().replace("#. heading 1\n", "#. heading 1\n#, fuzzy\n"))
    with pytest.raises(tree.UntranslatedError, match="'A page'"):
        tree.write("zh_CN", tmp_path / "zh", root=translated_book.root)


def test_writing_again_touches_only_what_changed(translated_book, tmp_path):
    root, target = translated_book.root, tmp_path / "zh"
    tree.write("zh_CN", target, root=root)
    (target / "book/stale.md").write_text("gone from the source")
    (target / "_build").mkdir()
    (target / "_build/kept").write_text("built")
    times = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}
    time.sleep(0.01)
    translated_book.translate("book/page.po", {"A page": "一张页面"})
    tree.write("zh_CN", target, root=root)
    touched = [path for path, at in times.items() if not path.exists() or path.stat().st_mtime_ns != at]
    changed = {path.relative_to(target).as_posix() for path in touched}
    assert changed == {"book/page.md", "book/stale.md"}


def test_identity_translation_gives_the_english_book(book, tmp_path, monkeypatch):
    """Whatever the source's form (CRLF, sources as strings, no end of line), what is not translated does not move."""
    book.add("book/page.md", "# A page\r\n\r\n- one\r\n  two  \r\n  three\r\n\r\n| a|b |\r\n|-|-|\r\n|c |d|")
    monkeypatch.setattr("aibook.translate.catalog.Catalog.translation", lambda self, place: place.unit.text)
    tree.write("zh_CN", tmp_path / "zh", root=book.root)
    english = files(book.root)
    for path, written in files(tmp_path / "zh").items():
        if path.endswith(".ipynb"):
            node = json.loads(written)
            assert node["metadata"].pop("language") == "zh-CN"
            assert node == json.loads(english[path])
        else:
            assert written == english[path]


def test_the_real_tree_is_written_without_torch():
    import subprocess
    import sys

    code = "import sys; from aibook.translate import command, tree; print({'torch', 'helpers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
