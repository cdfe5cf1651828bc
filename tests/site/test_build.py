"""`aibook site` on a small book: both languages without a warning, then what a writer does to it."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.site import toy

COMMAND = [sys.executable, "-c", "from aibook.cli import main; main()"]


def aibook(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"AIBOOK_ROOT": str(root), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy book, translated and built in both languages."""
    root = toy.write(tmp_path_factory.mktemp("toy") / "book")
    aibook(root, "translate")
    toy.translate(root)
    built = aibook(root, "site")
    assert built.returncode == 0, built.stderr
    return root


def cpu_seconds_of_children() -> float:
    """What a machine that is busy with other tests does not lengthen, as it does the time on the clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def page(book: Path, name: str) -> str:
    return (book / "_build" / "site" / f"{name}.html").read_text(encoding="utf-8")


def snapshot(book: Path) -> dict[str, tuple[int, bytes]]:
    site = book / "_build" / "site"
    return {str(p.relative_to(site)): (p.stat().st_mtime_ns, p.read_bytes()) for p in site.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (
            "en",
            [
                "A toy book",
                'hreflang="zh-CN"',
                "../../zh/book/intro.html",
                "He et al.",
                "Right",
                "Not quite",
                "/edit/main/book/intro.md",
            ],
        ),
        (
            "zh",
            [
                "一本小书",
                'lang="zh-CN"',
                "../../en/book/intro.html",
                "并链接到<a",
                "正确",
                "不对",
                "点击展开",
                "zh_CN/book/intro.po",
            ],
        ),
    ],
)
def test_page_has_its_language_switch_citation_and_quiz(book: Path, folder: str, expected: list[str]) -> None:
    text = page(book, f"{folder}/book/intro") + (book / f"_build/site/{folder}/_static/bundle.js").read_text("utf-8")
    assert [piece for piece in expected if piece not in text] == []


@pytest.mark.parametrize(
    ("folder", "expected"), [("en", ["Exercise 1", "Fig. 1"]), ("zh", ["练习 1", "图 1", "展开此单元格"])]
)
def test_notebook_has_numbered_figure_exercise_and_folds(book: Path, folder: str, expected: list[str]) -> None:
    text = page(book, f"{folder}/notebooks/cv/01-toy")
    assert [piece for piece in expected if piece not in text] == []
    assert 'alt="' in text
    assert "solution dropdown" in text


def test_site_carries_the_editions_that_readers_take_from_it(book: Path) -> None:
    site = book / "_build" / "site"
    for folder in ("en", "zh"):
        nbformat.validate(nbformat.read(site / folder / "colab" / "cv" / "01-toy.ipynb", as_version=4))
        assert (site / "labs" / folder / "01-toy.ipynb").is_file()
    assert [wheel.suffix for wheel in (site / "wheels").iterdir()] == [".whl"]
    assert (site / ".nojekyll").is_file(), "GitHub Pages would leave out _static"


def test_lab_on_the_site_has_no_solution(book: Path) -> None:
    for path in (book / "_build" / "site").rglob("*01-toy*"):
        if "labs" in path.parts:
            assert toy.SECRET not in path.read_text(encoding="utf-8"), path


def test_no_page_names_a_foreign_script_style_or_picture(book: Path) -> None:
    for path in (book / "_build" / "site").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for attribute in ('src="http', "src='http", 'rel="stylesheet" href="http', "unpkg.com", "cdn.jsdelivr"):
            assert attribute not in text, path


def test_second_call_does_nothing_and_is_quick(book: Path) -> None:
    before = snapshot(book)
    start = cpu_seconds_of_children()
    assert aibook(book, "site").returncode == 0
    assert cpu_seconds_of_children() - start < 10, "3 s on an idle machine"
    assert snapshot(book) == before


def test_mistakes_are_told_by_page_line_and_cell_and_the_old_site_stays(book: Path) -> None:
    before = snapshot(book)
    intro, chapter = book / "book" / "intro.md", book / "notebooks" / "cv" / "01-toy.ipynb"
    good = intro.read_bytes(), chapter.read_bytes()
    intro.write_bytes(good[0] + b"\nSee [nowhere](#no-such-label).\n")
    node = nbformat.read(chapter, as_version=4)
    node.cells[5].source += "\n\n```{no-such-directive}\n```\n"
    nbformat.write(node, chapter)
    try:
        failed = aibook(book, "site", "--language", "en")
        assert failed.returncode == 1
        line = good[0].count(b"\n") + 2
        assert f"book/intro.md, line {line}" in failed.stderr
        assert "no-such-label" in failed.stderr
        assert "notebooks/cv/01-toy.ipynb, cell 6, line" in failed.stderr
        assert "Traceback" not in failed.stderr
        assert snapshot(book) == before
        # Sphinx says nothing more of a page that it has read: the mistake must not pass the second time.
        assert aibook(book, "site", "--language", "en").returncode == 1
    finally:
        intro.write_bytes(good[0])
        chapter.write_bytes(good[1])
    assert aibook(book, "site").returncode == 0


def test_missing_translation_is_told_and_holds_up_no_other_language(book: Path) -> None:
    before = snapshot(book)
    intro = book / "book" / "intro.md"
    good = intro.read_bytes()
    intro.write_bytes(good + b"\nA sentence that nobody has translated.\n")
    try:
        failed = aibook(book, "site", "--language", "zh_CN")
        assert failed.returncode == 1
        assert "aibook translate" in failed.stderr
        assert "Traceback" not in failed.stderr
        assert snapshot(book) == before
        assert aibook(book, "site", "--language", "en").returncode == 0
        assert "nobody has translated" in page(book, "en/book/intro")
        assert (book / "_build" / "site" / "labs" / "zh" / "01-toy.ipynb").is_file(), (
            "the other language's labs are gone"
        )
    finally:
        intro.write_bytes(good)
