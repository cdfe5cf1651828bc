"""The scenes of the labs on detection, their scoring, and the training that asks for derivatives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from helpers.cv import scoring
from helpers.data.annotated import Annotated
from helpers.labs import shapes, small_detector


def test_the_same_generator_makes_the_same_scenes_and_boxes_lie_within():
    first, again = (shapes.make(40, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first.images, again.images) and first.images.shape == (40, 3, 64, 64)
    assert first.images.dtype == np.float32 and np.abs(first.images.mean()) < 0.2
    boxes = np.concatenate(first.boxes)
    assert (boxes >= 0).all() and (boxes <= shapes.SIDE).all() and (boxes[:, 2:] > boxes[:, :2] + 8).all()
    assert {len(b) for b in first.boxes} >= {0, 1, 2, 3}
    assert [len(b) for b in first.boxes] == [len(k) for k in first.labels]


def test_boxes_are_tight():
    scenes = shapes.make(60, np.random.default_rng(0))
    for image, boxes in zip(scenes.images, scenes.boxes, strict=True):
        if len(boxes) != 1:
            continue
        x1, y1, x2, y2 = boxes[0]
        far = np.ones((64, 64), bool)
        far[max(0, int(y1) - 1) : int(y2) + 2, max(0, int(x1) - 1) : int(x2) + 2] = False
        y, x = np.mgrid[:64, :64]
        plane = np.stack([np.ones(far.sum()), x[far], y[far]], 1)  # the background is a plane, and noise
        rest = image[:, far].T - plane @ np.linalg.lstsq(plane, image[:, far].T, rcond=None)[0]
        assert rest.std() < 0.25  # nothing of the shape is left outside


def test_score_is_that_of_the_chapters():
    truth = shapes.make(30, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    found = []
    for boxes, labels in zip(truth.boxes, truth.labels, strict=True):
        twice = np.concatenate([boxes, boxes]) + rng.normal(0, 1.5, (2 * len(boxes), 4)).astype(np.float32)
        found.append((twice, rng.random(len(twice)), np.concatenate([labels, rng.permutation(labels)])))
    images = np.zeros((30, 64, 64, 3), np.uint8)
    same = Annotated(images, truth.boxes, truth.labels, shapes.CLASSES, [str(i) for i in range(30)])
    expected = scoring.score([scoring.Detections(*one) for one in found], same)
    assert shapes.score(found, truth) == pytest.approx((expected.ap, expected.ap50))
    assert shapes.score([(np.zeros((0, 4)), [], [])] * 30, truth) == (0, 0)


def test_outputs_stand_in_the_order_of_the_anchors():
    network = small_detector.fresh(lambda: small_detector.AnchorNetwork(3), 0)
    network.body = torch.nn.AvgPool2d(4)  # the map is the scene, smaller
    head = network.heads[1] = torch.nn.Conv2d(3, 8, 1)
    network.heads[0] = torch.nn.Conv2d(3, 6, 1)
    head.weight.data.zero_()
    head.bias.data.zero_()
    head.weight.data[[0, 5], [0, 1]] = 1.0  # t_x of the first anchor: red; t_y of the second: green
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    offsets = network(torch.stack([x, y, 0 * x])[None])[1][0]
    centre = (small_detector.anchors()[:, :2] + small_detector.anchors()[:, 2:]) / 2
    assert torch.allclose(offsets[0::2, 0], centre[0::2, 0]) and torch.allclose(offsets[1::2, 1], centre[1::2, 1])


def squares(logits, offsets, boxes, labels):
    logits = logits.clone().requires_grad_()
    value = F.softplus(logits).mean()
    value.backward()
    return value.item(), logits.grad, torch.zeros_like(offsets)


def test_training_moves_the_outputs_down_the_derivative_and_repeats():
    scenes = shapes.make(16, np.random.default_rng(0))
    losses = []
    for _ in range(2):
        network = small_detector.fresh(lambda: small_detector.AnchorNetwork(3), 5)
        losses.append(small_detector.train(network, squares, scenes, seed=1, steps=6, batch_size=4))
    assert losses[0] == losses[1] and losses[0][-1] < losses[0][0] and len(losses[0]) == 6
    said = small_detector.look(network, scenes)
    assert len(said) == 16 and [tuple(part.shape) for part in said[0]] == [(512, 3), (512, 4)]


@pytest.mark.parametrize("bad", [torch.full((4, 512, 3), torch.nan), torch.zeros(4, 512), None])
def test_a_derivative_that_is_no_use_stops_the_training(bad):
    scenes = shapes.make(8, np.random.default_rng(0))
    network = small_detector.fresh(lambda: small_detector.AnchorNetwork(3), 0)
    with pytest.raises(ValueError, match="derivative"):
        small_detector.train(
            network, lambda s, t, *_: (0.0, bad, torch.zeros_like(t)), scenes, seed=0, steps=1, batch_size=4
        )


def test_a_fresh_network_leaves_torchs_generator_alone():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    small_detector.fresh(lambda: small_detector.AnchorNetwork(3), 0)
    assert torch.equal(before, torch.random.get_rng_state())
