"""The pages of the book's own site, as its table of contents names them."""

import yaml

from aibook import house

TOC = yaml.safe_load((house.ROOT / "_toc.yml").read_text(encoding="utf-8"))
ROOT: str = TOC["root"]
PAGES: list[str] = [ROOT, *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
NOTEBOOKS = [page for page in PAGES if page.startswith("notebooks/")]
