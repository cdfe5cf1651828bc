"""What stands in Colab for each role, such as {cite:p}`he2016deep`."""

import html
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from aibook.editions.colab import citations, glue
from aibook.editions.colab.parsing import FlattenError

if TYPE_CHECKING:
    from aibook.editions.colab.flatten import Page

_TITLED = re.compile(r"(.*?)\s*<([^<>]+)>", re.DOTALL)


def role(name: str, content: str, page: "Page") -> str:
    """Markdown for a role. Raises FlattenError for one that is not known here."""
    if name not in _ROLES:
        where = "aibook/editions/colab/roles.py"
        raise FlattenError(f"the role `{{{name}}}` has no form in Colab yet; give it one in {where}")
    try:
        return _ROLES[name](content, page)
    except FlattenError as error:
        raise FlattenError(f"role `{{{name}}}`: {error}") from None


def _titled(content: str) -> tuple[str, str]:
    """Text and target of `text <target>`; the text is empty when there is only a target."""
    match = _TITLED.fullmatch(content.strip())
    return (match[1], match[2].strip()) if match else ("", content.strip())


def _cited(form: Callable[..., str]) -> Callable[[str, "Page"], str]:
    def shown(content: str, page: "Page") -> str:
        keys = [key.strip() for key in content.split(",")]
        page.cited += keys
        return form(keys, page.language)

    return shown


def _ref(content: str, page: "Page") -> str:
    text, label = _titled(content)
    target = page.library.target(label)
    title = "" if target.kind == "exercise" else page.flatten(target.title)
    return f"[{text or title or page.numbered(target)}]({page.library.url(target)})"


def _numref(content: str, page: "Page") -> str:
    text, label = _titled(content)
    target = page.library.target(label)
    if target.number is None:
        raise FlattenError(f"`{label}` has no number")
    shown = re.sub(r"%s|\{number\}", str(target.number), text) if text else page.numbered(target)
    return f"[{shown.replace('{name}', target.title)}]({page.library.url(target)})"


def _doc(content: str, page: "Page") -> str:
    text, name = _titled(content)
    url, title = page.library.resolve(name, page.name)
    return f"[{text or title}]({url})"


def _abbreviation(content: str, page: "Page") -> str:
    match = re.fullmatch(r"(.*?)\s*\(([^()]*)\)", content.strip())
    return f'<abbr title="{html.escape(match[2])}">{match[1]}</abbr>' if match else content


def _element(name: str) -> Callable[[str, "Page"], str]:
    return lambda content, page: f"<{name}>{html.escape(content)}</{name}>"


def _code(content: str, page: "Page") -> str:
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", content)), default=0))
    space = " " if len(ticks) > 1 else ""
    return f"{ticks}{space}{content}{space}{ticks}"


def _nothing(content: str, page: "Page") -> str:
    return ""


_ROLES: dict[str, Callable[[str, "Page"], str]] = {
    "abbr": _abbreviation,
    "cite": _cited(citations.parenthetical),
    "cite:p": _cited(citations.parenthetical),
    "cite:ps": _cited(citations.parenthetical),
    "cite:t": _cited(citations.textual),
    "cite:ts": _cited(citations.textual),
    "code": _code,
    "literal": _code,
    "doc": _doc,
    "download": _doc,
    "eq": _numref,
    "glue": glue.text,
    "glue:text": glue.text,
    "glue:md": glue.markdown,
    "glue:math": glue.math,
    "index": _nothing,
    "kbd": _element("kbd"),
    "math": lambda content, page: f"${content}$",
    "numref": _numref,
    "ref": _ref,
    "strong": lambda content, page: f"**{content}**",
    "emphasis": lambda content, page: f"*{content}*",
    "sub": _element("sub"),
    "subscript": _element("sub"),
    "sup": _element("sup"),
    "superscript": _element("sup"),
}
