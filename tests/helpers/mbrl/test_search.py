"""The tree search: the same trees as mctx, and as a slow search in plain Python; its promises and refusals."""

import json
import math
from pathlib import Path

import pytest
import torch

from helpers.mbrl.search import LOW, Outlook, completed, gumbel_noise, halving, search

GOLDEN = json.loads((Path(__file__).parent / "golden_trees.json").read_text(encoding="utf-8"))["trees"]


def world(tables):
    """A model made of tables, and the outlook of its first n states as roots."""
    table = {name: torch.tensor(values) for name, values in tables.items()}
    table |= {name: values.float() for name, values in table.items() if name != "next"}

    def look(state, reward, discount):
        return Outlook(state, table["logits"][state], table["value"][state], reward, discount)

    def step(state, action):
        return look(table["next"][state, action], table["reward"][state, action], table["discount"][state, action])

    return step, lambda n: look(torch.arange(n), torch.zeros(n), torch.ones(n))


@pytest.mark.parametrize("tree", GOLDEN, ids=range(len(GOLDEN)))
def test_the_trees_are_mctxs(tree):
    step, roots = world(tree["world"])
    found = search(
        roots(len(tree["legal"])),
        step,
        tree["simulations"],
        legal=torch.tensor(tree["legal"]),
        considered=tree["considered"],
        gumbel=torch.tensor(tree["gumbel"]),
        scale=tree["scale"],
        rescale=tree["rescale"],
    )
    assert found.action.tolist() == tree["action"]
    assert found.tree.child.tolist() == tree["child"]
    assert found.tree.visits.tolist() == tree["visits"]
    torch.testing.assert_close(found.tree.value, torch.tensor(tree["value"]), atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(found.policy, torch.tensor(tree["policy"]), atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(found.value, torch.tensor(tree["value"])[:, 0], atol=2e-5, rtol=1e-4)


class Node:
    """One node of the slow search: its children by action, and sums in the place of running means."""

    def __init__(self, state, table):
        self.state, self.table, self.children = state, table, {}
        self.logits, self.raw = table["logits"][state], table["value"][state]
        self.total, self.visits = self.raw, 1

    def q(self, action):
        child, t = self.children[action], self.table
        return t["reward"][self.state][action] + t["discount"][self.state][action] * child.total / child.visits

    def advantages(self, scale, allowed):
        logits = [x if ok else LOW for x, ok in zip(self.logits, allowed, strict=True)]
        weights = [math.exp(x - max(logits)) for x in logits]
        tried = sum(child.visits for child in self.children.values())
        mixed = self.raw
        if self.children:
            mass = sum(weights[a] for a in self.children)
            found = sum(weights[a] * self.q(a) for a in self.children) / mass
            mixed = (self.raw + tried * found) / (1 + tried)
        most = max((child.visits for child in self.children.values()), default=0)
        return logits, [
            (50 + most) * scale * (self.q(a) if a in self.children else mixed) for a in range(len(self.logits))
        ]

    def count(self, action):
        return self.children[action].visits if action in self.children else 0


def slow(table, state, simulations, legal, considered, gumbel, scale):
    """Gumbel MuZero's search of one root, as a recursion over objects, without rescaling: action, visits, value."""
    root, actions = Node(state, table), range(len(legal))
    plan = halving(min(considered, sum(legal)), simulations)

    def best(wanted):
        logits, advantage = root.advantages(scale, legal)
        ready = [a for a in actions if legal[a] and root.count(a) == wanted]
        return max(ready, key=lambda a: gumbel[a] + logits[a] + advantage[a])

    def visit(node, action):
        if action in node.children:
            child = node.children[action]
            logits, advantage = child.advantages(scale, [True] * len(legal))
            scores = [x + y for x, y in zip(logits, advantage, strict=True)]
            weights = [math.exp(x - max(scores)) for x in scores]
            tried = 1 + sum(child.count(a) for a in actions)
            value = visit(child, max(actions, key=lambda a: weights[a] / sum(weights) - child.count(a) / tried))
        else:
            child = node.children[action] = Node(table["next"][node.state][action], table)
            value = child.raw
        value = table["reward"][node.state][action] + table["discount"][node.state][action] * value
        node.total, node.visits = node.total + value, node.visits + 1
        return value

    for wanted in plan:
        visit(root, best(wanted))
    return best(max(root.count(a) for a in actions)), [root.count(a) for a in actions], root.total / root.visits


@pytest.mark.parametrize("simulations", [1, 2, 5, 16, 40])
def test_the_batched_search_is_the_slow_one(simulations):
    g = torch.Generator().manual_seed(simulations)
    states, actions, roots = 50, 6, 8
    tables = {
        "next": torch.randint(states, (states, actions), generator=g),
        "reward": torch.randn(states, actions, generator=g),
        "discount": torch.where(torch.rand(states, actions, generator=g) < 0.8, -1.0, 0.0),
        "logits": torch.randn(states, actions, generator=g),
        "value": torch.randn(states, generator=g),
    }
    tables = {name: values.tolist() for name, values in tables.items()}
    step, look = world(tables)
    legal = torch.rand(roots, actions, generator=g) < 0.6
    legal[:, 1] = True
    gumbel = gumbel_noise((roots, actions), g)
    found = search(look(roots), step, simulations, legal=legal, considered=4, gumbel=gumbel, scale=0.05)
    _, visits = found.tree.q(torch.zeros(roots, dtype=torch.long))
    for i in range(roots):
        action, counts, value = slow(tables, i, simulations, legal[i].tolist(), 4, gumbel[i].tolist(), 0.05)
        assert (action, counts) == (found.action[i], visits[i].tolist())
        assert value == pytest.approx(found.value[i].item(), abs=1e-4)


def test_sequential_halving_spends_all_and_halves():
    plan = halving(4, 16)
    assert len(plan) == 16
    assert plan[:8] == (0, 0, 0, 0, 1, 1, 1, 1)  # two visits for each of four, then the better two get the rest
    assert plan[8:] == (2, 2, 3, 3, 4, 4, 5, 5)
    assert halving(1, 3) == (0, 1, 2) and halving(9, 2) == (0, 0)


def test_an_unvisited_move_gets_the_mixed_value():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    q, visits = torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([[3, 1, 0]])
    mixed = (0.4 + 4 * (0.5 - 0.3) / 0.8) / 5  # by hand: the model says 0.4
    values = completed(logits, torch.tensor([0.4]), q, visits)
    torch.testing.assert_close(values, torch.tensor([[1.0, -1.0, mixed]]))
    untouched = completed(logits, torch.tensor([0.4]), torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.long))
    torch.testing.assert_close(untouched, torch.full((1, 3), 0.4))


def test_the_improved_policy_is_better_in_expectation():
    """With true Q values for the candidates, the expected Q of the search's move is at least the prior's."""
    g = torch.Generator().manual_seed(3)
    b, a = 4_000, 6
    logits, q = torch.randn(1, a, generator=g), torch.randn(1, a, generator=g)
    state = torch.zeros(b, dtype=torch.long)

    def outlook(reward):
        zero = torch.zeros(b)
        return Outlook(state, logits.repeat(b, 1), zero + (logits.softmax(1) * q).sum(), reward, zero)

    for simulations in (2, 3, 4):
        noise = gumbel_noise((b, a), g)
        found = search(outlook(torch.zeros(b)), lambda _, action: outlook(q[0, action]), simulations, gumbel=noise)
        prior = float((logits.softmax(1) * q).sum())
        assert q[0, found.action].mean() > prior + 0.1 and (found.policy[0] * q[0]).sum() > prior


def test_gumbel_noise_draws_from_the_softmax():
    g = torch.Generator().manual_seed(0)
    logits = torch.tensor([0.0, 1.0, 2.0])
    drawn = (logits + gumbel_noise((50_000, 3), g)).argmax(1)
    torch.testing.assert_close(drawn.bincount() / 50_000, logits.softmax(0), atol=0.01, rtol=0)


def test_what_cannot_be_searched_is_refused():
    step, look = world(GOLDEN[0]["world"])
    with pytest.raises(ValueError, match="0 simulations"):
        search(look(2), step, 0)
    with pytest.raises(ValueError, match="without a legal move"):
        search(look(2), step, 2, legal=torch.tensor([[True] * 4, [False] * 4]))
