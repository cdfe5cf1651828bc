"""Chapter 4's own code, taken from its cells: its losses by hand and by torchvision, its decoding, and it learns."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision import ops

from aibook import recipes
from helpers import studies
from helpers.cv.scoring import score
from helpers.cv.yolo import padded
from helpers.training import NonFiniteLoss, seed_everything


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("cv/04-yolo")


def some_boxes(n, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.cat([100 * torch.rand(n, 2, generator=g), 4 + 60 * torch.rand(n, 2, generator=g)], dim=1)


def as_corners(boxes):
    return ops.box_convert(boxes, "cxcywh", "xyxy")


PRIORS = torch.tensor([[50.0, 50], [30, 44], [44, 28], [24, 30], [24, 20], [20, 30], [18, 18], [12, 20], [20, 10]])


def network(chapter, idea, classes=3):
    config = chapter.LADDER[idea]
    return chapter.Yolo(config, classes, PRIORS[: config.priors * len(config.strides)] if config.priors else None)


def test_iou_equals_torchvisions(chapter):
    a, b = some_boxes(40), some_boxes(50, seed=1)
    assert torch.allclose(chapter.iou(a[:, None], b), ops.box_iou(as_corners(a), as_corners(b)), atol=1e-5)


def test_ciou_equals_torchvisions_in_values_and_gradients(chapter):
    a, b = some_boxes(300).requires_grad_(), some_boxes(300, seed=1)
    losses = chapter.ciou_loss(a, b), ops.complete_box_iou_loss(as_corners(a), as_corners(b))
    assert torch.allclose(*losses, atol=1e-5)
    slopes = [torch.autograd.grad(loss.sum(), a, retain_graph=True)[0] for loss in losses]
    assert torch.allclose(*slopes, atol=1e-5) and slopes[0].abs().max() > 0.01


def test_mish_and_passthrough_equal_pytorchs(chapter):
    z = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 10
    assert torch.allclose(chapter.mish(z), F.mish(z), atol=1e-6)
    x = torch.randn(2, 5, 6, 8)
    assert torch.equal(chapter.passthrough(x), F.pixel_unshuffle(x, 2))


def test_shape_iou_is_iou_of_boxes_with_a_common_centre(chapter):
    a, b = some_boxes(20)[:, 2:], some_boxes(9, seed=1)[:, 2:]
    centred = [F.pad(sizes, (2, 0)) for sizes in (a, b)]
    assert torch.allclose(chapter.shape_iou(a, b), ops.box_iou(*map(as_corners, centred)), atol=1e-5)


def test_k_means_finds_planted_shapes_and_ends_where_each_centre_is_the_mean_of_its_own(chapter):
    g = torch.Generator().manual_seed(0)
    planted = torch.tensor([[60.0, 50], [20, 55], [16, 15]])
    sizes = (planted[:, None] * (1 + 0.05 * torch.randn(3, 100, 2, generator=g))).flatten(0, 1)
    assert torch.allclose(chapter.k_means(sizes, 3), planted, rtol=0.03)
    sizes = 8 + 50 * torch.rand(200, 2, generator=g)
    centres = chapter.k_means(sizes, 5, rounds=200)
    corner = F.pad(sizes, (2, 0)), F.pad(centres, (2, 0))
    nearest = ops.box_iou(*corner).argmax(1)  # x1 = y1 = 0: corner on corner
    for j in range(5):
        assert torch.allclose(centres[j], sizes[nearest == j].mean(0), atol=1e-3)
    assert (centres.prod(1).diff() <= 0).all()


def v1_loss_by_hand(predicted, objects, stride, width, height, classes, coord=5.0, noobj=0.5):
    """Equation (eq-yolo-v1-loss) with loops; objects: (x, y, w, h, class), one scene, no two in a cell."""
    boxes, confidence, kinds = (part[0].tolist() for part in predicted)
    responsible, total = {}, 0.0
    for x, y, w, h, k in objects:
        cell = int(y // stride) * (width // stride) + int(x // stride)
        truth = as_corners(torch.tensor([[x, y, w, h]]))
        overlaps = [ops.box_iou(as_corners(torch.tensor([boxes[2 * cell + j]])), truth).item() for j in (0, 1)]
        j = 2 * cell + int(overlaps[1] > overlaps[0])
        responsible[j] = max(overlaps)
        bx, by, bw, bh = boxes[j]
        total += coord * (((bx - x) / stride) ** 2 + ((by - y) / stride) ** 2)
        total += coord * (np.sqrt(bw / width) - np.sqrt(w / width)) ** 2
        total += coord * (np.sqrt(bh / height) - np.sqrt(h / height)) ** 2
        total += sum((kinds[j][c] - (c == k)) ** 2 for c in range(classes))
    for j, value in enumerate(confidence):
        total += (value - responsible[j]) ** 2 if j in responsible else noobj * value**2
    return total


def test_the_loss_of_v1_equals_its_equation_written_as_loops(chapter):
    seed_everything(0)
    net = network(chapter, "v1")
    grid = torch.randn(1, 13, 10, 12) * 0.3 + 0.4
    predicted = chapter.read_free(grid, 16)
    objects = [(40.0, 50.0, 30.0, 20.0, 2), (180.0, 10.0, 15.0, 18.0, 0), (100.0, 150.0, 60.0, 18.0, 1)]
    truth, labels = torch.tensor([[o[:4] for o in objects]]), torch.tensor([[o[4] for o in objects]])
    for options in ({}, {"coord": 2.0, "noobj": 0.0}):
        ours = chapter.v1_loss(net, predicted, truth, labels, (160, 192), **options).item()
        assert ours == pytest.approx(v1_loss_by_hand(predicted, objects, 16, 192, 160, 3, **options), rel=1e-4)


def test_free_boxes_are_read_where_the_paper_puts_them(chapter):
    grid = torch.zeros(1, 10 + 3, 5, 5)
    grid[0, 5:10, 2, 4] = torch.tensor([0.25, 0.75, 0.5, 0.2, 0.9])  # the second box of row 2, column 4
    grid[0, 11, 2, 4] = 0.7
    boxes, confidence, classes = chapter.read_free(grid, 32)
    j = 2 * (2 * 5 + 4) + 1
    assert boxes[0, j].tolist() == pytest.approx([4.25 * 32, 2.75 * 32, 0.25 * 160, 0.04 * 160])
    assert confidence[0, j].item() == pytest.approx(0.9) and classes[0, j, 1].item() == pytest.approx(0.7)


def test_priors_are_read_by_v2s_equations(chapter):
    shapes = torch.tensor([[10.0, 20], [30, 16]])
    grid = torch.zeros(1, 2 * 8, 4, 4)
    grid[0, 8:12, 1, 3] = torch.tensor([0.0, 2.0, np.log(2.0), 0.0])  # the second prior of row 1, column 3
    boxes, _, classes = chapter.read_priors(grid, 16, shapes)
    j = (1 * 4 + 3) * 2 + 1
    expected = [(3 + 0.5) * 16, (1 + 1 / (1 + np.exp(-2))) * 16, 60, 16]
    assert boxes[0, j].tolist() == pytest.approx(expected, rel=1e-5)
    assert classes.shape == (1, 32, 3)


@pytest.mark.parametrize("idea", ["anchors", "finer grids", "several priors"])
def test_an_object_is_answered_for_by_boxes_of_its_own_cell_and_by_its_best_prior(chapter, idea):
    net = network(chapter, idea).eval()
    config = net.config
    for grid in net.grids:
        torch.nn.init.zeros_(grid.form.weight)
    with torch.inference_mode():
        boxes, *_ = chapter.look(net, torch.zeros(2, 40, 24, 20))  # 192 × 160 pixels
    truth = torch.tensor([[[70.0, 100, 20, 30], [0, 0, 0, 0]], [[150, 180, 18, 17], [20, 20, 55, 48]]])
    labels = torch.tensor([[1, -1], [0, 2]])
    scene, j, stride, t, label = chapter.assign(net, truth, labels, (192, 160))
    fit = chapter.shape_iou(t[:, 2:], net.priors)
    for i in range(len(t)):
        # With such a form a box is its prior in the middle of its cell: so the box itself tells where `j` points.
        box = boxes[scene[i], j[i]]
        corner = (box[:2] / stride[i]).floor()
        assert torch.equal(corner, (t[i, :2] / stride[i]).floor())
        own = chapter.shape_iou(box[None, 2:], t[i : i + 1, 2:]).item()
        assert own == pytest.approx(fit[i].max().item(), rel=1e-4) or (config.several and own > 0.4)
    answered = {(s, tuple(b)) for s, b in zip(scene.tolist(), t.tolist(), strict=True)}
    assert answered == {(0, (70, 100, 20, 30)), (1, (150, 180, 18, 17)), (1, (20, 20, 55, 48))}
    assert len(t) > 3 if config.several else len(t) == 3
    assert label[scene == 0].unique().tolist() == [1]


@pytest.mark.parametrize("idea", ["v1", "passthrough", "multi-scale = v2", "logistic = v3", "CIoU", "mosaic = v4"])
def test_every_generation_takes_scenes_without_objects_and_learns_from_the_others(chapter, idea):
    seed_everything(0)
    net = network(chapter, idea).train()
    x = torch.randn(2, 40, 20, 20)
    nothing = torch.zeros(2, 1, 4), torch.full((2, 1), -1)
    something = torch.tensor([[[40.0, 50, 30, 20]], [[0, 0, 0, 0]]]), torch.tensor([[2], [-1]])
    loss_of = chapter.anchor_loss if net.config.priors else chapter.v1_loss
    for truth, labels in (nothing, something):
        loss = loss_of(net, chapter.look(net, x), truth, labels, (160, 160))
        assert loss.isfinite() and loss > 0
        loss.backward()
    assert net.grids[0].form.weight.grad.abs().sum() > 0


def test_mosaic_keeps_boxes_on_their_objects_and_cuts_them_at_the_seams(chapter):
    seed_everything(0)
    x = torch.zeros(4, 1, 20, 20)
    truth, labels = torch.zeros(4, 1, 4), torch.arange(4)[:, None]
    for i, (row, column) in enumerate(((3, 4), (8, 9), (12, 5), (10, 14))):  # an object of 3 × 2 cells in each
        x[i, 0, row : row + 3, column : column + 2] = i + 1
        truth[i, 0] = 8 * torch.tensor([column + 1, row + 1.5, 2, 3])
    seen = 0
    for _ in range(20):
        y, boxes, kinds = chapter.mosaic(x, truth, labels)
        assert y.shape == x.shape and boxes.shape[:2] == kinds.shape
        for scene, k in torch.nonzero(kinds >= 0).tolist():
            x1, y1, x2, y2 = (as_corners(boxes[scene, k]) / 8).round().int().tolist()
            assert (y[scene, 0, y1:y2, x1:x2] == kinds[scene, k] + 1).all()
            assert (x2 - x1) * (y2 - y1) > 0.35 * 6
            seen += 1
    assert seen > 40


def test_mosaic_of_pictures_makes_the_cuts_that_mosaic_of_features_makes(chapter):
    pictures = torch.rand(4, 3, 64, 96)
    features = F.avg_pool2d(pictures, 8)
    truth, labels = torch.tensor([[[40.0, 30, 20, 20]]] * 4), torch.zeros(4, 1, dtype=torch.long)
    seed_everything(3)
    pasted, *fine = chapter.mosaic(pictures, truth, labels, cell=1)
    seed_everything(3)
    cheap, *coarse = chapter.mosaic(features, truth, labels)
    assert torch.allclose(F.avg_pool2d(pasted, 8), cheap, atol=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(fine, coarse, strict=True))


def test_a_loss_that_is_no_number_stops_training_and_names_the_scenes(chapter):
    features = torch.zeros(16, 40, 8, 8).half()
    features[5] = float("nan")
    truth, labels = torch.tensor([[[20.0, 20, 10, 10]]] * 16), torch.zeros(16, 1, dtype=torch.long)
    names = [f"smear-{i:02d}" for i in range(16)]
    with pytest.raises(NonFiniteLoss, match="smear-05"):
        chapter.fit(network(chapter, "logistic = v3"), ([features], truth, labels), names, steps=1)


def test_v4_learns_to_find_squares_and_a_seed_repeats_it(chapter, squares):
    train, test = squares(64, 0), squares(16, 1)
    to_tensor = lambda data: torch.from_numpy(data.images).permute(0, 3, 1, 2)  # noqa: E731
    features = chapter.stem_features(to_tensor(train))
    losses = []
    for _ in range(2):
        seed_everything(0)
        config = replace(chapter.LADDER["mosaic = v4"], mosaic=False)
        net = chapter.Yolo(config, 2, PRIORS[3:])
        curve, watch = chapter.fit(net, ([features], *padded(train)), train.names, steps=30)
        losses.append(curve)
    found = chapter.detect(net, chapter.stem_features(to_tensor(test)))
    assert score(found, test).ap50 > 0.8
    assert losses[0] == losses[1] and len(losses[0]) == 30 and watch.cpu > 0


# ---- What the chapter claims of its study ------------------------------------------------------------------------


def test_the_stored_study_says_what_the_text_says():
    study = studies.load("cv/04-yolo")
    assert len(study.seeds) >= 3
    generations = [study.values(f"ap_{key}") for key in ("v1", "v2", "v3", "v4")]
    for before, after in pairwise(generations):
        assert all(a < b for a, b in zip(before, after, strict=True))
    gains = {key: study.mean(f"gain_{key}") for key in ("batch_norm", "anchors", "passthrough", "v2", "finer", "v3")}
    gains |= {key: study.mean(f"gain_{key}") for key in ("csp", "mish", "several", "ciou", "v4")}
    assert sorted(gains, key=gains.get)[-3:] == ["several", "batch_norm", "finer"]
    assert all(gains[key] < 0 for key in ("v2", "v3", "csp", "mish", "v4"))
    for road in ("tuned", "three_grids", "logistic_confidence"):
        assert max(study.values(f"ap_{road}")) < min(study.values("ap_v4"))
    assert study.mean("train_cpu_csp") < study.mean("train_cpu_v3") < study.mean("train_cpu_mish")
    assert max(study.values("ap_null")) < 0.1
