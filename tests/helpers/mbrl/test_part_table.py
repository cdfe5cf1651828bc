"""The closing table is read from the stored studies, and says where a bar was not reached."""

from dataclasses import replace

import pytest

from helpers import studies
from helpers.mbrl import part_table


def test_every_name_is_a_record_of_its_chapters_study():
    for row in part_table.ROWS:
        study = studies.load(part_table.CHAPTERS[row.chapter])
        for name in (row.steps, row.seconds, row.result, row.arrived):
            assert name in study.records or name in ("none", "—", "") or name.startswith("budget"), (row, name)


def test_cells_show_mean_and_deviation_and_who_got_there():
    shown = part_table.table(studies.load("mbrl/06-muzero", missing_ok=True))
    assert len(shown.rows) == len(part_table.ROWS) and all(len(row) == len(shown.header) for row in shown.rows)
    rows = {row[0]: row for row in shown.rows}
    assert "0 of 5 seeds" in rows["InvertedPendulum: SAC, 1 update a step"][2]
    assert "seeds" not in rows["Pendulum: MBPO"][2]
    study = studies.load("mbrl/04-mbpo")
    assert rows["Pendulum: MBPO"][2] == f"{study.mean('steps_mbpo'):,.0f} ± {study.sd('steps_mbpo'):,.0f}"


def test_without_a_study_there_are_dashes():
    assert part_table.cell(None, "steps_mbpo") == "—" and part_table.cell(None, "budget 2,000") == "budget 2,000"
    study = replace(studies.load("mbrl/04-mbpo"), records={})
    assert part_table.cell(study, "steps_mbpo") == "—"


@pytest.mark.parametrize(
    ("chapter", "text"), [(5, "by_profile(40, 2_000, 2_000, 10_000)"), (5, "by_profile(2, 25, 25, 150)")]
)
def test_the_budgets_are_those_of_the_chapters(chapter, text):
    """The table's words "budget 2,000" and "budget 2,500" (25 episodes of 100 decisions) name these settings."""
    from aibook import house

    assert text in (house.NOTEBOOKS / f"{part_table.CHAPTERS[chapter]}.ipynb").read_text(encoding="utf-8")


def test_a_saving_is_a_ratio_of_means():
    study = studies.load("mbrl/04-mbpo")
    assert part_table.saving(4, "steps_sac", "steps_mbpo") == study.mean("steps_sac") / study.mean("steps_mbpo") > 1
