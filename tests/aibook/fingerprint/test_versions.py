"""Versions come from the lock, for one Python whatever runs here."""

import ast
import re

import pytest

from aibook import detectron2
from aibook.fingerprint.imports import helper_files, imported_by
from aibook.fingerprint.versions import UnknownPackage, version_of


def test_the_version_is_the_one_for_the_fixed_python(toy):
    assert version_of("numpy", "test") == ("numpy", "2.4.6")
    assert version_of("sklearn", "test") == ("scikit-learn", "1.9.1")
    assert version_of("google", "test") is None


def test_detectron2_has_the_version_that_the_workshop_brings(toy):
    assert version_of("detectron2", "test") == ("detectron2", detectron2.COMMIT[:7])
    assert re.fullmatch("[0-9a-f]{40}", detectron2.COMMIT)


def test_a_package_that_the_lock_lacks_is_named_with_what_to_do(toy):
    with pytest.raises(
        UnknownPackage, match=r"helpers\.x imports torch_geometric, but the lock has no torch-geometric.*make lock"
    ):
        version_of("torch_geometric", "helpers.x")


def test_everything_that_helpers_import_is_locked():
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in helper_files().values()]
    _, packages = imported_by([*trees, ast.parse("import PIL, yaml, pytorch_lightning, torch")], "the test")
    assert {"PIL", "pytorch_lightning", "torch", "numpy"} <= packages.keys()
    versions = dict(filter(None, (version_of(package, importer) for package, importer in packages.items())))
    assert {"pillow", "pytorch-lightning", "torch", "numpy"} <= versions.keys()
