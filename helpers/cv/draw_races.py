"""What the chapters show of the races of detectors (`benchmarks/`): tables, and pictures with what was found."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Collection, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from helpers import studies
from helpers.cv import draw_boxes, draw_yolo
from helpers.plotting import BLACK, BLUE, ORANGE


def rows(
    study: studies.Study,
    names: Mapping[str, str],
    columns: Mapping[str, str],
    *,
    whole: Collection[str] = (),
    quickest: Collection[str] = ("ms",),
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table: mean ± deviation of each column's record, for each of the entries.

    Args:
        names: Label of a row → the entry, as its records have it: "yolo" for race_ap_yolo.
        columns: Heading of a column → what is recorded, "ap"; an entry without it gets a dash.
        whole: What is given without digits behind the point.
        quickest: Times of which the shortest run is given: what else a machine does can only add to them.
    """

    def cell(key: str, name: str) -> str:
        record, digits = f"race_{key}_{name}", 0 if key in whole else 1
        if record not in study.records:
            return "—"
        if key in quickest:
            return f"{min(study.values(record)):.{digits}f}"
        return f"{study.mean(record):.{digits}f} ± {study.sd(record):.{digits}f}"

    return ["", *columns], [[label, *(cell(key, name) for key in columns.values())] for label, name in names.items()]


def pictures(race: str, entry: str, classes: Sequence[str], colours: Sequence[str] = (BLUE, ORANGE, BLACK)) -> None:
    """The pictures that a race has kept: the truth above, what `entry` found with its first seed below."""
    path = studies.FOLDER / f"benchmarks-{race}.study.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    shown = stored["shown"]
    _figure, axes = plt.subplots(
        2, len(shown), figsize=(7.4, 4.15), dpi=82, squeeze=False, gridspec_kw={"hspace": 0.04}
    )
    for column, picture, found in zip(axes.T, shown, stored["answers"][entry], strict=True):
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture["jpeg"]))))
        for ax, said in zip(column, (picture, found), strict=True):
            colour = [colours[k] for k in said["labels"]]
            draw_boxes.boxes(ax, draw_yolo.calm(image, 48), said["boxes"], colour=colour, linewidth=1.1)
            ax.images[0].set_interpolation("nearest")  # no colours in between: a smaller file
            ax.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    for ax, name in zip(axes[:, 0], ("truth", "found"), strict=True):
        ax.text(-0.04, 0.5, name, transform=ax.transAxes, ha="right", va="center", fontsize=10)
    handles = [plt.Line2D([], [], color=colour, label=name) for name, colour in zip(classes, colours, strict=True)]
    axes[0, 0].figure.legend(handles=handles, loc="upper center", ncols=len(classes), fontsize=8)
