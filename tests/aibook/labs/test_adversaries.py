"""A class of adversaries, graded in one run: each gets what it has earned, and nobody else is touched by it."""

import json
import re
import socket
import textwrap
from dataclasses import dataclass, field

import nbformat
import psutil
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_notebook, new_output

from aibook.labs import grade, grading
from aibook.labs.store import Store
from tests.aibook.labs import boxes, toylab

pytestmark = boxes.needed
TORCH_GRADER = """
import torch

from aibook.labs.compare import close
from aibook.labs.grading import Grader

grader = Grader("02-torch")


@grader.part("relu", 2, "a rectifier", "整流")
def relu(student, rng):
    x = torch.tensor(rng.normal(size=20), dtype=torch.float32)
    close(("relu", "relu"), student.call("relu", x), torch.relu(x))
"""
LOOK = """
import glob, os, subprocess, sys

def largest(items):
    seen = [path for path in {paths!r} if os.path.exists(path)]
    seen += [path for path in glob.glob("/tmp/*") if not (sys.prefix + sys.base_prefix).count(path)]
    seen += [path for path in ("/etc/passwd", "/var") if os.path.exists(path)]
    said = dict(os.environ).__str__() + str(sys.argv) + str(sys.modules["__grader__"].__dict__)
    said += "".join(open(path, errors="replace").read() for path in glob.glob("/proc/[0-9]*/cmdline"))
    assert not seen and {secret!r}[::-1] not in said, seen
    return max(items)
"""
FORGED = """
import gc, sys
def largest(items):
    for pipe in [o for o in gc.get_objects() if type(o).__name__ == "BufferedWriter" and o.fileno() > 2]:
        for number in range(200):
            pipe.write(sys.modules["wire"].frame({"id": number, "ok": -1})); pipe.flush()
    return -1
"""


@dataclass
class Adversary:
    """What is handed in, the points that are earned, and what is said: by part, kind and words; of a cell; of all."""

    node: object
    points: float = 5
    parts: dict[str, tuple[str, str]] = field(default_factory=dict)
    cell: str = ""
    problem: str = ""
    name: str = "01-toy.ipynb"


def largest(body, kind, words, **more):
    """One who answers one task badly, and the others well."""
    source = body if body.lstrip().startswith(("import", "class", "def", "COUNT")) else (
        "import os, socket, sys, time\ndef largest(items):\n" + textwrap.indent(body, "    ")
    )  # fmt: skip
    return Adversary(toylab.submission(largest=source), **{"parts": {"largest": (kind, words)}} | more)


def double(body, arrays, empty, points=4):
    parts = {"arrays": arrays, "empty": empty}
    return Adversary(toylab.submission(double=f"def double(x):\n    return {body}"), points, parts)


def adding(*cells, points=7, **more):
    """One whose answers are right, and who adds cells."""
    return Adversary(toylab.submission(cells), points, **more)


def large_output():
    node = toylab.submission()
    node.cells[3].outputs = [new_output("stream", text="x" * 200 * 2**20)]
    return Adversary(node, 7)


def made(port, paths):
    """All of them, by name."""
    wrong = ("wrong", r"-1 is not right")
    return {
        "syntax error": largest("def largest(items):\n    return max(items", "missing", "no `largest`",
                                cell=r"Code cell 7 \(`def largest.*SyntaxError"),
        "endless loop": largest("while True: pass", "time", "did not end within its time"),
        "endless cell": adding("while True: pass", cell="Code cell 11.*did not end"),
        "sleep": largest("time.sleep(99)", "time", "did not end"),
        "fork bomb": largest("while True:\n    try: os.fork()\n    except OSError: pass",
                             "time|memory|ended|broken", ""),
        "allocation": largest("return len(np.ones(50 * 2**30 // 8))", "raised|memory", "MemoryError|more memory"),
        "memory": largest("held = [b'x' * (10**8 + n) for n in range(500)]", "memory", "more memory than it may"),
        "flood": largest("for _ in range(1024): print('x' * 2**20)", "output", "printed more than it may"),
        "disk": largest("for n in range(99): open(f'/tmp/{n}', 'wb').write(bytes(10**7))", "raised", "No space left"),
        "network": largest(f"socket.create_connection(('127.0.0.1', {port}), 2)", "raised", "refused|unreach"),
        "spy": Adversary(toylab.submission(largest=LOOK.format(paths=paths, secret=toylab.SECRET[::-1])), 7),
        "parricide": largest("for process in (os.getppid(), 1, -1, os.getpid()):\n"
                             "    try: os.kill(process, 9)\n    except OSError: pass", "ended", "ended its process"),
        "forger": largest(FORGED, "broken", "no answer"),
        "replacer": largest(
            "import builtins\nbuiltins.print = check = lambda *a, **k: True\n"
            "np.allclose = np.isclose = np.array_equal = np.testing.assert_equal = lambda *a, **k: True\n"
            "def double(x): return [2 * n for n in x.tolist()]\ndef largest(items): return -1", *wrong),
        "isinstance": adding("import builtins\nbuiltins.isinstance = lambda *a: True", cell="Code cell 11.*ended its"),
        "equal to all": largest("class Yes:\n    def __eq__(self, other): return True\n    __hash__ = None\n"
                                "def largest(items): return Yes()", "type", "of type Yes"),
        "equal number": largest("class Same(int):\n    def __eq__(self, other): return True\n"
                                "def largest(items): return Same(-1)", "type", "of type Same"),
        "equal array": Adversary(toylab.submission(double=(
            "class Same(np.ndarray):\n    def __eq__(self, other): return np.ones(self.shape, bool)\n"
            "    def tobytes(self, *a): return bytes(99)\n"
            "def double(x): return x.view(Same)")), 5, {"arrays": ("wrong|broken|size", "")}),
        "nan": double("x * np.nan", ("wrong", "NaN"), ("right", ""), 5),
        "shape": double("2 * x[:, None]", ("wrong", r"expected shape \(5,\), got \(5, 1\)"), ("wrong", "shape")),
        "dtype": double("(2 * x).astype(object)", ("type", "array of object"), ("type", "array of object")),
        "text": double("str(2 * x)", ("wrong", "expected numbers, got str"), ("wrong", "got str")),
        "generator": largest("yield max(items)", "type", "of type generator"),
        "ten gigabytes": double("np.zeros(10 * 2**30, np.uint8)", ("size", "too large"), ("size", "too large")),
        "itself": largest("items.append(items); return items", "size", "too deeply"),
        "digits": largest("return 10**100_000", "size", "digits"),
        "exit": largest("os._exit(0)", "ended", "ended its process"),
        "exit in a cell": adding("import os\nos._exit(0)", cell="Code cell 11.*ended its process"),
        "left threads": adding("import subprocess, threading, time\nsubprocess.Popen(['sleep', '612.25'])\n"
                               "threading.Thread(target=time.sleep, args=(600,)).start()"),
        "own marks": largest(f"for path in {paths!r} + ['marks.json', '/tmp/grades.sqlite']:\n"
                             "    try: open(path, 'w').write('7 points')\n    except OSError: pass\nreturn -1", *wrong),
        "counting": Adversary(toylab.submission(
            double="COUNT = []\ndef double(x):\n    COUNT.append(1)\n    return (2 if len(COUNT) == 1 else 3) * x"),
            5, {"arrays": ("wrong", "is not right"), "empty": ("right", "")}),
        "half text": largest("raise ValueError('\\ud800 \\x1b[31m <script>')", "raised", "ValueError"),
        "deleted task": Adversary(toylab.submission(largest=None), 5, {"largest": ("missing", "no `largest`")}),
        "renamed": Adversary(toylab.submission(), 7, name="Untitled (3).ipynb"),
        "no JSON": Adversary(b"\x00PDF", 0, problem="no JSON"),
        "no cells": Adversary(new_notebook(), 0, problem="no cell with code"),
        "bomb": Adversary(b'{"cells": [' + b"[]," * 8 * 2**20 + b"[]]}", 0, problem="no cell with code|no JSON"),
        "large output": large_output(),
        "old format": Adversary(nbformat.convert(toylab.submission(), 3), 7),
    }  # fmt: skip


@pytest.fixture(scope="module")
def graded(tmp_path_factory, worker_id):
    """All of them and two honest ones, graded in one run: adversaries and results by student, what else was seen."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent  # one run for all of pytest's processes
    with FileLock(base / "adversaries.lock"):
        root = base / "adversaries"
        if not root.exists():
            grade_all(root)
    with Store(root / "submissions" / "grades.sqlite") as store:
        results = {(result.student, result.lab): result for result in store.results()}
    return made(0, []), results, json.loads((root / "seen").read_text())


def grade_all(root):
    """Grade the class below `root`, and write down how the run ended and which processes were left."""
    course, seed = root / "submissions", root / "seed"
    course.mkdir(parents=True)
    seed.write_text(toylab.SECRET)
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as server:
        toy = toylab.house(root / "house", patch)
        torch_lab(toy)
        paths = [str(path) for path in (course, seed, course / "grades.sqlite", toy.root, grading.FOLDER)]
        paths += [str(course / "aaa" / "01-toy.ipynb"), __file__, grade.__file__]
        for name in ("aaa", "zzz [red]"):
            toylab.hand_in(course, name, toylab.submission())
        for name, adversary in made(server.getsockname()[1], paths).items():
            toylab.hand_in(course, name, adversary.node, adversary.name)
        toylab.hand_in(course, "torch", torch_patched(), "02-torch.ipynb")
        status = grade.main(course, seed_file=seed, jobs=2)
        lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        left = [line for line in lines if "612.25" in line]
        server.settimeout(0)
        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()
    (root / "seen").write_text(json.dumps({"status": status, "left": left}))


def torch_lab(toy):
    (grading.FOLDER / "torch.py").write_text(TORCH_GRADER)
    cells = [
        new_code_cell("import torch", metadata={"tags": ["graded"]}),
        new_code_cell("def relu(x):\n    ### BEGIN SOLUTION\n    return x.clamp(0)\n    ### END SOLUTION",
                      metadata={"nbgrader": toylab.nbgrader("relu", solution=True)}),
        new_code_cell('check("relu")', metadata={"nbgrader": toylab.nbgrader("check-relu", 2)}),
    ]  # fmt: skip
    nbformat.write(new_notebook(cells=cells), toy.root / "notebooks" / "labs" / "02-torch.ipynb")


def torch_patched():
    source = (
        "torch.relu = torch.nn.functional.relu = lambda x: x\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
    )
    cells = [new_code_cell(f"import torch\n{source}def relu(x): return torch.relu(x)",
                           metadata={"nbgrader": toylab.nbgrader("relu", solution=True)})]  # fmt: skip
    return new_notebook(cells=cells)


NAMES = list(made(0, []))


@pytest.mark.parametrize("name", NAMES)
def test_an_adversary_gets_what_it_has_earned(graded, name):
    adversaries, results, _ = graded
    adversary = adversaries[name]
    lab = "" if adversary.problem and not adversary.name.startswith(toylab.LAB) else toylab.LAB
    result = results[name, lab]
    assert result.points == adversary.points, result
    for mark in result.marks:
        kind, words = adversary.parts.get(mark.part, ("", ""))
        assert re.fullmatch(kind or ".*", mark.kind) and re.search(words, mark.text[0]), mark
        assert mark.kind != "grader" and all(mark.text)
    assert re.search(adversary.problem or "^$", result.problem[0])
    assert any(re.search(adversary.cell, note[0]) for note in result.cells) or not adversary.cell, result.cells
    json.dumps([mark.text for mark in result.marks], ensure_ascii=False).encode()  # whole characters


def test_the_others_have_their_marks_and_the_run_its_end(graded):
    _, results, seen = graded
    assert seen == {"status": 0, "left": []}
    assert len(results) == len(NAMES) + 3
    assert results["aaa", toylab.LAB].points == results["zzz [red]", toylab.LAB].points == 7


def test_a_patched_torch_is_patched_in_its_own_process_alone(graded):
    _, results, _ = graded
    (mark,) = results["torch", "02-torch"].marks
    assert (mark.points, mark.kind) == (0, "wrong")
