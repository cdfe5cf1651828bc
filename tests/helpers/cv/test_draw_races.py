"""Tables of a race say its records, and its pictures show truth and answers one above the other."""

import base64
import io
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from helpers import studies
from helpers.cv import draw_races


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def study():
    record = {"better": "higher", "kind": "result", "unit": "%"}
    records = {"race_ap_yolo": record | {"values": [30.0, 32.0]}, "race_ms_yolo": record | {"values": [14.3, 12.3]}}
    records["race_ap_null"] = record | {"values": [0.25, 0.25]}
    return studies.Study("benchmarks/toy", "study", [0, 1], "a machine", "2026-11-25", [90.0, 90.0], records)


def test_rows_give_mean_and_deviation_the_quickest_time_and_a_dash_for_what_is_not_recorded(study):
    names, columns = {"YOLO": "yolo", "luck": "null"}, {"AP": "ap", "ms": "ms"}
    header, table = draw_races.rows(study, names, columns, whole=("ap",))
    assert header == ["", "AP", "ms"]
    assert table == [["YOLO", "31 ± 1", "12.3"], ["luck", "0 ± 0", "—"]]
    assert draw_races.rows(study, names, columns, quickest=())[1][0] == ["YOLO", "31.0 ± 1.4", "13.3 ± 1.4"]


def test_pictures_show_the_truth_above_what_was_found(tmp_path, monkeypatch):
    file = io.BytesIO()
    Image.fromarray(np.full((64, 80, 3), 200, np.uint8)).save(file, "JPEG")
    one = {
        "name": "x.jpg",
        "jpeg": base64.b64encode(file.getvalue()).decode(),
        "boxes": [[1, 2, 30, 40]],
        "labels": [1],
    }
    found = {"boxes": [[1, 2, 30, 40], [40, 2, 60, 20]], "labels": [1, 0], "scores": [0.9, 0.5]}
    stored = {"shown": [one, one], "answers": {"yolo": [found, found]}}
    (tmp_path / "benchmarks-toy.study.json").write_text(json.dumps(stored))
    monkeypatch.setattr(studies, "FOLDER", tmp_path)
    draw_races.pictures("toy", "yolo", ("red", "white"), ("C0", "C1"))
    axes = plt.gcf().axes
    assert [len(ax.patches) for ax in axes] == [1, 1, 2, 2]
    assert all(ax.get_xlim() == (-0.5, 79.5) and ax.get_ylim() == (63.5, -0.5) for ax in axes)
