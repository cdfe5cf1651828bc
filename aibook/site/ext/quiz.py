"""The `quiz` directive: a question whose answers unfold to say why they are right or wrong, without scripts.

    :::{quiz} What does a stride of 2 do?
    - [ ] It doubles the picture.
      It halves it: only every second position is computed.
    - [x] It halves height and width.
      Only every second position is computed.
    :::

The first line of an item is the answer, what follows is its explanation; the box says whether it is right.
"""

import re
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from aibook.site.ext.labels import LABELS

BOX = re.compile(r"\[([ xX])\]\s*")
FORM = "A quiz is a list whose items begin with `[ ]` or, for a right answer, `[x]`, and go on with an explanation"


class quiz(nodes.General, nodes.Element):
    """The question and its answers."""


class quiz_question(nodes.General, nodes.TextElement):
    """What is asked."""


class quiz_answer(nodes.General, nodes.Element):
    """One answer with its explanation; the attribute `right` says which kind it is."""


class quiz_choice(nodes.General, nodes.TextElement):
    """The answer itself, which unfolds the explanation."""


class Quiz(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[dict] = {}

    def run(self) -> list[nodes.Node]:
        question, messages = self.state.inline_text(self.arguments[0], self.lineno)
        body = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, body)
        if len(body) != 1 or not isinstance(body[0], nodes.bullet_list):
            raise self.error(FORM)
        answers = [self._answer(item) for item in body[0]]
        if not any(answer["right"] for answer in answers):
            raise self.error(f"No answer of this quiz is right. {FORM}")
        label = LABELS[self.config.language]["quiz"]
        node = quiz("", quiz_question("", "", *question), *answers, label=label)
        self.set_source_info(node)
        return [node, *messages]

    def _answer(self, item: nodes.list_item) -> quiz_answer:
        first, *rest = item.children or [None]
        box = BOX.match(first.astext()) if isinstance(first, nodes.paragraph) else None
        if not box or not isinstance(first[0], nodes.Text):
            raise self.error(f"An answer of this quiz has no box. {FORM}")
        answer, explanation = _split_first_line(first.children, skip=box.end())
        if explanation:
            rest = [nodes.paragraph("", "", *explanation), *rest]
        if not rest:
            raise self.error(f"The answer “{nodes.Element('', *answer).astext()}” has no explanation. {FORM}")
        right = box[1] != " "
        verdict = LABELS[self.config.language]["right" if right else "wrong"]
        kind = "right" if right else "wrong"
        mark = nodes.inline("", verdict, classes=["quiz-verdict"])
        if isinstance(rest[0], nodes.paragraph):
            rest[0].insert(0, [mark, nodes.Text(" ")])
        else:
            rest.insert(0, nodes.paragraph("", "", mark))
        return quiz_answer("", quiz_choice("", "", *answer), *rest, right=right, classes=[f"quiz-{kind}"])


def _split_first_line(children: list[nodes.Node], skip: int) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """Inline nodes of the first line, without its first `skip` characters, and those of the lines after it."""
    before: list[nodes.Node] = []
    for index, child in enumerate(children):
        text = child.astext() if isinstance(child, nodes.Text) else None
        if text is not None and index == 0:
            text = text[skip:]
        if text is not None and "\n" in text:
            head, tail = text.split("\n", 1)
            after = ([nodes.Text(tail)] if tail else []) + list(children[index + 1 :])
            return before + ([nodes.Text(head)] if head else []), after
        before.append(nodes.Text(text) if text is not None else child)
    return before, []


def visit_quiz(self: HTML5Translator, node: quiz) -> None:
    label = self.attval(node["label"])
    self.body.append(f'<div class="quiz" role="group" aria-label="{label}"><p class="quiz-label">{label}</p>\n')


def depart_quiz(self: HTML5Translator, node: quiz) -> None:
    self.body.append("</div>\n")


def visit_question(self: HTML5Translator, node: quiz_question) -> None:
    self.body.append('<p class="quiz-question">')


def depart_question(self: HTML5Translator, node: quiz_question) -> None:
    self.body.append("</p>\n")


def visit_answer(self: HTML5Translator, node: quiz_answer) -> None:
    self.body.append(self.starttag(node, "details", CLASS="quiz-answer"))


def depart_answer(self: HTML5Translator, node: quiz_answer) -> None:
    self.body.append("</div></details>\n")


def visit_choice(self: HTML5Translator, node: quiz_choice) -> None:
    self.body.append("<summary><span>")


def depart_choice(self: HTML5Translator, node: quiz_choice) -> None:
    self.body.append('</span></summary>\n<div class="quiz-why">')


def setup(app: Sphinx) -> dict:
    app.add_node(quiz, html=(visit_quiz, depart_quiz))
    app.add_node(quiz_question, html=(visit_question, depart_question))
    app.add_node(quiz_answer, html=(visit_answer, depart_answer))
    app.add_node(quiz_choice, html=(visit_choice, depart_choice))
    app.add_directive("quiz", Quiz)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
