"""The figures of the chapter on small models draw what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.nlp import draw_small
from helpers.studies import Study


def axes():
    return plt.gcf().axes


def texts(ax):
    return " ".join(text.get_text() for text in ax.texts)


@pytest.fixture
def study():
    names = ["teacher", "none", "tuned_none", "tuned_favor", *[f"magnitude_{s}" for s in (30, 50, 70, 90)]]
    names += [f"random_{s}" for s in (30, 50, 70, 90)] + [
        f"{n}_{s}" for n in ("heads", "heads_random") for s in (25, 50)
    ]
    names += [f"swapped_{m}" for m in (16, 64, 256, "none")]
    records = {f"acc_{name}": {"values": [80.0, 82.0], "unit": "%"} for name in names}
    records["acc_without_layer"] = {"values": [[70.0, 72.0], [72.0, 74.0]], "unit": "%"}
    records |= {n: {"values": [v, v], "unit": "%"} for n, v in (("null_accuracy", 51.0), ("acc_svm", 65.0))}
    records["acc_retrained"] = {"values": [70.0, 72.0], "unit": "%"}
    records["mb"] = {"values": [90.0, 90.0], "unit": "MB"}
    return Study("n", "study", [0, 1], "m", "d", [1.0, 1.0], records)


def test_sizes_show_a_dot_a_model_and_say_when_there_is_no_study(study):
    draw_small.sizes(study, {"teacher": ("mb", "acc_teacher")})
    assert [t.get_text() for t in axes()[0].get_legend().get_texts()] == ["teacher"]
    draw_small.sizes(None, {})
    assert "no stored study yet" in texts(axes()[0])


def test_the_diagram_of_distillation_names_the_losses():
    draw_small.distillation()
    for part in ("teacher", "student", "soft loss", "hard loss", "cosine loss", "layer 6"):
        assert part in texts(axes()[0])


def test_students_have_a_line_each_with_their_runs():
    draw_small.students({"teacher": [80.0, 82.0], "student": [75.0]}, null=50)
    assert [t.get_text() for t in axes()[0].get_yticklabels()] == ["teacher", "student"]


@pytest.mark.parametrize("stored", [True, False])
def test_pruning_starts_from_the_teacher(study, stored):
    live = {"teacher": 81.0} | {(n, s): 60.0 for n in ("magnitude", "random") for s in (0.3, 0.5, 0.7, 0.9)}
    live |= {(n, s): 60.0 for n in ("heads", "heads_random") for s in (0.25, 0.5)}
    live |= {("without layer", i): 70.0 for i in range(2)}
    names = ({"magnitude": "a", "random": "b"}, {"heads": "c", "heads_random": "d"})
    shares = {"magnitude": (0.3, 0.5, 0.7, 0.9), "heads": (0.25, 0.5)}
    draw_small.pruning(study if stored else None, live, shares, names, 2)
    for ax in axes()[:2]:
        assert ax.lines[0].get_ydata()[0] == 81.0
    assert [bar.get_height() for bar in axes()[2].patches] == ([71.0, 73.0] if stored else [70.0, 70.0])


def test_grids_costs_temperatures_and_tables_have_a_panel_or_bar_each():
    w = np.random.default_rng(0).normal(size=1000)
    draw_small.grids(w, {"a": w.round(1), "b": w})
    assert [ax.get_title() for ax in axes()] == ["a", "b"]
    draw_small.costs({"teacher": (1, 1), "4 bits": (0.2, None)})
    assert len(axes()[0].patches) == 3
    draw_small.temperatures({1: [0.1, 0.9], 2: [0.4, 0.6]})
    assert [ax.get_title() for ax in axes()] == ["τ = 1", "τ = 2"]
    draw_small.tables({"exact": np.eye(4), "m": np.eye(4)})
    assert len(axes()) == 2


def test_the_two_orders_show_the_large_table_and_the_small_one():
    draw_small.orders()
    assert "T × T" in texts(axes()[0]) and "m×d" in texts(axes()[0])


def test_the_kernels_formulas_are_drawn_beside_the_measured_errors():
    found = {"positive, independent": [1, 2], "trigonometric": [3, 4], "positive, orthogonal": [0.5, 1]}
    draw_small.kernel([0.5, 1.0], found, 1.0, 16)
    assert len(axes()[0].lines) == 5  # two formulas, three rows of dots
    assert axes()[0].lines[1].get_ydata().tolist() == [1, 2]


def test_errors_have_their_null():
    found = {(s, kind): [0.5, 0.2] for s in (0.5, 1.0) for kind in ("orthogonal", "independent", "trigonometric")}
    draw_small.errors((16, 64), found, {0.5: 0.3, 1.0: 0.8}, {0.5: "a", 1.0: "b"})
    assert [ax.lines[0].get_ydata()[0] for ax in axes()] == [0.3, 0.8]


def test_heads_times_and_swaps_are_drawn(study):
    draw_small.real_heads({"uniform": np.array([0.5, 1.0]), "favor": np.array([0.2, 2.0])}, np.array([0.9, 0.1]))
    assert len(axes()[0].collections) == 1
    times = {(name, t): 1.0 for name in ("exact", "sdpa", "favor_128", "causal") for t in (128, 512)}
    draw_small.performer((128, 512), times, dict.fromkeys(times, 3000000.0), 128)
    assert len(axes()[0].lines) == 4 and len(axes()[1].lines) == 6
    draw_small.swap(study, {}, (16,), 16)
    assert next(t.get_text() for t in axes()[0].get_xticklabels()) == "no attention"
    draw_small.swap(None, {"teacher": 80, ("swapped", 16): 70, ("swapped", "none"): 60, "tuned_favor": 75,
                           "tuned_none": 65}, (16,), 16)  # fmt: skip
