"""The Complete Tang Poems of 1705 (御定全唐诗), in simplified characters."""

import json
import re
import tarfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from helpers.data import fetch
from helpers.data.converted import converted

MEMBERS = r"package/dist/yudingquantangshi/json/\d+\.json"
# Editors' notes, gaps and characters that the files lack are not poetry.
PLAIN = re.compile(r"[\u4e00-\u9fff，。？！；：、]+")


class Poem(NamedTuple):
    """`lines` end in their punctuation, such as 床前明月光，疑是地上霜。"""

    title: str
    author: str
    lines: tuple[str, ...]


@cache
def load() -> tuple[Poem, ...]:
    """All poems that are whole: without gaps, editors' remarks or characters that the source lacks; each once."""
    folder = converted(fetch("tang-poems"), "simplified", _convert, version=2)
    rows = json.loads((folder / "poems.json").read_text(encoding="utf-8"))
    return tuple(Poem(title, author, tuple(lines)) for title, author, lines in rows)


def regulated(characters: int = 7, lines: int = 4) -> list[Poem]:
    """The poems of `lines` verses with `characters` characters each: 7 and 4 is 七言绝句, 5 and 8 is 五言律诗."""
    wanted = re.compile(rf"(?:[\u4e00-\u9fff]{{{characters}}}[，。？！；：、]){{{lines}}}")
    return [poem for poem in load() if wanted.fullmatch("".join(poem.lines))]


def _convert(into: Path) -> None:
    from opencc import OpenCC

    (archive,) = fetch("tang-poems").glob("*.tgz")
    simplify, poems, seen = OpenCC("t2s").convert, [], set()
    with tarfile.open(archive) as box:
        found = [json.load(box.extractfile(m)) for m in box if re.fullmatch(MEMBERS, m.name)]
    for poem in (poem for volume in found for poem in volume):
        lines = [line.strip() for line in poem["paragraphs"] if line.strip()]
        text = "".join(lines)
        if not PLAIN.fullmatch(text) or text in seen:
            continue
        seen.add(text)
        title, author, *lines = simplify("\n".join([poem["title"], poem["author"], *lines])).split("\n")
        if PLAIN.fullmatch("".join(lines)):  # some simplified forms are too rare for most fonts
            poems.append((title, author, lines))
    (into / "poems.json").write_text(json.dumps(poems, ensure_ascii=False), encoding="utf-8")
