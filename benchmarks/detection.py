"""Detectors of the book and of torchvision on the same scenes, weights and budget, side by side in one run.

    python benchmarks/detection.py                       # three seeds: about 18 CPU-minutes
    python benchmarks/detection.py --only yolo,ssd       # these anew; what the others have stored stays
    python benchmarks/detection.py --tune --only ssd     # learning rates, one seed, scored on the validation scenes

Each detector stands on the same ImageNet-pretrained EfficientNet-lite0, its stem frozen and computed once for each
scene. Each may spend the same CPU-seconds (90), the stem's included, on the same FashionScenes, with AdamW and one
cycle of the learning rate; a few steps of a twin, which are not charged, say how many steps the budget holds.
Ours is the chapter itself: its cells tagged `recipe` are executed here, so there is no second copy to drift. It keeps
its chapter's learning rate. Theirs are torchvision's classes on a feature pyramid, with the settings that suit small
scenes: 64 RoIs, 64 anchors and 200 proposals a scene, anchors of the objects' sizes. They got what was best on 200
validation scenes with seed 0: of three learning rates; of batches of 8 or 16 (Faster R-CNN); of a backbone whose top is
trained (SSD: much worse; Faster R-CNN: the same) or frozen, which leaves time for more steps; of SSD on maps of two
strides or of three (worse); of SSD with a hidden layer behind the pyramid or without (much worse); of SSD's full head
or SSDLite's (worse). Results: `benchmarks/results/detection.json`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import ops
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD, SSDHead

from benchmarks._common import BEST, Entry, Race, Scenes, Yolo
from helpers.cv.backbone import CHANNELS, Top
from helpers.cv.scoring import Detections
from helpers.data import fashion_scenes
from helpers.data.annotated import Annotated


class Maps(nn.Module):
    """The shared backbone as torchvision wants it: maps of several strides, brought to 64 channels by its pyramid.

    tower: A convolution with batch norm and ReLU behind each map of the pyramid. torchvision's Faster R-CNN has
        hidden layers of its own; an SSD's head is a single convolution, and behind a pyramid, which is linear too,
        it would be a linear model. (In the original it stands on a VGG's rectified maps.)
    """

    out_channels = 64

    def __init__(self, strides: Sequence[int], *, tower: bool):
        super().__init__()
        self.strides, self.top = strides, Top(tuple(s for s in strides if s > 8)).requires_grad_(False)
        self.pyramid = ops.FeaturePyramidNetwork([CHANNELS[s] for s in strides], self.out_channels)
        n = self.out_channels
        self.towers = nn.ModuleDict({str(s): ops.Conv2dNormActivation(n, n, 3) for s in strides} if tower else {})
        self.given: Tensor | None = None

    def forward(self, _: Tensor) -> OrderedDict[str, Tensor]:
        maps = {8: self.given, **self.top(self.given)}
        levels = self.pyramid(OrderedDict((str(s), maps[s]) for s in self.strides))
        return OrderedDict((s, self.towers[s](x) if self.towers else x) for s, x in levels.items())


class Through(nn.Module):
    """In place of torchvision's resizing: the stem's features go straight to the backbone; boxes stay in pixels."""

    def __init__(self, backbone: Maps, size: tuple[int, int]):
        super().__init__()
        self.give, self.size = lambda x: setattr(backbone, "given", x), size

    def forward(self, features: list[Tensor], targets: Any = None) -> tuple[ImageList, Any]:
        self.give(torch.stack(features).contiguous(memory_format=torch.channels_last))
        blank = features[0].new_zeros(1).expand(len(features), 3, *self.size)  # only its shape is asked for
        return ImageList(blank, [self.size] * len(features)), targets

    def postprocess(self, result: Any, *_: Any) -> Any:
        return result


class Theirs(nn.Module):
    """A detector of torchvision behind the interface of ours."""

    def __init__(self, scenes: Scenes, make: Callable[[Maps, Scenes], nn.Module], backbone: Maps):
        super().__init__()
        self.network = make(backbone, scenes)
        self.network.transform = Through(backbone, scenes.size)

    def loss(self, x: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        corners = ops.box_convert(boxes, "cxcywh", "xyxy")
        truth = [{"boxes": b[k >= 0], "labels": k[k >= 0] + 1} for b, k in zip(corners, labels, strict=True)]
        return sum(self.network(list(x), truth).values())

    def detect(self, x: Tensor) -> list[Detections]:
        answers = self.network(list(x))  # NumPy has no bfloat16
        return [Detections(a["boxes"].float(), a["scores"].float(), a["labels"] - 1) for a in answers]


def faster_rcnn(backbone: Maps, scenes: Scenes) -> nn.Module:
    sizes = ((14.0, 20.0, 28.0), (40.0, 52.0, 64.0))
    return FasterRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 2),
        box_roi_pool=ops.MultiScaleRoIAlign(["8", "16"], 5, 2, canonical_scale=40, canonical_level=4),
        box_head=TwoMLPHead(64 * 25, 256),
        box_predictor=FastRCNNPredictor(256, len(scenes.classes) + 1),
        rpn_batch_size_per_image=64,
        box_batch_size_per_image=64,
        rpn_pre_nms_top_n_train=400,
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=400,
        rpn_post_nms_top_n_test=200,
        box_score_thresh=0.02,
    )


def ssd(backbone: Maps, scenes: Scenes) -> nn.Module:
    # On the fine map squares of 18 and 24 pixels, on the coarse one of 32 and 43, and rectangles 2 : 1 both ways.
    boxes = DefaultBoxGenerator([[2]] * 2, scales=[0.11, 0.2, 0.36], steps=[8, 16])
    channels, anchors, classes = [backbone.out_channels] * 2, boxes.num_anchors_per_location(), len(scenes.classes) + 1
    options = {"score_thresh": 0.02, "nms_thresh": 0.5, "detections_per_img": 100, "topk_candidates": 300}
    return SSD(backbone, boxes, scenes.size, classes, head=SSDHead(channels, anchors, classes), **options)


def their_faster(scenes: Scenes) -> nn.Module:
    return Theirs(scenes, faster_rcnn, Maps((8, 16), tower=False))


def their_ssd(scenes: Scenes) -> nn.Module:
    return Theirs(scenes, ssd, Maps((8, 16), tower=True))


def pictures(which: str) -> Annotated:
    if which == "valid":
        return fashion_scenes.load("valid")[:200]
    return fashion_scenes.load("test" if which == "test" else "train")


ENTRIES = {
    "yolo": Entry("YOLO, the best of chapter 4", 8e-3, lambda scenes: Yolo(scenes, BEST)),
    "tv-faster": Entry("torchvision FasterRCNN", 2e-3, their_faster, batch=8),
    "ssd": Entry("torchvision SSD", 4e-3, their_ssd),
}
RACE = Race("detection", ENTRIES, pictures, budget=90)

if __name__ == "__main__":
    RACE.main(__doc__)
