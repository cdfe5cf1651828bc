"""What the pages and the front pages promise: commands that exist, links that lead somewhere, right answers."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from aibook import cli, house
from aibook.site.editions import EDITIONS, colab_url, page_url

PAGES = sorted(house.BOOK.glob("*.md"))
FRONT = [house.ROOT / name for name in ("README.md", "README.zh-CN.md")]
PROSE = [*FRONT, house.ROOT / "CONTRIBUTING.md", *PAGES]
COMMANDS = typer.main.get_command(cli.app).commands


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def options(words: list[str]) -> set[str] | None:
    """The options of the `aibook` command that the words begin with; None if there is no such command."""
    command = COMMANDS.get(words[0])
    if command is not None and hasattr(command, "commands"):
        command = command.commands.get(words[1]) if len(words) > 1 else None
    return command and {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_every_command_that_a_page_names_exists(path):
    wrong = []
    for command in re.findall(r"(?:`|^)(?:\.venv/bin/)?aibook ((?:[^`\n#&]|`(?=\w))+)", text(path), re.MULTILINE):
        words = command.split()
        known = options(words)
        if known is None or {word for word in words if word.startswith("--")} - known:
            wrong.append(command)
    assert not wrong


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_every_target_that_a_page_names_is_in_the_makefile_with_its_help(path):
    documented = set(re.findall(r"^([a-z-]+):.*## ", text(house.ROOT / "Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text(path), re.MULTILINE))
    assert named <= documented


def test_every_target_for_people_has_its_help():
    makefile = text(house.ROOT / "Makefile")
    targets = set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split())
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert targets - documented <= {"site-environment"}  # a part of `book`, of no use alone


@pytest.mark.parametrize("path", [*FRONT, house.ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_links_of_the_front_pages_lead_to_files(path):
    prose = re.sub(r"`[^`\n]+`", "", text(path))
    targets = re.findall(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"", prose)
    local = [target for pair in targets for target in pair if target and "://" not in target]
    assert local
    assert [target for target in local if not (house.ROOT / target.split("#")[0]).is_file()] == []


@pytest.mark.parametrize(("path", "language"), zip(FRONT, EDITIONS, strict=True), ids=["en", "zh_CN"])
def test_addresses_of_the_front_pages_are_the_configurations(path, language):
    toc = yaml.safe_load(text(house.ROOT / "_toc.yml"))
    names = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    notebooks = [str(notebook.relative_to(house.NOTEBOOKS)) for notebook in house.notebooks()]
    right = {page_url(language, name) for name in names} | {colab_url(language, name) for name in notebooks}
    addresses = set(re.findall(r"\]\((https://[^)]+)\)", text(path)))
    assert addresses
    assert addresses - right == set()


def test_the_front_pages_say_the_same_in_both_languages():
    english, chinese = (text(path) for path in FRONT)
    for part in (r"^#+ ", r"\]\(", r"^```", r"^- ", r"<img "):
        assert len(re.findall(part, english, re.MULTILINE)) == len(re.findall(part, chinese, re.MULTILINE)), part
    code = [re.findall(r"^(?:make|\.venv)[^#\n]*", page, re.MULTILINE) for page in (english, chinese)]
    assert [line.strip() for line in code[0]] == [line.strip() for line in code[1]]


def test_the_table_of_data_gives_each_set_with_its_licence():
    registry = tomllib.loads(text(house.ROOT / "helpers" / "data" / "registry.toml"))
    rows = re.findall(r"^\| `([\w-]+)` \| .+ \| (.+) \|$", text(house.BOOK / "how-to-use.md"), re.MULTILINE)
    licences = {name: licence for name, licence in rows if name in registry}
    assert set(licences) == set(registry)
    assert [
        n for n, licence in licences.items() if not licence.lower().startswith(registry[n]["licence"].lower())
    ] == []


def test_the_introduction_gives_the_right_answer_to_its_first_question():
    spec = importlib.util.spec_from_file_location("garments", house.BOOK / "figures" / "garments.py")
    spec.loader.exec_module(garments := importlib.util.module_from_spec(spec))
    labels = dict(zip("ABCDEFGHI", garments.labels(), strict=True))
    shirts = [letter for letter, label in labels.items() if label == "Shirt"]
    assert f"{', '.join(shirts[:-1])} and {shirts[-1]}." in text(house.BOOK / "intro.md")
    others = {"T-shirt/top": "A and F are T-shirts", "Coat": "C and H coats", "Pullover": "D and I pullovers"}
    for label, words in others.items():
        assert [letter for letter, found in labels.items() if found == label] == [words[0], words[6]]
        assert words in text(house.BOOK / "intro.md")


def test_the_glossary_has_each_term_once_in_both_languages():
    rows = re.findall(
        r"^\| \[(.+?)\]\{#(term-[a-z0-9-]+)\} \| (.+?) \| (.+?) \|$", text(house.BOOK / "glossary.md"), re.MULTILINE
    )
    assert len(rows) >= 90
    anchors = [anchor for _, anchor, _, _ in rows]
    assert sorted(anchors) == sorted(set(anchors))
    assert len(rows) == text(house.BOOK / "glossary.md").count("{#term-")
    assert [english for english, *_, line in rows if not line.endswith(".")] == []


def test_links_to_terms_of_the_glossary_lead_to_one():
    anchors = set(re.findall(r"\{#(term-[a-z0-9-]+)\}", text(house.BOOK / "glossary.md")))
    used = {
        anchor for path in [*PAGES, *house.notebooks()] for anchor in re.findall(r"\(#(term-[a-z0-9-]+)\)", text(path))
    }
    assert used <= anchors
