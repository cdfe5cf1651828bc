"""A notebook is stale exactly when something that its outputs follow from has changed, and says what."""

import subprocess
import sys

import nbformat
import pytest

from aibook import house
from aibook.fingerprint import FingerprintError, fingerprint, outputs_hash, why_stale

REGISTRY = '[digits]\ntitle = "Digits"\n[[digits.files]]\nname = "digits"\nsize = 1\nsha256 = "{}"\n'


def stamped(path):
    """Stamp a notebook as one that was executed now."""
    node = nbformat.read(path, as_version=4)
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
    node.metadata["aibook"] = {
        "fingerprint": fingerprint(path).stamp(), "profile": "laptop", "outputs": outputs_hash(node),
    }  # fmt: skip
    nbformat.write(node, path)
    return path


def edited(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def book(toy):
    """Two chapters, each with a model of its own and the same plotting."""
    toy.module("helpers.plotting", "import matplotlib\n")
    toy.module("helpers.cv.resnet", "import numpy\nWIDTH = 1\n")
    toy.module("helpers.mbrl.planner", "STEPS = 1\n")
    toy.module("helpers.data.digits", 'def load():\n    return fetch("digits")\n')
    (toy.root / "helpers/data/registry.toml").write_text(REGISTRY.format("ab"))
    imports = "from helpers.cv import resnet\nfrom helpers.data import digits"
    shown = ("from helpers import plotting", "display")
    toy.one = stamped(toy.notebook("cv/01-one", imports, "resnet.WIDTH", shown))
    toy.four = stamped(
        toy.notebook("mbrl/04-four", "from helpers import plotting\nfrom helpers.mbrl.planner import STEPS")
    )
    return toy


def test_nothing_is_stale_at_first(book):
    assert why_stale(book.one) == why_stale(book.four) == []


def test_a_helper_makes_stale_exactly_what_depends_on_it(book):
    book.module("helpers.mbrl.planner", "STEPS = 2\n")
    assert why_stale(book.one) == []
    assert why_stale(book.four) == ["helpers.mbrl.planner changed"]
    book.module("helpers.plotting", "import matplotlib\nDPI = 1\n")
    assert why_stale(book.one) == ["helpers.plotting changed"]


def test_a_parent_package_counts(book):
    (book.root / "helpers/cv/__init__.py").write_text("import helpers.cv.resnet\n")
    assert why_stale(book.one) == ["helpers.cv changed"]
    assert why_stale(book.four) == []


def test_comments_docstrings_and_formatting_make_nothing_stale(book):
    book.module("helpers.cv.resnet", '"""Doc."""\nimport numpy\n\n\nWIDTH = (1)  # wide\n')
    edited(book.one, "resnet.WIDTH", "# a comment\\n\\nresnet . WIDTH")
    edited(book.one, "# cv/01-one", "# Another title")
    assert why_stale(book.one) == []


def test_a_version_counts_where_its_package_is_imported(book):
    edited(house.LOCK, "numpy==2.4.6", "numpy==2.4.7")
    assert why_stale(book.one) == ["numpy 2.4.6 → 2.4.7"]
    assert why_stale(book.four) == []
    edited(house.LOCK, "numpy==2.5.5", "numpy==2.6.0")  # for another Python than the one that counts
    assert why_stale(book.one) == ["numpy 2.4.6 → 2.4.7"]


def test_data_counts_where_a_module_names_it(book):
    (book.root / "helpers/data/registry.toml").write_text(REGISTRY.format("cd"))
    assert why_stale(book.one) == ["data set digits changed"]
    assert why_stale(book.four) == []


def test_code_and_new_imports_are_told_apart(book):
    edited(book.four, "import STEPS", "import STEPS\\nimport sklearn")
    assert why_stale(book.four) == ["its code cells changed", "scikit-learn came in"]


def test_a_shown_study_counts_for_the_outputs_but_not_for_the_study(book):
    path = stamped(book.notebook("cv/02-two", 'show("cv/01-one")'))
    house.STUDIES.mkdir()
    before = fingerprint(path, study=True)
    (house.STUDIES / "cv-01-one.laptop.json").write_text("{}")  # for the bands; no notebook shows it
    assert why_stale(path) == []
    (house.STUDIES / "cv-01-one.study.json").write_text("{}")
    assert why_stale(path) == ["stored study cv-01-one.study.json came in"]
    assert fingerprint(path, study=True) == before


def test_a_study_leaves_out_what_only_presents(book):
    assert set(fingerprint(book.one, study=True).parts["helpers"]) == {
        "helpers", "helpers.cv", "helpers.cv.resnet", "helpers.data", "helpers.data.digits",
    }  # fmt: skip
    before = fingerprint(book.one, study=True)
    edited(book.one, "from helpers import plotting", "from helpers import plotting\\nplotting.draw()")
    assert fingerprint(book.one, study=True) == before
    edited(book.one, "resnet.WIDTH", "resnet.WIDTH + 1")
    assert fingerprint(book.one, study=True) != before


def test_the_set_up_cell_does_not_count(book):
    path = stamped(book.notebook("cv/03-three", ("import google.colab, unknown_package", "setup")))
    edited(path, "unknown_package", "other_package")
    assert why_stale(path) == []


def test_outputs_that_did_not_come_from_a_run_are_stale(book):
    assert why_stale(book.notebook("cv/05-new", "1")) == ["it was never executed by `aibook run`"]
    edited(book.four, '"outputs": []', '"outputs": [{"output_type": "stream", "name": "stdout", "text": ["99.9 %"]}]')
    assert why_stale(book.four) == ["its outputs are not the ones that `aibook run` wrote"]
    edited(book.one, '"execution_count": 1', '"execution_count": null')
    assert why_stale(book.one) == ["its outputs were cleared"]


def test_another_profile_is_stale(book):
    edited(book.one, '"profile": "laptop"', '"profile": "smoke"')
    assert why_stale(book.one) == ["its outputs are from the profile smoke"]
    assert why_stale(book.one, profile="smoke") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"cells": [', "not a valid notebook"), ("[]", "no cells"), ('{"nbformat": 3, "cells": []}', "nbformat 4")],
)
def test_a_file_that_is_no_notebook_is_named(toy, content, message):
    path = toy.root / "broken.ipynb"
    path.write_text(content)
    with pytest.raises(FingerprintError, match=rf"broken\.ipynb.*{message}"):
        fingerprint(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [("import unheard_of", "unheard-of"), ("import helpers.none", r"helpers\.none"), ("x = = 1", "code cell 2")],
)
def test_code_that_leads_nowhere_is_named(toy, source, message):
    with pytest.raises(FingerprintError, match=message):
        fingerprint(toy.notebook("bad", source))


def test_a_book_of_twenty_notebooks_takes_less_than_two_seconds_and_loads_nothing_heavy(book):
    for number in range(20):
        book.module(f"helpers.cv.model{number}", "import numpy\n" + "def f(x):\n    return x + 1\n" * 200)
        book.notebook(f"cv/{number:02}-n", f"from helpers.cv import model{number}", *["x = f(1)\ny = [x, x]"] * 40)
    program = (
        "import sys, time; began = time.process_time()\n"
        "from aibook import fingerprint, house\n"
        "prints = [fingerprint.fingerprint(path) for path in house.notebooks()]\n"
        "heavy = {'torch', 'numpy', 'IPython', 'papermill', 'nbformat', 'helpers'} & sys.modules.keys()\n"
        "print(len(prints), time.process_time() - began, *heavy)"
    )
    environment = {"AIBOOK_ROOT": str(book.root), "PATH": ""}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    count, seconds, *heavy = ran.stdout.split()
    assert int(count) == 22
    assert float(seconds) < 2
    assert heavy == []
