"""The planning chapter's own code, taken from its cells: held against scipy, finite differences, exhaustive search."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.linalg import solve_discrete_are

from aibook import recipes
from helpers.mbrl.dynamics import CartPole, Pendulum, World
from helpers.mbrl.environments import make
from helpers.mbrl.planners import ICEM


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("mbrl/02-planning-with-a-known-model")


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- Episodes ----------------------------------------------------------------------------------------------------


def test_an_imagined_episode_is_gymnasiums(chapter):
    env, world = make("Pendulum-v1", "box"), Pendulum()
    starts = chapter.starts("Pendulum-v1", 2)
    generous = chapter.planner("iCEM", 8, 60, parallel=2)
    actions = []
    ours = chapter.play(world, lambda s: actions.append(a := chapter.mpc(generous, world)(s)) or a, starts, 30)
    for e in range(2):
        env.reset(seed=e)
        assert sum(env.step(a[e])[1] for a in actions) == pytest.approx(float(ours[e]), rel=1e-3)


def test_nothing_is_earned_after_the_end(chapter):
    returns = chapter.play(CartPole(), lambda states: torch.ones(len(states), 1), torch.zeros(3, 4), 100)
    assert 5 < returns.max() < 20 and (returns == returns[0]).all()


# ---- LQR and iLQR ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_riccati_recursion_ends_where_scipy_ends(chapter, seed):
    A, B = random(4, 4, seed=seed), random(4, 2, seed=seed + 9)
    Q, R = torch.eye(4, dtype=torch.float64), 0.1 * torch.eye(2, dtype=torch.float64)
    P, K = chapter.riccati(A, B, Q, R)
    assert np.allclose(P, solve_discrete_are(A, B, Q, R), rtol=1e-7)
    assert torch.linalg.eigvals(A - B @ K).abs().max() < 1


def test_what_cannot_be_stabilised_is_named(chapter):
    A, B = 2 * torch.eye(2, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="has not settled"):
        chapter.riccati(A, B, torch.eye(2).double(), torch.eye(1).double(), limit=50)


@pytest.mark.parametrize("world", [Pendulum(), CartPole.__base__()], ids=lambda world: world.name)
def test_derivatives_equal_finite_differences(chapter, world):
    n, tiny = world.states, 1e-6
    states, actions = 0.8 * random(3, 5, n), 0.4 * random(3, 5, 1, seed=1)
    F, g, h = chapter.expand(world, states, actions)
    assert F.shape == (3, 5, n, n + 1) and g.shape == (3, 5, n + 1) and h.shape == (3, 5, n + 1, n + 1)

    def moved(i, by):
        x = torch.cat([states, actions], -1).flatten(0, 1)
        x[:, i] += by
        after, reward, _ = world.step(x[:, :n], x[:, n:])
        return after.reshape(3, 5, n), -reward.reshape(3, 5)

    def gradient(i, by):
        x = torch.cat([states, actions], -1)
        x[..., i] += by
        return chapter.expand(world, x[..., :n], x[..., n:])[1]

    for i in range(n + 1):
        (up, cost_up), (down, cost_down) = moved(i, tiny), moved(i, -tiny)
        assert torch.allclose(F[..., i], (up - down) / (2 * tiny), atol=1e-7)
        assert torch.allclose(g[..., i], (cost_up - cost_down) / (2 * tiny), atol=1e-7)
        assert torch.allclose(h[..., i], (gradient(i, tiny) - gradient(i, -tiny)) / (2 * tiny), atol=1e-6)


class Linear(World):
    """A cart on ice: position and velocity, pushed by any force; quadratic cost."""

    name, states, low, high = "ice", 2, -1e6, 1e6

    def force(self, action):
        return action[..., 0]

    def advance(self, parts, force):
        x, v = parts
        return x + 0.1 * v, 0.98 * v + 0.1 * force

    def rewards(self, before, force):
        x, v = before
        return -(x**2 + 0.5 * v**2 + 0.2 * force**2)


def test_on_a_linear_world_ilqr_is_lqr_after_one_iteration(chapter):
    start, zero = torch.tensor([[1.0, 0.0], [-2.0, 0.5]], dtype=torch.float64), torch.zeros(2, 400, 1).double()
    _, actions, history = chapter.ilqr(Linear(), start, zero, iterations=8)
    A, B = torch.tensor([[1, 0.1], [0, 0.98]]).double(), torch.tensor([[0], [0.1]]).double()
    P, K = chapter.riccati(A, B, torch.diag(torch.tensor([1, 0.5])).double(), torch.tensor([[0.2]]).double())
    assert torch.allclose(history[-1], -torch.einsum("ei,ij,ej->e", start, P, start), rtol=1e-6)
    assert torch.allclose(history[1], history[-1], rtol=1e-2)
    assert torch.allclose(actions[:, 0], -start @ K.mT, rtol=1e-3)


def test_ilqr_keeps_to_the_bounds_and_never_gets_worse(chapter):
    start = torch.tensor([[math.pi - 0.1, 0.0], [1.0, 0.0]], dtype=torch.float64)
    states, actions, history = chapter.ilqr(Pendulum(), start, 0.3 * random(2, 60, 1), iterations=15)
    assert actions.abs().max() <= 2
    assert (history.diff(dim=0) >= 0).all() and (history[-1] > history[0] + 10).all()
    assert torch.allclose(Pendulum().rollout(start, actions[:, None])[:, 0], states)


# ---- Search ------------------------------------------------------------------------------------------------------


class Golden:
    """A tree with given rewards at the leaves, and no luck: a node's simulation returns the mean of its leaves."""

    def __init__(self, chapter, leaves):
        self.chapter, self.leaves, self.depth = chapter, np.asarray(leaves, float), int(math.log2(len(leaves)))

    def below(self, node):
        width = len(self.leaves) >> node.depth
        return self.leaves[node.state * width : (node.state + 1) * width]

    def expand(self, node):
        return [self.chapter.Node(2 * node.state + a, depth=node.depth + 1) for a in (0, 1)]

    def simulate(self, nodes):
        return [float(self.below(node).mean()) for node in nodes]


def test_the_first_simulations_are_those_computed_by_hand(chapter):
    """Leaves 1.0, 0.0 | 0.5, 0.5, and c = 0. The two sides are level at first; ties go to the left.

    1: the root, 0.5. 2: left, 0.5. 3: right (unseen), 0.5. 4: left again, grown, its left leaf: 1.0. 5: the same leaf,
    now a mean of 1.0 against an unseen sibling: the sibling, 0.0. 6: left has (0.5 + 1 + 0) / 3 = 0.5, level: the leaf
    of 1.0 again.
    """
    golden, root = Golden(chapter, [1.0, 0.0, 0.5, 0.5]), chapter.Node(0)
    chapter.search([root], golden.expand, golden.simulate, 6, 2, c=0.0)
    left, right = root.children
    assert (root.n, left.n, right.n) == (6, 4, 1)
    assert [(child.n, child.total) for child in left.children] == [(2, 2.0), (1, 0.0)]
    assert (left.total, right.total, root.total) == (2.5, 0.5, 3.5)


def test_uct_is_the_formula(chapter):
    parent, child = chapter.Node(0, n=10), chapter.Node(0, n=4, total=2.0)
    assert chapter.uct(child, parent, 0.7) == pytest.approx(0.5 + 0.7 * math.sqrt(math.log(10) / 4))
    assert chapter.uct(chapter.Node(0), parent, 0.7) == math.inf


@pytest.mark.parametrize("seed", range(5))
def test_search_finds_what_exhaustive_search_finds(chapter, seed):
    rng = np.random.default_rng(seed)
    leaves = 0.6 * rng.random(32)
    leaves[rng.integers(32)] = 1.0
    golden, root = Golden(chapter, leaves), chapter.Node(0)
    action = chapter.search([root], golden.expand, golden.simulate, 4_000, 5, c=0.7)[0]
    best = int(leaves.argmax())
    node, path = root, []
    while node.children:
        number = int(np.argmax([child.n for child in node.children]))
        path.append(number)
        node = node.children[number]
    assert path == [best >> k & 1 for k in reversed(range(5))] and action == path[0]
    assert root.children[action].total / root.children[action].n == pytest.approx(leaves.max(), abs=0.15)


def test_a_greedy_search_can_be_fooled_and_an_exploring_one_is_not(chapter):
    """Right looks better on average, the best leaf is on the left."""
    leaves = [0.0, 0.0, 0.0, 0.9, 0.5, 0.5, 0.5, 0.5]
    chosen = []
    for c in (0.0, 0.7):
        golden, root = Golden(chapter, leaves), chapter.Node(0)
        chosen.append(int(chapter.search([root], golden.expand, golden.simulate, 600, 3, c)[0]))
    assert chosen == [1, 0]


def test_in_cart_pole_the_search_agrees_with_all_sequences(chapter):
    """A falling pole: only after one first action can it be saved for 10 steps, by trying all 1,024 sequences."""
    world, state = CartPole(), torch.tensor([0.0, 0.0, 0.13, 0.8])
    everything = torch.tensor(list(itertools.product((0.0, 1.0), repeat=10)))[..., None]
    survived = world.evaluate(state)(everything).sum(1)
    best = [survived[everything[:, 0, 0] == a].max().item() for a in (0, 1)]
    assert best == [6, 10]
    simulator, root = chapter.Simulator(world, 10, 4, seed=0), chapter.Node(state)
    assert chapter.search([root], simulator.expand, simulator.simulate, 200, 10, 0.3)[0] == 1


def test_every_visit_is_entered_on_the_whole_way(chapter):
    simulator, roots = chapter.Simulator(CartPole(), 10, 4, seed=0), [chapter.Node(torch.zeros(4)) for _ in range(3)]
    chapter.search(roots, simulator.expand, simulator.simulate, 40, 10, 0.3)

    def check(node):
        assert 0 <= node.total <= node.n + 1e-6
        if node.children and node.n:
            assert node.n == 1 + sum(child.n for child in node.children)
            for child in node.children:
                check(child)

    for root in roots:
        assert root.n == 40
        check(root)


# ---- The value on a grid -----------------------------------------------------------------------------------------


def test_the_grid_interpolates_and_wraps(chapter):
    grid = chapter.Grid(72, 41)
    grid.values = torch.sin(grid.points[:, 0]) + 0.1 * grid.points[:, 1]
    assert torch.allclose(grid(grid.points), grid.values, atol=1e-5)
    states = torch.tensor([[3.1, 0.3], [-3.1, 0.3], [3.1 + 2 * math.pi, 0.3], [0.4, -7.9], [0.0, 8.0]])
    assert torch.allclose(grid(states), torch.sin(states[:, 0]) + 0.1 * states[:, 1], atol=2e-3)
    number, weight = grid.corners(states)
    assert torch.allclose(weight.sum(-1), torch.ones(5)) and number.max() < 72 * 41


def test_value_iteration_grows_to_a_value_that_one_step_ahead_lives_up_to(chapter):
    world = Pendulum()
    values = chapter.value_iteration(world, chapter.Grid(121, 101), torques=11, steps=120)
    assert values(torch.zeros(1, 2)).item() > -2 and values.values.min() > -400
    start = chapter.starts("Pendulum-v1", 5)
    planner = ICEM(low=-2, high=2, horizon=1, population=40, parallel=5)
    with torch.no_grad():
        found = chapter.play(world, chapter.mpc(planner, world, values), start, 120).mean().item()
    assert found == pytest.approx(values(start).mean().item(), abs=15)


def test_the_ridge_is_as_told(chapter):
    way = np.array([1, 0, 1])
    assert chapter.ridge(way).tolist() == [0.5, 0.5, 0.5, 0.5, 2 / 3, 1.0, 1 / 3, 1 / 3]


def test_one_level_takes_the_safe_move_and_the_tree_finds_the_way(chapter):
    worth = chapter.ridge(np.array([1, 0, 1, 1, 0, 1]))
    found = []
    for depth in (1, 6):
        game = chapter.Ends(worth, seed=0)
        found.append(int(chapter.search([chapter.Node(0)], game.expand, game.simulate, 400, depth, 0.6)[0]))
    assert found == [0, 1]
