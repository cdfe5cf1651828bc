"""Chinese text: a search index of two-character words, and lines that join without a space.

Sphinx's own Chinese search needs a dictionary to cut sentences into words on both sides, in Python and in the
browser. Pairs of neighbouring characters need none: a word of two or more characters is found wherever it stands.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish
from sphinx.transforms import SphinxTransform

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WIDE = HAN + "\u3000-\u303f\uff00-\uffef"
RUN = re.compile(f"[{HAN}]+")
WORD = re.compile(r"\w+")
LINE_BREAK = re.compile(f"(?<=[{WIDE}])\\n(?=[{WIDE}])")

# A query is cut into pairs that do not overlap, and its last two characters: 神经网络 → 神经 网络, 神经网 → 神经 经网.
# Latin words in between are kept as they are. The sentence's overlapping pairs in the index contain all of these.
SPLITTER = """
function splitQuery(query) {
  const words = [];
  for (const word of query.match(/[\\p{L}\\p{N}_]+/gu) || []) {
    for (const part of word.split(/([HAN]+)/u).filter(Boolean)) {
      if (!/[HAN]/u.test(part) || part.length < 3) { words.push(part); continue; }
      for (let i = 0; i + 2 <= part.length; i += 2) words.push(part.slice(i, i + 2));
      if (part.length % 2) words.push(part.slice(-2));
    }
  }
  return words;
}
""".replace("HAN", r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff")


class SearchChinese(SearchEnglish):
    """Index Chinese by pairs of characters, everything else as English."""

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = SPLITTER

    def split(self, text: str) -> list[str]:
        """Words of a text: each pair of neighbouring Chinese characters, and each run of other letters."""
        words: list[str] = []
        for run in RUN.findall(text):
            words += [run[i : i + 2] for i in range(max(1, len(run) - 1))]
        return words + WORD.findall(RUN.sub(" ", text))


class JoinLines(SphinxTransform):
    """Drop a line break between two Chinese characters, where a browser would show a space."""

    default_priority = 5

    def apply(self, **kwargs: object) -> None:
        if not self.config.language.startswith("zh"):
            return
        for block in self.document.findall(nodes.TextElement):
            if not isinstance(block, (nodes.Inline, nodes.FixedTextElement)):
                join_lines(block)


def join_lines(block: nodes.TextElement) -> None:
    """Take out the line breaks of `block` that stand between Chinese characters, whatever markup is around them."""
    texts = list(block.findall(nodes.Text))
    whole = "".join(texts)
    dropped = {match.start() for match in LINE_BREAK.finditer(whole)}
    kept: dict[int, str] = {}
    start = 0
    for text in texts:
        kept[id(text)] = "".join(letter for place, letter in enumerate(text, start) if place not in dropped)
        start += len(text)
    for parent in {id(text.parent): text.parent for text in texts}.values():
        children: list[nodes.Node] = []
        for child in parent.children:
            piece = kept[id(child)] if isinstance(child, nodes.Text) else None
            if piece is None:
                children.append(child)
            elif children and isinstance(children[-1], nodes.Text):  # one text, so that search sees its words whole
                children[-1] = nodes.Text(children[-1] + piece)
            elif piece:
                children.append(nodes.Text(piece))
        parent[:] = children


def setup(app: Sphinx) -> dict:
    app.add_search_language(SearchChinese)
    app.add_transform(JoinLines)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
