"""What Chinese text looks like: full-width punctuation, one space beside foreign letters and digits."""

import re

from aibook.translate.inline import OBJECT

CHINESE = "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005\u3007]"
FOREIGN = f"[A-Za-z0-9\u00c0-\u024f\u0370-\u03ff{OBJECT}]"
PUNCTUATION = "，。；：？！、（）《》"

RULES = [
    (rf"{CHINESE} *[,;:?!]|[,;:?!] *{CHINESE}", "half-width punctuation beside Chinese; write ，；：？！ or 、"),
    (rf"{CHINESE}\.(?=\s|$)", "a sentence ends with 。"),
    (rf"{CHINESE}\.\.|\.\.\.{CHINESE}", "an ellipsis is ……"),
    (rf"{CHINESE} *\(|\({CHINESE}|{CHINESE}\)|\){CHINESE}", "half-width parenthesis beside Chinese; write （ ）"),
    (rf"{CHINESE}\"|\"{CHINESE}", "straight quotes beside Chinese; write “ ”"),
    (rf"{CHINESE}{FOREIGN}|{FOREIGN}{CHINESE}", "put one space between Chinese and letters, digits, code, math"),
    (rf"{CHINESE} +{CHINESE}", "no space between two Chinese characters"),
    (rf" +[{PUNCTUATION}]|[{PUNCTUATION}] +(?=\S)", "no space beside full-width punctuation"),
    (r"\S  +\S", "one space, not several"),
    ("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]", "full-width letter or digit; write it half-width"),
]


def has_chinese(text: str) -> bool:
    return re.search(CHINESE, text) is not None


def problems(words: str) -> list[str]:
    """What is wrong with the visible text of a translation, each with the place."""
    found = []
    for pattern, rule in RULES:
        for match in re.finditer(pattern, words):
            place = words[max(0, match.start() - 6) : match.end() + 6].replace(OBJECT, "▢").replace("\n", " ")
            found.append(f"“{place}”: {rule}")
    return found
