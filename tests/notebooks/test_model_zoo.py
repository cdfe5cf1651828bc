"""Chapter 2's own code, taken from its cells: equal to torchvision, to brute force and to its own equations."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock

from aibook import recipes
from helpers.evaluation import accuracy
from helpers.training import outputs, seed_everything


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("cv/02-model-zoo")


def test_the_front_is_what_comparing_all_pairs_gives(chapter):
    rng = np.random.default_rng(0)
    for n in (1, 2, 30, 100):
        cost, score = rng.integers(0, 12, n), rng.integers(0, 12, n)  # many ties
        front = chapter.pareto(cost, score)

        def beaten(i, cost=cost, score=score, n=n):
            better = [score[j] >= score[i] and cost[j] <= cost[i] for j in range(n)]
            return any(b and (score[j], cost[j]) != (score[i], cost[i]) for j, b in enumerate(better))

        expected = {(cost[i], score[i]) for i in range(n) if not beaten(i)}
        assert {(cost[i], score[i]) for i in front} == expected
        assert len(front) == len(expected) and (np.diff(cost[front]) > 0).all()


def test_the_zoo_has_an_accuracy_and_a_cost_for_every_classifier(chapter):
    assert len(chapter.zoo) > 100
    for weights in chapter.zoo:
        assert 50 < weights.top1 < 95 and weights.gmacs > 0 and weights.millions > 1 and weights.megabytes > 1
    resnet = next(w for w in chapter.zoo if (w.name, w.recipe) == ("resnet50", "V1"))
    assert (resnet.top1, resnet.size, round(resnet.millions, 1)) == (76.13, 224, 25.6)


class ZeroPadded(nn.Module):
    """He et al.'s shortcut without weights ("option A"), as torchvision's block takes it."""

    def __init__(self, new):
        super().__init__()
        self.new = new

    def forward(self, x):
        halved = F.avg_pool2d(x, kernel_size=1, stride=2)
        return torch.cat([halved, halved.new_zeros(len(x), self.new, *halved.shape[2:])], dim=1)


@pytest.mark.parametrize("halve", [False, True])
def test_the_block_equals_torchvisions_in_values_and_gradients(chapter, halve):
    seed_everything(0)
    n_out, stride = (16, 2) if halve else (8, 1)
    theirs = BasicBlock(8, n_out, stride, downsample=ZeroPadded(8) if halve else None)
    ours = chapter.Block(8, n_out, stride)
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    inputs = [torch.randn(5, 8, 7, 7).requires_grad_() for _ in range(2)]
    inputs[1].data = inputs[0].data.clone()
    results = [block(x) for block, x in zip((ours, theirs), inputs, strict=True)]
    assert torch.allclose(*results, atol=1e-6)
    for result in results:
        result.square().sum().backward()
    assert torch.allclose(inputs[0].grad, inputs[1].grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depth", [8, 20, 56])
def test_plain_and_residual_towers_have_the_same_weights_and_the_depth_of_their_name(chapter, depth):
    plain, residual = (chapter.tower(depth, shortcut) for shortcut in (False, True))
    assert [p.shape for p in plain.parameters()] == [p.shape for p in residual.parameters()]
    layers = [layer for layer in plain.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth
    assert plain(torch.randn(2, 1, 14, 14)).shape == (2, 10)


def test_without_corrections_a_residual_tower_still_sees_and_a_plain_one_is_blind(chapter):
    x = torch.randn(6, 1, 14, 14)
    spread = {}
    for shortcut in (False, True):
        network = chapter.tower(20, shortcut).eval()
        for block in (layer for layer in network if isinstance(layer, chapter.Block)):
            nn.init.zeros_(block.correction[2][1].weight)  # the last batch norm: F(x) = 0
        spread[shortcut] = network(x).std(dim=0).max().item()
    assert spread[False] == pytest.approx(0, abs=1e-6) and spread[True] > 1e-3


@pytest.mark.parametrize("depth", [2, 9, 21])
def test_a_tower_of_another_depth_is_refused(chapter, depth):
    with pytest.raises(ValueError, match="6 n"):
        chapter.tower(depth, shortcut=True)


def test_gradients_of_a_deep_plain_tower_explode_and_those_of_a_residual_one_do_not(chapter):
    growth = {}
    for shortcut in (False, True):
        seed_everything(0)
        x, t = torch.randn(64, 1, 14, 14), torch.arange(64) % 10
        ratios = chapter.gradient_ratios(chapter.tower(56, shortcut), x, t)
        assert len(ratios) == 55
        growth[shortcut] = np.mean(ratios[:3]) / np.mean(ratios[-3:])
    assert growth[False] > 50 and growth[False] > 10 * growth[True]


def random_committee(members=4, pictures=60, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    p = (2 * torch.randn(members, pictures, classes, generator=generator, dtype=torch.float64)).softmax(-1)
    return p, torch.randint(0, classes, (pictures,), generator=generator)


def test_each_way_of_combining_gives_probabilities(chapter):
    p, _ = random_committee()
    for combine in (chapter.probability_average, chapter.logit_average, chapter.majority):
        combined = combine(p)
        assert combined.shape == p.shape[1:]
        assert torch.allclose(combined.sum(-1), torch.ones(len(combined), dtype=combined.dtype), atol=1e-6)
        assert torch.allclose(combine(p[:1].expand(3, -1, -1)), combine(p[:1]))  # three of one are one


def test_the_averages_by_hand(chapter):
    p = torch.tensor([[[0.9, 0.1, 0.0]], [[0.4, 0.6, 0.0]], [[0.1, 0.9, 0.0]]], dtype=torch.float64)
    assert torch.allclose(chapter.probability_average(p)[0, :2], torch.tensor([1.4, 1.6]).double() / 3)
    geometric = torch.tensor([0.036, 0.054]).double() ** (1 / 3)
    assert torch.allclose(chapter.logit_average(p)[0, :2], geometric / geometric.sum(), atol=1e-5)
    assert torch.allclose(chapter.majority(p)[0], torch.tensor([1 / 3, 2 / 3, 0.0]))


def test_a_veto_counts_in_the_average_of_logits_alone(chapter):
    sure, agreed = torch.tensor([0.0, 1.0]), torch.tensor([0.95, 0.05])
    p = torch.stack([agreed, agreed, sure])[:, None]  # two against one that is certain
    assert chapter.probability_average(p).argmax() == 0 and chapter.majority(p).argmax() == 0
    assert chapter.logit_average(p).argmax() == 1


def test_the_error_of_an_ensemble_is_its_members_error_minus_their_ambiguity(chapter):
    for seed in range(5):
        p, labels = random_committee(seed=seed)
        error, members, ambiguity = chapter.decompose(p, labels)
        assert error == pytest.approx(members - ambiguity, abs=1e-12)
        assert error == pytest.approx(chapter.score(p.mean(0), labels)["brier"], abs=1e-12)
        singles = [chapter.score(one, labels)["brier"] for one in p]
        assert members == pytest.approx(np.mean(singles), abs=1e-12) and ambiguity >= 0


def test_the_gain_of_averaging_logits_needs_no_labels(chapter):
    p, labels = random_committee()
    combined = chapter.logit_average(p)
    z = p.log().mean(0).exp().sum(-1)
    own = torch.stack([-one.log()[range(len(labels)), labels] for one in p]).mean(0)
    assert torch.allclose(-combined.log()[range(len(labels)), labels], own + z.log(), atol=1e-9)
    assert (z <= 1 + 1e-12).all()


def test_scores_agree_with_scikit_learn(chapter):
    from sklearn.metrics import accuracy_score, log_loss

    p, labels = random_committee(members=1)
    scores = chapter.score(p[0], labels)
    assert scores["nll"] == pytest.approx(log_loss(labels, p[0].numpy(), labels=range(5)), abs=1e-6)
    assert scores["accuracy"] == pytest.approx(100 * accuracy_score(labels, p[0].argmax(1)))
    onehot = np.eye(5)[labels]
    assert scores["brier"] == pytest.approx(((p[0].numpy() - onehot) ** 2).sum(1).mean())


def test_fit_learns_and_a_seed_repeats_it(chapter):
    seed_everything(0)
    labels = torch.arange(512) % 10
    prototypes = F.interpolate(torch.randn(10, 1, 4, 4), size=14)
    images = prototypes[labels] + 0.3 * torch.randn(512, 1, 14, 14)
    images = (images + images.flip(-1)) / 2  # as `fit` mirrors at random, tell the classes by what is symmetric
    losses = []
    for _ in range(2):
        seed_everything(1)
        network = chapter.small_residual(4)
        log, watch = chapter.fit(network, images, labels, steps=40)
        losses.append(log)
    assert accuracy(outputs(network, images), labels) > 0.9
    assert len(losses[0]) == 40 and losses[0] == losses[1] and watch.cpu > 0


def test_larger_committees_are_better_on_the_average_in_the_brier_score(chapter):
    p, labels = random_committee(members=5, pictures=400)
    means = [
        np.mean([chapter.score(p[list(some)].mean(0), labels)["brier"] for some in combinations(range(5), m)])
        for m in range(1, 6)
    ]
    assert all(after < before for before, after in pairwise(means))
