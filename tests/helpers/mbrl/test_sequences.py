"""A memory of episodes gives back what it was given, in windows that never leave their episode."""

import numpy as np
import pytest
import torch

from helpers.mbrl.environments import BadObservation
from helpers.mbrl.sequences import Sequences


def filled(lengths, capacity=100):
    """Observations count up: 0, 1, 2 … in the first episode, 100, 101 … in the second; actions say where from."""
    memory = Sequences(capacity, (2,), 1)
    for episode, length in enumerate(lengths):
        memory.begin([100 * episode, -1])
        for t in range(length):
            at = 100 * episode + t
            memory.add([0.5 + at], 10.0 + at, [at + 1, -1], t == length - 1 and episode % 2 == 1)
    return memory


def test_a_window_holds_consecutive_steps_of_one_episode():
    memory, seen = filled([7, 4, 9]), set()
    for _ in range(40):
        w = memory.windows(8, 5, np.random.default_rng(_))
        assert w.observation.shape == (8, 6, 2) and w.action.shape == (8, 5, 1)
        assert w.reward.shape == w.terminated.shape == w.mask.shape == (8, 5)
        at = w.observation[:, :, 0]
        real = w.mask.bool()
        assert torch.equal((at[:, 1:] - at[:, :-1])[real], torch.ones(int(real.sum())))
        assert ((at // 100) == (at[:, :1] // 100)).all()
        assert torch.equal(w.action[..., 0][real], 0.5 + at[:, :-1][real])
        assert torch.equal(w.reward[real], 10 + at[:, :-1][real])
        seen |= set(at[:, 0].int().tolist())
    assert seen == {*range(7), *range(100, 104), *range(200, 209)}  # begins at every step, never at a last observation


def test_beyond_an_end_the_mask_is_zero_and_the_last_observation_stays():
    w = filled([3, 2]).at(np.array([1]), 4)
    assert w.mask.tolist() == [[1, 1, 0, 0]] and w.observation[0, :, 0].tolist() == [1, 2, 3, 3, 3]
    assert w.action[0, 2:].abs().sum() == w.reward[0, 2:].abs().sum() == 0


def test_an_end_is_told_from_a_cut():
    w = filled([3, 2]).episodes(4)
    assert w.observation[:, 0, 0].tolist() == [0, 100]
    assert w.terminated.tolist() == [[0, 0, 0, 0], [0, 1, 0, 0]]


def test_the_episode_that_is_going_on_counts_too():
    memory = filled([3])
    memory.begin([500, 0])
    memory.add([0], 1.0, [501, 0], False)
    w = memory.at(np.array([4]), 2)
    assert w.observation[0, :, 0].tolist() == [500, 501, 501] and w.mask.tolist() == [[1, 0]]
    assert len(memory) == 4


def test_episodes_in_which_nothing_was_done_leave_no_trace():
    memory = Sequences(2, (1,), 1)
    for start in range(50):  # far more beginnings than the memory has rows
        memory.begin([start])
    memory.add([0], 0.0, [50], False)
    assert memory.episodes(1).observation[..., 0].tolist() == [[49, 50]]


def test_windows_are_repeated_by_a_seed():
    memory = filled([7, 4, 9])
    one, two = (memory.windows(5, 3, np.random.default_rng(1)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_pixels_stay_small():
    memory = Sequences(5, (1, 4, 4), 1, np.uint8)
    memory.begin(np.full((1, 4, 4), 200))
    memory.add([0], 0.0, np.full((1, 4, 4), 255), False)
    w = memory.at(np.array([0]), 1)
    assert w.observation.dtype == torch.uint8 and w.observation.max() == 255


def test_bad_input_is_refused_with_a_reason_and_nothing_is_kept():
    with pytest.raises(ValueError, match="at least 1"):
        Sequences(0, (1,), 1)
    memory = Sequences(1, (1,), 1)
    with pytest.raises(ValueError, match="empty"):
        memory.windows(1, 1, np.random.default_rng(0))
    with pytest.raises(RuntimeError, match="begin"):
        memory.add([0], 0.0, [0], False)
    with pytest.raises(BadObservation):
        memory.begin([np.nan])
    memory.begin([0.0])
    for row in (([np.inf], 0.0, [0.0]), ([0.0], np.nan, [0.0]), ([0.0], 0.0, [np.nan])):
        with pytest.raises(BadObservation):
            memory.add(*row, False)
    assert len(memory) == 0
    memory.add([0.0], 0.0, [0.0], False)
    with pytest.raises(RuntimeError, match="full"):
        memory.add([0.0], 0.0, [0.0], False)
