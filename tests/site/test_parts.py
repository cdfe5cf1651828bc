"""The parts of the site's build that need no build: rules kept, warnings told, words cut, files served."""

import http.client
import socket
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from docutils import nodes
from sphinx.search import languages

from aibook.site import css, editions, run, serve, source, stamp
from aibook.site.ext import chinese, labels


@pytest.mark.parametrize(
    ("sheet", "kept"),
    [
        (".a{x:1}.b{x:2}", ".a{x:1}"),
        (".a,.b .a,p.b{x:1}", ".a{x:1}"),
        ("p:not(.b){x:1}", "p:not(.b){x:1}"),
        ("@media print{.b{x:1}}", ""),
        ("@media print{.a{x:1}.b{x:1}}", "@media print{.a{x:1}}"),
        ("@keyframes k{from{x:1}to{x:2}}", "@keyframes k{from{x:1}to{x:2}}"),
        ('.a:before{content:"}.b{"}', '.a:before{content:"}.b{"}'),
        ("/* .a{x:1} */@charset 'utf-8';.a{x:1}", ".a{x:1}"),
        (".a>.b{x:1}", ""),
    ],
)
def test_purge_keeps_what_a_page_can_match(sheet: str, kept: str) -> None:
    assert css.purge(sheet, {"a"}) == kept


def test_words_of_pages_and_scripts_count_as_classes() -> None:
    assert {"one", "two-three", "four"} <= css.words(['<p class="one two-three">', "x.classList.add('four')"])


def test_warnings_are_told_by_page_line_and_cell() -> None:
    log = (
        "/tree/book/a.md:12: WARNING: no such label\n"
        "/tree/notebooks/b.ipynb:30007: ERROR: no such directive\n  with a second line\n"
        "/tree/book/a.md:12: WARNING: no such label\n"
        "WARNING: of the whole book\nreading sources... [ 50%] book/a\n"
    )
    assert run.problems(log, Path("/tree")) == [
        run.Problem("book/a.md, line 12", "no such label"),
        run.Problem("notebooks/b.ipynb, cell 3, line 7", "no such directive\nwith a second line"),
        run.Problem("the book", "of the whole book"),
    ]


def test_chinese_is_cut_into_pairs_and_english_into_words() -> None:
    words = chinese.SearchChinese({}).split("用ResNet-50训练卷积网络")
    assert set(words) == {"用", "训练", "练卷", "卷积", "积网", "网络", "ResNet", "50"}


def test_chinese_search_takes_the_place_of_sphinx_own() -> None:
    """Sphinx looks the language `zh_CN` up as `zh`, which `setup` registers."""
    assert chinese.SearchChinese.lang in languages


def text(*pieces: str) -> list[nodes.Node]:
    return [nodes.strong("", piece[2:-2]) if piece.startswith("**") else nodes.Text(piece) for piece in pieces]


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        (["卷积", "\n", "网络"], "卷积网络"),
        (["卷积\n网络。\n它"], "卷积网络。它"),
        (["卷积", "\n", "**网络**", "\n", "它"], "卷积网络它"),
        (["the", "\n", "net"], "the\nnet"),
        (["用", "\n", "ResNet"], "用\nResNet"),
        (["**卷积**", "\n", "the"], "卷积\nthe"),
        (["a", "\n", "b", "**卷**", "\n", "积"], "a\nb卷积"),
    ],
)
def test_lines_join_between_chinese_characters_only(pieces: list[str], joined: str) -> None:
    paragraph = nodes.paragraph("", "", *text(*pieces))
    chinese.join_lines(paragraph)
    assert paragraph.astext() == joined
    kinds = [isinstance(child, nodes.Text) for child in paragraph]
    assert (True, True) not in pairwise(kinds), "neighbouring texts are not one"


def test_labels_and_settings_say_the_same_in_every_language() -> None:
    for words in (labels.LABELS, source.WORDS):
        assert set(words) == set(editions.EDITIONS)
        assert len({frozenset(each) for each in words.values()}) == 1
        assert all(all(each.values()) for each in words.values())


def test_colab_opens_the_edition_on_the_published_branch() -> None:
    link = editions.colab_url("zh_CN", "cv/01-image-recognition.ipynb")
    assert link.startswith("https://colab.research.google.com/github/")
    assert link.endswith("/blob/gh-pages/zh/colab/cv/01-image-recognition.ipynb")


def test_stamp_changes_with_a_source_and_with_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamp.house, "ROOT", tmp_path)
    (tmp_path / "book").mkdir()
    page = tmp_path / "book" / "intro.md"
    page.write_text("one")
    first, foundations = stamp.inputs(), stamp.foundations()
    (tmp_path / "notes.txt").write_text("nothing to do with the site")
    assert stamp.inputs() == first
    page.write_text("two")
    assert stamp.inputs() != first
    assert stamp.foundations() == foundations
    (tmp_path / "_config.yml").write_text("title: other")
    assert stamp.foundations() != foundations


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(serve.house, "SITE", tmp_path)
    return tmp_path


def test_serve_says_when_nothing_is_built(site: Path, capsys: pytest.CaptureFixture) -> None:
    assert serve.main(8000, open_browser=False) == 1
    assert "aibook site" in capsys.readouterr().err


def test_serve_takes_the_next_port_when_one_is_busy(site: Path) -> None:
    with socket.socket() as busy:
        busy.bind((serve.HOST, 0))
        busy.listen()
        port = busy.getsockname()[1]
        server = serve.listen(port)
        server.server_close()
        assert port < server.server_port < port + serve.TRIES


def test_serve_says_when_all_ports_are_busy(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (site / "index.html").touch()
    monkeypatch.setattr(serve, "TRIES", 1)
    with socket.socket() as busy:
        busy.bind((serve.HOST, 0))
        busy.listen()
        assert serve.main(busy.getsockname()[1], open_browser=False) == 1
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.woff2", "font/woff2"),
        ("a.svg", "image/svg+xml"),
        ("a.ipynb", "application/x-ipynb+json"),
    ],
)
def test_files_are_served_with_their_type(name: str, kind: str, site: Path) -> None:
    (site / name).write_text("x")
    server = serve.listen(0)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    try:
        connection = http.client.HTTPConnection(serve.HOST, server.server_port, timeout=5)
        connection.request("GET", f"/{name}")
        response = connection.getresponse()
        assert (response.status, response.headers["Content-Type"]) == (200, kind)
    finally:
        server.shutdown()
        server.server_close()
