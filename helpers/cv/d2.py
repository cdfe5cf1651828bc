"""What surrounds Detectron2 in its chapter: whether it is here, what it need not say, and a way to run a cell twice.

Everything that is Detectron2's own, and everything that is written for it, is in the chapter
(`notebooks/cv/06-detectron2.ipynb`).
"""

from __future__ import annotations

import logging
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

# Detectron2's model zoo asks for its files by pkg_resources, which setuptools has dropped from version 81 on.
ZOO_NEEDS = "pkg_resources"
SILENCED = (
    (r"`torch\.jit\.\w+` is deprecated", FutureWarning),
    (r"`torch\.jit\.\w+` is deprecated", DeprecationWarning),
    (r"torch\.meshgrid: in an upcoming release", UserWarning),
    (r"There are no gridspecs with layoutgrids", UserWarning),
)


class Missing(ImportError):
    """Detectron2 is not here. A notebook shows the message alone, without the calls that led to it."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def missing() -> bool:
    """Whether Detectron2 cannot be imported."""
    try:
        import detectron2  # noqa: F401  (this alone loads nothing but torch)
    except ImportError:
        return True
    return False


def on_colab() -> bool:
    """Whether this is Google Colab."""
    try:
        import google.colab  # noqa: F401
    except ImportError:
        return False
    return True


def require() -> None:
    """Stop with one line where Detectron2 is missing; otherwise keep it from saying what no reader can act upon.

    Silenced are PyTorch's announcements that `torch.jit` will go one day and that `meshgrid` will want an argument
    more, and its note that tracing is asked for by an old name; Matplotlib's that the `Visualizer` draws without a
    layout; and Detectron2's words on an error that is raised all the same, and on a model that says nothing.
    """
    if missing():
        raise Missing("Detectron2 is not installed, and this chapter stops here. Get it with: aibook detectron2")
    for message, category in SILENCED:
        warnings.filterwarnings("ignore", message, category)
    logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)
    logging.getLogger("detectron2.engine.train_loop").setLevel(logging.CRITICAL)
    logging.getLogger("detectron2.evaluation.coco_evaluation").setLevel(logging.ERROR)


def model_zoo() -> types.ModuleType:
    """`detectron2.model_zoo`, imported without setuptools' `pkg_resources`."""
    if ZOO_NEEDS not in sys.modules:  # a stand-in for the one function that is used, gone after the import
        stand_in = types.ModuleType(ZOO_NEEDS)
        stand_in.resource_filename = _file_of
        sys.modules[ZOO_NEEDS] = stand_in
        try:
            from detectron2 import model_zoo
        finally:
            del sys.modules[ZOO_NEEDS]
        return model_zoo
    from detectron2 import model_zoo

    return model_zoo


def _file_of(package: str, path: str) -> str:
    return str(Path(sys.modules[package].__file__).parent / path)


def forget(*names: str) -> None:
    """Take data sets and components out of Detectron2's catalogs and registries, so that a cell can be run again."""
    from detectron2 import modeling
    from detectron2.data import DatasetCatalog, MetadataCatalog

    registries = (modeling.BACKBONE_REGISTRY, modeling.ROI_HEADS_REGISTRY)
    for name in names:
        for catalog in (DatasetCatalog, MetadataCatalog):
            if name in catalog.list():
                catalog.remove(name)
        for registry in registries:
            registry._obj_map.pop(name, None)


@contextmanager
def tracing() -> Iterator[None]:
    """`torch.jit.trace` without its warnings about branches that depend on the data: for pictures of one size they
    are always taken the same way, which the chapter verifies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        yield
