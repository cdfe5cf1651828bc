"""Puts the built pages together with the notebooks, labs and wheel that readers take from the site."""

import shutil
from pathlib import Path
from string import Template

import yaml

from aibook import house
from aibook.site.editions import Edition

REDIRECT = '<!DOCTYPE html>\n<html lang="{lang}">\n<meta charset="utf-8">\n<title>{title}</title>\n'
REDIRECT += '<meta http-equiv="refresh" content="0; url={page}">\n<a href="{page}">{title}</a>\n</html>\n'


def edition(which: Edition, html: Path, stage: Path) -> None:
    """Lay one language's pages and its Colab notebooks in `stage`."""
    from aibook.editions import colab

    shutil.copytree(html, stage, ignore=shutil.ignore_patterns("objects.inv", ".buildinfo"))
    redirect = REDIRECT.format(lang=which.html_lang, title=which.name, page=_start())
    (stage / "index.html").write_text(redirect, encoding="utf-8")
    (stage / "colab").mkdir()
    colab.write(which.language, stage / "colab")


def common(stage: Path) -> None:
    """Lay in `stage` what both languages share: the page that picks one, the student labs, the wheel."""
    from aibook.editions import wheel
    from aibook.labs import release

    for folder in ("labs", "wheels"):
        (stage / folder).mkdir(parents=True)
    release.release(stage / "labs")
    wheel.build(stage / "wheels")
    root = Template(Path(__file__).with_name("root.html").read_text(encoding="utf-8"))
    (stage / "index.html").write_text(root.substitute(site=house.site_url(), start=_start()), encoding="utf-8")
    (stage / ".nojekyll").touch()  # GitHub Pages would leave out folders that begin with an underscore


def replace(stage: Path, site: Path) -> None:
    """Move everything in `stage` to its place in `site`; what was there before goes only now."""
    site.mkdir(parents=True, exist_ok=True)
    retired = stage.with_name("retired")
    shutil.rmtree(retired, ignore_errors=True)
    retired.mkdir()
    for new in sorted(stage.iterdir()):
        old = site / new.name
        if old.exists():
            old.rename(retired / new.name)
        new.rename(old)
    shutil.rmtree(retired)
    stage.rmdir()


def _start() -> str:
    """The book's first page."""
    toc = yaml.safe_load((house.ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return f"{toc['root']}.html"
