"""Hidden mazes for lab 8: random walls, and numbers for cells and moves that mean nothing.

maze = random_maze(np.random.default_rng(0))
s = maze.start
r, s2, over = maze.step(s, a)     # reaching the goal pays 1 and ends the episode; nothing else pays
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

ACTIONS = 4
MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))  # left, down, right, up


@dataclass(frozen=True)
class Maze:
    """A deterministic world of S cells, four actions in each.

    Attributes:
        following: The next cell, int (S, 4); a step into a wall leads nowhere.
        start, goal: Cells.
        shortest: Steps of the shortest way from the start to the goal.
        numbers: The number of each cell as it lies on the map, int (rows, columns); −1 for a wall.
    """

    following: np.ndarray
    start: int
    goal: int
    shortest: int
    numbers: np.ndarray

    @property
    def states(self) -> int:
        return len(self.following)

    def step(self, s: int, a: int) -> tuple[float, int, bool]:
        """(reward, next cell, whether the episode is over)"""
        s2 = int(self.following[s, a])
        return float(s2 == self.goal), s2, s2 == self.goal


def random_maze(rng: np.random.Generator, rows: int = 6, columns: int = 9, walls: float = 0.25) -> Maze:
    """A maze whose goal is far from its start: at least as many steps as rows and columns together, less two."""
    while True:
        free = rng.random((rows, columns)) >= walls
        cells = np.argwhere(free)
        first = tuple(int(i) for i in cells[rng.integers(len(cells))])
        away = _distances(free, first)
        far = [cell for cell, steps in away.items() if steps >= rows + columns - 2]
        if far and len(away) >= rows * columns / 2:
            return _dealt(free, away, first, far[rng.integers(len(far))], rng)


def _dealt(free: np.ndarray, away: dict, start: tuple, goal: tuple, rng: np.random.Generator) -> Maze:
    """The maze with numbers dealt at random, to its cells and, once for all cells, to its moves."""
    numbers = np.full(free.shape, -1)
    for cell, number in zip(sorted(away), rng.permutation(len(away)), strict=True):
        numbers[cell] = number
    following = np.empty((len(away), ACTIONS), int)
    moves = [MOVES[i] for i in rng.permutation(ACTIONS)]
    for cell in away:
        for a, move in enumerate(moves):
            there = _neighbour(free, cell, move)
            following[numbers[cell], a] = numbers[there if there in away else cell]
    return Maze(following, int(numbers[start]), int(numbers[goal]), away[goal], numbers)


def _distances(free: np.ndarray, first: tuple) -> dict[tuple, int]:
    """The steps to each cell that can be reached, by breadth-first search."""
    away, waiting = {first: 0}, deque([first])
    while waiting:
        cell = waiting.popleft()
        for move in MOVES:
            there = _neighbour(free, cell, move)
            if there not in away:
                away[there] = away[cell] + 1
                waiting.append(there)
    return away


def _neighbour(free: np.ndarray, cell: tuple, move: tuple) -> tuple:
    """The cell that a move leads to; the same one, where a wall or the edge is in the way."""
    i, j = cell[0] + move[0], cell[1] + move[1]
    inside = 0 <= i < free.shape[0] and 0 <= j < free.shape[1]
    return (i, j) if inside and free[i, j] else cell
