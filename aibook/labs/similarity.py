"""`aibook labs similarity`: which submissions are more alike than is usual in this class.

Each task's answers are compared token by token (`normal` says what is left of them) by the share of the longest common
subsequence, rapidfuzz' normalised Indel similarity s. How alike two answers to a task are of themselves, the class
shows: m is the median of s over all its pairs. Of what two students could be alike in beyond that, the share that they
are is their *excess*,

    sum over tasks of length · (s − m)  /  sum over tasks of length · (1 − m),

1 when all is the same that differs in the class, 0 when they are as alike as any two. So a task that allows one answer
counts nothing, and a long one that allows many counts most. In a class of fewer than ten pairs m is 0.

It finds whom to talk to. It proves nothing, and whoever rewrites enough is not found.
"""

import runpy
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from aibook import house
from aibook.labs import masters, normal, pages, results, submissions
from aibook.labs.normal import Unit
from aibook.labs.release import release_node

SOLUTION = "published solution · 公开的解答"
OWN = "further cells · 其他单元"
SHORTEST = 8  # tokens of an answer that is compared
FEWEST = 10  # pairs, those of five students, from which a class says what is usual
SHOWN = 60  # pairs on the page


@dataclass(frozen=True)
class Work:
    """One student's code of a lab: task -> source, and task -> its statements without what everyone was given."""

    student: str
    sources: dict[str, str] = field(repr=False)
    units: dict[str, list[Unit]] = field(repr=False)

    def tokens(self, task: str) -> list[str]:
        return [token for unit in self.units.get(task, ()) for token in unit.tokens]


@dataclass(frozen=True)
class Usual:
    """What a class' answers to a task are like: how many, tokens, and how similar to each other and to the master's."""

    task: str
    answers: int
    length: float
    similarity: float
    to_solution: float


@dataclass(frozen=True)
class Pair:
    """Two submissions, or one and the published solution: their excess, and similarity by task."""

    one: Work
    other: Work
    excess: float
    by_task: dict[str, float]


@dataclass(frozen=True)
class Compared:
    """One lab's class: pairs by falling excess, and what is usual."""

    lab: str
    students: int
    usual: list[Usual]
    pairs: list[Pair]
    like_solution: list[Pair]


def compare(lab: str, works: list[Work], published: list[Work], least: float) -> Compared:
    """All pairs of a class, and all with what is published (of each task the most similar), from this excess on."""
    tasks = list(dict.fromkeys(task for work in works for task in work.units))
    everyone = [*works, *published]
    n = len(works)
    nearest: list[dict[str, Work]] = [{} for _ in works]
    upper = np.triu_indices(n, 1)
    sums = {"excess": np.zeros((n + 1, n + 1)), "possible": np.zeros((n + 1, n + 1))}
    similar: dict[str, np.ndarray] = {}
    usual = []
    for task in tasks:
        tokens = [work.tokens(task) for work in everyone]
        every = _similarities(tokens)  # NaN where an answer is too short
        s = similar[task] = every[: n + 1, : n + 1].copy()  # the last is what is published
        best = np.nan_to_num(every[:n, n:], nan=-1).argmax(axis=1)
        s[n, :n] = s[:n, n] = every[np.arange(n), n + best]
        for near, index in zip(nearest, best, strict=True):
            near[task] = published[index]
        lengths = np.array([*map(len, tokens[:n]), len(tokens[n])], float)
        m = np.full_like(s, _usual(s[:n, :n][upper], FEWEST))
        m[n, :] = m[:, n] = _usual(s[n, :n], FEWEST // 2)
        both = np.where(np.isnan(s), 0.0, (lengths[:, None] + lengths[None, :]) / 2)
        sums["excess"] += both * np.nan_to_num(s - m)
        sums["possible"] += both * (1 - m)
        there = lengths[:n][lengths[:n] >= SHORTEST]
        length = float(np.median(there)) if len(there) else 0.0
        usual.append(Usual(task, len(there), length, _median(s[:n, :n][upper]), _median(s[n, :n])))
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.where(sums["possible"] >= SHORTEST / 2, sums["excess"] / sums["possible"], 0.0)

    def pair(i: int, j: int) -> Pair:
        by_task = {task: float(s[i, j]) for task, s in similar.items() if not np.isnan(s[i, j])}
        other = works[j] if j < n else _taken_from(nearest[i])
        return Pair(works[i], other, float(excess[i, j]), by_task)

    pairs = [pair(i, j) for i, j in zip(*upper, strict=True) if excess[i, j] >= least]
    like = [pair(i, n) for i in range(n) if excess[i, n] >= least]
    order = {"key": lambda one: (-one.excess, one.one.student, one.other.student)}
    return Compared(lab, n, usual, sorted(pairs, **order), sorted(like, **order))


def _taken_from(nearest: dict[str, Work]) -> Work:
    sources = {task: work.sources[task] for task, work in nearest.items() if task in work.sources}
    return Work(SOLUTION, sources, {task: nearest[task].units[task] for task in sources})


def collected(folder: Path) -> dict[str, tuple[list[Work], list[Work]]]:
    """lab -> (each student's newest notebook of it, what is published: the master's own solution, then the tests')."""
    from aibook.labs import grade

    known = {path.stem: masters.read(path.stem) for path in house.notebooks([house.NOTEBOOKS / "labs"])}
    found, _ = grade.collected(folder, known)
    works: dict[str, list[Work]] = {}
    given = {lab: _given(lab) for lab in known}
    for one in sorted(found, key=lambda one: (one.lab, one.student)):
        if one.lab:
            try:
                submission = submissions.read(one.paths[0])
            except submissions.Unreadable:
                continue
            works.setdefault(one.lab, []).append(_work(one.student, submission, known[one.lab], given[one.lab]))
    return {lab: (theirs, _published(lab, given[lab])) for lab, theirs in works.items()}


def alike_lines(one: list[Unit], other: list[Unit]) -> tuple[set[int], set[int]]:
    """The lines of two answers whose statements are the same but for names, in the same order."""
    matcher = SequenceMatcher(None, [unit.tokens for unit in one], [unit.tokens for unit in other], autojunk=False)
    lines: tuple[set[int], set[int]] = (set(), set())
    for a, b, size in matcher.get_matching_blocks():
        for own, units, start in ((lines[0], one, a), (lines[1], other, b)):
            for unit in units[start : start + size]:
                own.update(range(unit.first, unit.last + 1))
    return lines


def _similarities(tokens: list[list[str]]) -> np.ndarray:
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    known: dict[str, int] = {}
    texts = [
        "".join(chr(0x10000 + known.setdefault(word, len(known)) % 0x100000) for word in words) for words in tokens
    ]
    found = process.cdist(texts, texts, scorer=Indel.normalized_similarity, dtype=np.float64)
    short = np.array([len(words) < SHORTEST for words in tokens])
    found[short, :] = found[:, short] = np.nan
    return found


def _usual(values: np.ndarray, fewest: int) -> float:
    """The median; 0 where too few say what is usual."""
    return _median(values) if np.count_nonzero(~np.isnan(values)) >= fewest else 0.0


def _median(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else float("nan")


def _given(lab: str) -> dict[str, str]:
    return {name: cell.source for name, cell in _solution_cells(release_node(results.master(lab)))}


def _published(lab: str, given: dict[str, str]) -> list[Work]:
    """The master's solution, and the other right answers with which the tests try the grader."""
    sources = {
        name: "\n".join(line for line in cell.source.split("\n") if "SOLUTION" not in line)
        for name, cell in _solution_cells(results.master(lab))
    }
    also = [(task, text) for task, answers in _also_right(lab).items() for _, text in answers if task in given]
    return [
        Work(SOLUTION, texts, {name: normal.units(text, given.get(name, "")) for name, text in texts.items()})
        for texts in (sources, *({task: text} for task, text in also))
    ]


def _also_right(lab: str) -> dict[str, list[tuple[str, str]]]:
    path = house.ROOT / "tests" / "labs" / "answers" / f"{lab.partition('-')[2].replace('-', '_')}.py"
    return runpy.run_path(str(path)).get("ALSO_RIGHT", {}) if path.is_file() else {}


def _solution_cells(node) -> list[tuple[str, object]]:
    cells = [(cell.metadata.get("nbgrader", {}), cell) for cell in node.cells if cell.cell_type == "code"]
    return [(grading["grade_id"], cell) for grading, cell in cells if grading.get("solution")]


def _work(student: str, submission: submissions.Submission, master: masters.Master, given: dict[str, str]) -> Work:
    sources = {cell.grade_id: cell.source for cell in reversed(submission.code) if cell.grade_id in given}
    run = [submission.code[number] for number, _ in master.cells(submission)]
    own = [cell.source for cell in run if cell.grade_id not in given and masters.tidy(cell.source) not in master.given]
    sources = {name: sources[name] for name in given if name in sources}
    units = {name: normal.units(source, given[name]) for name, source in sources.items()}
    if own:
        sources[OWN], units[OWN] = "\n\n".join(own), normal.units("\n\n".join(own))
    return Work(student, sources, units)


def page(compared: Iterable[Compared], least: float) -> str:
    """The page with the pairs side by side."""

    def lines(pair: Pair, task: str) -> list[list[tuple[str, bool]]]:
        marked = alike_lines(pair.one.units.get(task, []), pair.other.units.get(task, []))
        sides = ((pair.one.sources[task], marked[0]), (pair.other.sources[task], marked[1]))
        return [[(line, n in alike) for n, line in enumerate(text.splitlines(), 1)] for text, alike in sides]

    return pages.rendered(
        "similarity.html.j2", labs=list(compared), least=least, lines=lines, shown=SHOWN, fewest=FEWEST, language="en"
    )


def main(folder: Path, into: Path, least: float) -> int:
    """`aibook labs similarity`: the table on the terminal, and the page."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    try:
        if not folder.is_dir():
            raise results.OfficeError(f"{folder} is no folder. It should hold a folder for each student.")
        found = collected(folder)
        if not found:
            raise results.OfficeError(f"There are no notebooks of a known lab in {folder}.")
        compared = [compare(lab, works, published, least) for lab, (works, published) in found.items()]
        pages.write(into, page(compared, least))
    except (results.OfficeError, OSError) as error:
        Console(stderr=True).print(f"[red]Nothing compared:[/red] {escape(str(error))}", soft_wrap=True)
        return 1
    for one in compared:
        both = [*one.pairs, *one.like_solution]
        console.print(f"{one.lab}: {one.students} submissions, {len(both)} pairs with an excess of {least:g} or more")
        if one.students * (one.students - 1) / 2 < FEWEST:
            console.print("  So few do not show how alike answers usually are: plain similarity is given.")
        if both:
            table = Table("student", "and", "excess", "most alike in")
            for pair in sorted(both, key=lambda pair: -pair.excess)[:SHOWN]:
                most = sorted(pair.by_task, key=pair.by_task.get, reverse=True)[:3]
                alike = ", ".join(f"{task} {pair.by_task[task]:.0%}" for task in most)
                table.add_row(*map(escape, (pair.one.student, pair.other.student, f"{pair.excess:.2f}", alike)))
            console.print(table)
    console.print(f"Side by side: {into}. Being alike is a reason to ask, not a proof.", markup=False, soft_wrap=True)
    return 0
