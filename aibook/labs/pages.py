"""Pages of what students wrote, for people to read: one file each, that loads nothing and runs nothing.

Jinja escapes every value, and should that ever fail, the page's policy allows no script, no picture, no frame and no
style but its own. Language is switched by two radio buttons and CSS, since there are no scripts.
"""

import base64
import hashlib
import re
from pathlib import Path

from markupsafe import Markup, escape

TEMPLATES = Path(__file__).with_name("templates")


def rendered(template: str, **values: object) -> str:
    """The page that a template of this folder makes of the values."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    pages.filters["code"] = _with_code
    pages.filters["points"] = lambda number: f"{number:g}"
    return pages.get_template(template).render(style=style, policy=policy, **values)


def _with_code(text: str) -> Markup:
    """Text whose `names` are set as code: first everything is escaped, then tags are set around what is escaped."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))


def write(path: Path, page: str) -> None:
    """Write a page in the place of an older one, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partly = path.with_suffix(".partly")
    partly.write_text(page, encoding="utf-8", errors="replace")
    partly.replace(path)
