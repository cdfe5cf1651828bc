"""The benchmark of model-based agents: its entries measure what they say, and results are merged."""

import json
import sys

import pytest

from benchmarks import mbrl


def test_every_bar_is_for_a_number_of_an_entry():
    assert set(mbrl.BARS) <= set(mbrl.ENTRIES)


def test_the_planner_keeps_the_pendulum_up():
    numbers = mbrl.planner(0, starts=2)
    assert numbers["return"] >= -300 and numbers["worst"] <= numbers["return"] and numbers["ms"] > 0


def test_dyna_saves_real_steps_in_the_maze():
    numbers = mbrl.dyna_maze(0, repeats=2, most=3_000)
    assert numbers["saving"] == pytest.approx(numbers["q_steps"] / numbers["dyna_steps"])
    assert 10 <= numbers["dyna_steps"] < numbers["q_steps"] <= 3_000 and numbers["dyna_cpu"] > 0


def test_without_the_other_library_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_mppi", None)
    with pytest.raises(SystemExit, match="pip install"):
        mbrl.mppi_library(0)


def test_pets_is_measured_until_an_episode_is_good_enough():
    numbers = mbrl.pets_cart_pole(0, steps=120, enough=10)
    assert numbers["return"] >= 10 and numbers["steps"] < 120 and numbers["cpu"] > 0
    assert numbers["gradient_steps"] == 0  # a random episode of ten steps is easy
    numbers = mbrl.pets_cart_pole(0, steps=60, enough=1_000)
    assert numbers["steps"] == 60 and numbers["gradient_steps"] == 1_000


def test_pets_is_measured_at_its_exams_and_ends_with_the_first_one_passed():
    numbers = mbrl.pets_pendulum(0, exams=(100, 101), bar=-5_000)
    assert numbers["steps"] == 100 and numbers["gradient_steps"] == 1_000
    assert -2_000 < numbers["worst"] <= numbers["return"] < 0 and numbers["cpu"] > 0


def test_mbpo_and_its_rivals_are_measured_until_the_bar_or_for_their_whole_budget():
    numbers = mbrl.mbpo_pendulum(0, steps=60, alone=100)  # all random: nobody gets there
    assert numbers["steps"] == numbers["sac10_steps"] == 50 and numbers["sac_steps"] == 100
    assert all(
        -2_000 < numbers[f"{rival}return"] < -200 < 0 < numbers[f"{rival}cpu"] for rival in ("", "sac10_", "sac_")
    )


def test_the_latent_planner_and_its_rivals_are_measured_after_the_same_real_steps():
    numbers = mbrl.latent_pendulum(0, steps=210)
    assert (
        numbers["steps"] == 210 and numbers["gradient_steps"] == 205
    )  # 200 after the random steps, then one every other step
    assert numbers["ahead"] == pytest.approx(numbers["return"] - numbers["sac_return"])
    assert all(-2_000 < numbers[f"{rival}return"] < 0 < numbers[f"{rival}cpu"] for rival in ("", "sac_", "sac3_"))
    assert numbers["sac3_return"] != numbers["sac_return"]


def test_muzero_is_measured_beside_its_nulls():
    numbers = mbrl.muzero(0, rounds=2, simulations=4)
    for arm in ("", "policy_", "blank_", "alpha_"):
        assert 0 <= numbers[f"{arm}share"] <= 100 and 0 <= numbers[f"{arm}wrong"] <= 100
        assert numbers[f"{arm}lost"] in range(101)
    assert numbers["moves"] == 2 * 5 * 256 and 0 < numbers["alpha_cpu"] < numbers["cpu"]


def test_the_ensemble_is_held_against_its_bare_products():
    numbers = mbrl.ensemble(0)
    assert numbers["share"] == pytest.approx(100 * numbers["evaluations"] / numbers["limit"])


def test_an_entry_replaces_its_older_runs_and_leaves_the_others(tmp_path):
    path = tmp_path / "results" / "mbrl.json"
    mbrl.store("ensemble", [{"seed": 0, "evaluations": 1.0}], path)
    mbrl.store("planner", [{"seed": 0, "return": -140.0}], path)
    mbrl.store("ensemble", [{"seed": 0, "evaluations": 1.5}, {"seed": 1, "evaluations": 1.7}], path)
    stored = json.loads(path.read_text())
    assert list(stored) == ["planner", "ensemble"]  # in the order of the entries
    text = mbrl.table(stored)
    assert "1.60  (1.50 to 1.70)  >= 1.2: met" in text and ">= -135: MISSED" in text


def test_the_stored_results_meet_the_bars():
    stored = json.loads(mbrl.RESULTS.read_text(encoding="utf-8"))
    for name in mbrl.BARS:
        assert len(stored[name]["runs"]) >= 5
        assert "MISSED" not in mbrl.table({name: stored[name]})
