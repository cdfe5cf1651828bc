"""The chapter's own code: planners against each other and against linear algebra, Dyna against Q-learning, models."""

import gymnasium as gym
import numpy as np
import pytest

from aibook import recipes
from helpers.mbrl.environments import BadObservation, WrongWorld, make
from helpers.mbrl.mdp import starts, table


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("mbrl/01-models-planning-dyna")


def random_mdp(seed, states=30, actions=3):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(states, 0.1), (states, actions))
    return P, rng.normal(size=(states, actions))


WORLDS = ["FrozenLake-v1", "Taxi-v4", "DynaMaze-v0", 0, 1, 2]


@pytest.fixture(params=WORLDS, ids=str)
def world(request, chapter):
    if isinstance(request.param, int):
        return random_mdp(request.param)
    return chapter.tables(make(request.param, "discrete"))


def test_value_iteration_policy_iteration_and_the_linear_solve_agree(chapter, world):
    P, R = world
    for gamma in (0.5, 0.99):
        V, Q, _ = chapter.value_iteration(P, R, gamma)
        W, Q2, _ = chapter.policy_iteration(P, R, gamma)
        np.testing.assert_allclose(V, W, atol=1e-8)
        np.testing.assert_allclose(Q, Q2, atol=1e-8)
        np.testing.assert_allclose(chapter.evaluate(P, R, chapter.greedy(Q), gamma), V, atol=1e-8)


def test_the_worlds_are_as_the_chapter_says():
    lake, taxi = (table(make(name, "discrete")) for name in ("FrozenLake-v1", "Taxi-v4"))
    assert sorted(p for p, *_ in lake[0][1]) == pytest.approx([1 / 3] * 3)  # as wanted, or aside
    assert len({s2 for _, s2, *_ in lake[10][1]}) == 3
    assert sum(cell == b"H" for cell in make("FrozenLake-v1").unwrapped.desc.ravel()) == 4
    outcomes = [outcome for actions in taxi.values() for (outcome,) in actions.values()]  # one each: deterministic
    assert len(taxi) == 500 and {r for _, _, r, _ in outcomes} == {-1, -10, 20}
    assert all(over == (r == 20) for _, _, r, over in outcomes)


def test_the_wave_of_values_reaches_the_start_after_14_sweeps_and_every_cell_after_15(chapter):
    P, R = chapter.tables(env := make("DynaMaze-v0"))
    V, free = np.zeros(54), np.isin(list("".join(env.unwrapped.layout)), [".", "S"])
    reached = []
    for _ in range(15):
        V = (R + 0.95 * P @ V).max(1)
        reached.append((starts(env) @ V > 0, (V[free] > 0).all()))
    assert [start for start, _ in reached].index(True) + 1 == 14
    assert [everywhere for _, everywhere in reached].index(True) + 1 == 15


def test_the_linear_solve_equals_a_long_simulation_by_powers(chapter):
    P, R = random_mdp(3, 5, 2)
    policy = np.random.default_rng(0).dirichlet(np.ones(2), 5)
    P_pi, R_pi = np.einsum("sa,sat->st", policy, P), (policy * R).sum(1)
    returns = sum(0.8**t * np.linalg.matrix_power(P_pi, t) @ R_pi for t in range(200))
    np.testing.assert_allclose(chapter.evaluate(P, R, policy, 0.8), returns, atol=1e-10)


def test_no_policy_is_better_than_the_optimum_and_some_are_worse(chapter, world):
    P, R = world
    V = chapter.value_iteration(P, R, 0.9)[0]
    policy = np.random.default_rng(0).dirichlet(np.ones(R.shape[1]), len(R))
    mine = chapter.evaluate(P, R, policy, 0.9)
    assert (mine <= V + 1e-8).all() and (mine < V - 1e-3).any()


def test_tables_are_gymnasiums_and_ends_lead_to_themselves(chapter):
    env = make("FrozenLake-v1", "discrete")
    P, R = chapter.tables(env)
    np.testing.assert_allclose(P.sum(2), 1)
    assert (P[5, :, 5] == 1).all() and (R[15] == 0).all()  # a hole, and the goal
    for s, a in ((0, 1), (14, 2), (10, 0)):
        for s2 in range(16):
            assert P[s, a, s2] == pytest.approx(sum(p for p, t, _, _ in table(env)[s][a] if t == s2))
    assert R[14, 2] == pytest.approx(1 / 3)


def test_a_leak_and_a_nan_are_refused(chapter):
    P, R = random_mdp(0)
    for solve in (chapter.value_iteration, chapter.policy_iteration):
        with pytest.raises(ValueError, match="no distribution"):
            solve(0.9 * P, R, 0.9)
        with pytest.raises(ValueError, match="nan"):
            solve(P, R * np.nan, 0.9)
    with pytest.raises(WrongWorld, match="counted"):
        chapter.tables(make("CartPole-v1", "discrete"))


def plain_q_learning(env, steps, seed, env_seed, alpha=0.1, gamma=0.95, epsilon=0.1):
    """Q-learning as in the book, written once more."""
    rng, q = np.random.default_rng(seed).spawn(2)[0], np.zeros((54, 4))
    s, _ = env.reset(seed=env_seed)
    history = []
    for _ in range(steps):
        if rng.random() < epsilon:
            a = int(rng.integers(4))
        else:
            best = [b for b in range(4) if q[s, b] == max(q[s])]
            a = best[rng.integers(len(best))]
        s2, r, over, cut, _ = env.step(a)
        q[s, a] = (1 - alpha) * q[s, a] + alpha * (r + (not over) * gamma * max(q[s2]))
        s = env.reset()[0] if over or cut else s2
        history.append((a, s2))
    return q, history


def test_dyna_q_without_planning_is_q_learning_step_by_step(chapter):
    q, history = plain_q_learning(make("DynaMaze-v0"), 6_000, 3, 0)
    for agent in (chapter.QLearning(54, 4, seed=3), chapter.DynaQ(54, 4, 0, seed=3)):
        walked, learn = [], agent.learn
        agent.learn = lambda s, a, r, s2, over, learn=learn, walked=walked: (
            walked.append((a, s2)),
            learn(s, a, r, s2, over),
        )
        chapter.train(agent, make("DynaMaze-v0"), 6_000, seed=0)
        assert walked == history
        np.testing.assert_allclose(agent.q, q, atol=1e-14)
    assert (q > 0).sum() > 10 and agent.updates == 6_000


def test_the_first_episode_does_not_depend_on_planning(chapter):
    runs = [chapter.train(chapter.DynaQ(54, 4, n, seed=5), make("DynaMaze-v0"), 4_000, seed=0) for n in (0, 5, 50)]
    assert len({np.flatnonzero(run.rewards)[0] for run in runs}) == 1


def fill(chapter, agent, env):
    """Every outcome of every action, as often as its probability says (in thirds), into the agent's model."""
    ends = {
        s2 for actions in table(env).values() for outcomes in actions.values() for _, s2, _, over in outcomes if over
    }
    for s, actions in table(env).items():
        for a, outcomes in actions.items():
            if s not in ends:
                for p, s2, r, over in outcomes:
                    for _ in range(round(3 * p)):
                        agent.model.learn(s, a, r, s2, over)
                        agent.leads_to[s2].add((s, a))
    for s, actions in table(env).items():
        for a in actions if s not in ends else ():
            agent.consider(s, a)


@pytest.mark.parametrize("name", ["FrozenLake-v1", "Taxi-v4", "DynaMaze-v0"])
def test_prioritised_sweeping_ends_at_value_iterations_values(chapter, name):
    env = make(name, "discrete")
    P, R = chapter.tables(env)
    agent = chapter.Sweeper(*R.shape, gamma=0.95, threshold=1e-9)
    fill(chapter, agent, env)
    agent.sweep(np.inf)
    V = chapter.value_iteration(P, R, 0.95)[0]
    np.testing.assert_allclose(agent.v, V, atol=1e-9 / 0.05)
    assert not agent.queue and agent.updates > 50


def test_prioritised_sweeping_takes_the_largest_change_first_and_then_what_leads_there(chapter):
    agent = chapter.Sweeper(4, 1, gamma=0.5)
    for s, r, s2 in ((0, 0.0, 1), (1, 0.0, 2), (2, 1.0, 3)):
        agent.planning = 0
        agent.learn(s, 0, r, s2, s2 == 3)
    assert [pair[1:] for pair in agent.queue] == [(2, 0)]
    agent.sweep(1)
    assert agent.q[2, 0] == 1 and [pair[1:] for pair in agent.queue] == [(1, 0)]
    agent.sweep(5)
    assert agent.q[:, 0].tolist() == [0.25, 0.5, 1, 0] and agent.updates == 3


def test_learned_counts_converge_to_the_table(chapter):
    env = make("FrozenLake-v1", "discrete")
    P, R = chapter.tables(env)
    errors = []
    for n in (20, 2_000):
        counts, rng = chapter.Counts(16, 4), np.random.default_rng(0)
        for s in range(16):
            for a in range(4):
                outcomes = table(env)[s][a]
                for i in rng.choice(len(outcomes), n, p=[p for p, *_ in outcomes]):
                    _, s2, r, over = outcomes[i]
                    counts.learn(s, a, r, s2, over)
        learned, paid = counts.tables()
        np.testing.assert_allclose(learned.sum(2), 1)
        errors.append(max(np.abs(learned - P).max(), np.abs(paid - R).max()))
    assert errors[1] < 0.05 < errors[0]


def test_what_was_never_tried_leads_to_itself_for_nothing(chapter):
    counts = chapter.Counts(3, 2)
    counts.learn(0, 1, 2.0, 1, False)
    counts.learn(0, 1, 4.0, 2, True)
    P, R = counts.tables()
    assert P[0, 1].tolist() == [0, 0.5, 0.5] and R[0, 1] == 3
    assert (P[1, :, 1] == 1).all() and P[0, 0, 0] == 1 and (P[2, :, 2] == 1).all() and R[1:].sum() == 0


def test_a_sample_model_draws_tried_pairs_evenly_and_outcomes_as_often_as_seen(chapter):
    model = chapter.SampleModel(memory=None)
    for outcome in (1, 1, 1, 2):
        model.learn(0, 0, 0.0, outcome, False)
    model.learn(5, 1, 1.0, 6, True)
    steps = list(model.imagine(8_000, np.random.default_rng(0)))
    assert {(s, a) for s, a, *_ in steps} == {(0, 0), (5, 1)}
    assert np.mean([s == 5 for s, *_ in steps]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([step[3] == 1 for step in steps if step[0] == 0]) == pytest.approx(0.75, abs=0.03)
    last = chapter.SampleModel(memory=1)
    for outcome in (1, 2):
        last.learn(0, 0, 0.0, outcome, False)
    assert list(last.imagine(1, np.random.default_rng(0))) == [(0, 0, 0.0, 2, False)]


def test_terminated_is_not_truncated(chapter):
    agent = chapter.QLearning(3, 1, alpha=1.0, gamma=0.5)
    agent.q[1] = 8
    agent.update(0, 0, 1.0, 1, True)
    assert agent.q[0, 0] == 1
    agent.update(0, 0, 1.0, 1, False)
    assert agent.q[0, 0] == 5

    class Cut(gym.Wrapper):
        def step(self, action):
            _, reward, over, _, info = self.env.step(action)
            return self.env.unwrapped.state, reward, over, True, info  # every step is cut

    agent = chapter.QLearning(54, 4, alpha=1.0, gamma=0.5)
    agent.q[:] = 8
    chapter.train(agent, Cut(make("DynaMaze-v0")), 1)
    assert sorted(np.unique(agent.q)) == [4, 8]


def test_curiosity_grows_with_the_root_of_the_time_and_untried_actions_are_imagined(chapter):
    agent = chapter.DynaQPlus(4, 2, kappa=0.1, planning=0)
    agent.learn(0, 0, 0.0, 1, False)
    for _ in range(9):
        agent.learn(1, 1, 0.0, 1, False)
    assert agent.bonus(0, 0) == pytest.approx(0.1 * 3) and agent.bonus(1, 1) == 0
    assert agent.bonus(0, 1) == pytest.approx(0.1 * np.sqrt(10))
    assert set(agent.model.pairs) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert list(agent.model.outcomes[0, 1]) == [(0.0, 0, False)]


def test_only_curiosity_finds_the_shortcut(chapter):
    late = {}
    for kind, options in ((chapter.DynaQ, {}), (chapter.DynaQPlus, {"kappa": 1e-3})):
        agent = kind(54, 4, planning=10, alpha=0.5, seed=0, **options)
        late[kind] = sum(chapter.train(agent, make("ShortcutMaze-v0"), 5_000, seed=0).rewards[4_000:])
    assert late[chapter.DynaQPlus] > 1.2 * late[chapter.DynaQ] > 0


def test_planning_saves_real_steps_in_the_maze(chapter):
    P, R = chapter.tables(env := make("DynaMaze-v0"))
    options = {"score": chapter.judge(P, R, starts(env), 0.95), "every": 10, "target": 90}
    reached = {}
    for n in (0, 50):
        agents = [chapter.DynaQ(54, 4, n, seed=seed) for seed in range(4)]
        reached[n] = [chapter.train(agent, make("DynaMaze-v0"), 15_000, **options).reached for agent in agents]
    assert np.mean(reached[0]) > 2 * np.mean(reached[50])


def test_the_judge_gives_0_to_ignorance_and_100_to_the_optimum(chapter):
    P, R = chapter.tables(env := make("FrozenLake-v1"))
    score = chapter.judge(P, R, starts(env), 0.99)
    assert score(np.zeros((16, 4))) == pytest.approx(0, abs=1e-9)
    assert score(chapter.value_iteration(P, R, 0.99)[1]) == pytest.approx(100)


def test_bad_input_of_training_is_refused(chapter):
    with pytest.raises(ValueError, match="budget of 0"):
        chapter.train(chapter.QLearning(54, 4), make("DynaMaze-v0"), 0)
    with pytest.raises(ValueError, match="table"):
        chapter.train(chapter.QLearning(16, 4), make("DynaMaze-v0"), 5)
    with pytest.raises(WrongWorld, match="needs a Discrete"):
        make("Pendulum-v1", "discrete")
    with pytest.raises(WrongWorld, match="counted"):
        chapter.train(chapter.QLearning(54, 4), make("CartPole-v1", "discrete"), 5)

    class Spoiled(gym.Wrapper):
        def step(self, action):
            observation, _, *rest = self.env.step(action)
            return observation, float("nan"), *rest

    agent = chapter.QLearning(54, 4)
    with pytest.raises(BadObservation, match="reward is nan"):
        chapter.train(agent, Spoiled(make("DynaMaze-v0")), 5)
    assert np.isfinite(agent.q).all()


def test_interrupting_keeps_the_best_so_far(chapter):
    P, R = chapter.tables(env := make("FrozenLake-v1"))
    exact, scores = chapter.judge(P, R, starts(env), 0.99), []

    class Impatient(gym.Wrapper):
        steps = 0

        def step(self, action):
            self.steps += 1
            if self.steps > 3_050:
                raise KeyboardInterrupt
            return self.env.step(action)

    def score(q):
        scores.append(exact(q))
        return scores[-1]

    agent = chapter.QLearning(16, 4, alpha=0.9, gamma=0.99, seed=0)
    run = chapter.train(agent, Impatient(make("FrozenLake-v1")), 10_000, score=score)
    assert run.interrupted and len(run.rewards) == 3_050 and len(scores) == 30
    assert exact(agent.q) == pytest.approx(max(scores)) and max(scores) > scores[-1]
