"""Sutton and Barto's mazes (2018, chapter 8) as gymnasium environments, among them two that change while one learns.

    DynaMaze-v0       figure 8.2: 6 by 9 cells, the shortest path has 14 steps; `scale=k` makes each cell k by k cells
    BlockingMaze-v0   figure 8.4: after 1,000 steps the passage on the right closes, and one on the left opens
    ShortcutMaze-v0   figure 8.5: after 3,000 steps a second, shorter passage opens on the right

A step costs nothing, the goal pays 1 and ends the episode; nothing else does. Like gymnasium's own worlds of cells, a
maze has its table, `P[s][a] = [(probability, next state, reward, terminated)]`, of the walls as they stand now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

DYNA = (
    ".......#G",
    "..#....#.",
    "S.#....#.",
    "..#......",
    ".....#...",
    ".........",
)
RIGHT_OPEN = ("........G", ".........", ".........", "########.", ".........", "...S.....")
LEFT_OPEN = (*RIGHT_OPEN[:3], ".########", *RIGHT_OPEN[4:])
BOTH_OPEN = (*RIGHT_OPEN[:3], ".#######.", *RIGHT_OPEN[4:])

MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))  # left, down, right, up: gymnasium's order in FrozenLake


class Maze(gym.Env):
    """Cells, of which `#` is a wall, `S` the start and `G` the goal.

    Observation: the cell, counted in rows from the upper left. Action: 0 left, 1 down, 2 right, 3 up; a step into a
    wall or off the map leaves the agent where it is.

    Args:
        layout: Rows of cells.
        later: What the maze looks like from the next step on after `change_after` steps, counted over all episodes.
        scale: Each cell becomes `scale` × `scale` cells; the start is the upper left one of its cells, the goal all.

    Raises:
        ValueError: Rows of different lengths, an unknown cell, no start or no goal, a layout that changes its size.
    """

    def __init__(
        self,
        layout: Sequence[str] = DYNA,
        later: Sequence[str] | None = None,
        change_after: int | None = None,
        scale: int = 1,
    ) -> None:
        if scale < 1:
            raise ValueError(f"scale={scale}: a cell becomes 1 × 1 cells or more")
        if (later is None) != (change_after is None):
            raise ValueError("`later` and `change_after` belong together: give both or neither")
        self.layouts = [_scaled(rows, scale) for rows in (layout, later) if rows is not None]
        if len({(len(rows), len(rows[0])) for rows in self.layouts}) > 1:
            raise ValueError("a maze may move its walls, but not change its size")
        self.change_after, self.steps, self.state = change_after, 0, 0
        self.tables = [_table(rows) for rows in self.layouts]
        self.observation_space = spaces.Discrete(len(self.layout) * len(self.layout[0]))
        self.action_space = spaces.Discrete(4)

    @property
    def changed(self) -> bool:
        """Whether the walls have moved."""
        return self.change_after is not None and self.steps >= self.change_after

    @property
    def layout(self) -> tuple[str, ...]:
        """The walls as they stand now."""
        return self.layouts[self.changed]

    @property
    def P(self) -> dict[int, dict[int, list[tuple[float, int, float, bool]]]]:
        """The table of the maze as it is now."""
        return self.tables[self.changed]

    @property
    def start(self) -> int:
        """The cell that an episode starts from."""
        return "".join(self.layout).index("S")

    @property
    def initial_state_distrib(self) -> np.ndarray:
        """Where an episode starts, as probabilities (S,): the name that gymnasium's worlds of cells give it."""
        return (np.arange(self.observation_space.n) == self.start).astype(float)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.state = self.start
        return self.state, {}

    def step(self, action):
        _, self.state, reward, terminated = self.P[self.state][int(action)][0]
        self.steps += 1
        return self.state, reward, terminated, False, {}


def _scaled(rows: Sequence[str], scale: int) -> tuple[str, ...]:
    cells = "".join(rows)
    if len({len(row) for row in rows}) != 1 or set(cells) - set(".#SG"):
        raise ValueError("a maze is rows of one length, made of the cells . # S G")
    if cells.count("S") != 1 or "G" not in cells:
        raise ValueError("a maze needs one start S and a goal G")
    large = ["".join(cell * scale for cell in row) for row in rows for _ in range(scale)]
    first = "".join(large).index("S")
    return tuple(
        "".join(
            "." if cell == "S" and i * len(row) + j != first else cell  # one start, not scale²
            for j, cell in enumerate(row)
        )
        for i, row in enumerate(large)
    )


def _table(rows: Sequence[str]) -> dict[int, dict[int, list[tuple[float, int, float, bool]]]]:
    height, width = len(rows), len(rows[0])
    table = {}
    for row in range(height):
        for column in range(width):
            here = row * width + column
            table[here] = {}
            for action, (down, right) in enumerate(MOVES):
                i, j = row + down, column + right
                free = 0 <= i < height and 0 <= j < width and rows[i][j] != "#"
                if rows[row][column] in "#G":  # nobody is in a wall, and the goal is the end
                    table[here][action] = [(1.0, here, 0.0, True)]
                elif free:
                    at_goal = rows[i][j] == "G"
                    table[here][action] = [(1.0, i * width + j, float(at_goal), at_goal)]
                else:
                    table[here][action] = [(1.0, here, 0.0, False)]
    return table


WORLDS = {
    "DynaMaze-v0": {"layout": DYNA},
    "BlockingMaze-v0": {"layout": RIGHT_OPEN, "later": LEFT_OPEN, "change_after": 1_000},
    "ShortcutMaze-v0": {"layout": LEFT_OPEN, "later": BOTH_OPEN, "change_after": 3_000},
}
for _name, _options in WORLDS.items():
    if _name not in gym.registry:
        gym.register(_name, Maze, kwargs=_options)
