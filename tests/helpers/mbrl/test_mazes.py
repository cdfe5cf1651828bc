"""Sutton and Barto's mazes: as in the book, by gymnasium's rules, and changing when they should; tables and runs."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy.sparse.csgraph import shortest_path

from helpers.mbrl import draw_mazes, mdp
from helpers.mbrl.environments import WrongWorld, make
from helpers.mbrl.mazes import BOTH_OPEN, DYNA, LEFT_OPEN, RIGHT_OPEN, Maze


def shortest(layout, scale=1):
    maze = Maze(layout, scale=scale)
    graph = np.zeros((maze.observation_space.n,) * 2)
    for s, actions in maze.P.items():
        for ((_, s2, _, _),) in actions.values():
            graph[s, s2] = s != s2
    goals = [s for s, cell in enumerate("".join(maze.layout)) if cell == "G"]
    return shortest_path(graph, unweighted=True)[maze.start, goals].min()


@pytest.mark.parametrize(
    ("layout", "steps"),
    [(DYNA, 14), (RIGHT_OPEN, 10), (LEFT_OPEN, 16), (BOTH_OPEN, 10)],
)
def test_the_shortest_ways_are_the_books(layout, steps):
    assert shortest(layout) == steps


@pytest.mark.parametrize("name", ["DynaMaze-v0", "BlockingMaze-v0", "ShortcutMaze-v0"])
def test_mazes_keep_gymnasiums_rules(name):
    env = make(name, "discrete")
    check_env(env.unwrapped, skip_render_check=True)
    assert mdp.sizes(env) == (54, 4) and mdp.starts(env).sum() == 1


def test_walls_stop_the_goal_pays_and_ends():
    env = Maze(("S#G", "..."))
    assert env.reset(seed=0)[0] == 0
    assert env.step(2)[:3] == (0, 0.0, False)  # into the wall
    assert env.step(0)[:3] == (0, 0.0, False)  # off the map
    assert env.step(1)[:3] == (3, 0.0, False)
    assert env.step(2)[0] == 4
    assert env.step(2)[0] == 5
    assert env.step(3) == (2, 1.0, True, False, {})


def test_a_maze_changes_after_its_steps_counted_over_all_episodes():
    env = Maze(("S.G",), ("S#G",), change_after=3)
    env.reset()
    env.step(2), env.step(2)  # the goal
    env.reset()
    assert env.step(2)[0] == 1 and env.changed  # the third step is the last in the old maze
    env.reset()
    assert env.step(2)[0] == 0 and env.layout == ("S#G",)


def test_a_scaled_maze_has_one_start_and_proportional_ways():
    maze = Maze(scale=3)
    cells = "".join(maze.layout)
    assert len(cells) == 9 * 54 and cells.count("S") == 1 and cells.count("G") == 9
    assert 2 * 14 < shortest(DYNA, 3) <= 3 * 14 + 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": ("S.", "G")}, "one length"),
        ({"layout": ("S.x", "..G")}, "cells"),
        ({"layout": ("...", "..G")}, "start"),
        ({"layout": ("S..", "...")}, "goal"),
        ({"later": DYNA}, "together"),
        ({"later": ("SG",), "change_after": 3}, "size"),
        ({"scale": 0}, "scale=0"),
    ],
)
def test_an_impossible_maze_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Maze(**options)


def test_a_world_that_is_no_table_is_refused():
    with pytest.raises(WrongWorld, match="states that can be counted"):
        mdp.table(make("CartPole-v1", "discrete"))
    with pytest.raises(WrongWorld, match="actions that can be counted"):
        env = make("DynaMaze-v0")
        env.unwrapped.action_space = make("Pendulum-v1").action_space
        mdp.sizes(env)
    with pytest.raises(WrongWorld, match="Did you mean DynaMaze-v0"):
        make("DinaMaze-v0", "discrete")

    class Hidden(Maze):
        P = None

    hidden = Hidden.__new__(Hidden)
    hidden.observation_space, hidden.action_space = make("DynaMaze-v0").observation_space, make("Taxi-v4").action_space
    with pytest.raises(WrongWorld, match="learn a model"):
        mdp.table(hidden)


def test_a_spoiled_mdp_is_refused_and_the_place_is_named():
    P, R = np.full((3, 2, 3), 1 / 3), np.zeros((3, 2))
    mdp.checked_mdp(P, R, 0.9)
    leaky, negative, spoiled = P.copy(), P.copy(), R.copy()
    leaky[1, 0] *= 0.9
    negative[2, 1] = [1.5, -0.5, 0]
    spoiled[2, 1] = np.nan
    for args, message in (
        ((leaky, R, 0.9), r"P\[1, 0\] is no distribution: it sums to 0.9"),
        ((negative, R, 0.9), r"P\[2, 1\].*least entry is -0.5"),
        ((P, spoiled, 0.9), r"R\[2, 1\] is nan"),
        ((P, R, 1.0), "discount"),
        ((P[:, :1], R, 0.9), "do not fit"),
    ):
        with pytest.raises(ValueError, match=message):
            mdp.checked_mdp(*args)


def test_a_run_counts_steps_keeps_the_best_and_holds_its_target():
    with pytest.raises(ValueError, match="budget of 0"):
        mdp.Run(0)
    run, values = mdp.Run(10, target=5, hold=2), iter([1, 6, 2, 7, 5, 9])
    for t in run.clock():
        if run.note(t, lambda q: next(values), np.full(1, t)):
            break
    assert run.reached == 4 and run.steps == [1, 2, 3, 4, 5] and run.best == 4 and run.cpu >= 0


def test_a_frame_shows_walls_values_and_the_agent():
    picture = draw_mazes.frame(DYNA, agent=18, values=np.linspace(0, 1, 54), trail=[19], text="step 3", cell=20)
    assert picture.shape == (6 * 20 + 22, 9 * 20 + 1, 3) and picture.dtype == np.uint8
    row, column = 22 + 1 * 20 + 10, 2 * 20 + 10  # the wall in row 1, column 2
    assert (picture[row, column] < 90).all()
    assert (np.abs(picture[22 + 2 * 20 + 10, 10].astype(int) - (230, 159, 0)) < 12).all()  # the agent, orange
