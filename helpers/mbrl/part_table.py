"""The closing table of the part on model-based RL, from the stored studies of its chapters.

    table(studies.load("mbrl/06-muzero", missing_ok=True))

Like `helpers.studies`, import this only in cells tagged `display`.
"""

from __future__ import annotations

from typing import NamedTuple

from helpers import studies
from helpers.studies import Comparison, Study

MAZE, PENDULUM, PENDULUM10 = "Dyna maze", "Pendulum", "Pendulum, 10 decisions a second, glimpsed"
POLE, CART, GAME = "InvertedPendulum", "CartPole", "tic-tac-toe"


class Row(NamedTuple):
    """An algorithm in a world; names of records, or a text where nothing was measured."""

    chapter: int
    agent: str
    world: str
    steps: str  # real steps
    seconds: str  # CPU-seconds
    result: str
    arrived: str = ""  # of each seed, whether it reached the bar: 1 or 0, or a percentage


CHAPTERS = {
    1: "mbrl/01-models-planning-dyna",
    2: "mbrl/02-planning-with-a-known-model",
    3: "mbrl/03-pets",
    4: "mbrl/04-mbpo",
    5: "mbrl/05-world-models",
    6: "mbrl/06-muzero",
}
ROWS = (
    Row(1, "Q-learning", MAZE, "steps_maze_q", "cpu_maze_q", "arrived_maze_q"),
    Row(1, "Dyna-Q, 50 planning steps", MAZE, "steps_maze_dyna_50", "cpu_maze_dyna_50", "arrived_maze_dyna_50"),
    Row(2, "random policy", PENDULUM, "none", "—", "return_random"),
    Row(2, "iCEM, known model", PENDULUM, "none", "—", "gym_icem_return"),
    Row(3, "PETS", PENDULUM, "pendulum_steps", "pendulum_seconds", "pendulum_return"),
    Row(4, "MBPO", PENDULUM, "steps_mbpo", "cpu_to_bar_mbpo", "late_mbpo", "reached_mbpo"),
    Row(4, "SAC, 10 updates a step", PENDULUM, "steps_sac_updates", "cpu_to_bar_sac_updates", "late_sac_updates",
        "reached_sac_updates"),
    Row(4, "SAC, 1 update a step", PENDULUM, "steps_sac", "cpu_to_bar_sac", "late_sac", "reached_sac"),
    Row(5, "latent planner", PENDULUM, "budget 2,000", "planner_cpu", "planner_return"),
    Row(5, "SAC, 3 updates a step", PENDULUM, "budget 2,000", "sac3_cpu", "sac3_return"),
    Row(5, "SAC, 1 update a step, 2,000 steps", PENDULUM, "budget 2,000", "sac_cpu", "sac_return"),
    Row(5, "Dreamer", PENDULUM10, "budget 2,500", "dreamer_cpu", "dreamer_return"),
    Row(5, "SAC without memory", PENDULUM10, "budget 2,500", "sac_glimpses_cpu", "sac_glimpses_return"),
    Row(3, "PETS", "continuous CartPole", "cart_pole_steps", "cart_pole_seconds", "cart_pole_return"),
    Row(4, "MBPO", POLE, "steps_pole_mbpo", "cpu_to_bar_pole_mbpo", "late_pole_mbpo", "reached_pole_mbpo"),
    Row(4, "SAC, 30 updates a step", POLE, "steps_pole_sac_updates", "cpu_to_bar_pole_sac_updates",
        "late_pole_sac_updates", "reached_pole_sac_updates"),
    Row(4, "SAC, 1 update a step", POLE, "steps_pole_sac", "cpu_to_bar_pole_sac", "late_pole_sac", "reached_pole_sac"),
    Row(6, "MuZero", CART, "budget 10,000", "pole_cpu", "pole_length"),
    Row(6, "DQN", CART, "budget 10,000", "dqn_cpu", "dqn_length"),
    Row(6, "AlphaZero, exact rules", GAME, "alpha_steps_to_bar", "alpha_cpu_to_bar", "alpha_share_16"),
    Row(6, "MuZero", GAME, "mz_steps_to_bar", "mz_cpu_to_bar", "mz_share_16"),
)  # fmt: skip


def cell(study: Study | None, name: str) -> str:
    """Mean ± sd of a record in digits that suit its size; a text that names no record stays as it is."""
    if study is None or name not in study.records:
        return name if " " in name or name in ("none", "—") else "—"
    mean, sd, unit = study.mean(name), study.sd(name), study.unit(name)
    digits = 0 if abs(mean) >= 100 else 1 if abs(mean) >= 1 else 2
    return f"{mean:,.{digits}f} ± {sd:,.{digits}f}" + (f" {unit}" if unit == "%" else "")


def table(own: Study | None = None) -> Comparison:
    """All rows, worlds together; `own` is the study of chapter 6, which may not be there yet."""
    loaded = {n: own if n == 6 else studies.load(name, missing_ok=True) for n, name in CHAPTERS.items()}
    cells = []
    for row in ROWS:
        study = loaded[row.chapter]
        steps = cell(study, row.steps)
        if study and row.arrived:
            arrived = study.values(row.arrived)
            if sum(arrived) < len(arrived):
                steps += f" ({sum(arrived):.0f} of {len(arrived)} seeds got there)"
        label = f"{row.world}: {row.agent}"
        cells.append([label, str(row.chapter), steps, cell(study, row.seconds), cell(study, row.result)])
    return Comparison(["world: agent", "chapter", "real steps to the bar", "CPU-seconds", "result"], cells)


def saving(chapter: int, without: str, with_model: str) -> float:
    """How many times as many real steps as with the model: the ratio of two records' means over the seeds."""
    study = studies.load(CHAPTERS[chapter])
    return study.mean(without) / study.mean(with_model)
