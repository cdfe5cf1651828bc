"""Puts the built pages together with the notebooks, labs and wheel that readers take from the site."""

import shutil
from pathlib import Path
from string import Template

import yaml

from aibook import house
from aibook.site.editions import Edition

LABS, WHEELS = "labs", "wheels"
REDIRECT = '<!DOCTYPE html>\n<html lang="{lang}">\n<meta charset="utf-8">\n<title>{title}</title>\n'
REDIRECT += '<meta http-equiv="refresh" content="0; url={page}">\n<a href="{page}">{title}</a>\n</html>\n'


def edition(which: Edition, html: Path, stage: Path) -> None:
    """Lay one language's pages, its Colab notebooks and its student labs in `stage`."""
    from aibook.editions import colab
    from aibook.labs import release

    pages = stage / which.folder
    shutil.copytree(html, pages, ignore=shutil.ignore_patterns("objects.inv", ".buildinfo"))
    redirect = REDIRECT.format(lang=which.html_lang, title=which.name, page=_start())
    (pages / "index.html").write_text(redirect, encoding="utf-8")
    (pages / "colab").mkdir()
    colab.write(which.language, pages / "colab")
    (stage / LABS / which.folder).mkdir(parents=True)
    release.release(stage / LABS, languages=[which.language])


def common(stage: Path) -> None:
    """Lay in `stage` what both languages share: the page that picks one, and the wheel."""
    from aibook.editions import wheel

    (stage / WHEELS).mkdir(parents=True)
    wheel.build(stage / WHEELS)
    root = Template(Path(__file__).with_name("root.html").read_text(encoding="utf-8"))
    (stage / "index.html").write_text(root.substitute(site=house.site_url(), start=_start()), encoding="utf-8")
    (stage / ".nojekyll").touch()  # GitHub Pages would leave out folders that begin with an underscore


def replace(stage: Path, site: Path) -> None:
    """Move all that is in `stage` to its place in `site`, one language's labs by themselves; the old goes only now."""
    (site / LABS).mkdir(parents=True, exist_ok=True)
    retired = stage.with_name("retired")
    shutil.rmtree(retired, ignore_errors=True)
    retired.mkdir()
    for number, new in enumerate([*stage.glob(f"{LABS}/*"), *(p for p in stage.iterdir() if p.name != LABS)]):
        old = site / new.relative_to(stage)
        if old.exists():
            old.rename(retired / str(number))
        new.rename(old)
    shutil.rmtree(retired)
    shutil.rmtree(stage)


def _start() -> str:
    """The book's first page."""
    toc = yaml.safe_load((house.ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return f"{toc['root']}.html"
