"""The results page as Sphinx builds it, in both languages."""

import html
import re
import subprocess
import sys

import pytest
import yaml

from aibook import house
from aibook.results import bands

CONF = """
extensions = ["myst_nb", "sphinxcontrib.bibtex", "aibook.site.ext.results"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"
bibtex_bibfiles = ["references.bib"]
html_theme = "basic"
language = "{language}"
# the build runs in a process of its own: show it the test's book
from pathlib import Path
from aibook import house
house.NOTEBOOKS, house.STUDIES, house.EXPECTED = (Path(path) for path in {paths!r})
"""
PAGE = """# Results
```{results-table}
```
```{execution-table}
```
```{toctree}
notebooks/cv/01-seen
```
```{bibliography}
```
"""


@pytest.fixture(params=["en", "zh_CN"])
def page(request, book):
    """Text of the page built from one notebook; a record is outside its band."""
    seen = book.write(book.record("accuracy", 81.5), book.record("loss", [2.0, 1.0, 0.5], "", "lower"))
    book.study(seen)
    bands.set_from_study(seen)
    expected = bands.read()
    note = {"en": "its note", "zh_CN": "它的注释"}
    expected["cv/01-seen"]["accuracy"]["published"] = {"value": 91.9, "cite": "he2016deep", "note": note}
    house.EXPECTED.write_text(yaml.safe_dump(expected), encoding="utf-8")
    source = book.root / "source"
    book.write(to=source / "notebooks" / "cv" / "01-seen.ipynb")
    paths = [str(path) for path in (house.NOTEBOOKS, house.STUDIES, house.EXPECTED)]
    (source / "conf.py").write_text(CONF.format(language=request.param, paths=paths), encoding="utf-8")
    (source / "index.md").write_text(PAGE, encoding="utf-8")
    entry = "@misc{he2016deep, author={He, Kaiming}, title={Deep}, year={2016}, url={https://arxiv.org/abs/1512.03385}}"
    (source / "references.bib").write_text(entry, encoding="utf-8")
    out = book.root / "html"
    sphinx = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", str(source), str(out)]
    done = subprocess.run(sphinx, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (out / "index.html").read_text(encoding="utf-8")
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
    return request.param, text, words


def test_the_page_shows_records_bands_studies_and_publications(page):
    language, text, words = page
    outside, note, stale = {
        "en": ("outside", "its note", "out of date"),
        "zh_CN": ("超出区间", "它的注释", "已过期"),
    }[language]
    assert f"81.5 % 89.4 … 96.6 {outside} 93.00 ± 0.71 91.9" in words
    assert note in words and "2016" in words
    assert "2 … 0.5 (3)" in words
    assert 'href="notebooks/cv/01-seen.html"' in text
    assert "310 " in words and "EPYC" in words and "61" in words and "2026-11-23" in words
    assert stale in words, "the notebook carries no fingerprint and says so"
    assert ("Record" in words) == (language == "en")
