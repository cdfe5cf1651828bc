"""Chapter 6's own code, taken from its cells and run in the real Detectron2: data, backbone, heads, hooks, scores."""

import copy
import importlib
import re
import subprocess
import sys
from dataclasses import replace

import nbformat
import numpy as np
import pytest
import torch

from aibook import detectron2, house, recipes
from helpers import studies
from helpers.cv import d2
from helpers.cv.backbone import Stem, Top
from helpers.cv.scoring import score
from helpers.training import seed_everything

CHAPTER = house.NOTEBOOKS / "cv" / "06-detectron2.ipynb"


def sources(tag):
    cells = nbformat.read(CHAPTER, as_version=4).cells
    return [(cell.id, cell.source) for cell in cells if tag in cell.metadata.get("tags", [])]


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define, for pictures of 64 × 64 with two classes."""
    settings = {"PROFILE": "smoke", "SEED": 0, "DATA": "fashion-scenes", "CELLS": False, "GPU": False}
    module = recipes.load("cv/06-detectron2", **settings, SIZE=(64, 64), K=2, BATCH=8)
    yield module
    d2.forget("train", "test", "Lite", "lite_fpn", "CosineROIHeads")


@pytest.fixture(scope="module")
def data(chapter, squares):
    train, test = squares(64, 0, empty=1), squares(16, 1, empty=1)
    chapter.register("train", train)
    chapter.register("test", test)
    return train, test


def test_colab_gets_the_commit_that_the_workshop_builds():
    ((_, source),) = [cell for cell in sources("recipe") if "facebookresearch" in cell[1]]
    assert re.findall(r"detectron2@([0-9a-f]{40})", source) == [detectron2.COMMIT]


def test_without_detectron2_the_chapter_stops_in_its_second_cell_in_one_line(tmp_path):
    ((_, source),) = [cell for cell in sources("recipe") if "d2.require()" in cell[1]]
    hide = "import sys; sys.modules['detectron2'] = None\n"
    ran = subprocess.run([sys.executable, "-c", hide + source], capture_output=True, text=True, cwd=house.ROOT)
    assert ran.returncode and "Get it with: aibook detectron2" in ran.stderr.splitlines()[-1]


def test_records_and_mapper_keep_the_truth_also_when_mirrored(chapter, data):
    train, _ = data
    rows = chapter.DatasetCatalog.get("train")
    assert len(rows) == 64 and rows[-1]["annotations"] == []
    for row in (rows[0], rows[-1]):
        i = row["image_id"]
        plain = chapter.Mapper(train)(row)
        assert torch.equal(plain["image"], torch.from_numpy(train.images[i]).permute(2, 0, 1))
        assert plain["instances"].gt_boxes.tensor.tolist() == train.boxes[i].tolist()
        assert plain["instances"].gt_classes.tolist() == train.labels[i].tolist()
    mirrored = chapter.Mapper(train, [chapter.T.RandomFlip(prob=1.0)])(rows[0])
    x1, y1, x2, y2 = train.boxes[0][0].tolist()
    assert mirrored["instances"].gt_boxes.tensor.tolist() == [[64 - x2, y1, 64 - x1, y2]]
    assert torch.equal(mirrored["image"], torch.from_numpy(train.images[0][:, ::-1].copy()).permute(2, 0, 1))


def test_a_box_in_the_wrong_mode_is_read_as_told_and_not_as_meant(chapter, data):
    train, _ = data
    row = chapter.records_of(train, mode=chapter.BoxMode.XYWH_ABS)[0]
    x1, y1, x2, y2 = train.boxes[0][0].tolist()
    read = chapter.Mapper(train)(row)["instances"].gt_boxes.tensor[0].tolist()
    assert read == [x1, y1, min(64, x1 + x2), min(64, y1 + y2)]


def test_the_backbone_in_detectron2_is_the_one_outside(chapter):
    lite, x = chapter.Lite().eval(), torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        inside = lite((x - 127.5) / 127.5)
        fine = Stem()(x)
        coarse = Top(strides=(16,)).eval()(fine)[16]
    assert torch.allclose(inside["res3"], fine, atol=1e-3) and torch.allclose(inside["res4"], coarse, atol=1e-3)
    for name, shape in lite.output_shape().items():
        assert inside[name].shape[1:] == (shape.channels, 64 // shape.stride, 96 // shape.stride)
    trained = {name.split(".")[0] for name, p in lite.named_parameters() if p.requires_grad}
    assert trained == {"top"}


def test_the_optimizer_takes_smaller_steps_in_the_backbone_and_its_cycle_rises_and_falls(chapter):
    model = chapter.build_model(chapter.faster_config())
    adam, cycle = chapter.optimizer_for(model, 50, lr=1.0)
    top = {id(p) for p in model.backbone.bottom_up.top.parameters()}
    rates = {id(p): group["initial_lr"] for group in adam.param_groups for p in group["params"]}
    assert {rates[i] for i in rates if i in top} == {0.2} and {rates[i] for i in rates if i not in top} == {1.0}
    assert not {id(p) for p in model.backbone.bottom_up.stem.parameters()} & rates.keys()
    shares = [cycle._multiplier(i / 50) for i in range(50)]
    assert 5 <= int(np.argmax(shares)) <= 12 and shares[0] < 0.05 and shares[-1] < 0.05


def test_the_cosine_head_sees_angles_only_and_is_found_by_its_name(chapter):
    cfg = chapter.faster_config("MODEL.ROI_HEADS.NAME", "CosineROIHeads")
    layer = chapter.build_model(cfg).roi_heads.box_predictor.cls_score
    x = torch.randn(5, layer.in_features)
    assert layer(x).shape == (5, 3) and layer(x).abs().max() <= 20
    assert torch.allclose(layer(x), layer(7 * x), atol=1e-4)
    assert torch.allclose(layer(layer.weight).diagonal(), torch.full((3,), 20.0), atol=1e-4)


@pytest.fixture(scope="module")
def learned(chapter, data):
    """Faster R-CNN after 40 steps on squares, its curve, and its evaluation."""
    train, test = data
    seed_everything(0)
    model = chapter.build_model(chapter.faster_config())
    curve, watch = chapter.fit(model, chapter.DatasetCatalog.get("train"), chapter.Mapper(train), 40)
    assert watch.cpu > 0 and len(curve) == 40
    return model, curve, *chapter.evaluate(model, "test", test)


def test_faster_rcnn_learns_to_find_squares_and_its_evaluator_agrees_with_ours(learned, data):
    _, curve, result, keep = learned
    assert np.mean(curve[-5:]) < 0.7 * np.mean(curve[:5])
    ours = score(keep.found, data[1])
    assert ours.ap50 > 0.6
    for mine, theirs in ((ours.ap, "AP"), (ours.ap50, "AP50"), (ours.ap75, "AP75")):
        assert 100 * mine == pytest.approx(result[theirs], abs=0.01)
    for name, value in ours.by_class.items():
        assert 100 * value == pytest.approx(result[f"AP-{name}"], abs=0.01)
    assert len(keep.found) == 16 and keep.ms > 0


def test_a_seed_repeats_a_training(chapter, data):
    curves = []
    for _ in range(2):
        seed_everything(3)
        model = chapter.build_model(chapter.faster_config())
        curves.append(chapter.fit(model, chapter.DatasetCatalog.get("train"), chapter.Mapper(data[0]), 3, seed=5)[0])
    assert curves[0] == curves[1]


def test_a_detector_that_says_nothing_scores_nothing(chapter, learned, data):
    silent = copy.deepcopy(learned[0])
    silent.roi_heads.box_predictor.test_score_thresh = 2.0
    result, keep = chapter.evaluate(silent, "test", data[1])
    assert result["AP"] == 0 and all(len(one.boxes) == 0 for one in keep.found)


def test_retinanet_is_built_by_calls_and_learns(chapter, data):
    seed_everything(0)
    model = chapter.instantiate(chapter.retina_config())
    assert type(model).__name__ == "RetinaNet" and model.head.bbox_pred.out_channels == 4 * 9
    curve, _ = chapter.fit(model, chapter.DatasetCatalog.get("train"), chapter.Mapper(data[0]), 20)
    assert np.mean(curve[-5:]) < 0.7 * np.mean(curve[:5])


def test_what_is_exported_says_what_the_detector_says(chapter, learned, data):
    model = learned[0].eval()
    rows = chapter.DatasetCatalog.get("test")
    one, other = ([{"image": chapter.Mapper(data[1])(row)["image"]}] for row in rows[:2])
    alone = lambda model, inputs: model.inference(inputs, do_postprocess=False)[0]  # noqa: E731
    adapter = chapter.TracingAdapter(model, one, inference_func=alone)
    with d2.tracing():
        traced = torch.jit.trace(adapter, adapter.flattened_inputs, check_trace=False)
    with torch.no_grad():
        expected, answer = alone(model, other), adapter.outputs_schema(traced(other[0]["image"]))
    assert len(expected) > 0
    assert torch.allclose(expected.pred_boxes.tensor, answer.pred_boxes.tensor, atol=1e-3)
    assert torch.equal(expected.pred_classes, answer.pred_classes)


def test_an_interrupt_leaves_a_checkpoint(chapter, data, tmp_path):
    class Stop(chapter.HookBase):
        def after_step(self):
            raise KeyboardInterrupt

    model = chapter.build_model(chapter.faster_config())
    keep = chapter.KeepLast(model, str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        chapter.fit(model, chapter.DatasetCatalog.get("train"), chapter.Mapper(data[0]), 3, keep, Stop())
    again = chapter.build_model(chapter.faster_config())
    chapter.DetectionCheckpointer(again, str(tmp_path)).resume_or_load("", resume=True)
    pairs = zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_wrong_box_is_named_before_anything_is_trained(chapter, data):
    wrong = replace(data[0], boxes=[np.array([[5, 5, 5, 9]], np.float32), *data[0].boxes[1:]])
    with pytest.raises(ValueError, match="s0, object 0"):
        chapter.checked(wrong)


def test_fine_tuning_starts_from_given_weights_and_takes_steps(chapter, data, tmp_path, monkeypatch):
    """What `full` does on a GPU, on the CPU and with weights of our own in the place of the zoo's."""
    cfg = chapter.faster_config()
    torch.save({"model": chapter.build_model(cfg).state_dict()}, tmp_path / "zoo.pth")
    cfg.MODEL.WEIGHTS = str(tmp_path / "zoo.pth")
    steps = []
    engine = importlib.import_module("detectron2.engine")
    monkeypatch.setattr(engine, "AMPTrainer", chapter.SimpleTrainer)
    monkeypatch.setattr(chapter.Report, "after_step", lambda self: steps.append(self.trainer.iter))
    model = chapter.fine_tune(cfg, data[0], "train", 2, side=64)
    assert steps == [0, 1] and model.training


# ---- What the chapter claims of its study ------------------------------------------------------------------------


def test_the_stored_study_says_what_the_text_says():
    study, ours = studies.load("cv/06-detectron2"), studies.load("cv/03-rcnn")
    assert len(study.seeds) >= 3
    assert min(study.values("ap_faster")) > max(study.values("ap_retina"))
    apart = abs(study.mean("ap_faster") - ours.mean("ap_faster_rcnn"))
    assert apart < study.sd("ap_faster") + ours.sd("ap_faster_rcnn")  # "a tie"
    assert study.mean("train_cpu_faster") > ours.mean("train_cpu_faster_rcnn")
    assert study.mean("ap_brief_default_anchors") > study.mean("ap_brief_standard")  # the surprise
    assert abs(study.mean("ap_brief_cosine") - study.mean("ap_brief_standard")) < study.sd("ap_brief_cosine")
    assert study.mean("ap_agnostic") > study.mean("ap_faster")
