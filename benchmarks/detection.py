"""Detectors of the book and of torchvision on the same scenes, weights and budget, side by side in one run.

    python benchmarks/detection.py                       # three seeds: about 40 CPU-minutes
    python benchmarks/detection.py --seeds 1 --only yolo,ssd
    python benchmarks/detection.py --tune --only ssd     # learning rates, one seed, scored on the validation scenes

Each detector stands on the same ImageNet-pretrained EfficientNet-lite0, its stem frozen and computed once for each
scene. Each may spend the same CPU-seconds (90), the stem's included, on the same FashionScenes, with AdamW and one
cycle of the learning rate; a few steps of a twin, which are not charged, say how many steps the budget holds.
Ours are the chapters themselves: their cells tagged `recipe` are executed here, so there is no second copy to drift.
Theirs are torchvision's classes on a feature pyramid, with the settings that suit small scenes: 64 RoIs, 64 anchors
and 200 proposals a scene, anchors of the objects' sizes. Results: `benchmarks/results/detection.json`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision import ops
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD, SSDHead
from torchvision.models.detection.ssdlite import SSDLiteHead

from aibook import recipes
from helpers.cv.backbone import CHANNELS, Stem, Top, stem_features
from helpers.cv.scoring import Detections, score
from helpers.cv.yolo import Batches, padded, pictures
from helpers.data import fashion_scenes
from helpers.training import Stopwatch, fast_bf16, seed_everything

RESULTS = Path(__file__).resolve().parent / "results"
SIZE, BATCH, CLASSES = (160, 160), 16, 10
SETTINGS = {"PROFILE": "laptop", "SEED": 0, "DATA": "fashion-scenes", "SIZE": SIZE}  # what the chapters' cells find
Scenes = tuple[Tensor, Tensor, Tensor]  # the stem's features (N, 40, 20, 20), boxes and classes as `padded` gives them


# ---------------------------------------------------------------------------------------------- the book's detectors
# What the chapter's ladder found to pay in a short training: v4 without the four ideas that cost AP there.
BEST = {"mosaic": False, "mish": False, "csp": False, "logistic": False}


class Yolo(nn.Module):
    """Chapter 4's v4, network, loss and decoder, with some settings changed; the backbone's top is frozen, too."""

    def __init__(self, scenes: Scenes, changes: dict[str, bool]):
        super().__init__()
        self.chapter = recipes.load("cv/04-yolo", **SETTINGS)
        config = replace(self.chapter.LADDER["mosaic = v4"], **changes)
        sizes = scenes[1][scenes[2] >= 0][:, 2:]
        priors = self.chapter.k_means(sizes, config.priors * len(config.strides))
        self.network = self.chapter.Yolo(config, CLASSES, priors)

    def loss(self, x: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        if self.network.config.mosaic and torch.rand(()) < 0.5:
            x, boxes, labels = self.chapter.mosaic(x, boxes, labels)
        return self.chapter.anchor_loss(self.network, self.chapter.look(self.network, x), boxes, labels, SIZE)

    def detect(self, x: Tensor) -> list[Detections]:
        return self.chapter.select(self.network.config, *self.chapter.look(self.network, x))


class OurFaster(nn.Module):
    """Chapter 3's Faster R-CNN."""

    tuned = 0.2  # the pretrained top's learning rate, as a share of the rest's

    def __init__(self, scenes: Scenes):
        super().__init__()
        self.chapter = recipes.load("cv/03-rcnn", **SETTINGS)
        self.chapter.MOST = 300
        sides = scenes[1][scenes[2] >= 0][:, 2:].prod(1).sqrt().quantile(torch.tensor([1 / 6, 1 / 2, 5 / 6]))
        self.network = self.chapter.FasterRCNN(CLASSES, self.chapter.make_anchors(sides, (0.5, 1.0, 2.0), SIZE))

    def loss(self, x: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        truth = [
            (None, ops.box_convert(b[k >= 0], "cxcywh", "xyxy"), k[k >= 0]) for b, k in zip(boxes, labels, strict=True)
        ]
        return sum(self.network.losses(x, truth).values())

    def detect(self, x: Tensor) -> list[Detections]:
        network, found = self.network, []
        maps = network.features(x)
        for one, o, t in zip(maps, *network.rpn(maps), strict=True):
            proposals = self.chapter.propose(o, t, network.anchors, 300)
            scores, offsets = network.head(one[None], [proposals])
            found.append(self.chapter.finish(scores.softmax(1), offsets, proposals))
        return found


# ---------------------------------------------------------------------------------------------- torchvision's
class Maps(nn.Module):
    """The shared backbone as torchvision wants it: maps of several strides, brought to 64 channels by its pyramid."""

    out_channels = 64

    def __init__(self, strides: Sequence[int]):
        super().__init__()
        self.strides, self.top = strides, Top(tuple(s for s in strides if s > 8))
        self.pyramid = ops.FeaturePyramidNetwork([CHANNELS[s] for s in strides], self.out_channels)
        self.given: Tensor | None = None

    def forward(self, _: Tensor) -> OrderedDict[str, Tensor]:
        maps = {8: self.given, **self.top(self.given)}
        return self.pyramid(OrderedDict((str(s), maps[s]) for s in self.strides))


class Through(nn.Module):
    """In place of torchvision's resizing: the stem's features go straight to the backbone; boxes stay in pixels."""

    def __init__(self, backbone: Maps):
        super().__init__()
        self.give = lambda x: setattr(backbone, "given", x)

    def forward(self, features: list[Tensor], targets: Any = None) -> tuple[ImageList, Any]:
        self.give(torch.stack(features).contiguous(memory_format=torch.channels_last))
        blank = features[0].new_zeros(1).expand(len(features), 3, *SIZE)  # only its shape is asked for
        return ImageList(blank, [SIZE] * len(features)), targets

    def postprocess(self, result: Any, *_: Any) -> Any:
        return result


class Theirs(nn.Module):
    """A detector of torchvision behind the interface of ours."""

    tuned = 0.2

    def __init__(self, make: Callable[[Maps], nn.Module], strides: Sequence[int]):
        super().__init__()
        backbone = Maps(strides)
        self.network = make(backbone)
        self.network.transform = Through(backbone)
        self.top = backbone.top

    def loss(self, x: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        corners = ops.box_convert(boxes, "cxcywh", "xyxy")
        truth = [{"boxes": b[k >= 0], "labels": k[k >= 0] + 1} for b, k in zip(corners, labels, strict=True)]
        return sum(self.network(list(x), truth).values())

    def detect(self, x: Tensor) -> list[Detections]:
        return [Detections(a["boxes"], a["scores"], a["labels"] - 1) for a in self.network(list(x))]


def faster_rcnn(backbone: Maps) -> nn.Module:
    sizes = ((14.0, 20.0, 28.0), (40.0, 52.0, 64.0))
    return FasterRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 2),
        box_roi_pool=ops.MultiScaleRoIAlign(["8", "16"], 5, 2, canonical_scale=40, canonical_level=4),
        box_head=TwoMLPHead(64 * 25, 256),
        box_predictor=FastRCNNPredictor(256, CLASSES + 1),
        rpn_batch_size_per_image=64,
        box_batch_size_per_image=64,
        rpn_pre_nms_top_n_train=400,
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=400,
        rpn_post_nms_top_n_test=200,
        box_score_thresh=0.02,
    )


def ssd(backbone: Maps, *, lite: bool = False) -> nn.Module:
    boxes = DefaultBoxGenerator([[2]] * 3, scales=[0.12, 0.2, 0.32, 0.48], steps=[8, 16, 32])
    channels, anchors = [backbone.out_channels] * 3, boxes.num_anchors_per_location()
    if lite:
        head = SSDLiteHead(channels, anchors, CLASSES + 1, nn.BatchNorm2d)
    else:
        head = SSDHead(channels, anchors, CLASSES + 1)
    options = {"score_thresh": 0.02, "nms_thresh": 0.5, "detections_per_img": 100, "topk_candidates": 300}
    return SSD(backbone, boxes, SIZE, CLASSES + 1, head=head, **options)


# ---------------------------------------------------------------------------------------------- the race
ENTRIES: dict[str, tuple[str, float, Callable[[Scenes], nn.Module]]] = {
    "yolo": ("YOLO, the best of chapter 4", 8e-3, lambda scenes: Yolo(scenes, BEST)),
    "yolo-v4": ("YOLO v4, chapter 4", 8e-3, lambda scenes: Yolo(scenes, {})),
    "faster": ("Faster R-CNN, chapter 3", 2e-3, OurFaster),
    "tv-faster": ("torchvision FasterRCNN", 2e-3, lambda scenes: Theirs(faster_rcnn, (8, 16))),
    "ssd": ("torchvision SSD", 4e-3, lambda scenes: Theirs(ssd, (8, 16, 32))),
    "ssdlite": ("torchvision SSDlite", 4e-3, lambda scenes: Theirs(lambda b: ssd(b, lite=True), (8, 16, 32))),
}


def steps_of(detector: nn.Module, batches: Any, steps: int, lr: float, planned: int | None = None) -> None:
    """`steps` steps of AdamW; the learning rate makes one cycle in `planned` steps."""
    tops = [module for module in detector.modules() if isinstance(module, Top)]
    slow = [p for top in tops for p in top.parameters() if p.requires_grad]
    kept = {id(p) for p in slow}
    groups = [{"params": [p for p in detector.parameters() if p.requires_grad and id(p) not in kept], "lr": lr}]
    if slow:
        groups.append({"params": slow, "lr": detector.tuned * lr})
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    peaks = [group["lr"] for group in groups]
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=(planned or steps) + 1, pct_start=0.1)
    for _, (x, boxes, labels, _) in zip(range(steps), batches, strict=False):
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_bf16()):
            loss = detector.loss(x, boxes, labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimizer.step()
        cycle.step()
    if not loss.isfinite():
        raise RuntimeError(f"the loss is {loss.item()}: try a smaller learning rate than {lr}")


def train(make: Callable[[Scenes], nn.Module], data: Any, seed: int, budget: float, lr: float) -> tuple[Any, dict]:
    """A detector that has spent `budget` CPU-seconds, and what it spent them on."""
    seed_everything(seed)
    with Stopwatch() as stem_watch:
        features = stem_features(pictures(data), batch_size=4)
    scenes = (features, *padded(data))
    batches = Batches([features], *scenes[1:], BATCH)
    detector = make(scenes).train()
    probe = make(scenes).train()
    steps_of(probe, batches, 3, lr, planned=1_000)
    with Stopwatch() as probing:
        steps_of(probe, batches, 12, lr, planned=1_000)
    steps = max(20, int((budget - stem_watch.cpu) / (probing.cpu / 12)))
    seed_everything(seed)
    with Stopwatch() as watch:
        steps_of(detector, batches, steps, lr)
    return detector.eval(), {"steps": steps, "cpu_seconds": round(stem_watch.cpu + watch.cpu, 1)}


@torch.inference_mode()
def examine(detector: nn.Module, data: Any) -> dict[str, float]:
    """AP in % on all pictures of `data`, and CPU-milliseconds for a picture, from its pixels to its boxes."""
    stem, found = Stem(), []
    batches = pictures(data).split(4)
    detector.detect(stem(batches[0]))  # the first run costs more than the others
    with Stopwatch() as watch, torch.autocast("cpu", torch.bfloat16, enabled=fast_bf16()):
        for batch in batches:
            found += detector.detect(stem(batch))
    result = score(found, data)
    rounded = {"ap": 100 * result.ap, "ap50": 100 * result.ap50, "ap_small": 100 * result.small}
    return {key: round(value, 2) for key, value in rounded.items()} | {"ms": round(1e3 * watch.cpu / len(data), 2)}


def null(truth: Any, train: Any, seed: int) -> float:
    """AP in % of answering with the boxes of a training scene drawn by lot."""
    lots = np.random.default_rng(seed).integers(len(train), size=len(truth))
    by_chance = [Detections(train.boxes[i], np.ones(len(train.boxes[i])), train.labels[i]) for i in lots]
    return round(100 * score(by_chance, truth).ap, 2)


def machine() -> dict[str, Any]:
    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {"cpu": names[0] if names else "unknown", "torch": torch.__version__, "threads": 1, "bf16": fast_bf16()}


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def spread(runs: list[dict], key: str) -> str:
    values = [run[key] for run in runs]
    return f"{statistics.mean(values):.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=90.0, help="CPU-seconds for each training")
    parser.add_argument("--only", default=",".join(ENTRIES), help="names separated by commas")
    parser.add_argument("--tune", action="store_true", help="learning rates, scored on the validation scenes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = fashion_scenes.load("train")
    if arguments.tune:
        valid = fashion_scenes.load("valid")[:200]
        for name in arguments.only.split(","):
            label, lr, make = ENTRIES[name]
            for rate in (lr / 2, lr, 2 * lr):
                detector, spent = train(make, data, 0, arguments.budget, rate)
                print(f"{label}, rate {rate:g}: {examine(detector, valid)}, {spent}", flush=True)
        return
    test = fashion_scenes.load("test")
    result: dict[str, Any] = {"date": datetime.date.today().isoformat(), "machine": machine()}
    result |= {"budget_cpu_seconds": arguments.budget, "scenes": len(data), "test_scenes": len(test), "detectors": {}}
    result["null_ap"] = [null(test, data, seed) for seed in range(arguments.seeds)]
    print(f"{'':40}{'AP':>13}{'AP50':>13}{'ms a picture':>15}{'CPU-s':>14}")
    for name in arguments.only.split(","):
        label, lr, make = ENTRIES[name]
        runs = []
        for seed in range(arguments.seeds):
            detector, spent = train(make, data, seed, arguments.budget, lr)
            runs.append({"seed": seed, **examine(detector, test), **spent})
        result["detectors"][name] = {"label": label, "learning_rate": lr, "runs": runs}
        cells = [spread(runs, key) for key in ("ap", "ap50", "ms", "cpu_seconds")]
        print(f"{label:40}{cells[0]:>13}{cells[1]:>13}{cells[2]:>15}{cells[3]:>14}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "detection.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"null (boxes of another scene): AP {statistics.mean(result['null_ap']):.2f} %. "
          "Written to benchmarks/results/detection.json")  # fmt: skip


if __name__ == "__main__":
    main()
