"""Citations as “He et al. (2016)” and “(He et al., 2016)”, and a bibliography sorted and labelled in the same way."""

from collections import Counter
from dataclasses import dataclass, field

from docutils import nodes
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.sorting import BaseSortingStyle
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator
from sphinxcontrib.bibtex.plugin import register_plugin as register_reference_style
from sphinxcontrib.bibtex.style.referencing import BracketStyle, PersonStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle


class AuthorYearLabels(BaseLabelStyle):
    """Labels such as `He et al., 2016`; entries that would share one get a, b, … after the year."""

    def format_labels(self, sorted_entries: list[Entry]):
        labels = [f"{_names(entry)}, {entry.fields.get('year', 'n.d.')}" for entry in sorted_entries]
        shared = {label for label, count in Counter(labels).items() if count > 1}
        seen: Counter[str] = Counter()
        for label in labels:
            seen[label] += 1
            yield label + (chr(ord("a") + seen[label] - 1) if label in shared else "")


def _names(entry: Entry) -> str:
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join(person.prelast_names + person.last_names).strip("{}") for person in people]
    if not names:
        return entry.fields.get("organization") or entry.fields.get("title", entry.key)
    return names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."


class AuthorYearOrder(BaseSortingStyle):
    """The order of the labels."""

    def sorting_key(self, entry: Entry) -> tuple[str, ...]:
        fields = (entry.fields.get("year", ""), entry.fields.get("title", ""))
        return (_names(entry).casefold(), *fields)


class BookStyle(Style):
    default_sorting_style = AuthorYearOrder
    default_label_style = AuthorYearLabels


def _round() -> BracketStyle:
    return BracketStyle(left="(", right=")")


def _people() -> PersonStyle:
    return PersonStyle(other=" et al.")  # upright: slanted type is no style of Chinese text


@dataclass
class RoundBrackets(AuthorYearReferenceStyle):
    person: PersonStyle = field(default_factory=_people)
    bracket_parenthetical: BracketStyle = field(default_factory=_round)
    bracket_textual: BracketStyle = field(default_factory=_round)


def visit_citation(self: HTML5Translator, node: nodes.citation) -> None:
    """An entry of the list. Docutils gives it the role `doc-biblioentry`, which browsers no longer know."""
    if not isinstance(node.previous_sibling(), nodes.citation):
        self.body.append('<div role="list" class="citation-list">\n')
    self.body.append(self.starttag(node, "div", CLASS="citation", role="listitem"))


def depart_citation(self: HTML5Translator, node: nodes.citation) -> None:
    self.body.append("</div>\n")
    if not isinstance(node.next_node(descend=False, siblings=True), nodes.citation):
        self.body.append("</div>\n")


def setup(app: Sphinx) -> dict:
    register_plugin("pybtex.style.formatting", "book", BookStyle)
    register_reference_style("sphinxcontrib.bibtex.style.referencing", "book", RoundBrackets)
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
