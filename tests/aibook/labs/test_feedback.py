"""Feedback pages: what a student needs to see, in both languages, and nothing that a student wrote is ever executed."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from aibook.labs import roster
from aibook.labs.feedback import main, write
from aibook.labs.gradebook import Score
from aibook.labs.store import FILE, Store
from tests.aibook.labs.office import ANSWER, LAB, WRONG, mark, problem, result

HOSTILE = [
    "<script>window.pwned = 1</script>",
    '<img src=x onerror="window.pwned = 1">',
    "</textarea></pre></main><script>window.pwned = 1</script>",
    '"><svg onload=window.pwned=1>',
    "<a href='javascript:window.pwned=1' id=link>x</a>",
    "<style>body { display: none }</style><meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<iframe srcdoc='<script>parent.pwned = 1</script>'></iframe>",
    "{{ 7 * 7 }}{% raw %}",
]


def page(tmp_path, found, **more):
    (written,) = write([found], tmp_path / "out", **more)
    return written


def text(path):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8").split("</style>")[1]))


def test_each_task_has_points_a_message_and_time_in_both_languages(tmp_path):
    note = ("Code cell 3 did not run.", "第 3 个代码单元未能运行。")
    shown = text(page(tmp_path, result("anna", mean=1.5, cells=(note,))))
    for words in (
        *WRONG,
        *note,
        "the average",
        "average 的结果",
        "1.5/3",
        "0.2 s",
        "3.5",
        "why",
        ANSWER,
        "not scored yet",
    ):
        assert words in shown


def test_a_persons_points_and_comments_are_shown(tmp_path):
    book = {
        "why": Score(None, 3.0, 0.5, False, 4, "Which variance?"),
        "check-mean": Score(3.0, 1.0, 0, False, 3, "Too slow."),
        "check-double": Score(2.0, None, 0, False, 2),
    }
    shown = text(page(tmp_path, result("anna"), book={("anna", LAB): book}))
    assert "6.5 of / 9 points" in shown and "Which variance?" in shown and "Too slow." in shown
    assert "not scored yet" not in shown and "set by a person: 人工改分： 1/3" in shown


def test_what_was_not_graded_says_why(tmp_path):
    shown = text(page(tmp_path, problem("anna")))
    assert "Not graded" in shown and all(words in shown for words in problem("anna").problem)


def test_one_page_a_student_by_name_with_all_labs(tmp_path):
    people = roster.Roster([roster.Person("anna", "Anna Lee")])
    written = write([result("anna"), result("anna", lab="08-other"), result("bo")], tmp_path, people)
    assert [path.name for path in written] == ["anna.html", "bo.html"]
    assert "Anna Lee" in text(written[0]) and "08-other" in text(written[0])
    (odd,) = write([result("../../etc")], tmp_path / "in")
    assert odd.parent == tmp_path / "in"


def everywhere(text):
    """A result with this text wherever a student's text can get."""
    return result(
        text,
        file=text,
        answers=(("why", 4.0, text), (text, 1.0, text)),
        cells=((text, text),),
        marks=(mark("mean", "average", 0, 3, (text, text)), mark(text, text, 0, 1, (text, text), text)),
        problem=(text, text),
        sha256=text,
        graded_at=text,
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_that_a_student_wrote_is_markup(tmp_path, hostile):
    source = page(tmp_path, everywhere(hostile)).read_text(encoding="utf-8")
    body = source.split("</style>", 1)[1]
    assert not re.search(r"<(script|img|svg|iframe|textarea|style|meta|a)\b", body, re.IGNORECASE)
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in source and "unsafe" not in source.split("<style>")[0]


def test_in_a_browser_nothing_runs_and_nothing_is_asked_for(tmp_path, open_browser):
    path = page(tmp_path, everywhere("\n".join(HOSTILE)))
    watched = open_browser()
    opened = watched.open(path.as_uri())
    assert opened.evaluate("window.pwned") is None
    assert watched.requests == [path.as_uri()] and not watched.wrong
    assert opened.locator("script, img, svg, iframe, textarea").count() == 0
    assert opened.locator("h1").is_visible()
    assert opened.locator("pre.answer").first.inner_text().startswith(HOSTILE[0])


def test_in_a_browser_the_policy_stops_what_escaping_would_let_through(tmp_path, open_browser):
    path = page(tmp_path, result("anna"))
    evil = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'><style>h1 { display: none }</style>"
    path.write_text(path.read_text(encoding="utf-8").replace("</main>", f"{evil}</main>"), encoding="utf-8")
    watched = open_browser()
    opened = watched.open(path.as_uri())
    assert opened.evaluate("window.pwned") is None and opened.locator("h1").is_visible()
    assert len(watched.wrong) >= 3 and all("Content Security Policy" in said for said in watched.wrong)


def test_in_a_browser_it_is_readable_accessible_and_switches_language(tmp_path, open_browser):
    path = page(tmp_path, result("anna", mean=1.5, cells=(("A note.", "一条说明。"),)))
    for scheme in ("light", "dark"):
        watched = open_browser(color_scheme=scheme, viewport={"width": 360, "height": 740})
        opened = watched.open(path.as_uri())
        found = Axe().run(opened).response["violations"]
        assert not [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    english, chinese = opened.get_by_text("A note."), opened.get_by_text("一条说明。")
    assert english.is_visible() and not chinese.is_visible()
    opened.get_by_label("中文").check()
    assert chinese.is_visible() and not english.is_visible()
    opened.emulate_media(media="print")
    assert not opened.locator("fieldset").is_visible() and chinese.is_visible()
    assert not watched.wrong


def test_chinese_can_come_first(tmp_path, open_browser):
    opened = open_browser().open(page(tmp_path, result("anna"), language="zh_CN").as_uri())
    assert opened.get_by_text("由程序评分的任务").is_visible()
    assert opened.get_attribute("html", "lang") == "zh-CN"


def test_the_command_and_its_errors(toy, tmp_path, capsys):
    assert main(toy, tmp_path / "out", None, None, None, "en") == 1
    assert "Grade first" in capsys.readouterr().err
    with Store(toy / FILE) as store:
        store.put(result("anna"))
    assert main(toy, tmp_path / "out", None, None, None, "en") == 0
    assert "1 pages" in capsys.readouterr().out and (tmp_path / "out" / "anna.html").is_file()


def test_names_are_set_as_code_and_hostile_ones_stay_text(tmp_path):
    text = ("`batches` of `<img src=x>`", "`batches` 与 `<img src=x>`")
    source = page(tmp_path, result("anna", problem=text)).read_text(encoding="utf-8")
    assert "<code>batches</code> of <code>&lt;img src=x&gt;</code>" in source
