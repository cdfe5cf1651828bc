"""Chapter 3's own code, taken from its cells: equal to torchvision, kind to empty scenes, and it learns."""

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision import ops
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from aibook import house, recipes
from helpers import studies
from helpers.cv.rcnn import Laps
from helpers.cv.scoring import score
from helpers.training import NonFiniteLoss, seed_everything

CHAPTER = house.NOTEBOOKS / "cv" / "03-rcnn.ipynb"


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define, for pictures of 64 × 64 pixels."""
    threads = torch.get_num_threads()
    module = recipes.load("cv/03-rcnn", PROFILE="smoke", DATA="fashion-scenes", SEED=0)
    module.SIZE = (64, 64)
    yield module
    torch.set_num_threads(threads)


def some_boxes(n, seed=0, side=100):
    g = torch.Generator().manual_seed(seed)
    corner = side * torch.rand(n, 2, generator=g)
    return torch.cat([corner, corner + 3 + 0.6 * side * torch.rand(n, 2, generator=g)], dim=1)


NOTHING = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)


# ---- Boxes -------------------------------------------------------------------------------------------------------


def test_iou_equals_torchvisions_in_values_and_gradients(chapter):
    pairs = [(some_boxes(40).requires_grad_(), some_boxes(30, seed=1)) for _ in range(2)]
    ours, theirs = chapter.iou(*pairs[0]), ops.box_iou(*pairs[1])
    assert torch.allclose(ours, theirs, atol=1e-6)
    for result in (ours, theirs):
        result.square().sum().backward()
    assert torch.allclose(pairs[0][0].grad, pairs[1][0].grad, atol=1e-5)


def test_iou_of_boxes_apart_touching_and_equal(chapter):
    box = torch.tensor([[0.0, 0, 10, 10]])
    others = torch.tensor([[20.0, 20, 30, 30], [10, 0, 20, 10], [0, 0, 10, 10], [0, 0, 10, 5]])
    assert chapter.iou(box, others)[0].tolist() == [0, 0, 1, 0.5]
    assert chapter.iou(box, NOTHING[0]).shape == (1, 0)


def test_coding_equals_torchvisions_and_is_undone_by_decoding(chapter):
    boxes, proposals = some_boxes(60), some_boxes(60, seed=1)
    theirs = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
    t = chapter.encode(boxes, proposals)
    assert torch.allclose(t, theirs.encode_single(boxes, proposals), rtol=1e-4, atol=1e-4)
    assert torch.allclose(chapter.decode(t, proposals), boxes, atol=1e-3)
    wild = 40 * torch.randn(60, 4, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(chapter.decode(wild, proposals), theirs.decode_single(wild, proposals), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("box", [[10.0, 10, 10, 30], [10, 30, 40, 20], [5, 5, float("nan"), 9]])
def test_a_box_without_area_is_named(chapter, box):
    good, bad = some_boxes(1), torch.tensor([box])
    for call in (
        lambda: chapter.encode(bad, good),
        lambda: chapter.encode(good, bad),
        lambda: chapter.decode(good, bad),
    ):
        with pytest.raises(ValueError, match=r"the box \[.*\] has no area"):
            call()


@pytest.mark.parametrize("limit", [0.0, 0.3, 0.7, 1.0])
def test_nms_equals_torchvisions(chapter, limit):
    boxes, scores = some_boxes(150), torch.rand(150, generator=torch.Generator().manual_seed(3))
    assert torch.equal(chapter.nms(boxes, scores, limit), ops.nms(boxes, scores, limit))
    assert torch.equal(chapter.nms(boxes, torch.ones(150), limit), ops.nms(boxes, torch.ones(150), limit))


def test_nms_of_nothing_is_nothing(chapter):
    assert chapter.nms(NOTHING[0], torch.zeros(0), 0.5).tolist() == []


@pytest.mark.parametrize(("bins", "stride", "shape"), [(5, 8, (20, 20)), (7, 16, (12, 9)), (2, 1, (30, 44))])
def test_roi_align_equals_torchvisions_in_values_and_gradients(chapter, bins, stride, shape):
    maps = [torch.randn(3, *shape, generator=torch.Generator().manual_seed(0), requires_grad=True) for _ in range(2)]
    boxes = some_boxes(40, side=stride * max(shape)) - 0.2 * stride * max(shape)  # some leave the map on each side
    ours = chapter.roi_align(maps[0], boxes, bins, stride)
    theirs = ops.roi_align(maps[1][None], [boxes], bins, spatial_scale=1 / stride, sampling_ratio=2, aligned=True)
    assert torch.allclose(ours, theirs, atol=1e-5)
    for result in (ours, theirs):
        (result * torch.linspace(-1, 1, result.numel()).view_as(result)).sum().backward()
    assert torch.allclose(maps[0].grad, maps[1].grad, atol=1e-4)


# ---- R-CNN -------------------------------------------------------------------------------------------------------


def test_selective_search_finds_a_square_and_keeps_to_its_number(chapter):
    image = np.full((64, 64, 3), 40, np.uint8)
    image[20:44, 10:40] = (200, 60, 60)
    boxes = chapter.selective_search(image, 50)
    assert boxes.dtype == torch.float32 and len(boxes) <= 50
    assert chapter.iou(boxes, torch.tensor([[10.0, 20, 40, 44]])).max() > 0.8
    assert (boxes[:, 2:] > boxes[:, :2]).all() and boxes.min() >= 0 and boxes.max() <= 64
    assert len(chapter.selective_search(image, 1)) == 1


def test_crops_show_the_box_with_its_surroundings_and_grey_outside(chapter):
    image = torch.zeros(3, 60, 60, dtype=torch.uint8)
    image[:, 20:40, 20:40] = 200
    crop = chapter.crops(image, torch.tensor([[20.0, 20, 40, 40]]))[0, 0]
    assert crop.shape == (64, 64)
    assert (crop[6:-6, 6:-6] > 190).all() and (crop[:3] < 10).all()  # 16 of 227 pixels, here 4.5 of 64, are context
    outside = chapter.crops(image, torch.tensor([[-40.0, -40, -10, -10]]))
    assert (outside == 127.5).all()


def test_matching_gives_class_and_offsets_of_the_object_that_overlaps_most(chapter):
    truth, labels = torch.tensor([[0.0, 0, 20, 20], [30, 30, 60, 60]]), torch.tensor([4, 0])
    boxes = torch.tensor([[1.0, 0, 21, 20], [30, 30, 60, 50], [0, 0, 60, 60], [70, 70, 80, 80]])
    u, v = chapter.match(boxes, truth, labels)
    assert u.tolist() == [5, 1, 0, 0]  # 0 is background
    assert torch.allclose(chapter.decode(v[:2], boxes[:2]), truth, atol=1e-4)
    u, v = chapter.match(boxes, *NOTHING)
    assert u.tolist() == [0, 0, 0, 0] and v.shape == (4, 4)


def test_a_draw_has_at_most_its_share_of_objects_and_leaves_out_what_is_undecided(chapter):
    u = torch.tensor([0] * 50 + [3] * 20 + [-1] * 30)
    chosen = chapter.draw(u, 32, 0.25)
    assert len(chosen) == len(chosen.unique()) == 32
    assert (u[chosen] == 3).sum() == 8 and (u[chosen] == 0).sum() == 24
    assert len(chapter.draw(torch.tensor([3, 3, 0]), 32, 0.25)) == 3


def test_a_lesson_contains_true_boxes_and_none_on_an_empty_scene(chapter):
    truth = torch.tensor([[5.0, 5, 25, 25]])
    boxes, u, v = chapter.lesson(torch.tensor([[40.0, 40, 60, 60]] * 9), truth, torch.tensor([2]))
    assert (u > 0).sum() == 1 and u.max() == 3
    assert torch.equal(boxes[u > 0], truth) and v[u > 0].abs().max() == 0
    boxes, u, v = chapter.lesson(some_boxes(9), *NOTHING)
    assert len(boxes) == 9 and (u == 0).all()


def test_softmax_regression_and_ridge_equal_scikit_learns(chapter):
    from sklearn.linear_model import LogisticRegression, Ridge

    g = torch.Generator().manual_seed(0)
    x = F.pad(torch.randn(200, 5, generator=g), (0, 1), value=1.0)
    u = (x[:, :3] + 0.5 * torch.randn(200, 3, generator=g)).argmax(1)
    ours = (x @ chapter.softmax_regression(x, u, 3, decay=0.05)).softmax(1)
    theirs = LogisticRegression(C=1 / (0.05 * 200), fit_intercept=False, tol=1e-8, max_iter=1000).fit(x, u)
    assert np.allclose(ours, theirs.predict_proba(x), atol=2e-3)
    v = torch.randn(200, 4, generator=g)
    assert np.allclose(chapter.ridge(x, v, 10.0).T, Ridge(alpha=10.0, fit_intercept=False).fit(x, v).coef_, atol=1e-4)


def test_finish_moves_cuts_suppresses_by_class_and_ranks(chapter):
    proposals = torch.tensor([[10.0, 10, 30, 30], [10, 10, 31, 30], [40, 40, 60, 60], [50, 50, 60, 60]])
    probability = torch.tensor([[0.1, 0.8, 0.1], [0.2, 0.1, 0.7], [0.4, 0.6, 0.0], [0.99, 0.01, 0.0]])
    offsets = torch.zeros(4, 3, 4)
    offsets[2, 1] = torch.tensor([10.0, 0, 0, 0])  # one width to the right: 60 to 80, cut off at 64
    found = chapter.finish(probability, offsets, proposals)
    assert found.labels.tolist() == [0, 1, 0]  # the weaker ones of each class on the same place are gone
    assert np.allclose(found.scores, [0.8, 0.7, 0.6])
    assert np.allclose(found.boxes[2], [60, 40, 64, 60])
    assert np.allclose(chapter.finish(probability, offsets, proposals, regress=False).boxes[2], [40, 40, 60, 60])
    assert len(chapter.finish(probability, offsets, proposals, limit=1.0).boxes) == 5
    assert len(chapter.finish(probability[:0], offsets[:0], proposals[:0]).boxes) == 0


# ---- Fast and Faster R-CNN ---------------------------------------------------------------------------------------


def test_smooth_l1_and_the_heads_loss_are_what_the_paper_says(chapter):
    d = torch.linspace(-3, 3, 61)
    assert torch.allclose(chapter.smooth_l1(d), F.smooth_l1_loss(d, torch.zeros(61), reduction="none"))
    g = torch.Generator().manual_seed(0)
    scores, offsets, v = (torch.randn(*shape, generator=g) for shape in ((6, 4), (6, 4, 4), (6, 4)))
    u = torch.tensor([0, 3, 0, 1, 2, 0])
    losses = chapter.head_loss(scores, offsets, u, v)
    assert torch.allclose(losses["class"], -scores.log_softmax(1)[range(6), u].mean())
    by_hand = sum(F.smooth_l1_loss(offsets[i, u[i]], v[i], reduction="sum") for i in (1, 3, 4)) / 6
    assert torch.allclose(losses["box"], by_hand)
    assert chapter.head_loss(scores, offsets, torch.zeros_like(u), v)["box"] == 0


def test_anchors_are_torchvisions(chapter):
    ours = chapter.make_anchors([16.0, 32.0, 48.0], (0.5, 1.0, 2.0), (64, 96))
    generator = AnchorGenerator(sizes=((16, 32, 48),), aspect_ratios=((0.5, 1.0, 2.0),))
    (theirs,) = generator(ImageList(torch.zeros(1, 3, 64, 96), [(64, 96)]), [torch.zeros(1, 8, 8, 12)])
    theirs = theirs.view(-1, 9, 4) + 4  # torchvision's sit on the corner of a cell, and are rounded
    as_sets = [sorted(map(tuple, boxes.round().int().tolist())) for boxes in (ours[:9], theirs[0])]
    assert np.abs(np.array(as_sets[0]) - np.array(as_sets[1])).max() <= 1
    assert torch.allclose(ours.view(-1, 9, 4)[13], ours[:9] + torch.tensor([8.0, 8, 8, 8]))  # one row and one column on


def test_an_anchor_is_object_background_or_neither(chapter):
    truth = torch.tensor([[0.0, 0, 20, 20], [100, 100, 140, 110]])
    anchors = torch.tensor(
        [[0.0, 0, 20, 18], [0, 0, 20, 10], [60, 60, 80, 80], [100, 100, 120, 120], [102, 100, 120, 120]]
    )
    chosen, y, objects, v = chapter.anchor_lesson(anchors, truth)
    answer = dict(zip(chosen.tolist(), y.tolist(), strict=True))
    # 0: IoU 0.9. 1: IoU 0.5, left out. 2: nothing there. 3: IoU 1/3, but no other anchor fits the second object better.
    assert answer.get(0) == 1 and 1 not in answer and answer[2] == 0 and answer[3] == 1
    assert answer.get(4) is None or answer[4] == 0
    assert torch.allclose(chapter.decode(v, anchors[objects])[objects == 3], truth[1:], atol=1e-4)


def test_the_rpns_loss_on_an_empty_scene_has_no_box(chapter):
    anchors = chapter.make_anchors([16.0], (1.0,), (64, 64))
    o, t = torch.zeros(1, len(anchors)), torch.ones(1, len(anchors), 4)
    losses = chapter.rpn_loss(o, t, anchors, [NOTHING[0]])
    assert losses["where"] == 0 and losses["object"].item() == pytest.approx(np.log(2), abs=1e-5)


def test_the_rpn_puts_its_numbers_in_the_order_of_the_anchors(chapter):
    seed_everything(0)
    rpn, x = chapter.RPN(9), torch.zeros(1, 64, 8, 8)
    x[0, :, 2, 5] = 100.0  # one loud place
    quiet = rpn(torch.zeros(1, 64, 8, 8))
    changed = [
        (loud - still).abs().flatten(2 if loud.dim() == 3 else 1) for loud, still in zip(rpn(x), quiet, strict=True)
    ]
    centre = chapter.make_anchors([16.0, 24.0, 32.0], (0.5, 1.0, 2.0), (64, 64)).view(-1, 2, 2).mean(1)
    near = (centre - torch.tensor([44.0, 20.0])).abs().amax(1) <= 8  # a 3 × 3 convolution reaches one place further
    assert (changed[0][0] > 0).logical_and(~near).sum() == 0 and (changed[0][0] > 0).sum() > 40
    assert (changed[1][0].amax(-1) > 0).logical_and(~near).sum() == 0


def test_proposals_are_in_the_picture_wide_enough_and_the_surest_first(chapter):
    anchors = chapter.make_anchors([16.0, 32.0], (0.5, 1.0, 2.0), (64, 64))
    g = torch.Generator().manual_seed(0)
    objectness = torch.randn(len(anchors), generator=g)
    boxes = chapter.propose(objectness, 2 * torch.randn(len(anchors), 4, generator=g), anchors, 40)
    assert 0 < len(boxes) <= 40
    assert boxes.min() >= 0 and boxes.max() <= 64 and (boxes[:, 2:] - boxes[:, :2]).min() >= 4
    first = chapter.propose(objectness, torch.zeros(len(anchors), 4), anchors, 40)[0]
    expected = ops.clip_boxes_to_image(anchors[objectness.argmax()][None], (64, 64))[0]
    assert torch.allclose(first, expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["fast", "faster"])
def test_empty_scenes_have_a_loss_and_no_box_loss(chapter, kind):
    anchors = chapter.make_anchors([16.0, 24.0, 32.0], (0.5, 1.0, 2.0), (64, 64))
    detector = chapter.FastRCNN(3) if kind == "fast" else chapter.FasterRCNN(3, anchors)
    losses = detector.train().losses(torch.randn(2, 40, 8, 8), [(some_boxes(20, side=40), *NOTHING)] * 2)
    assert losses["box"] == 0 and losses.get("where", 0) == 0
    total = sum(losses.values())
    total.backward()
    assert total.isfinite()


def test_a_loss_that_is_no_number_stops_training_and_names_the_scenes(chapter):
    features = torch.zeros(8, 40, 8, 8).half()
    features[5] = float("nan")
    scenes = [(some_boxes(20, side=40), torch.tensor([[5.0, 5, 25, 25]]), torch.tensor([0]))] * 8
    names = [f"smear-{i:02d}" for i in range(8)]
    with pytest.raises(NonFiniteLoss, match=r"scenes .*smear-05"):
        chapter.fit(chapter.FastRCNN(2), features, scenes, names, epochs=1, batch_size=8)


@pytest.mark.parametrize("kind", ["rcnn", "fast", "faster"])
def test_each_detector_learns_to_find_squares(chapter, squares, kind):
    train, test = squares(48, 0), squares(16, 1)
    pictures = [torch.from_numpy(data.images).permute(0, 3, 1, 2) for data in (train, test)]
    scenes = [
        (chapter.selective_search(image, 40), torch.from_numpy(boxes), torch.from_numpy(labels))
        for image, boxes, labels in zip(train.images, train.boxes, train.labels, strict=True)
    ]
    seed_everything(0)
    if kind == "rcnn":
        lessons = [chapter.lesson(*scene, n=8) for scene in scenes]
        x = torch.cat(
            [chapter.describe(image, boxes) for image, (boxes, _, _) in zip(pictures[0], lessons, strict=True)]
        )
        u, v = (torch.cat([one[part] for one in lessons]) for part in (1, 2))
        detector = chapter.RCNN(x, u, v, 2)
    else:
        anchors = chapter.make_anchors([16.0, 24.0, 32.0], (0.5, 1.0, 2.0), (64, 64))
        detector = chapter.FastRCNN(2) if kind == "fast" else chapter.FasterRCNN(2, anchors)
        log, watch = chapter.fit(detector, chapter.stem_features(pictures[0]), scenes, train.names, epochs=6)
        assert len(log["loss"]) == 36 and watch.cpu > 0
    laps = Laps()
    with torch.no_grad():
        looked = [
            detector.look(image, chapter.selective_search(picture, 40), laps)
            for image, picture in zip(pictures[1], test.images, strict=True)
        ]
    assert score([chapter.finish(*one) for one in looked], test).ap50 > 0.7
    assert set(laps.seconds) == {"features", "heads"} | ({"proposals"} if kind == "faster" else set())


# ---- What the chapter claims -------------------------------------------------------------------------------------


def records():
    found = {}
    for cell in nbformat.read(CHAPTER, as_version=4).cells:
        for output in cell.get("outputs", []):
            if "scrapbook" in output.get("metadata", {}):
                found[output.metadata["scrapbook"]["name"]] = output.metadata["aibook"]["value"]
    return found


def test_the_two_famous_speed_ups_appear():
    measured = records()
    assert measured["speedup_fast"] >= 20
    assert measured["speedup_proposals"] >= 10


def test_the_stored_study_says_what_the_text_says():
    study = studies.load("cv/03-rcnn")
    assert len(study.seeds) >= 3
    for trained in ("ap_fast_rcnn", "ap_faster_rcnn"):
        assert min(study.values(trained)) > max(study.values("ap_rcnn"))
    assert max(study.values("ap_fast_rcnn_roi_pooling")) < min(study.values("ap_fast_rcnn"))
    assert max(study.values("ap_fast_unregressed")) < min(study.values("ap_fast_rcnn"))
    assert min(study.values("recall_rpn")) > max(study.values("recall_selective_search"))
    broken = {key: study.mean(f"broken_{key}") for key in ("rcnn", "no_regression", "no_nms", "no_background")}
    assert sorted(broken, key=broken.get) == ["no_background", "no_nms", "no_regression", "rcnn"]
    assert min(study.values("speedup_proposals")) >= 10 and study.mean("speedup_fast") >= 20
    assert max(study.values("ap_null")) < 0.1
