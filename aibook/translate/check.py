"""Hold a translation against its source: it keeps the structure, it is Chinese, and it is set as Chinese is."""

import re
from collections.abc import Mapping

from yaml import YAMLError

from aibook.translate.inline import MARK, OBJECT, Content
from aibook.translate.markdown import Document, MarkupError, Unit, read, split_row
from aibook.translate.typography import has_chinese, problems

LATIN_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]+")
LATIN_RUN = re.compile(r"(?:[A-Za-z][A-Za-z'’-]*[ ,;:]+){8,}")
MARKUP = ("**", "*", "`", "$", "](", "{")


def unit_problems(unit: Unit, translation: str, env: dict, keep: bool = False) -> list[str]:
    """What is wrong with the translation of one unit; `keep` allows it to stay in English."""
    source, target = read(unit.text, unit.kind, env), read(translation, unit.kind, env)
    found = []
    for things, name in ((source.things - target.things, "lost"), (target.things - source.things, "added")):
        found += [f"{name}: {kind} {thing}".rstrip() for kind, thing in sorted(things.elements())]
    if unit.kind != "html" and translation.count("\n") != unit.text.count("\n"):
        found.append(f"has {translation.count(chr(10))} line breaks, its source {unit.text.count(chr(10))}")
    if translation != translation.strip():
        found.append("begins or ends with white space")
    if unit.kind == "table row":
        columns = len(split_row(unit.text))
        if not translation.startswith("|") or len(split_row(translation)) != columns:
            found.append(f"is not a row `| … |` of {columns} cells")
    if unit.kind != "html":
        found += [
            f"`{mark}` is shown as it is: put a space or no punctuation beside it"
            for mark in MARKUP
            if target.words.count(mark) > source.words.count(mark)
        ]
    if not keep and not has_chinese(target.words) and len(_words(source)) > 3:
        found.append("is not translated (a comment `# keep: reason` in the catalog lets it stay)")
    for text in split_row(target.words) if unit.kind == "table row" else [target.words]:
        found += problems(text)
    return found


def unit_warnings(unit: Unit, translation: str, env: dict, terms: Mapping[str, list[str]]) -> list[str]:
    """What looks wrong but may be right: long English, terms that are not the glossary's."""
    source, target = read(unit.text, unit.kind, env), read(translation, unit.kind, env)
    found = [f"English left: “{match.group().strip()}”" for match in LATIN_RUN.finditer(target.words)]
    words = source.words.lower()
    for term in sorted(terms, key=len, reverse=True):
        pattern = rf"(?<![\w-]){re.escape(term.lower())}(s|es)?(?![\w-])"
        if re.search(pattern, words):
            words = re.sub(pattern, MARK, words)  # so that no shorter term is found within a longer one
            if not any(chinese.lower() in target.words.lower() for chinese in [*terms[term], term]):
                found.append(f"“{term}” is {' or '.join(terms[term])} in the glossary")
    return found


def document_problems(document: Document, translations: Mapping[str, str]) -> list[tuple[Unit, str]]:
    """Units whose translation changes the blocks of the document (`translations` by the units' texts)."""
    if _difference(document, translations) is None:
        return []
    found = []
    for unit in document.units:
        if unit.text in translations:
            what = _difference(document, {unit.text: translations[unit.text]})
            found += [(unit, what)] if what is not None else []
    return found


def _difference(document: Document, translations: Mapping[str, str]) -> str | None:
    """The first block that the translation changes."""
    try:
        translated = document.reader(document.rewrite(lambda unit: translations.get(unit.text, unit.text))).skeleton
    except (MarkupError, YAMLError) as error:
        return f"breaks the markup: {getattr(error, 'what', error)}"
    before, after = ([block for _, block in blocks] for blocks in (document.skeleton, translated))
    for old, new in zip([*before, "the end"], [*after, "the end"], strict=False):
        if old != new:
            return f"changes the structure: {new} where the source has {old}"
    return None


def _words(found: Content) -> list[str]:
    return LATIN_WORD.findall(found.words.replace(OBJECT, " ").replace(MARK, " "))
