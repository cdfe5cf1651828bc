"""Sphinx directives `{results-table}` and `{execution-table}`: the book's results, in the language of the site."""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from aibook import house
from aibook.results import markdown
from aibook.results.collect import collect


class _Table(SphinxDirective):
    """Writes Markdown and has the page's own parser read it, so that citations and links in it work."""

    def text(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # what is out of date depends on every helper, so no list of files would do
        children = []
        for block in self.text():
            container = nodes.container()
            self.state.nested_parse(
                StringList(block.splitlines(), self.get_source_info()[0]), self.content_offset, container
            )
            children += container.children
        return children

    @property
    def language(self) -> str:
        return self.config.language or "en"

    def title(self, notebook: str) -> str:
        """Link to a notebook, under the title that it has in this language; its name where it is no page."""
        document = f"{house.NOTEBOOKS.name}/{notebook}"
        return f"{{doc}}`/{document}`" if document in self.env.found_docs else f"`{notebook}`"


class ResultsTable(_Table):
    """A table for each notebook that has records."""

    def text(self) -> list[str]:
        book = [results for results in collect() if results.records]
        return [markdown.results_table(results, self.language, self.title(results.notebook)) for results in book]


class ExecutionTable(_Table):
    """One table with a row for each notebook."""

    def text(self) -> list[str]:
        return [markdown.execution_table(collect(), self.language, self.title)]


def setup(app: Sphinx) -> dict:
    app.add_directive("results-table", ResultsTable)
    app.add_directive("execution-table", ExecutionTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
