"""Bands: the rule, and what is kept when they are set anew."""

import random

import pytest
import yaml

from aibook import house
from aibook.results import bands

PUBLISHED = {"value": 91.9, "cite": "zhang2023", "note": {"en": "ten epochs", "zh_CN": "十个周期"}}


def test_the_band_is_students_prediction_interval_rounded_outwards():
    # mean 93, sd sqrt(0.5), t(0.995, 4) = 4.6041: 93 ± 3.5663
    assert bands.interval([92.0, 93.0, 94.0, 93.0, 93.0]) == [89.4, 96.6]


def test_a_new_run_falls_into_the_band_as_often_as_promised():
    draw = random.Random(0)
    inside = 0
    for _ in range(2000):
        low, high = bands.interval([draw.gauss(50, 1) for _ in range(5)])
        inside += low <= draw.gauss(50, 1) <= high
    assert 0.98 <= inside / 2000 <= 1.0


@pytest.mark.parametrize(
    ("values", "unit", "band"),
    [
        ([10_000, 10_000], "weights", [10_000, 10_000]),
        ([7, 7, 7], "of 8", [6.0, 8.0]),  # one cell may fall on the other side on another processor
        ([84.0, 84.0, 84.0], "ms", [83.58, 84.42]),  # another processor's arithmetic
        ([4.25, 4.25, 4.25], "%", [3.75, 4.75]),  # a share of cases: some may fall on the other side
        ([-0.5, -0.5, -0.5], "points", [-1.5, 0.5]),  # a difference of two such shares
        ([0.0, 0.0], "", [0.0, 0.0]),
        ([-2.0, -2.0], "", [-2.01, -1.99]),
    ],
)
def test_values_that_no_seed_moves(values, unit, band):
    assert bands.interval(values, unit) == pytest.approx(band, rel=1e-3)
    assert bands.interval(values, unit)[0] <= values[0] <= bands.interval(values, unit)[1]


def test_bands_are_set_from_the_laptop_study(book):
    notebook = book.write()
    book.study(notebook)
    assert bands.set_from_study(notebook) == ["cv/01-seen: accuracy: no band → [89.4, 96.6]"]
    assert bands.read()["cv/01-seen"]["accuracy"] == {
        "band": [89.4, 96.6],
        "seeds": [0, 1, 2, 3, 4],
        "from": "cv-01-seen.laptop.json",
    }
    text = house.EXPECTED.read_text(encoding="utf-8")
    assert text.startswith("# Bands") and "band: [89.4, 96.6]" in text
    assert bands.set_from_study(notebook) == []
    assert house.EXPECTED.read_text(encoding="utf-8") == text


def test_published_figures_other_notebooks_and_order_are_kept(book):
    notebook = book.write()
    book.study(notebook)
    before = {
        "cv/00-other": {"x": {"band": [1, 2], "seeds": [0, 1], "from": "f"}},
        "cv/01-seen": {
            "train_seconds": {"published": PUBLISHED},
            "gone": {"band": [0, 1], "seeds": [0, 1], "from": "f"},
            "accuracy": {"band": [0, 1], "seeds": [0, 1], "from": "f", "published": PUBLISHED},
        },
    }
    house.EXPECTED.write_text(yaml.safe_dump(before, sort_keys=False), encoding="utf-8")
    changed = bands.set_from_study(notebook)
    assert changed == ["cv/01-seen: accuracy: [0, 1] → [89.4, 96.6]", "cv/01-seen: gone: [0, 1] → no band"]
    after = bands.read()
    assert after["cv/00-other"] == before["cv/00-other"]
    assert list(after["cv/01-seen"]) == ["train_seconds", "accuracy"]
    assert (
        after["cv/01-seen"]["accuracy"]["published"] == after["cv/01-seen"]["train_seconds"]["published"] == PUBLISHED
    )


def test_times_and_curves_get_no_band(book):
    from aibook import studies

    notebook, record = book.write(), book.record
    outputs = [record("s", 1.0, "s", "lower", "time"), record("loss", [2.0, 1.0]), record("n", 7)]
    studies.store(notebook, "laptop", [book.run(seed, *outputs) for seed in range(3)])
    bands.set_from_study(notebook)
    assert {name: entry["band"] for name, entry in bands.read()["cv/01-seen"].items()} == {"n": [6.0, 8.0]}


def test_a_p_value_may_be_anything_that_a_p_value_can_be(book):
    from aibook import studies

    notebook, record = book.write(), book.record
    runs = [
        book.run(seed, *[record(name, 10.0 ** (-20 - seed)) for name in ("p_cnn", "zh_p_cnn", "paired_p", "p")],
                 record("map_50", 25.0)) for seed in range(3)
    ]  # fmt: skip
    studies.store(notebook, "laptop", runs)
    bands.set_from_study(notebook)
    found = {name: entry["band"] for name, entry in bands.read()["cv/01-seen"].items()}
    assert {name for name, band in found.items() if band == [0, 1]} == {"p_cnn", "zh_p_cnn", "paired_p", "p"}
    assert found["map_50"] == [24.5, 25.5]


def test_without_a_fresh_study_no_band_is_set(book):
    notebook = book.write()
    with pytest.raises(FileNotFoundError, match=r"aibook run --seeds 5 notebooks/cv/01-seen\.ipynb"):
        bands.set_from_study(notebook)
    book.study(notebook)
    book.cells = "changed"
    with pytest.raises(ValueError, match="out of date"):
        bands.set_from_study(notebook)
    assert not house.EXPECTED.exists()
