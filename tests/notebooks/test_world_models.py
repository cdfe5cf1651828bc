"""Chapter 5's own code, taken from its cells: the RSSM and its loss, dreams, the latent planner, both agents."""

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch.distributions import Normal, kl_divergence

from aibook import recipes
from helpers.mbrl.glimpses import GLIMPSES
from helpers.mbrl.sb3 import RandomPolicy, evaluate, world
from helpers.mbrl.sequences import Sequences, Windows
from helpers.training import NonFiniteLoss


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("mbrl/05-world-models")


def small(chapter, **changes):
    options = {"memory": 8, "stochastic": 4, "width": 16, "window": 6, "batch": 4, "horizon": 3, "starts": 12}
    return chapter.Dreams(**options | changes)


def model_of(chapter, seed=0, **changes):
    torch.manual_seed(seed)
    c = small(chapter, **changes)
    return chapter.RSSM(chapter.Glances(c.memory + c.stochastic, c.width), 1, c)


def glimpsed(episodes=3, steps=12, seed=0):
    """Windows of random glimpses, about half of them dark."""
    g = torch.Generator().manual_seed(seed)
    seen = (torch.rand(episodes, steps + 1, 1, generator=g) < 0.5).float()
    observation = torch.cat([seen, seen * torch.randn(episodes, steps + 1, 3, generator=g)], -1)
    action = 2 * torch.rand(episodes, steps, 1, generator=g) - 1
    reward = torch.randn(episodes, steps, generator=g)
    return Windows(observation, action, reward, torch.zeros(episodes, steps), torch.ones(episodes, steps))


# ---- The RSSM ----------------------------------------------------------------------------------------------------


def test_the_memory_is_a_gru(chapter):
    model = model_of(chapter)
    h, z, action = torch.randn(5, 8), torch.randn(5, 4), torch.randn(5, 1)
    gates_x = torch.cat([z, action], -1) @ model.gru.weight_ih.T + model.gru.bias_ih
    gates_h = h @ model.gru.weight_hh.T + model.gru.bias_hh
    (r_x, u_x, n_x), (r_h, u_h, n_h) = gates_x.chunk(3, -1), gates_h.chunk(3, -1)
    reset, update = torch.sigmoid(r_x + r_h), torch.sigmoid(u_x + u_h)
    expected = (1 - update) * torch.tanh(n_x + reset * n_h) + update * h
    assert torch.allclose(model.remember(h, z, action), expected, atol=1e-6)


def test_a_state_knows_the_past_and_not_the_future(chapter):
    model, w = model_of(chapter, sampled=False), glimpsed()
    h, z, _ = chapter.observe(model, w.observation, w.action)
    changed, acted = w.observation.clone(), w.action.clone()
    changed[:, 5] += 1.0
    acted[:, 8] += 1.0
    h_seen, z_seen, _ = chapter.observe(model, changed, w.action)
    assert torch.equal(h_seen[:, :6], h[:, :6]) and torch.equal(z_seen[:, :5], z[:, :5])
    assert not torch.equal(z_seen[:, 5], z[:, 5]) and not torch.equal(h_seen[:, 12], h[:, 12])
    h_acted, _, _ = chapter.observe(model, w.observation, acted)
    assert torch.equal(h_acted[:, :9], h[:, :9]) and not torch.equal(h_acted[:, 9], h[:, 9])


def test_the_last_action_of_a_sequence_is_not_used(chapter):
    """T + 1 observations have T actions between them; none follows the last one."""
    model, w = model_of(chapter, sampled=False), glimpsed(steps=4)
    h, _, _ = chapter.observe(model, w.observation, w.action)
    assert h.shape == (3, 5, 8)
    expected, z, last = torch.zeros(3, 8), torch.zeros(3, 4), torch.zeros(3, 1)
    for t in range(5):
        expected = model.remember(expected, z, last)
        z = model.notice(expected, model.view.encode(w.observation[:, t]))[0]
        assert torch.allclose(h[:, t], expected, atol=1e-6)
        last = w.action[:, t] if t < 4 else last


def test_without_recurrence_only_z_carries_anything_on(chapter):
    model = model_of(chapter, recurrent=False)
    z, action = torch.randn(2, 4), torch.randn(2, 1)
    assert torch.equal(model.remember(torch.randn(2, 8), z, action), model.remember(torch.zeros(2, 8), z, action))


def test_with_closed_eyes_observations_do_not_matter_and_actions_do(chapter):
    model, w = model_of(chapter, sampled=False), glimpsed()
    blind = w.observation.clone()
    blind[:, 4:] = 9.0
    seen, other = (chapter.foresight(model, o, w.action, 4) for o in (w.observation, blind))
    assert seen.shape == (3, 13, 3) and torch.equal(seen, other)
    acted = w.action.clone()
    acted[:, 6] += 1.0
    moved = chapter.foresight(model, w.observation, acted, 4)
    assert torch.equal(moved[:, :7], seen[:, :7]) and not torch.equal(moved[:, 7], seen[:, 7])
    h, z, _ = chapter.observe(model, w.observation, w.action)
    assert torch.allclose(seen[:, :4], model.view.decode(torch.cat([h, z], -1))[:, :4], atol=1e-6)


# ---- Its loss ----------------------------------------------------------------------------------------------------


def test_the_kl_is_torchs(chapter):
    torch.manual_seed(0)
    m, n, s, t = torch.randn(6, 4), torch.randn(6, 4), torch.rand(6, 4) + 0.1, torch.rand(6, 4) + 0.1
    expected = kl_divergence(Normal(m, s), Normal(n, t)).sum(-1)
    assert torch.allclose(chapter.kl((m, s), (n, t)), expected, atol=1e-5)


def test_each_half_of_the_kl_pulls_one_side_by_its_weight_and_free_nats_pull_nobody(chapter):
    def pulls(distance):
        q, p, one = torch.tensor([distance], requires_grad=True), torch.zeros(1, requires_grad=True), torch.ones(1)
        chapter.balanced_kl((q, one), (p, one), chapter.Dreams(prior_weight=0.7, posterior_weight=0.2)).backward()
        return q.grad.item(), p.grad.item()

    assert pulls(2.0) == pytest.approx((0.2 * 2.0, -0.7 * 2.0))
    assert pulls(1.0) == (0.0, 0.0)


def test_what_is_dark_or_beyond_the_end_teaches_nothing(chapter):
    model, w = model_of(chapter, sampled=False), glimpsed()
    mask = w.mask.clone()
    mask[:, 9:] = 0
    reward = torch.where(mask > 0, w.reward, torch.full_like(w.reward, 1e6))
    loss = chapter.world_loss(model, w._replace(mask=mask))[0]
    assert torch.equal(chapter.world_loss(model, w._replace(mask=mask, reward=reward))[0], loss)
    night = w.observation.clone()
    night[:, 1:] = 0.0
    _, parts, states = chapter.world_loss(model, w._replace(observation=night))
    assert parts["reconstruction"] == 0 < parts["reward"] and states.shape == (3, 13, 12)


def test_the_reward_of_a_step_is_read_off_the_state_after_it(chapter):
    model, w = model_of(chapter, sampled=False), glimpsed()
    h, z, _ = chapter.observe(model, w.observation, w.action)
    with torch.no_grad():
        expected = ((model.reward(torch.cat([h, z], -1))[:, 1:, 0] - w.reward / 10) ** 2 / (2 * 0.2**2)).mean()
    assert torch.allclose(chapter.world_loss(model, w)[1]["reward"], expected)


# ---- Dreams ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trace", [0.0, 0.3, 0.95, 1.0])
def test_lambda_returns_are_the_weighted_sum_of_all_lengths(chapter, trace):
    torch.manual_seed(1)
    reward, value, gamma, horizon = torch.randn(2, 6), torch.randn(2, 6), 0.9, 6

    def n_step(t, n):  # n rewards and the value of the state after them
        return sum(gamma**k * reward[:, t + k] for k in range(n)) + gamma**n * value[:, t + n - 1]

    for t in range(horizon):
        longest = horizon - t
        expected = trace ** (longest - 1) * n_step(t, longest)
        expected = expected + sum((1 - trace) * trace ** (n - 1) * n_step(t, n) for n in range(1, longest))
        found = chapter.lambda_returns(reward, value, gamma, trace)[:, t]
        assert torch.allclose(found, expected, atol=1e-5)


def dreamer_of(chapter, **changes):
    torch.manual_seed(0)
    c, end = small(chapter, **changes), np.array([2.0], np.float32)
    return chapter.Dreamer(chapter.Glances(c.memory + c.stochastic, c.width), -end, end, c)


def test_the_gradient_of_the_actor_passes_through_the_model_and_leaves_it_alone(chapter):
    agent, w = dreamer_of(chapter, sampled=False, entropy=0.0, calm=0.0), glimpsed(8)
    before = copy.deepcopy(agent.world.state_dict())
    adam_world = agent.adams[0]
    adam_world.param_groups[0]["lr"] = 0.0
    actor = copy.deepcopy(agent.actor.state_dict())
    chapter.dreamer_update(agent, w)
    assert all(torch.equal(before[key], value) for key, value in agent.world.state_dict().items())
    assert any(not torch.equal(actor[key], value) for key, value in agent.actor.state_dict().items())
    assert all(p.requires_grad for p in agent.world.parameters())


def test_an_actor_finds_what_a_known_model_rewards(chapter):
    """A model in which the reward is the action itself, read off h: the actor goes to +1."""
    agent = dreamer_of(chapter, calm=0.0, entropy=0.0, actor_lr=1e-2)

    def remember(h, z, action):
        return torch.cat([action, torch.zeros_like(h[:, 1:])], -1)

    class First(torch.nn.Module):
        def forward(self, state):
            return state[..., :1]

    agent.world.remember, agent.world.reward = remember, First()
    agent.slow = lambda state: torch.zeros_like(state[..., :1])
    states = torch.randn(32, 12)
    for _ in range(60):
        loss, _, _ = chapter.actor_loss(agent, states)
        chapter.descend(loss, agent.adams[1], "the actor")
    assert torch.tanh(chapter.bell(agent.actor(states))[0]).mean() > 0.8


def test_memory_is_handed_on_between_decisions_and_cleared_between_episodes(chapter):
    agent = dreamer_of(chapter)
    seen = np.array([[1.0, 0.6, 0.8, 1.0], [1.0, -1.0, 0.0, -1.0]], np.float32)
    first, state = agent.predict(seen, None, np.array([True, True]))
    second, later = agent.predict(0 * seen, state, np.array([False, False]))
    assert first.shape == (2, 1) and np.abs(first).max() <= 2
    fresh, _ = agent.predict(0 * seen)
    assert not np.allclose(second, fresh)  # the dark alone says less than what is remembered
    restarted, _ = agent.predict(0 * seen, later, np.array([True, False]))
    assert np.allclose(restarted[0], fresh[0], atol=1e-6) and not np.allclose(restarted[1], fresh[1], atol=1e-6)


def test_straight_through_has_a_class_for_value_and_the_softmax_for_gradient(chapter):
    torch.manual_seed(0)
    logits, weights = torch.randn(4000, 3, requires_grad=True), torch.tensor([1.0, -2.0, 4.0])
    sample = chapter.straight_through(logits)
    assert torch.allclose(sample.detach().sort(-1).values, torch.tensor([0.0, 0, 1]).expand(4000, 3), atol=1e-6)
    (found,) = torch.autograd.grad((sample * weights).sum(), logits)
    (smooth,) = torch.autograd.grad((logits.softmax(-1) * weights).sum(), logits)
    assert torch.allclose(found, smooth, atol=1e-6)
    same = chapter.straight_through(torch.tensor([2.0, 0.0, -1.0]).expand(20_000, 3)).mean(0)
    assert torch.allclose(same, torch.tensor([2.0, 0.0, -1.0]).softmax(-1), atol=0.02)


# ---- The latent planner ------------------------------------------------------------------------------------------


def planner_of(chapter, **changes):
    torch.manual_seed(0)
    c, end = chapter.Latent(latent=16, width=16, population=12, **changes), np.array([2.0], np.float32)
    return chapter.LatentPlanner(3, -end, end, c)


def steps_of(n=6, t=3, terminated=0.0):
    torch.manual_seed(2)
    over = torch.full((n, t), terminated)
    return Windows(torch.randn(n, t + 1, 3), torch.rand(n, t, 1), torch.randn(n, t), over, torch.ones(n, t))


def test_a_latent_is_groups_that_sum_to_one(chapter):
    z = chapter.simplex(torch.randn(5, 7, 24))
    assert (
        z.shape == (5, 7, 24) and (z > 0).all() and torch.allclose(z.unflatten(-1, (3, 8)).sum(-1), torch.ones(5, 7, 3))
    )


def test_the_loss_is_what_the_equation_says(chapter):
    agent, w = planner_of(chapter, consistency=3.0, rho=0.5, gamma=0.9, reconstruction=2.0), steps_of()
    w.mask[0, 2] = 0
    model, slow, total, weight = agent.model, agent.slow, 0.0, 0.0
    with torch.no_grad():
        for b in range(6):
            z = model.encode(w.observation[b, 0])
            for t in range(3):
                action, goal = w.action[b, t], model.encode(w.observation[b, t + 1])
                target = w.reward[b, t] / 10 + 0.9 * slow.values(goal, model.act(goal)).min()
                part = (model.reward(z, action) - w.reward[b, t] / 10) ** 2
                part = part + sum((q - target) ** 2 for q in model.values(z, action)) / 2
                part = part + 2.0 * (model.decoder(z) - w.observation[b, t]).square().sum()
                z = model.step(z, action)
                part = part + 3.0 * (z - goal).square().sum()
                total, weight = total + 0.5**t * w.mask[b, t] * part, weight + 0.5**t * w.mask[b, t]
        loss, path = chapter.latent_loss(model, slow, w, agent.c)
    assert torch.allclose(loss, total / weight, atol=1e-4) and path.shape == (6, 4, 16)


def test_an_end_does_not_bootstrap_and_a_cut_does(chapter):
    agent = planner_of(chapter)
    agent.slow.values = lambda z, action: torch.full((2, *z.shape[:-1]), 100.0)
    agent.model.values = lambda z, action: torch.zeros(2, *z.shape[:-1])
    going, over = (chapter.latent_loss(agent.model, agent.slow, steps_of(terminated=d), agent.c)[0] for d in (0.0, 1.0))
    assert going > 8_000 and over < 100  # two opinions, each wrong by 95, or hardly at all


def test_only_the_first_observation_is_encoded_with_a_gradient(chapter):
    agent, w = planner_of(chapter), steps_of()
    observation = w.observation.clone().requires_grad_()
    loss, _ = chapter.latent_loss(agent.model, agent.slow, w._replace(observation=observation), agent.c)
    loss.backward()
    assert observation.grad[:, 0].abs().sum() > 0 and observation.grad[:, 1:].abs().sum() == 0


def test_a_decoder_learns_only_if_it_is_asked(chapter):
    for weight in (0.0, 1.0):
        agent = planner_of(chapter, reconstruction=weight)
        before = agent.model.decoder[0].weight.clone()
        chapter.latent_update(agent, steps_of())
        assert torch.equal(before, agent.model.decoder[0].weight) == (weight == 0)


def test_a_plan_is_worth_its_rewards_and_the_value_at_its_end(chapter):
    agent = planner_of(chapter, gamma=0.8)
    z, plans = agent.model.encode(torch.randn(2, 3)), torch.rand(2, 5, 4, 1)
    with torch.no_grad():
        found = chapter.worth(agent.model, z, plans, agent.c)
        bare = chapter.worth(agent.model, z, plans, chapter.Latent(latent=16, gamma=0.8, value=False))
        for e in range(2):
            for n in range(5):
                state, total = z[e], 0.0
                for k, action in enumerate(plans[e, n]):
                    total += 0.8**k * agent.model.reward(state, action)
                    state = agent.model.step(state, action)
                end = 0.8**4 * agent.model.values(state, agent.model.act(state)).min()
                assert torch.allclose(bare[e, n], total, atol=1e-5)
                assert torch.allclose(found[e, n], total + end, atol=1e-5)


def test_exams_change_nothing_and_cost_no_time(chapter):
    def run(exams):
        c = chapter.Latent(latent=8, width=8, population=8, random_steps=20, first=3)
        return chapter.train_planner("Pendulum-v1", 40, c, 3, exams, episodes=1)

    (quiet, _, _), (examined, _, exam) = run([]), run([30, 40])
    for a, b in zip(quiet.model.parameters(), examined.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert exam.steps == [30, 40] and 0 < exam.cpu[0] < exam.cpu[1] and quiet.updates == 3 + 10


# ---- Both agents learn a tiny world --------------------------------------------------------------------------------


class Slope(gym.Env):
    """Stand at 0. The state moves by half the action, the reward is minus its distance from 0."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-2, 2, 1)
        return self.x.astype(np.float32), {}

    def step(self, action):
        self.x = np.clip(self.x + 0.5 * np.clip(action, -1, 1), -4, 4)
        return self.x.astype(np.float32), -float(abs(self.x[0])), False, False, {}


class Cue(gym.Env):
    """A cue of -1 or 1 is seen once; then it is dark, and each action is to be 0.8 of the cue."""

    observation_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cue = float(self.np_random.choice([-1, 1]))
        return np.array([1, self.cue, 0, 0], np.float32), {"truth": np.zeros(1)}

    def step(self, action):
        reward = -float((np.asarray(action).item() - 0.8 * self.cue) ** 2)
        return np.zeros(4, np.float32), reward, False, False, {"truth": np.zeros(1)}


for _name, _world, _steps in (("BookCue-v0", Cue, 6), ("BookLatentSlope-v0", Slope, 20)):
    if _name not in gym.registry:
        gym.register(_name, _world, max_episode_steps=_steps)


def test_the_latent_planner_learns_a_tiny_world_in_three_hundred_steps(chapter):
    c = chapter.Latent(latent=16, width=32, population=16, unit=1.0, random_steps=100, first=150, batch=64)
    agent, memory, exam = chapter.train_planner("BookLatentSlope-v0", 300, c, 0, [300])
    null = evaluate(RandomPolicy("BookLatentSlope-v0"), "BookLatentSlope-v0").mean()
    assert len(memory) == 300 and exam.returns[-1] > -6 > null / 2 and agent.updates == 250


def test_dreamer_acts_on_what_it_no_longer_sees(chapter):
    c = chapter.Dreams(
        memory=24, stochastic=6, width=32, window=6, batch=24, horizon=5, starts=96, unit=1.0, random_episodes=20,
        first=150, updates=8, calm=0.0, entropy=1e-4,
    )  # fmt: skip
    _, memory, exam = chapter.train_dreamer("BookCue-v0", 40, c, 0, [40])
    blind = -0.64 * 6  # the best that can be had without memory
    assert len(memory) == 240 and exam.returns[-1] > blind / 2


# ---- What is refused, and Ctrl-C ---------------------------------------------------------------------------------


def test_bad_input_is_refused_with_a_reason(chapter):
    with pytest.raises(ValueError, match="at least 1"):
        chapter.train_planner("Pendulum-v1", 0, chapter.Latent())
    with pytest.raises(ValueError, match="at least 1"):
        chapter.train_dreamer(GLIMPSES, 0, small(chapter))
    weight = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(NonFiniteLoss, match="the actor diverged"):
        chapter.descend((weight * torch.nan).sum(), torch.optim.Adam([weight]), "the actor")
    assert weight == 1


def test_an_interruption_keeps_the_best_agent(chapter, monkeypatch, capsys):
    calls = []

    def update(agent, windows):
        calls.append(1)
        with torch.no_grad():
            agent.model.policy[-1].bias.fill_(len(calls))
        if len(calls) == 4:
            raise KeyboardInterrupt

    scores = iter([-5.0, -50.0])
    monkeypatch.setattr(chapter, "latent_update", update)
    monkeypatch.setattr(chapter, "evaluate", lambda *_: np.array([next(scores)]))
    c = chapter.Latent(latent=8, width=8, population=8, random_steps=10, first=1)
    agent, memory, exam = chapter.train_planner("Pendulum-v1", 60, c, 0, [12, 14])
    assert "Interrupted after 16 real steps" in capsys.readouterr().out
    assert exam.returns == [-5.0, -50.0] and (agent.model.policy[-1].bias == 2).all() and len(memory) == 16


def test_live_keeps_every_step_and_the_truth(chapter):
    memory = Sequences(100, (4,), 1)
    truth = chapter.live(world(GLIMPSES), memory, seed=4)
    w = memory.episodes(100)
    light = w.observation[0, :, 0] == 1
    assert truth.shape == (101, 5) and w.mask.all() and (w.action.abs() <= 1).all()
    assert np.allclose(w.observation[0, light, 1:3].numpy(), truth[light.numpy(), :2], atol=1e-6)


def test_a_probe_finds_what_is_there_and_nothing_else(chapter):
    torch.manual_seed(0)
    latent = torch.randn(2000, 5)
    truth = torch.stack([latent @ torch.randn(5) + 3, torch.randn(2000)], 1)
    found = chapter.probe(latent, truth)
    assert found[0] > 0.99 and abs(found[1]) < 0.05


def test_a_share_is_that_of_the_variance(chapter):
    torch.manual_seed(0)
    big, small = torch.randn(4000, 1), torch.randn(4000, 1)
    latent = torch.cat([3 * big, small, 0 * big], 1) + 5
    assert chapter.share(latent, big) == pytest.approx(0.9, abs=0.02)
    assert chapter.share(latent, small) == pytest.approx(0.1, abs=0.02)
    assert chapter.share(latent, torch.cat([big, small], 1)) == pytest.approx(1.0, abs=1e-4)
    assert chapter.share(latent, torch.randn(4000, 1)) < 0.01


def test_angles_are_compared_the_short_way_round(chapter):
    near, far = torch.tensor([[np.cos(3.1), np.sin(3.1)]]), torch.tensor([[np.cos(-3.1), np.sin(-3.1)]])
    assert chapter.degrees_off(near, far).item() == pytest.approx(np.degrees(2 * np.pi - 6.2), abs=1e-3)
