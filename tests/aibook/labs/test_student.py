"""A notebook in a sandbox that can only be called: what it answers, and what it costs when it misbehaves."""

import time
from pathlib import Path

import numpy as np
import pytest

from aibook.labs.sandbox import Limits
from aibook.labs.student import Boxed, CallLimits, Student, StudentError, Trusted, stage
from tests.aibook.labs import boxes

SHORT = CallLimits(cpu_seconds=1, wall_seconds=5)  # for calls that are to be cut
LONG = CallLimits(cpu_seconds=30, wall_seconds=90)  # for the others, on a machine that may be busy
CELLS = """
import numpy as np

def double(x):
    return 2 * x

def spoil(x):
    x[0] = 99
    return x.sum()

def unwritten():
    raise NotImplementedError

def unable():
    raise NotImplementedError("subtraction of truth values")  # as torch says it

def wrong(x):
    return x / 0

def endless():
    n = 0
    while True:
        yield n
        n += 1

def noise(rng):
    return rng.normal(size=3)

class Counter:
    def __init__(self, start):
        self.n = start
    def step(self, by):
        self.n += by
        return self.n
    def __call__(self):
        return self.n
"""


class Liar:
    def __eq__(self, other):
        return True


def namespace():
    names = {}
    exec(CELLS, names)
    return names | {"liar": Liar}


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    helpers = tmp_path_factory.mktemp("helpers")
    (helpers / "__init__.py").touch()
    (helpers / "given.py").write_text("ANSWER = 42\n")
    folder = tmp_path_factory.mktemp("staged") / "grading"
    folder.parent.chmod(0o755)
    return stage(folder, helpers)


@pytest.fixture
def boxed(staged):
    opened = []

    def start(*sources, **more):
        cells = [(number, source) for number, source in enumerate(sources)]
        opened.append(Boxed(cells, staged=staged, call_limits=LONG, limits=Limits(memory_mb=1_500), **more))
        return opened[-1]

    yield start
    for box in opened:
        box.close()


@pytest.fixture(params=["trusted", pytest.param("boxed", marks=boxes.needed)])
def student(request):
    if request.param == "trusted":
        return Trusted(namespace())
    liar = "class Liar:\n    def __eq__(self, other): return True\nliar = Liar"
    return request.getfixturevalue("boxed")(CELLS, liar)


def test_what_is_asked_is_answered(student):
    assert student.call("double", 4) == 8
    np.testing.assert_array_equal(student.call("double", np.arange(3)), [0, 2, 4])
    assert student.call("double", named={"x": [1]}) == [1, 1]

    given = np.zeros(2)
    assert student.call("spoil", given, echo=True)[1][0][0] == 99 and given[0] == 0

    counter = student.make("Counter", 5)
    student.tell(counter, "step", 2)
    assert student.ask(counter, "step", 1) == 8 and student.ask(counter, "") == 8

    assert not np.array_equal(*(student.call("noise", student.generator(seed)) for seed in (0, 1)))
    twice = [student.call("noise", student.generator(3)) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    np.testing.assert_array_equal(twice[0], np.random.default_rng(3).normal(size=3))


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "words"),
    [
        ("absent", (), "missing", "defines no `absent`"),
        ("unwritten", (), "unwritten", "still to be written"),
        ("unable", (), "raised", "subtraction of truth values"),
        ("wrong", (1,), "raised", "ZeroDivisionError: division by zero"),
        ("liar", (), "type", "something of type Liar"),
    ],
)
def test_no_answer_says_why_in_both_languages(student, name, arguments, kind, words):
    with pytest.raises(StudentError, match=words) as caught:
        student.call(name, *arguments)
    assert caught.value.kind == kind and caught.value.text[1] != caught.value.text[0]
    assert student.call("double", 1) == 2  # nothing is broken by it


def test_an_iterable_without_end_is_cut(student):
    with pytest.raises(StudentError, match="more than 7 items") as caught:
        student.call("endless", at_most=7)
    assert caught.value.kind == "endless"


@boxes.needed
def test_a_cell_that_fails_costs_only_itself(boxed):
    box = boxed("def a(): return 1", "def b(:", "%matplotlib inline\n!ls\nc = 3", "1 / 0", "def d(): return c")
    assert (box.call("a"), box.call("d")) == (1, 3)
    assert {index: problem.kind for index, problem in box.problems.items()} == {1: "raised", 3: "raised"}
    assert "SyntaxError" in box.problems[1].text[0] and "<cell 4>, line 1" in box.problems[3].text[0]


@boxes.needed
def test_a_cell_that_ends_the_process_is_left_out(boxed):
    box = boxed("def a(): return 1", "import os\nos._exit(0)", "def b(): return 2")
    assert (box.call("a"), box.call("b")) == (1, 2)
    assert box.problems[1].kind == "ended" and box.starts == 2


@boxes.needed
def test_a_call_that_does_not_end_costs_only_itself(boxed):
    box = boxed("import time\ndef spin():\n    while True: pass\ndef sleep(): time.sleep(99)\ndef a(): return 1")
    for name in ("spin", "sleep"):
        with pytest.raises(StudentError) as caught:
            box.call(name, limits=SHORT)
        assert caught.value.kind == "time"
        assert box.call("a") == 1


@boxes.needed
def test_an_answer_that_closes_its_pipes_and_lives_on_costs_only_itself(boxed):
    box = boxed("import os, time\ndef shut():\n    os.closerange(0, 200)\n    time.sleep(60)\ndef a(): return 1")
    began = time.monotonic()
    with pytest.raises(StudentError) as caught:
        box.call("shut", limits=LONG)
    assert caught.value.kind == "ended" and time.monotonic() - began < 20
    assert box.call("a") == 1


@boxes.needed
def test_too_much_memory_costs_only_the_call(boxed):
    box = boxed("def fill(): return len(bytearray(b'x') * 2_000_000_000)\ndef a(): return 1")
    with pytest.raises(StudentError) as caught:
        box.call("fill", limits=LONG)
    assert caught.value.kind == "memory"
    assert box.call("a") == 1


@boxes.needed
def test_the_other_end_is_never_believed(boxed):
    forged = """
import gc, sys
def pipes():
    return [o for o in gc.get_objects() if type(o).__name__ == "BufferedWriter" and o.fileno() > 2]
def shout():
    for pipe in pipes():
        pipe.write(b"full marks"); pipe.flush()
    return 1
def other():
    wire = sys.modules["wire"]
    for pipe in pipes():
        pipe.write(wire.frame({"id": 10**9, "ok": 1})); pipe.flush()
    return 1
def rewrite():
    sys.modules["wire"].frame = lambda *a: b"AIBL" + b"\\xff" * 12
    return 1
def a(): return 1
"""
    box = boxed(forged)
    for name in ("shout", "other", "rewrite"):
        with pytest.raises(StudentError) as caught:
            box.call(name)
        assert caught.value.kind in ("broken", "size"), name
        assert box.call("a") == 1  # asked of a new sandbox


@boxes.needed
def test_what_the_notebook_replaces_is_replaced_in_its_own_process_alone(boxed):
    prints = "import builtins\nbuiltins.print = builtins.sorted = lambda *a, **k: True\ndef a(): return 1"
    assert boxed(prints).call("a") == 1
    with pytest.raises(StudentError):  # whoever breaks the other end gets no answer
        boxed(prints.replace("sorted", "isinstance")).call("a")
    assert sorted([2, 1]) == [1, 2] and not isinstance(1, str)
    assert boxed("def a(): return 1").call("a") == 1


@boxes.needed
def test_inside_are_the_books_helpers_and_the_given_names_and_nothing_else(boxed, monkeypatch):
    monkeypatch.setenv("SECRET_SEED", "7")
    sources = (
        "from helpers.given import ANSWER\nPROFILE_THEN = PROFILE",
        "import os\ndef look(): return [ANSWER, PROFILE_THEN, 'SECRET_SEED' in os.environ, os.path.exists(BOOK)]",
    )
    assert boxed(*sources, names={"PROFILE": "laptop", "BOOK": str(Path(__file__))}).call("look") == [
        42,
        "laptop",
        False,
        False,
    ]


@boxes.needed
def test_what_is_printed_is_bounded_and_kept_in_part(boxed):
    box = boxed("def speak():\n    print('hello'); return 1\ndef flood():\n    while True: print('x' * 10_000)")
    assert box.call("speak") == 1
    with pytest.raises(StudentError) as caught:
        box.call("flood", limits=LONG)
    assert caught.value.kind == "output"


class Forger(Student):
    """A sandbox that answers what it likes."""

    def __init__(self, answer):
        self.answer = answer

    def _ask(self, do, arguments, limits):
        return self.answer


@pytest.mark.parametrize("answer", [None, 7, [1], [1, 2], [1, [0, 0]], "xy", {0: 1, 1: [0]}])
def test_an_echo_that_is_none_is_no_answer(answer):
    with pytest.raises(StudentError) as caught:
        Forger(answer).call("spoil", 0, echo=True)
    assert caught.value.kind == "broken"


@pytest.mark.parametrize("answer", [None, 7, [1, 2, 3], (1, 2), "xy"])
def test_items_that_are_too_many_or_none_are_no_answer(answer):
    with pytest.raises(StudentError):
        Forger(answer).call("endless", at_most=2)
    with pytest.raises(StudentError):
        Forger(answer).make("Counter", 3)
