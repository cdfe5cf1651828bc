"""What stands in Colab for each directive, such as a note, a figure or an exercise."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from aibook.editions.colab import citations, images, lists, solutions
from aibook.editions.colab.markup import code, fold, quote
from aibook.editions.colab.parsing import Directive, FlattenError

if TYPE_CHECKING:
    from aibook.editions.colab.flatten import Page


def rendered(directive: Directive, page: "Page") -> str:
    """Markdown for a directive. Raises FlattenError for one that is not known here."""
    if directive.name not in _DIRECTIVES:
        raise FlattenError(
            f"the directive `{{{directive.name}}}` has no form in Colab yet; "
            "give it one in aibook/editions/colab/directives.py"
        )
    try:
        return _DIRECTIVES[directive.name](directive, page)
    except FlattenError as error:
        raise FlattenError(f"directive `{{{directive.name}}}`: {error}") from None


def _admonition(directive: Directive, page: "Page") -> str:
    """A named admonition, whose text may begin on its first line."""
    body = "\n".join(filter(None, [directive.argument, directive.body]))
    return _boxed(page.words[directive.name], page.flatten(body), directive)


def _titled(directive: Directive, page: "Page") -> str:
    """A box with a title of its own."""
    return _boxed(page.flatten(directive.argument), page.flatten(directive.body), directive)


def _boxed(title: str, body: str, directive: Directive) -> str:
    return fold(title, body) if "dropdown" in directive.classes else quote(title, body)


def _fold(directive: Directive, page: "Page") -> str:
    return fold(page.flatten(directive.argument) or page.words["note"], page.flatten(directive.body))


def _body(directive: Directive, page: "Page") -> str:
    """A directive that only arranges what it holds: its title, where it has one, and its text."""
    title = page.flatten(directive.argument) if directive.name in _TITLED_PARTS else ""
    return "\n\n".join(filter(None, [title and f"**{title}**", page.flatten(directive.body)]))


_TITLED_PARTS = ("tab-item", "rubric")


def _nothing(directive: Directive, page: "Page") -> str:
    return ""


def _exercise(directive: Directive, page: "Page") -> str:
    number = page.next_number("exercise")
    title = page.flatten(directive.argument)
    heading = f"#### {page.words['exercise']} {number}" + (f"{page.words['colon']}{title}" if title else "")
    return f"{heading}\n\n{page.flatten(directive.body)}".strip()


def _solution(directive: Directive, page: "Page") -> str:
    return fold(solutions.title(directive.argument, page), page.flatten(directive.body))


def _solution_start(directive: Directive, page: "Page") -> str:
    return solutions.start(directive.argument) + "\n\n" + page.flatten(directive.body)


def _solution_end(directive: Directive, page: "Page") -> str:
    return solutions.END


def _figure(directive: Directive, page: "Page") -> str:
    picture = images.markdown(directive.argument, str(directive.options.get("alt", "")), page)
    caption = figure_caption(directive.body, page)
    return f"{picture}\n\n{caption}"


def figure_caption(caption: str, page: "Page") -> str:
    """The line below a figure, with its number."""
    number = page.next_number("figure")
    return f"**{page.words['figure']} {number}**{page.words['stop']}{page.flatten(caption)}".strip()


def _image(directive: Directive, page: "Page") -> str:
    picture = images.markdown(directive.argument, str(directive.options.get("alt", "")), page)
    target = directive.options.get("target")
    return f"[{picture}]({page.library.resolve(target, page.name)[0]})" if target else picture


def _table(directive: Directive, page: "Page") -> str:
    """A table with a caption above it."""
    number = page.next_number("table")
    if directive.name == "list-table":
        rows = lists.table(directive.body, header=int(directive.options.get("header-rows") or 0))
    else:
        rows = directive.body
    title = page.flatten(directive.argument)
    caption = f"**{page.words['table']} {number}**{page.words['stop']}{title}".strip()
    return f"{caption}\n\n{page.flatten(rows)}"


def _quiz(directive: Directive, page: "Page") -> str:
    """A question, and for each answer a fold that says whether it is right and why."""
    parts = [f"**{page.words['quiz']}{page.words['colon'].strip()}** {page.flatten(directive.argument)}"]
    for answer in lists.answers(directive.body):
        verdict = f"{'✅' if answer.right else '❌'} {page.words['right' if answer.right else 'wrong']}"
        between = " " if lists.begins_with_text(answer.why) else "\n\n"
        parts.append(fold(page.flatten(answer.text), f"{verdict}{between}{page.flatten(answer.why)}"))
    return "\n\n".join(parts)


def _math(directive: Directive, page: "Page") -> str:
    tex = "\n".join(filter(None, [directive.argument, directive.body]))
    return page.display_math(tex, label=str(directive.options.get("label") or ""))


def _code(directive: Directive, page: "Page") -> str:
    return code(directive.argument, directive.body)


def _literal_include(directive: Directive, page: "Page") -> str:
    file = page.library.file(directive.argument, page.name)
    if not file or set(directive.options) - {"language", "caption", "name"}:
        raise FlattenError(f"`{directive.argument}` is not a file that can be shown whole")
    return code(str(directive.options.get("language", "")), file.read_text(encoding="utf-8").rstrip())


def _bibliography(directive: Directive, page: "Page") -> str:
    """The works that the page has cited up to here."""
    if not page.cited:
        raise FlattenError("nothing is cited before it")
    return citations.bibliography(page.cited, page.language)


_DIRECTIVES: dict[str, Callable[[Directive, "Page"], str]] = {
    **dict.fromkeys(("attention", "caution", "danger", "error", "hint", "important"), _admonition),
    **dict.fromkeys(("note", "seealso", "tip", "warning"), _admonition),
    **dict.fromkeys(("admonition", "margin", "sidebar", "aside", "topic", "epigraph", "pull-quote"), _titled),
    "dropdown": _fold,
    **dict.fromkeys(("div", "container", "grid", "grid-item", "rubric"), _body),
    **dict.fromkeys(("tab-set", "tab-item", "exercise-end"), _body),
    **dict.fromkeys(("exercise", "exercise-start"), _exercise),
    "solution": _solution,
    "solution-start": _solution_start,
    "solution-end": _solution_end,
    "figure": _figure,
    "image": _image,
    **dict.fromkeys(("table", "list-table"), _table),
    "quiz": _quiz,
    "math": _math,
    **dict.fromkeys(("code", "code-block", "code-cell"), _code),
    "literalinclude": _literal_include,
    "bibliography": _bibliography,
    **dict.fromkeys(("tableofcontents", "contents", "toctree", "index"), _nothing),
}
