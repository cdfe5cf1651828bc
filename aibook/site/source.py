"""The source tree that Jupyter Book reads for one language: pages, notebooks, configuration, static files."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml

from aibook import house
from aibook.site import mathjax
from aibook.site.editions import Edition

# Settings of Sphinx's extensions that hold words.
WORDS = {
    "en": {
        "nb_code_prompt_show": "Show the {type} of this cell",
        "nb_code_prompt_hide": "Hide the {type} of this cell",
        "togglebutton_hint": "Click to show",
        "togglebutton_hint_hide": "Click to hide",
    },
    "zh_CN": {
        "nb_code_prompt_show": "展开此单元格",
        "nb_code_prompt_hide": "收起此单元格",
        "togglebutton_hint": "点击展开",
        "togglebutton_hint_hide": "点击收起",
    },
}
LABS = "notebooks/labs/"
SEARCH = {"en": "Search the book", "zh_CN": "搜索全书"}


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
    from aibook.translate import tree

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tree.write(edition.language, root)
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            if path.suffix == ".ipynb":
                yield name, _notebook(nbformat.read(path, as_version=4), lab=name.startswith(LABS))
            elif path.is_file():
                yield name, path.read_bytes()
        yield "_config.yml", configuration(edition, root / "_config.yml")
    yield from ((f"book/_static/mathjax/{name}", content) for name, content in mathjax.files())


def _notebook(node: nbformat.NotebookNode, lab: bool) -> bytes:
    """A notebook as the site shows it: its set-up cell folded, and of a lab only what students get."""
    from aibook.labs.release import release_node

    node = release_node(node) if lab else node
    for cell in node.cells:
        if "setup" in (tags := cell.metadata.get("tags", [])):
            cell.metadata["tags"] = [*tags, "hide-input"]
    return nbformat.writes(node).encode()


def configuration(edition: Edition, path: Path) -> bytes:
    """The configuration at `path` with what differs between the languages beside its texts."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["html"]["baseurl"] = f"{house.site_url()}/{edition.folder}"
    sphinx = config["sphinx"]["config"]
    sphinx |= {"language": edition.language} | WORDS[edition.language]
    sphinx["html_theme_options"]["search_bar_text"] = SEARCH[edition.language]
    return yaml.safe_dump(config, allow_unicode=True, sort_keys=False).encode()
