"""The modules and packages that code imports are found in its source, however deep."""

import ast

import pytest

from aibook.fingerprint.imports import ImportFailure, dynamic_imports, helper_files, imported_by


def found(source: str):
    return imported_by([ast.parse(source)], "the test")


def test_imports_are_followed_through_helpers_with_their_parents(toy):
    toy.module("helpers.cv", "import helpers.plotting", package=True)
    toy.module("helpers.cv.resnet", "def f():\n    from .blocks import block\n    import torch.nn as nn")
    toy.module("helpers.cv.blocks", "import numpy as np, os")
    toy.module("helpers.plotting", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas")
    toy.module("helpers.unrelated", "import tqdm")
    modules, packages = found("from helpers.cv import resnet\nimport sklearn.linear_model, json")
    assert modules == {"helpers", "helpers.cv", "helpers.cv.resnet", "helpers.cv.blocks", "helpers.plotting"}
    assert packages == {"torch": "helpers.cv.resnet", "numpy": "helpers.cv.blocks", "sklearn": "the test"}


def test_how_data_gets_here_does_not_count_but_its_loaders_do(toy):
    toy.module("helpers.data", "from helpers.data.fetching import fetch", package=True)
    toy.module("helpers.data.fetching", "import tqdm\nfrom helpers.data.sources.pip import get")
    toy.module("helpers.data.sources", "", package=True)
    toy.module("helpers.data.sources.pip", "import filelock")
    toy.module("helpers.data.garments", "import numpy\nfrom helpers.data import fetch")
    modules, packages = found("from helpers.data import garments")
    assert modules == {"helpers", "helpers.data", "helpers.data.garments"}
    assert packages == {"numpy": "helpers.data.garments"}


@pytest.mark.parametrize(
    "source", ["from helpers.a import f", "import helpers.a", "from helpers import a", "from helpers.a import *"]
)
def test_every_form_of_import_is_understood(toy, source):
    toy.module("helpers.a", "")
    assert found(source)[0] == {"helpers", "helpers.a"}


def test_no_helpers_no_modules(toy):
    assert found("import numpy") == (set(), {"numpy": "the test"})


def test_a_module_that_does_not_exist_is_named(toy):
    with pytest.raises(ImportFailure, match=r"the test imports helpers\.missing"):
        found("from helpers.missing import f")


@pytest.mark.parametrize(
    "source",
    ["import importlib", "from importlib import import_module", "importlib = 1\nimport importlib.util",
     "__import__('os')", "def f():\n    exec('1')", "x = eval('1')", "import runpy"],
)  # fmt: skip
def test_dynamic_imports_are_found_with_their_line(tmp_path, source):
    path = tmp_path / "module.py"
    path.write_text("\n" + source)
    line = 2 + source.count("\n")
    (place,) = dynamic_imports(path)
    assert place.startswith(f"{path}:{line} ")


def test_a_module_that_does_not_parse_is_named(toy):
    toy.module("helpers.broken", "x = = 1")
    with pytest.raises(ImportFailure, match=r"broken\.py, line 1"):
        found("import helpers")


def test_harmless_uses_are_not(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("from importlib.metadata import version\nfrom importlib import resources\nmodel.eval()")
    assert dynamic_imports(path) == []


def test_helpers_import_nothing_dynamically():
    files = helper_files()
    assert "helpers.data" in files
    assert [place for path in files.values() for place in dynamic_imports(path)] == []
