"""Gumbel MuZero's tree search, batched in torch: B trees grow in step, one node each per simulation.

    found = search(root, step, simulations=16, legal=legal)
    found.action, found.policy, found.value

`step` is the model, the rules of a game or a learned network alike. Source: Danihelka et al. (2022), *Policy
improvement by planning with Gumbel*; the same choices as DeepMind's library mctx, whose trees the tests hold it to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

LOW = -1e9  # the logit of a move that is not allowed


class Outlook(NamedTuple):
    """What a model says of B states: where they are reached from (zero at the root) and what may come."""

    hidden: Tensor  # (B, …), the state itself, in whatever form `step` wants it
    logits: Tensor  # (B, A), of the prior policy
    value: Tensor  # (B,)
    reward: Tensor  # (B,), earned by the step into the state
    discount: (
        Tensor  # (B,), factor of the state's value seen from before the step: γ; -1 if players alternate; 0 at an end
    )


Step = Callable[[Tensor, Tensor], Outlook]  # hidden (B, …), actions (B,) → outlook


@dataclass
class Tree:
    """B trees of up to N nodes; node 0 is the root, -1 means "not there". First axes (B, N), for children (B, N, A)."""

    hidden: Tensor
    logits: Tensor
    raw: Tensor  # the model's value of the node
    value: Tensor  # the mean of all values found at or below the node
    visits: Tensor
    child: Tensor  # index of the child's node
    reward: Tensor  # of the step to the child
    discount: Tensor

    def q(self, node: Tensor) -> tuple[Tensor, Tensor]:
        """Q values of one node (B,) of each tree and its children's visits, (B, A) each; Q is 0 without a visit."""
        rows = torch.arange(len(node))
        child = self.child[rows, node]
        seen = child.clamp(min=0)
        value = self.reward[rows, node] + self.discount[rows, node] * self.value.gather(1, seen)
        visits = self.visits.gather(1, seen) * (child >= 0)
        return torch.where(child >= 0, value, 0.0), visits


class Found(NamedTuple):
    action: Tensor  # (B,)
    policy: Tensor  # (B, A), the improved policy: what a network is to learn
    value: Tensor  # (B,), of the root, after the search
    tree: Tree


def completed(logits: Tensor, raw: Tensor, q: Tensor, visits: Tensor) -> Tensor:
    """Q values (B, A), where each action without a visit gets the *mixed value* of the node (paper, appendix D).

    That is the model's value, averaged with the Q values that the search has found, weighted with the prior policy.
    """
    seen, prior = visits > 0, logits.softmax(1)
    mass = (prior * seen).sum(1)
    found = (prior * seen * q).sum(1) / mass.clamp(min=torch.finfo(mass.dtype).tiny)
    total = visits.sum(1)
    mixed = (raw + total * found) / (1 + total)
    return torch.where(seen, q, mixed[:, None])


def sigma(q: Tensor, visits: Tensor, scale: float, rescale: bool) -> Tensor:
    """The growing function of Q that is added to logits (paper, equation 8): the more visits, the more weight.

    rescale: Let the Q values of each node reach from 0 to 1 first; for rewards whose size nobody knows beforehand.
    """
    if rescale:
        low, high = q.amin(1, keepdim=True), q.amax(1, keepdim=True)
        q = (q - low) / (high - low).clamp(min=1e-8)
    return (50 + visits.amax(1, keepdim=True)) * scale * q


@cache
def halving(considered: int, simulations: int) -> tuple[int, ...]:
    """Sequential halving as a list: simulation i visits a candidate that has had so many visits before."""
    if considered <= 1:
        return tuple(range(simulations))
    phases, plan, visits = math.ceil(math.log2(considered)), [], [0] * considered
    while len(plan) < simulations:
        for _ in range(max(1, simulations // (phases * considered))):
            plan += visits[:considered]
            visits[:considered] = [v + 1 for v in visits[:considered]]
        considered = max(2, considered // 2)
    return tuple(plan[:simulations])


@torch.no_grad()
def search(
    root: Outlook,
    step: Step,
    simulations: int,
    *,
    legal: Tensor | None = None,
    considered: int = 16,
    gumbel: Tensor | float = 0.0,
    scale: float = 0.1,
    rescale: bool = False,
) -> Found:
    """Search from B roots with `simulations` calls of the model each.

    Args:
        legal: (B, A), the moves that are allowed at the root; by default all. Further down only the model's own logits
            can say so.
        considered: At most so many moves are tried at the root.
        gumbel: Noise (B, A) for the root, drawn with `gumbel_noise`; 0 for play without luck.
        scale, rescale: See `sigma`.

    Raises:
        ValueError: Fewer than one simulation or candidate, or a root without a legal move.
    """
    if simulations < 1 or considered < 1:
        raise ValueError(f"{simulations} simulations of {considered} candidates: both must be at least 1")
    batch, actions = root.logits.shape
    legal = torch.ones(batch, actions, dtype=torch.bool) if legal is None else legal
    if not bool(legal.any(1).all()):
        raise ValueError("a root without a legal move: leave out the games that are over")
    root = root._replace(logits=root.logits.masked_fill(~legal, LOW))
    tree = plant(root, simulations + 1)
    # How many candidates there are differs between the trees, and with it the plan of the halving.
    plans = torch.tensor([halving(m, simulations) for m in range(1, min(considered, actions) + 1)])
    plan = plans[legal.sum(1).clamp(max=considered) - 1]  # (B, simulations)
    for i in range(simulations):
        grow(tree, i + 1, step, plan[:, i], gumbel, legal, scale, rescale)

    q, visits = tree.q(torch.zeros(batch, dtype=torch.long))
    advantage = sigma(completed(root.logits, root.value, q, visits), visits, scale, rescale)
    most = visits.amax(1)
    action = at_root(root.logits, advantage, visits, most, gumbel, legal)
    policy = (root.logits + advantage).masked_fill(~legal, LOW).softmax(1)
    return Found(action, policy, tree.value[:, 0], tree)


def gumbel_noise(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    """Standard Gumbel noise: the argmax of logits + noise is a draw from their softmax."""
    uniform = torch.rand(shape, generator=generator).clamp(1e-20, 1 - 1e-7)
    return -(-uniform.log()).log()


def plant(root: Outlook, nodes: int) -> Tree:
    """Trees with room for so many nodes, and nothing but the root in them."""
    batch, actions = root.logits.shape
    tree = Tree(
        hidden=root.hidden.new_zeros(batch, nodes, *root.hidden.shape[1:]),
        logits=torch.zeros(batch, nodes, actions),
        raw=torch.zeros(batch, nodes),
        value=torch.zeros(batch, nodes),
        visits=torch.zeros(batch, nodes, dtype=torch.long),
        child=torch.full((batch, nodes, actions), -1),
        reward=torch.zeros(batch, nodes, actions),
        discount=torch.zeros(batch, nodes, actions),
    )
    enter(tree, 0, root)
    return tree


def enter(tree: Tree, node: int, outlook: Outlook) -> None:
    tree.hidden[:, node], tree.logits[:, node] = outlook.hidden, outlook.logits
    tree.raw[:, node] = tree.value[:, node] = outlook.value
    tree.visits[:, node] = 1


def at_root(logits: Tensor, advantage: Tensor, visits: Tensor, wanted: Tensor, gumbel, legal: Tensor) -> Tensor:
    """The best move (B,) by noise, prior and Q among those with the wanted number (B,) of visits."""
    score = (gumbel + logits - logits.amax(1, keepdim=True) + advantage).clamp(min=LOW)
    return score.masked_fill((visits != wanted[:, None]) | ~legal, -torch.inf).argmax(1)


def inside(logits: Tensor, advantage: Tensor, visits: Tensor) -> Tensor:
    """The move (B,) whose share of the visits lags furthest behind the improved policy (paper, equation 14)."""
    return ((logits + advantage).softmax(1) - visits / (1 + visits.sum(1, keepdim=True))).argmax(1)


def grow(tree: Tree, new: int, step: Step, wanted: Tensor, gumbel, legal: Tensor, scale: float, rescale: bool) -> None:
    """One simulation in each tree: walk down to a move not tried before, ask the model, carry the value back up."""
    rows = torch.arange(len(wanted))
    node, walking, path = torch.zeros_like(rows), torch.ones_like(rows, dtype=torch.bool), []
    while bool(walking.any()):
        q, visits = tree.q(node)
        logits = tree.logits[rows, node]
        advantage = sigma(completed(logits, tree.raw[rows, node], q, visits), visits, scale, rescale)
        if path:
            action = inside(logits, advantage, visits)
        else:
            action = at_root(logits, advantage, visits, wanted, gumbel, legal)
        action = torch.where(walking, action, path[-1][1]) if path else action
        path.append((node, action, walking))
        following = tree.child[rows, node, action]
        walking = walking & (following >= 0)
        node = torch.where(walking, following, node)

    _, action, _ = path[-1]  # trees that stopped earlier kept their node and action
    outlook = step(tree.hidden[rows, node], action)
    enter(tree, new, outlook)
    tree.child[rows, node, action] = new
    tree.reward[rows, node, action], tree.discount[rows, node, action] = outlook.reward, outlook.discount

    value = outlook.value
    for above, taken, walked in reversed(path):
        earned = tree.reward[rows, above, taken] + tree.discount[rows, above, taken] * value
        value = torch.where(walked, earned, value)
        count, mean = tree.visits[rows, above], tree.value[rows, above]
        tree.value[rows, above] = torch.where(walked, (mean * count + value) / (count + 1), mean)
        tree.visits[rows, above] = count + walked
