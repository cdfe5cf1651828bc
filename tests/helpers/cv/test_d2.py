"""Detectron2's absence is told in a line; its model zoo needs no setuptools; its cells can be run twice."""

import subprocess
import sys
import types

import pytest

from helpers.cv import d2


def test_where_it_is_missing_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "detectron2", None)
    assert d2.missing() and not d2.on_colab()
    with pytest.raises(d2.Missing) as caught:
        d2.require()
    (line,) = caught.value._render_traceback_()
    assert "\n" not in line and "aibook detectron2" in line


def test_a_notebook_shows_that_line_alone(monkeypatch, capsys):
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setitem(sys.modules, "detectron2", None)
    shell = InteractiveShell()
    done = shell.run_cell("from helpers.cv import d2\nd2.require()")
    assert isinstance(done.error_in_exec, d2.Missing)
    assert len(capsys.readouterr().out.strip().splitlines()) == 1


def test_colab_is_known_by_its_package(monkeypatch):
    assert not d2.on_colab()
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert d2.on_colab()


def test_nothing_is_said_on_import_and_the_zoo_works_without_pkg_resources():
    program = """
import sys
sys.modules.pop("pkg_resources", None)
from helpers.cv import d2
d2.require()
import detectron2.modeling, detectron2.evaluation, detectron2.export, detectron2.utils.visualizer
zoo = d2.model_zoo()
print(zoo.get_config_file("COCO-Detection/retinanet_R_50_FPN_3x.yaml"))
print("pkg_resources" in sys.modules, d2.model_zoo() is zoo)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    path, rest = ran.stdout.splitlines()
    assert path.endswith("retinanet_R_50_FPN_3x.yaml") and rest == "False True"
    assert ran.stderr == ""


def test_what_is_forgotten_can_be_registered_again():
    from detectron2.data import DatasetCatalog, MetadataCatalog
    from detectron2.modeling import BACKBONE_REGISTRY, ROI_HEADS_REGISTRY

    for _ in range(2):
        d2.forget("twice", "TwiceHeads", "never registered")
        DatasetCatalog.register("twice", list)
        MetadataCatalog.get("twice").set(thing_classes=["one"])
        BACKBONE_REGISTRY._do_register("twice", object)
        ROI_HEADS_REGISTRY._do_register("TwiceHeads", object)
    with pytest.raises(AssertionError, match="already registered"):
        DatasetCatalog.register("twice", list)
    d2.forget("twice", "TwiceHeads")
    assert "twice" not in DatasetCatalog and "twice" not in BACKBONE_REGISTRY and "TwiceHeads" not in ROI_HEADS_REGISTRY
    assert "RetinaNet" not in BACKBONE_REGISTRY and "StandardROIHeads" in ROI_HEADS_REGISTRY
