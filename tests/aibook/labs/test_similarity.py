"""Suspiciously alike submissions: found through other names and comments, and not where everyone must be alike."""

import json
import os
import random
import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from nbformat.v4 import new_code_cell

from aibook import house
from aibook.labs import normal, results
from aibook.labs.release import release_node
from aibook.labs.similarity import OWN, SOLUTION, Work, alike_lines, collected, compare, main, page
from tests.aibook.labs.office import DOUBLE, LAB, MEAN, submit

GIVEN = "def mean(values):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
MEANS = [
    "def mean(values):\n    return sum(values) / len(values)",
    "def mean(values):\n    import numpy as np\n    return float(np.asarray(values).mean())",
    "def mean(values):\n    n, s = 0, 0\n    for x in values:\n        n, s = n + 1, s + x\n    return s / n",
    "def mean(values):\n    import statistics\n    if not values:\n        raise ValueError('empty')\n"
    "    return statistics.fmean(values)",
    "def mean(values):\n    m = 0.0\n    for k, x in enumerate(values, 1):\n        m += (x - m) / k\n    return m",
    "def mean(values):\n    from functools import reduce\n    from operator import add\n"
    "    return reduce(add, values, 0.0) / max(len(values), 1)",
    "def mean(values):\n    it, total = list(values), 0\n    while it:\n        total += it.pop()\n"
    "    return total / len(values)",
]
COPIED = (
    "def mean(values):\n    lo, hi = min(values), max(values)\n    shifted = [v - lo for v in values]\n"
    "    if hi == lo:\n        return lo\n    return lo + math.fsum(shifted) / len(shifted)"
)
DISGUISED = (
    'def mean(values):\n    """My own idea."""\n    a, b = min(values), max(values)  # smallest, largest\n\n'
    "    rest = [number - a for number in values]\n    if b == a:\n        return a\n"
    "    return (a + math.fsum(rest) / len(rest))"
)
ALIKE = "def double(values):\n    return [2 * value for value in values]"


@pytest.fixture
def compared(toy):
    """A class of nine, of whom `yan` has taken `zoe`'s answer and changed its looks, and `max` the published one."""
    for number, source in enumerate(MEANS):
        submit(toy, f"s{number}", mean=source, double=ALIKE)
    submit(toy, "zoe", mean=COPIED, double=ALIKE)
    submit(toy, "yan", mean=DISGUISED, double=ALIKE)
    own = MEAN.replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", "").replace("total", "acc")
    submit(toy, "max", mean=own, double=ALIKE)
    works, published = collected(toy)[LAB]
    return compare(LAB, works, published, least=0.6)


# -- what is left of code ----------------------------------------------------------------------------------------------
def words(source, given=""):
    return [" ".join(unit.tokens) for unit in normal.units(source, given)]


def test_names_comments_and_layout_do_not_count():
    assert words(COPIED, GIVEN) == words(DISGUISED, GIVEN) != words(MEANS[0], GIVEN)
    annotated = "def f(x: int) -> int:\n    y: int = x\n    return y"
    assert words(annotated) == words("def f(a):\n    'doc'\n    b = a; return b")


def test_names_of_libraries_and_numbers_count():
    assert words("y = np.mean(x)") != words("y = np.median(x)")
    assert words("y = x / 25") != words("y = x / 26")
    assert words("y = len(x)") != words("y = sum(x)")


def test_what_everyone_was_given_is_left_out():
    assert words(GIVEN, GIVEN) == []
    assert words("def mean(values):\n    return 1", GIVEN) == ["return 1"]
    assert len(words("x = 1\nx = 1", "x = 1")) == 1


def test_all_kinds_of_statements_keep_their_lines():
    source = (
        "@cache\ndef f(x):\n    if x: return 1\n    elif x > 2:\n        return 2\n    else:\n        y = 3\n"
        "    for i in x:\n        pass\n    while x:\n        break\n    try:\n        g()\n"
        "    except ValueError as e:\n        h(e)\n    finally:\n        k()\n    with open(x) as o:\n"
        "        o.read()\n    match x:\n"
        "        case 1:\n            z = 4\n    return y\nclass A(B):\n    c = 1"
    )
    lines = source.splitlines()
    found = normal.units(source)
    assert all(1 <= unit.first <= unit.last <= len(lines) for unit in found)
    by_line = {unit.first: " ".join(unit.tokens) for unit in found}
    assert by_line[1].startswith("@") and "def" in by_line[1]
    assert (by_line[13], by_line[15], by_line[17], by_line[22]) == ("g ( )", "h ( v )", "k ( )", "v = 4")


@pytest.mark.parametrize(
    "source", ["%matplotlib inline\nx = 1", "x = = 1", "(" * 5000, "-" * 50_000 + "1", "a." * 20_000 + "a", "\0", "🙂"]
)
def test_code_that_is_no_python_is_compared_all_the_same(source):
    assert isinstance(normal.units(source), list)


# -- a class -----------------------------------------------------------------------------------------------------------
def test_a_disguised_copy_is_found_and_nobody_else(compared):
    assert [(pair.one.student, pair.other.student) for pair in compared.pairs] == [("yan", "zoe")]
    assert compared.pairs[0].excess > 0.95 and compared.pairs[0].by_task["mean"] > 0.95


def test_the_published_solution_is_recognised(compared):
    assert [(pair.one.student, pair.other.student) for pair in compared.like_solution] == [("max", SOLUTION)]


def test_the_tests_other_right_answers_are_published_too(toy, monkeypatch):
    folder = toy.parent / "house" / "tests" / "labs" / "answers"
    folder.mkdir(parents=True)
    (folder / "toy.py").write_text(f"ALSO_RIGHT = {{'mean': [('by sum', {MEANS[0]!r}), ('shifted', {COPIED!r})]}}")
    monkeypatch.setattr(house, "ROOT", toy.parent / "house")
    for number, source in enumerate(MEANS[1:]):
        submit(toy, f"s{number}", mean=source)
    submit(toy, "yan", mean=DISGUISED)
    works, published = collected(toy)[LAB]
    (pair,) = compare(LAB, works, published, least=0.6).like_solution
    assert (pair.one.student, pair.other.sources["mean"]) == ("yan", COPIED)


def test_a_task_in_which_all_are_alike_accuses_nobody(toy):
    for number in range(8):
        submit(toy, f"s{number}", double=ALIKE)
    works, published = collected(toy)[LAB]
    found = compare(LAB, works, published, least=0.1)
    assert found.pairs == found.like_solution == []
    (usual,) = [task for task in found.usual if task.task == "double"]
    assert (usual.answers, usual.similarity, usual.to_solution) == (8, 1, 1)


def test_untouched_and_empty_answers_are_not_alike(toy):
    for number in range(8):
        submit(toy, f"s{number}")
    works, published = collected(toy)[LAB]
    assert compare(LAB, works, published, least=0.0001).pairs == []


def test_two_submissions_are_compared_plainly(toy):
    submit(toy, "yan", mean=DISGUISED)
    submit(toy, "zoe", mean=COPIED)
    works, published = collected(toy)[LAB]
    (pair,) = compare(LAB, works, published, least=0.6).pairs
    assert pair.excess == pytest.approx(1)


def test_cells_that_students_add_are_compared_too(toy):
    helper = "def helper(rows):\n    table = {}\n    for key, value in rows:\n"
    helper += "        table.setdefault(key, []).append(value)"
    for number, source in enumerate(MEANS):
        submit(toy, f"s{number}", mean=source)
    submit(toy, "yan", mean=MEANS[1], more=[new_code_cell(helper)])
    submit(toy, "zoe", mean=MEANS[4], more=[new_code_cell(helper.replace("table", "groups"))])
    works, published = collected(toy)[LAB]
    pairs = compare(LAB, works, published, least=0.0).pairs
    (pair,) = [one for one in pairs if {one.one.student, one.other.student} == {"yan", "zoe"}]
    assert pair.by_task[OWN] == 1


def test_the_newest_notebook_counts_and_what_is_none_is_left_out(toy):
    submit(toy, "anna", mean=MEANS[0], name="old")
    os.utime(toy / "anna" / "old.ipynb", (0, 0))
    submit(toy, "anna", mean=MEANS[1], name="new")
    (toy / "bo").mkdir()
    (toy / "bo" / f"{LAB}.ipynb").write_text("no notebook")
    works, _ = collected(toy)[LAB]
    assert [(work.student, work.sources["mean"]) for work in works] == [("anna", MEANS[1])]


@pytest.mark.parametrize("seed", range(3))
def test_lab_1_where_nearly_all_have_a_variant_of_the_same_text(tmp_path, seed):
    """Each of 14 draws each answer from lab 1's known right and wrong ones, and one takes another's six and renames."""
    from tests.labs.answers import image_recognition as answers

    lab, draw = "01-image-recognition", random.Random(seed)
    pools = {task: [text for _, text in answers.WRONG[task] + answers.ALSO_RIGHT[task]] for task in answers.WRONG}
    drawn = [{task: draw.choice(pool) for task, pool in pools.items()} for _ in range(14)]
    names = r"\b(order|scaled|start|end|centre|half|inside|confidence|correct|first|last|peak|total|x|y|p|i|n)\b"
    drawn.append({task: "# mine\n" + re.sub(names, r"\1_mine", text) for task, text in drawn[3].items()})
    for number, texts in enumerate(drawn):
        node = release_node(results.master(lab))
        for cell in node.cells:
            cell.source = texts.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
        (tmp_path / f"s{number:02}").mkdir()
        (tmp_path / f"s{number:02}" / "a.ipynb").write_text(json.dumps(node))
    works, published = collected(tmp_path)[lab]
    pairs = [(one.one.student, one.other.student) for one in compare(lab, works, published, least=0.6).pairs]
    assert ("s03", "s14") in pairs[:3] and len(pairs) <= 15  # of 105


def test_a_large_class_is_compared_in_seconds():
    draw = random.Random(0)
    lines = [f"x{i} = values[{i}] * {i} + len(values)" for i in range(200)]

    def work(name):
        source = "def mean(values):\n    " + "\n    ".join(draw.sample(lines, 25))
        return Work(name, {"mean": source}, {"mean": normal.units(source, GIVEN)})

    many = [work(f"s{number}") for number in range(300)]
    copy = Work("copy", many[7].sources, many[7].units)
    began = time.process_time()
    found = compare(LAB, [*many, copy], [work(SOLUTION)], least=0.8)
    assert [(pair.one.student, pair.other.student) for pair in found.pairs] == [("s7", "copy")]
    assert time.process_time() - began < 20


# -- the page ----------------------------------------------------------------------------------------------------------
def test_alike_lines_are_marked_and_others_are_not():
    one, other = normal.units(COPIED, GIVEN), normal.units(DISGUISED + "\n    print(1)", GIVEN)
    assert alike_lines(one, other) == ({2, 3, 4, 5, 6}, {3, 5, 6, 7, 8})


def test_the_page_shows_code_and_runs_none_of_it(toy, tmp_path, open_browser):
    evil = COPIED + "\n    '</pre><script>window.pwned = 1</script><img src=x onerror=window.pwned=1>'.strip()"
    submit(toy, "<img src=x>", mean=evil)
    submit(toy, "zoe", mean=evil)
    works, published = collected(toy)[LAB]
    path = tmp_path / "similarity.html"
    path.write_text(page([compare(LAB, works, published, least=0.5)], 0.5), encoding="utf-8")
    watched = open_browser(viewport={"width": 360, "height": 740})
    opened = watched.open(path.as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    assert opened.evaluate("window.pwned") is None and opened.locator("script, img").count() == 0
    assert not watched.wrong and watched.requests == [path.as_uri()]
    assert "</pre><script>" in opened.locator("pre.code").last.inner_text()
    assert opened.locator("pre.code mark").count() >= 10
    found = Axe().run(opened).response["violations"]
    assert not [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_command_and_its_errors(toy, tmp_path, capsys):
    assert main(tmp_path / "none", tmp_path / "s.html", 0.6) == 1
    assert "is no folder" in capsys.readouterr().err
    assert main(toy, tmp_path / "s.html", 0.6) == 1
    assert "no notebooks of a known lab" in capsys.readouterr().err
    submit(toy, "yan", mean=DISGUISED)
    submit(toy, "zoe", mean=COPIED, double=DOUBLE)
    assert main(toy, tmp_path / "s.html", 0.6) == 0
    out = capsys.readouterr().out
    assert "yan" in out and "zoe" in out and "not a proof" in out and "plain similarity" in out
    assert (tmp_path / "s.html").is_file()
