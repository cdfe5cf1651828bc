"""Which parts of which directives are text for the reader, and which are left alone."""


def _names(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


ADMONITIONS = _names(
    "admonition attention caution danger dropdown error hint important note seealso tip topic warning margin sidebar",
    "aside versionadded versionchanged deprecated",
)
CARDS = _names("card grid-item-card")
THEOREMS = _names("prf:theorem prf:definition prf:algorithm prf:proof prf:example prf:remark")

# The body is Markdown: its blocks are units.
CONTAINERS = _names(
    "quiz exercise exercise-start solution solution-start figure table list-table glue:figure grid grid-item",
    "tab-set tab-item div container epigraph pull-quote highlights compound card-carousel subfigure",
).union(ADMONITIONS, CARDS, THEOREMS)

# The body is code, data or empty: nothing in it is translated.
OPAQUE = _names(
    "bibliography code code-block code-cell contents csv-table doctest eval-rst execution-table exercise-end glue",
    "glue:any glue:image glue:math image include index literalinclude math mermaid raw results-table solution-end",
    "sourcecode tableofcontents toctree",
)

# What follows the directive's name on its first line is text.
TITLED = _names("quiz exercise exercise-start table list-table tab-item rubric").union(ADMONITIONS, CARDS, THEOREMS)

# The value of these options is text, whatever the directive.
TEXT_OPTIONS = _names("alt caption title")
