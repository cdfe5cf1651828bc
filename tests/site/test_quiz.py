"""The quiz directive, through Sphinx."""

import io
from pathlib import Path

import pytest
from sphinx.application import Sphinx

GOOD = """# Page

:::{quiz} Is $x$ a *letter*?
- [ ] No, it is
  *wrong*: it is one.

  A second paragraph.
- [x] Yes
  It is.
- [X] `Yes`, too
  - with a list
:::
"""


def build(folder: Path, text: str, language: str = "en") -> tuple[str, str]:
    """The page's HTML and the warnings."""
    source = folder / "source"
    source.mkdir()
    (source / "index.md").write_text(text, encoding="utf-8")
    settings = {
        "extensions": ["myst_parser", "aibook.site.ext.quiz"],
        "myst_enable_extensions": ["colon_fence", "dollarmath"],
        "language": language,
    }
    warnings = io.StringIO()
    app = Sphinx(
        source, None, folder / "out", folder / "trees", "html", settings, status=None, warning=warnings, freshenv=True
    )
    app.build()
    return (folder / "out" / "index.html").read_text(encoding="utf-8"), warnings.getvalue()


def test_answers_unfold_without_scripts_and_say_whether_they_are_right(tmp_path: Path) -> None:
    html, warnings = build(tmp_path, GOOD)
    assert warnings == ""
    assert html.count("<details") == 3
    assert html.count("quiz-right") == 2
    assert html.count("quiz-wrong") == 1
    assert "<summary><span>No, it is</span></summary>" in html
    assert '<span class="quiz-verdict">Not quite</span> <em>wrong</em>: it is one.' in html
    assert "A second paragraph." in html
    assert html.index("Right</span>") < html.index("with a list")
    assert "[x]" not in html.lower()


def test_verdicts_are_in_the_language_of_the_page(tmp_path: Path) -> None:
    html, _ = build(tmp_path, GOOD, language="zh_CN")
    assert html.count("正确") == 2
    assert "不对" in html


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("Just text.", "A quiz is a list"),
        ("- [ ] One\n  Why.\n- [ ] Two\n  Why.", "No answer of this quiz is right"),
        ("- [x] One\n  Why.\n- Two\n  Why.", "has no box"),
        ("- [x] One", "“One” has no explanation"),
        ("-\n- [x] One\n  Why.", "has no box"),
    ],
)
def test_malformed_quiz_is_told(body: str, message: str, tmp_path: Path) -> None:
    _, warnings = build(tmp_path, f"# Page\n\n:::{{quiz}} Question?\n{body}\n:::\n")
    assert message in warnings
    assert "index.md:3" in warnings
