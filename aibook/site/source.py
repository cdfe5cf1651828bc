"""The source tree that Jupyter Book reads for one language: pages, notebooks, configuration, static files."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml

from aibook import house
from aibook.site import mathjax
from aibook.site.editions import Edition

CAPTIONS = {
    "zh_CN": {
        "Start here": "从这里开始",
        "Computer vision": "计算机视觉",
        "Natural language processing": "自然语言处理",
        "Model-based reinforcement learning": "基于模型的强化学习",
        "Labs": "实验",
        "Instructors and results": "教师与结果",
        "Reference": "参考",
    }
}
LABELS = {
    "en": {"search_bar_text": "Search the book", "show": "Show {type}", "hide": "Hide {type}"},
    "zh_CN": {"search_bar_text": "搜索全书", "show": "展开代码", "hide": "收起代码"},
}
SKIPPED = {"locale", "__pycache__", ".ipynb_checkpoints"}


def assemble(edition: Edition, destination: Path) -> None:
    """Bring `destination` up to date with the edition's sources, touching only files that differ.

    Raises what the translation or the labs' release raises when a source cannot be read.
    """
    wanted = dict(_sources(edition))
    for path in [p for p in destination.rglob("*") if p.is_file()]:
        if str(path.relative_to(destination)) not in wanted:
            path.unlink()
    for name, content in wanted.items():
        target = destination / name
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _sources(edition: Edition) -> Iterator[tuple[str, bytes]]:
    """Relative path and content of every file of the tree; what comes later replaces what came before."""
    yield from _files(house.ROOT, ["book", "notebooks"])
    yield from ((f"book/_static/mathjax/{name}", content) for name, content in mathjax.files())
    with tempfile.TemporaryDirectory() as folder:
        pages = house.ROOT
        if edition.language != "en":
            from aibook.translate import tree

            pages = Path(folder)
            tree.write(edition.language, pages)
            yield from _files(pages, ["book", "notebooks"])
        yield from _student_labs(pages)
    yield "_config.yml", _dump(configuration(edition))
    yield "_toc.yml", _dump(contents(edition))


def _files(root: Path, folders: list[str]) -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root)
            if path.is_file() and not SKIPPED.intersection(name.parts):
                yield str(name), path.read_bytes()


def _student_labs(root: Path) -> Iterator[tuple[str, bytes]]:
    """The labs as students get them: the site never shows their solutions."""
    from aibook.labs.release import release_node

    for path in sorted((root / "notebooks" / "labs").glob("*.ipynb")):
        node = release_node(nbformat.read(path, as_version=4))
        yield str(path.relative_to(root)), nbformat.writes(node).encode()


def configuration(edition: Edition) -> dict:
    """`_config.yml` with what differs between the languages."""
    config = yaml.safe_load((house.ROOT / "_config.yml").read_text(encoding="utf-8"))
    labels = LABELS[edition.language]
    config["title"] = edition.title
    config["html"]["baseurl"] = f"{house.site_url()}/{edition.folder}"
    sphinx = config["sphinx"]["config"]
    sphinx["language"] = edition.language
    sphinx["html_theme_options"]["search_bar_text"] = labels["search_bar_text"]
    sphinx["nb_code_prompt_show"] = labels["show"]
    sphinx["nb_code_prompt_hide"] = labels["hide"]
    return config


def contents(edition: Edition) -> dict:
    """`_toc.yml` with its captions translated. Raises KeyError naming a caption that has no translation."""
    toc = yaml.safe_load((house.ROOT / "_toc.yml").read_text(encoding="utf-8"))
    if edition.language != "en":
        for part in toc["parts"]:
            part["caption"] = CAPTIONS[edition.language][part["caption"]]
    return toc


def _dump(data: dict) -> bytes:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode()
