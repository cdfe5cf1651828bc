"""A memory keeps what it was given, in order, and nothing that is not a number."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from helpers.mbrl.environments import BadObservation
from helpers.mbrl.memory import Transitions


def filled(n, capacity=8):
    memory = Transitions(capacity, 2, 1)
    for i in range(n):
        memory.add([i, -i], [0.5 * i], 10 * i, [i + 1, -i - 1], i % 4 == 3)
    return memory


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 21])
def test_it_keeps_the_newest_in_their_order(n):
    memory = filled(n)
    observation, action, reward, following, terminated = memory.tensors()
    kept = torch.arange(max(0, n - 8), n, dtype=torch.float32)
    assert len(memory) == len(kept) == min(n, 8)
    assert torch.equal(observation, torch.stack([kept, -kept], 1)) and torch.equal(action, 0.5 * kept[:, None])
    assert torch.equal(reward, 10 * kept) and torch.equal(following, observation + torch.tensor([1, -1]))
    assert torch.equal(terminated, kept % 4 == 3)


@pytest.mark.parametrize("sizes", [(3, 3), (8,), (5, 6), (20,), (2, 19)])
def test_batches_are_kept_as_single_transitions_are(sizes):
    one, many, start = Transitions(8, 2, 1), Transitions(8, 2, 1), 0
    for size in sizes:
        rows = [[[i, -i], [i], i, [i, i], False] for i in range(start, start + size)]
        many.extend(*zip(*rows, strict=True))
        for row in rows:
            one.add(*row)
        start += size
    assert all(torch.equal(a, b) for a, b in zip(one.tensors(), many.tensors(), strict=True))


def test_what_comes_out_is_a_copy():
    memory = filled(3)
    memory.tensors()[0][:] = 99
    assert memory.tensors()[0].max() < 99


def test_minibatches_are_counted_drawn_from_all_rows_and_repeated_by_a_seed():
    memory = filled(11)
    first, again = (list(memory.minibatches(4, 60, np.random.default_rng(0))) for _ in range(2))
    assert len(first) == 60 and first[0][0].shape == (4, 2) and first[0][4].dtype == torch.bool
    assert all(torch.equal(a[2], b[2]) for a, b in zip(first, again, strict=True))
    assert {int(r) for batch in first for r in batch[2]} == {10 * i for i in range(3, 11)}
    for observation, action, reward, following, _ in first:  # a row stays together
        assert torch.equal(action[:, 0], 0.5 * observation[:, 0]) and torch.equal(reward, 10 * observation[:, 0])
        assert torch.equal(following[:, 0], observation[:, 0] + 1)


def test_an_episode_that_is_cut_has_not_terminated():
    env = gym.make("Pendulum-v1", max_episode_steps=5)
    memory, (observation, _) = Transitions(10, 3, 1), env.reset(seed=0)
    truncated = False
    while not truncated:
        action = env.action_space.sample()
        following, reward, terminated, truncated, _ = env.step(action)
        memory.add(observation, action, reward, following, terminated)
        observation = following
    assert len(memory) == 5 and not memory.tensors()[4].any()


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_transition_that_is_not_finite_is_refused_by_name_and_nothing_is_kept(place, bad):
    memory, row = filled(2), [[0.0, 1.0], [1.0], 1.0, [0.0, 1.0], False]
    row[place] = bad if place == 2 else [bad, 0.0][: len(row[place])]
    with pytest.raises(BadObservation, match=("observation", "action", "reward", "next_observation")[place]):
        memory.add(*row)
    assert len(memory) == 2


def test_a_memory_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Transitions(0, 2, 1)
    with pytest.raises(ValueError, match="empty"):
        next(Transitions(3, 2, 1).minibatches(4, 1, np.random.default_rng(0)))
    with pytest.raises(ValueError):
        filled(1).add([1, 2, 3], [0], 0, [1, 2, 3], False)  # observations of another size
