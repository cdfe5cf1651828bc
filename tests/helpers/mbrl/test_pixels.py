"""Pictures go in and out of a world model in any number of dimensions, and can be learnt."""

import math

import numpy as np
import torch

from helpers.mbrl.glimpses import picture
from helpers.mbrl.pixels import Pictures


def pictures(n):
    return torch.from_numpy(np.stack([picture(2 * math.pi * i / n, i % 2 == 0) for i in range(n)]))  # (n, 1, 32, 32)


def test_shapes_in_and_out():
    torch.manual_seed(0)
    view, seen = Pictures(20, 16), pictures(6).unflatten(0, (2, 3))
    code = view.encode(seen)
    assert code.shape == (2, 3, view.embed)
    assert torch.allclose(code[1, 2], view.encode(seen[1, 2:])[0], atol=1e-5)
    assert view.decode(torch.randn(2, 3, 20)).shape == (2, 3, 1024)


def test_black_is_not_seen():
    view, seen = Pictures(8, 16), pictures(4)
    seen[1] = 0
    light, target = view.shown(seen)
    assert light[:, 0].tolist() == [1, 0, 1, 1]
    assert torch.equal(target, seen.flatten(1).float() / 255) and target.max() == 1


def test_a_code_of_a_picture_says_enough_to_draw_it():
    torch.manual_seed(0)
    view, seen = Pictures(Pictures.embed, 16), pictures(16)
    adam, target = torch.optim.Adam(view.parameters(), 3e-3), view.shown(seen)[1]
    blind = target.var(0, correction=0).sum()
    for _ in range(150):
        loss = (view.decode(view.encode(seen)) - target).square().sum(1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss < 0.15 * blind
