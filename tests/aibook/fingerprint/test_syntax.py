"""Two texts have the same hash exactly when they mean the same, and under each Python."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aibook.fingerprint import syntax

SAMPLE = Path(__file__).with_name("sample.py")
# Of sample.py. It changes with the walk, and then every committed notebook is stale: so not by accident.
GOLDEN = "c30c3dd5688d5e30"
PROGRAM = """
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("syntax", sys.argv[1])
syntax = importlib.util.module_from_spec(spec)
spec.loader.exec_module(syntax)
print(syntax.module_hash(syntax.parse_module(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"), "sample")))
"""


def interpreters() -> list[str]:
    """This interpreter and every other one from 3.11 on that is installed here."""
    found = list(filter(None, (shutil.which(f"python3.{minor}") for minor in range(11, 16))))
    for minor in range(11, 16):
        found += map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
    # A name on PATH can be another tool's stand-in that starts nothing.
    starts = [each for each in found if subprocess.run([each, "-c", ""], capture_output=True).returncode == 0]
    return [sys.executable, *starts]


@pytest.mark.parametrize("python", interpreters())
def test_the_hash_is_the_same_under_every_python(python):
    command = [python, "-c", PROGRAM, syntax.__file__, SAMPLE]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == GOLDEN


def module(text: str) -> str:
    return syntax.module_hash(syntax.parse_module(text, "test"))


def cells(*sources: str) -> str:
    parsed = ((source, syntax.parse_cell(source, "test")) for source in sources)
    return syntax.cells_hash((source, tree) for source, tree in parsed if tree is not None)


ONE = '"""Doc."""\ndef f(x):\n    """Doc."""\n    return g(x, "a")\n'


@pytest.mark.parametrize(
    "other",
    [
        'def f(x):\n    return g(x, "a")\n',
        '"""Other."""\n# comment\ndef f(x):\n\n    """Other."""\n    return (g(\n        x,\n        \'a\',\n    ))\n',
        'def f(x):  # type: (int) -> int\n    return g(x, u"a")\n',
        'def f(x):\n    return g(x, "a")\n"""A string that stands alone."""\n',
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(other):
    assert module(ONE) == module(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = None", "x = ..."),
        ("x = 'a'", "x = b'a'"),
        ("x = 'a'", "x = 'b'"),
        ("f(a, b)", "f(a, *b)"),
        ("f(a, b)", "f(a, b=b)"),
        ("{**a}", "{None: a}"),
        ("a < b", "a <= b"),
        ("f'{x}'", "f'{x!r}'"),
        ("f'{x}'", "'{x}'"),
        ("f'{x:.1f}'", "f'{x:.2f}'"),
        ("def f(x: int): pass", "def f(x): pass"),
        ("def f(a, /): pass", "def f(*, a): pass"),
        ("import a.b", "import a, b"),
        ("from .a import b", "from a import b"),
        ("x: int", "(x): int"),
        ("if a:\n    b\nc", "if a:\n    b\n    c"),
        ("async def f():\n    [x async for x in y]", "async def f():\n    [x for x in y]"),
    ],
)
def test_what_means_another_thing_has_another_hash(one, other):
    assert module(one) != module(other)


def test_where_a_cell_ends_and_what_it_displays_count():
    assert cells("a\nb") != cells("a", "b")
    assert cells("plot()") != cells("plot();")
    assert cells("'shown'") != cells("'other'")
    assert cells("a", "# nothing but a comment", "") == cells("a")


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline\nx = f()",
        "!pip install 'it\nx = f()",
        "x = f()\nf?\nx.y??",
        "%time\nx = f()",
        "%%time\nx = f()",
        "%%bash\nls",
    ],
)
def test_magics_and_shell_lines_are_stripped(source):
    assert cells(source) == (cells() if source.startswith("%%bash") else cells("x = f()"))


def test_what_only_looks_like_a_magic_stays():
    assert cells("%config a\nx = '''\n%one\n'''") != cells("%config a\nx = '''\n%two\n'''")
    assert cells("x = (a\n% b)") != cells("x = (a\n% c)")
    assert cells("if a:\n    %timeit b\nelse:\n    c") == cells("if a:\n    !ls\nelse:\n    c")


def test_code_that_does_not_parse_is_named():
    with pytest.raises(SyntaxError, match="cell 3"):
        syntax.parse_cell("x = = 1", "cell 3")
