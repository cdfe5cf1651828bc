"""The graders of the labs, graded: right answers earn all points, wrong ones never, and mutants are caught.

`tests/labs/answers` holds, for each lab, answers that are wrong in a known way and others that are right in another
way than the master's. `make test` looks at samples of the quick tasks; `make verify` at everything, and at the
reference and a wrong answer to each task in the sandbox.
"""

import contextlib
import functools
import importlib
import math
import random
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from aibook import house
from aibook.labs import grading
from aibook.labs.grading import Mark
from aibook.labs.release import release_node
from aibook.labs.student import Boxed, Student, Trusted, stage
from tests.aibook.labs import boxes
from tests.labs.mutants import Mutant, mutants

LABS = sorted(grading.graders())
SECRETS = ("anise", "basil", "cumin")
CPU_SECONDS = 2  # for a mutant of a quick task; an endless loop is caught too
# Tasks that ask for a performance accept many a recipe: another rate or width is another answer, not a wrong one.
STRUCTURE = ("condition", "comparison", "removed")
every_lab = pytest.mark.parametrize("lab", LABS)
pytestmark = pytest.mark.filterwarnings("ignore")  # wrong code divides by zero, and is meant to


# -- what there is -----------------------------------------------------------------------------------------------------
def answers(lab: str) -> ModuleType:
    return importlib.import_module(f"tests.labs.answers.{grading.graders()[lab].stem}")


def slow(lab: str) -> set[str]:
    """The tasks that train something: known by name, sampled by the tests."""
    return set(getattr(answers(lab), "SLOW", ()))


@functools.cache
def load(lab: str) -> grading.Grader:
    return grading.load(lab)


@functools.cache
def master(lab: str) -> nbformat.NotebookNode:
    return nbformat.read(house.NOTEBOOKS / "labs" / f"{lab}.ipynb", as_version=4)


def notebook_points(lab: str) -> dict[str, float]:
    """Task -> the points of its check cell."""
    cells = [cell.metadata.get("nbgrader", {}) for cell in master(lab).cells if cell.cell_type == "code"]
    return {cell["grade_id"].removeprefix("check-"): cell["points"] for cell in cells if cell.get("grade")}


def graded_cells(node: nbformat.NotebookNode) -> list[tuple[int, str]]:
    """Number and source of the cells that run in grading."""

    def runs(cell) -> bool:
        given = "graded" in cell.metadata.get("tags", [])
        return cell.cell_type == "code" and (given or cell.metadata.get("nbgrader", {}).get("solution", False))

    return [(number, cell.source) for number, cell in enumerate(node.cells) if runs(cell)]


def solution_cells(lab: str) -> list[tuple[str, str]]:
    """(task, source) of each solution cell: it belongs to the check that follows it."""
    found, waiting = [], []
    for cell in master(lab).cells:
        grade = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and grade.get("solution"):
            waiting.append(cell.source)
        elif cell.cell_type == "code" and grade.get("grade"):
            found += [(grade["grade_id"].removeprefix("check-"), source) for source in waiting]
            waiting = []
    return found


def task_marks(lab: str, task: str, student: Student, secret: str = SECRETS[0]) -> list[Mark]:
    return list(one_by_one(lab, task, student, secret))


def one_by_one(lab: str, task: str, student: Student, secret: str = SECRETS[0]) -> Iterator[Mark]:
    """The mark of each part of a task, which is graded when it is asked for."""
    parts = [part.name for part in load(lab).parts if part.task == task]
    return (mark for name in parts for mark in load(lab).grade(student, secret, only=name))


def full(marks: Iterable[Mark]) -> bool:
    return all(mark.points == mark.out_of for mark in marks)


def said(marks: list[Mark]) -> str:
    return "\n".join(f"{mark.part}: {mark.points} of {mark.out_of}, {mark.text[0]}" for mark in marks)


@functools.cache
def compiled(lab: str) -> list:
    return [compile(source, f"<cell {number}>", "exec") for number, source in graded_cells(master(lab))]


def solutions(lab: str) -> dict:
    """The names of the master's solutions, as a notebook that has just been run defines them."""
    names: dict = {"__name__": "solutions"}
    for code in compiled(lab):
        exec(code, names)
    return names


def with_answer(lab: str, source: str) -> Trusted | None:
    """The solutions with these definitions in a last cell; None when the definitions themselves fail."""
    names = solutions(lab)
    try:
        exec(compile(source, "<answer>", "exec"), names)
    except Exception:
        return None
    return Trusted(names)


# -- the lab and its grader --------------------------------------------------------------------------------------------
def test_every_lab_has_a_grader_and_known_answers():
    assert [path.stem for path in house.notebooks([house.NOTEBOOKS / "labs"])] == LABS
    assert all((house.ROOT / "tests/labs/answers" / path.name).exists() for path in grading.graders().values())


@every_lab
def test_notebook_checks_and_grader_have_the_same_tasks_and_points(lab):
    check = importlib.import_module(f"helpers.labs.{grading.graders()[lab].stem}").lab
    grader: dict[str, float] = {}
    for part in load(lab).parts:
        grader[part.task] = grader.get(part.task, 0) + part.points
    assert grader == pytest.approx(notebook_points(lab))
    assert list(grader) == list(notebook_points(lab)) == list(check.tasks)
    assert {name: task.points for name, task in check.tasks.items()} == notebook_points(lab)
    cells = [c for c in master(lab).cells if c.metadata.get("nbgrader", {}).get("grade") and c.cell_type == "code"]
    assert [c.source for c in cells] == [f'check("{task}")' for task in grader]
    assert {task for task, _ in solution_cells(lab)} == set(grader)
    assert load(lab).lab == lab


@every_lab
def test_answers_are_many_enough_and_name_tasks(lab):
    known, tasks = answers(lab), set(notebook_points(lab))
    assert all(len(known.WRONG.get(task, [])) >= 5 for task in tasks)
    assert all(known.ALSO_RIGHT.get(task) for task in tasks)
    assert set(known.WRONG) | set(known.ALSO_RIGHT) | slow(lab) == tasks


@every_lab
def test_a_stub_earns_nothing(lab):
    names: dict = {"__name__": "stub"}
    for _, source in graded_cells(release_node(master(lab))):
        with contextlib.suppress(NotImplementedError):
            exec(compile(source, "<stub>", "exec"), names)
    marks = load(lab).grade(Trusted(names), SECRETS[0])
    assert [mark.points for mark in marks] == [0] * len(marks), said(marks)


@every_lab
def test_quick_tasks_hold_on_a_sample(lab):
    """The reference, a wrong and a right answer for each task, and a few mutants; the same secret, the same marks."""
    rng = random.Random(lab)
    trusted = Trusted(solutions(lab))
    for task in sorted(set(notebook_points(lab)) - slow(lab)):
        marks = task_marks(lab, task, trusted)
        assert full(marks), said(marks)
        assert said(task_marks(lab, task, trusted)) == said(marks)
        assert_wrong(lab, task, *rng.choice(answers(lab).WRONG[task]))
        assert_right(lab, task, *rng.choice(answers(lab).ALSO_RIGHT[task]))
    pool = [pair for pair in all_mutants(lab, quick=True) if pair[1].name not in answers(lab).EQUIVALENT]
    missed = [mutant.name for task, mutant in rng.sample(pool, min(6, len(pool))) if not caught(lab, task, mutant)]
    assert len(missed) <= 1, missed


# -- everything --------------------------------------------------------------------------------------------------------
@pytest.mark.graders
@every_lab
def test_the_reference_earns_everything_and_the_same_marks_again(lab):
    student = Trusted(solutions(lab))
    first, *others, again = (load(lab).grade(student, secret) for secret in (*SECRETS, SECRETS[0]))
    for marks in (first, *others):
        assert full(marks), said(marks)
    assert said(first) == said(again)
    assert grading.generator("one", lab).random() != grading.generator("two", lab).random()


@pytest.mark.graders
@every_lab
def test_quick_tasks_are_right_for_many_secrets(lab):
    student = Trusted(solutions(lab))
    for secret in map(str, range(15)):
        for task in set(notebook_points(lab)) - slow(lab):
            marks = task_marks(lab, task, student, secret)
            assert full(marks), f"{secret}: {said(marks)}"


def known(kind: str) -> list:
    """(lab, task, what, source) of all known answers of a kind, as pytest's parameters."""
    found = []
    for lab in LABS:
        with contextlib.suppress(ModuleNotFoundError):  # named by the first test
            for task, cases in getattr(answers(lab), kind).items():
                found += [pytest.param(lab, task, *case, id=f"{lab}: {task}: {case[0]}") for case in cases]
    return found


@pytest.mark.graders
@pytest.mark.parametrize(("lab", "task", "what", "source"), known("WRONG"))
def test_a_wrong_answer_is_caught(lab, task, what, source):
    for secret in SECRETS[:1] if task in slow(lab) else SECRETS:
        assert_wrong(lab, task, what, source, secret)


@pytest.mark.graders
@pytest.mark.parametrize(("lab", "task", "what", "source"), known("ALSO_RIGHT"))
def test_another_right_answer_earns_everything(lab, task, what, source):
    for secret in SECRETS[:1] if task in slow(lab) else SECRETS:
        assert_right(lab, task, what, source, secret)


def assert_wrong(lab: str, task: str, what: str, source: str, secret: str = SECRETS[0]) -> None:
    student = with_answer(lab, source)
    assert student, f"{task}, {what}: it does not even run"
    marks = task_marks(lab, task, student, secret)
    assert not full(marks), f"{task}, {what}: full marks"
    assert not {mark.kind for mark in marks} & {"missing", "unwritten"}, f"{task}, {what}: {said(marks)}"


def assert_right(lab: str, task: str, what: str, source: str, secret: str = SECRETS[0]) -> None:
    marks = task_marks(lab, task, with_answer(lab, source), secret)
    assert full(marks), f"{task}, {what}:\n{said(marks)}"


# -- mutants -----------------------------------------------------------------------------------------------------------
class TooLong(BaseException):
    """A mutant used up its CPU seconds."""


@contextlib.contextmanager
def at_most(seconds: float):
    """CPU seconds of this process, so that a busy machine changes nothing; pytest-timeout's own alarm stays."""

    def stop(*_):
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def all_mutants(lab: str, *, quick: bool) -> list[tuple[str, Mutant]]:
    """(task, mutant) of the quick tasks, or of the slow ones: there only those of structure."""
    found = [(task, mutant) for task, source in solution_cells(lab) for mutant in mutants(task, source)]
    if quick:
        return [pair for pair in found if pair[0] not in slow(lab)]
    return [pair for pair in found if pair[0] in slow(lab) and pair[1].kind in STRUCTURE]


def caught(lab: str, task: str, mutant: Mutant, seconds: float = CPU_SECONDS) -> bool:
    """Whether one part finds it: the others are not asked any more."""
    try:
        with at_most(seconds):
            student = with_answer(lab, mutant.source)
            return student is None or not full(one_by_one(lab, task, student))
    except TooLong:
        return True


@pytest.mark.graders
@pytest.mark.timeout(1800)
@every_lab
def test_mutants_are_caught(lab):
    equivalent = answers(lab).EQUIVALENT
    for task in {task for task, _ in all_mutants(lab, quick=True)}:
        task_marks(lab, task, Trusted(solutions(lab)))  # imports, which count for none of the mutants
    pool = all_mutants(lab, quick=True)
    missed = [mutant.name for task, mutant in pool if not caught(lab, task, mutant)]
    real = [name for name in missed if name not in equivalent]
    assert set(equivalent) <= set(missed) | {m.name for _, m in all_mutants(lab, quick=False)}, (
        "not equivalent after all"
    )
    rest = len(pool) - (len(missed) - len(real))
    print(f"{lab}: {rest - len(real)} of {rest} mutants caught")
    assert len(real) <= 0.05 * rest, f"{len(real)} of {rest} mutants earn full marks:\n" + "\n".join(real)


@pytest.mark.graders
@pytest.mark.timeout(1800)
@every_lab
def test_a_sample_of_slow_mutants_is_caught(lab):
    pool = [p for p in all_mutants(lab, quick=False) if p[1].name not in answers(lab).EQUIVALENT]
    sample = random.Random(lab).sample(pool, min(12, len(pool)))
    missed = [mutant.name for task, mutant in sample if not caught(lab, task, mutant, 30)]
    assert len(missed) <= math.floor(0.1 * len(sample)), "\n".join(missed)


# -- in the real sandbox -----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def staged(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("staged") / "grading"
    folder.parent.chmod(0o755)
    return stage(folder, house.ROOT / "helpers")


def boxed(lab: str, staged: Path, *more: str) -> Boxed:
    cells = graded_cells(master(lab))
    cells += [(len(master(lab).cells) + number, source) for number, source in enumerate(more)]
    return Boxed(cells, staged=staged, names={"PROFILE": "smoke", "SEED": 0}, **load(lab).box)


@boxes.needed
@pytest.mark.verify
@every_lab
def test_in_the_sandbox_the_reference_earns_everything_within_15_seconds(lab, staged):
    with boxed(lab, staged) as student:
        marks = load(lab).grade(student, SECRETS[0])
    assert full(marks) and not student.problems, said(marks)
    assert said(marks) == said(load(lab).grade(Trusted(solutions(lab)), SECRETS[0]))
    assert student.cpu_seconds <= 15


@boxes.needed
@pytest.mark.verify
@every_lab
def test_in_the_sandbox_a_wrong_answer_to_every_task_is_caught(lab, staged):
    wrong = {task: cases[0][1] for task, cases in answers(lab).WRONG.items()}
    with boxed(lab, staged, *wrong.values()) as student:
        marks = load(lab).grade(student, SECRETS[0])
    for task in wrong:
        assert not full([mark for mark in marks if mark.task == task]), f"{task}: {said(marks)}"
