"""What the races of detectors share: the chapters' detectors, training within a budget, scores, the stored result.

A race gives each entry the same pictures, the same frozen stem, the same CPU-seconds and the same optimiser. Its result
is `benchmarks/results/NAME.json`, with every run; the chapters show `helpers/studies/benchmarks-NAME.study.json`, the
same figures in the form of a stored study, so that they travel with the package. Both are written by `Race.run` alone.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import io
import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import ops

from aibook import recipes
from benchmarks._machine import machine
from helpers.cv.backbone import Stem, Top, stem_features
from helpers.cv.scoring import Detections, Score, score
from helpers.cv.yolo import Batches, padded, pictures
from helpers.data.annotated import Annotated
from helpers.training import Stopwatch, fast_bf16, seed_everything

ROOT = Path(__file__).resolve().parent.parent
RESULTS, STUDIES = ROOT / "benchmarks" / "results", ROOT / "helpers" / "studies"


@dataclass(frozen=True)
class Scenes:
    """What a detector is built for and trained on; boxes and classes as `padded` gives them."""

    features: Tensor  # the stem's, (N, 40, H/8, W/8), float16
    boxes: Tensor  # (N, M, 4): centre, width, height
    labels: Tensor  # (N, M); -1 where there is none
    classes: tuple[str, ...]
    size: tuple[int, int]  # height and width of the pictures

    @classmethod
    def of(cls, views: Sequence[Annotated]) -> Scenes:
        """All pictures of all `views` (mirrored ones, for example), their stem computed."""
        features = torch.cat([stem_features(pictures(view), batch_size=4) for view in views])
        boxes, labels = zip(*map(padded, views), strict=True)
        return cls(features, torch.cat(boxes), torch.cat(labels), views[0].classes, views[0].images.shape[1:3])

    @property
    def sizes(self) -> Tensor:
        """Width and height of every object, (M, 2)."""
        return self.boxes[self.labels >= 0][:, 2:]

    def recipe(self, chapter: str) -> Any:
        """The chapter's own cells, for pictures of this size."""
        module = recipes.load(chapter, PROFILE="laptop", SEED=0, DATA="fashion-scenes", SIZE=self.size)
        module.SIZE = self.size
        return module


# ---------------------------------------------------------------------------------------------- the book's detectors
# What chapter 4's ladder found to pay in a short training on scenes: v4 without the four ideas that cost AP there.
BEST = {"mosaic": False, "mish": False, "csp": False, "logistic": False}


class Yolo(nn.Module):
    """Chapter 4's v4, network, loss and decoder, with some settings changed; the backbone's top is frozen, too."""

    def __init__(self, scenes: Scenes, changes: dict[str, Any], rung: str = "mosaic = v4"):
        super().__init__()
        self.chapter, self.size = scenes.recipe("cv/04-yolo"), scenes.size
        config = replace(self.chapter.LADDER[rung], **changes)
        priors = self.chapter.k_means(scenes.sizes, config.priors * len(config.strides))
        self.network = self.chapter.Yolo(config, len(scenes.classes), priors)

    def loss(self, x: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
        if self.network.config.mosaic and torch.rand(()) < 0.5:
            x, boxes, labels = self.chapter.mosaic(x, boxes, labels)
        return self.chapter.anchor_loss(self.network, self.chapter.look(self.network, x), boxes, labels, self.size)

    def detect(self, x: Tensor) -> list[Detections]:
        return self.chapter.select(self.network.config, *self.chapter.look(self.network, x))


class OurFaster(nn.Module):
    """Chapter 3's Faster R-CNN, with anchors of nine shapes; `sides` of three sizes, by default the objects' own."""

    tuned = 0.2  # the pretrained top's learning rate, as a share of the rest's

    def __init__(self, scenes: Scenes, sides: Sequence[float] | None = None):
        super().__init__()
        self.chapter = scenes.recipe("cv/03-rcnn")
        self.chapter.MOST = 300
        if sides is None:
            sides = scenes.sizes.prod(1).sqrt().quantile(torch.tensor([1 / 6, 1 / 2, 5 / 6]))
        anchors = self.chapter.make_anchors(torch.as_tensor(sides), (0.5, 1.0, 2.0), scenes.size)
        self.network = self.chapter.FasterRCNN(len(scenes.classes), anchors)

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


# ---------------------------------------------------------------------------------------------- training and scoring
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


class Entry(NamedTuple):
    label: str
    learning_rate: float
    make: Callable[[Scenes], nn.Module]
    batch: int = 16  # pictures a step


def train(entry: Entry, views: Sequence[Annotated], seed: int, budget: float) -> tuple[Any, dict]:
    """The entry's detector that has spent `budget` CPU-seconds, the stem's included, and what it spent them on.

    A few steps of a twin, which are not charged, say how many steps the budget holds.
    """
    seed_everything(seed)
    with Stopwatch() as stem_watch:
        scenes = Scenes.of(views)
    batches = Batches([scenes.features], scenes.boxes, scenes.labels, entry.batch)
    detector = entry.make(scenes).train()
    probe = entry.make(scenes).train()
    steps_of(probe, batches, 3, entry.learning_rate, planned=1_000)
    with Stopwatch() as probing:
        steps_of(probe, batches, 12, entry.learning_rate, planned=1_000)
    steps = max(20, int((budget - stem_watch.cpu) / (probing.cpu / 12)))
    seed_everything(seed)
    with Stopwatch() as watch:
        steps_of(detector, batches, steps, entry.learning_rate)
    return detector.eval(), {"steps": steps, "cpu_seconds": round(stem_watch.cpu + watch.cpu, 1)}


@torch.inference_mode()
def detections(detector: nn.Module, data: Annotated) -> tuple[list[Detections], float]:
    """What `detector` finds on all pictures, and CPU-milliseconds for a picture, from its pixels to its boxes."""
    stem, found = Stem(), []
    batches = pictures(data).split(4)
    detector.detect(stem(batches[0]))  # the first run costs more than the others
    with Stopwatch() as watch, torch.autocast("cpu", torch.bfloat16, enabled=fast_bf16()):
        for batch in batches:
            found += detector.detect(stem(batch))
    return found, 1e3 * watch.cpu / len(data)


def figures(result: Score, *, by_class: bool = False) -> dict[str, float]:
    """AP, AP50 and AP of small objects (or of each class), in %."""
    values = {"ap": result.ap, "ap50": result.ap50}
    values |= {f"ap_{k.lower()}": v for k, v in result.by_class.items()} if by_class else {"ap_small": result.small}
    return {key: round(100 * value, 2) for key, value in values.items()}


def null(truth: Annotated, train: Annotated, seed: int, **options: Any) -> dict[str, float]:
    """The figures of answering with the boxes of a training picture drawn by lot."""
    lots = np.random.default_rng(seed).integers(len(train), size=len(truth))
    by_chance = [Detections(train.boxes[i], np.ones(len(train.boxes[i])), train.labels[i]) for i in lots]
    return figures(score(by_chance, truth), **options)


# ---------------------------------------------------------------------------------------------- the race
@dataclass(frozen=True)
class Race:
    """Entries on the same pictures with the same budget.

    pictures: "train", "valid", "final" or "test" → the data; learning rates are chosen by training on "train" and
        scoring on "valid"; the race itself trains on "final" and is scored on "test".
    views: The data → what to train on: the pictures, and mirrored ones, say.
    by_class: Give AP of each class, in place of AP of small objects.
    shown: Test pictures that are kept with their truth and with what the first run's detectors find, to be drawn.
    """

    name: str
    entries: dict[str, Entry]
    pictures: Callable[[str], Annotated]
    budget: float
    views: Callable[[Annotated], Sequence[Annotated]] = lambda data: [data]
    by_class: bool = False
    shown: tuple[int, ...] = ()

    def main(self, about: str) -> None:
        """The command line of the race."""
        parser = argparse.ArgumentParser(description=about.splitlines()[0])
        parser.add_argument("--seeds", default="0,1,2", help="numbers separated by commas; none: show what is stored")
        parser.add_argument("--only", default=",".join(self.entries), help="names separated by commas")
        parser.add_argument("--tune", action="store_true", help="learning rates, one seed, scored on validation data")
        arguments = parser.parse_args()
        names = arguments.only.split(",")
        if unknown := set(names) - self.entries.keys():
            parser.error(f"no entry is called {', '.join(sorted(unknown))}; there are {', '.join(self.entries)}")
        torch.set_num_threads(1)
        if arguments.tune:
            self.tune(names)
        else:
            self.run(names, [int(seed) for seed in arguments.seeds.split(",") if seed])

    def tune(self, names: Iterable[str]) -> None:
        """Half, once and twice the learning rate of each entry, scored on the validation data."""
        views, valid = self.views(self.pictures("train")), self.pictures("valid")
        for name in names:
            entry = self.entries[name]
            for factor in (0.5, 1, 2):
                tried = entry._replace(learning_rate=factor * entry.learning_rate)
                detector, spent = train(tried, views, 0, self.budget)
                found, _ = detections(detector, valid)
                measured = figures(score(found, valid), by_class=self.by_class)
                print(f"{tried.label}, rate {tried.learning_rate:g}: {measured}, {spent}", flush=True)

    def run(self, names: Iterable[str], seeds: Iterable[int]) -> None:
        """Train and score each entry with each seed, and store each run at once beside those stored before.

        All entries take their turn before the next seed does: what else the machine is doing hits all of them alike.
        Once all entries have the same seeds, the chapters' study is written.
        """
        names, data, test = list(names), self.pictures("final"), self.pictures("test")
        head = {"machine": machine(threads=1), "budget_cpu_seconds": self.budget}
        head |= {"pictures": len(data), "test_pictures": len(test)}
        head |= {"shown": [kept(test, i) for i in self.shown]} if self.shown else {}
        for seed in seeds:
            chance = {"seed": seed, **null(test, data, seed, by_class=self.by_class)}
            for name in names:
                entry = self.entries[name]
                detector, spent = train(entry, self.views(data), seed, self.budget)
                found, ms = detections(detector, test)
                measured = figures(score(found, test), by_class=self.by_class)
                one = {"seed": seed, **measured, "ms": round(ms, 2), **spent}
                self.store(head, chance, name, one, [answer(found[i]) for i in self.shown])
                print(f"{entry.label}: {one}", flush=True)
        result = self.stored()
        if self.whole(result):
            write(STUDIES / f"benchmarks-{self.name}.study.json", self.study(result))
        print(self.table(result))

    @property
    def path(self) -> Path:
        return RESULTS / f"{self.name}.json"

    def stored(self) -> dict[str, Any]:
        """The stored result, or an empty one."""
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {"detectors": {}}

    def store(self, head: dict[str, Any], chance: dict, name: str, run: dict, answers: list[dict]) -> None:
        """Lay one run beside those stored before.

        Runs of this entry with other settings go. Raises ValueError if what is stored was measured on another
        machine, with other data or another budget.
        """
        result, settings = self.stored(), self.entries[name]
        if other := [key for key in head if key in result and result[key] != head[key]]:
            raise ValueError(f"{self.path.name} was measured with another {' and '.join(other)}: delete it, and run "
                             "all entries again")  # fmt: skip
        entry = result["detectors"].get(name, {})
        updated = {key: getattr(settings, key) for key in ("label", "learning_rate", "batch")}
        runs = entry["runs"] if all(entry.get(key) == value for key, value in updated.items()) else []
        updated["runs"] = with_run(runs, run)
        if answers:
            updated["answers"] = entry["answers"] if runs else answers
        detectors = result["detectors"] | {name: updated}
        result = {"date": datetime.date.today().isoformat(), **head, "null": with_run(result.get("null", []), chance)}
        result["detectors"] = {key: detectors[key] for key in self.entries if key in detectors}
        write(self.path, result)

    def whole(self, result: dict[str, Any]) -> bool:
        """Whether all entries have run with the same seeds."""
        seeds = [run["seed"] for run in result["null"]]
        runs = [[run["seed"] for run in entry["runs"]] for entry in result["detectors"].values()]
        return list(result["detectors"]) == list(self.entries) and all(found == seeds for found in runs)

    def table(self, result: dict[str, Any]) -> str:
        """What is stored, mean ± standard deviation over the seeds."""
        keys = ("ap", "ap50", "ms", "cpu_seconds")
        lines = [f"{'':40}{'AP':>13}{'AP50':>13}{'ms a picture':>15}{'CPU-s':>14}"]
        for entry in result["detectors"].values():
            cells = [spread(entry["runs"], key) for key in keys]
            lines.append(f"{entry['label']:40}{cells[0]:>13}{cells[1]:>13}{cells[2]:>15}{cells[3]:>14}")
        lines.append(f"{'boxes of another picture':40}{spread(result['null'], 'ap'):>13}")
        return "\n".join(lines)

    def study(self, result: dict[str, Any]) -> dict[str, Any]:
        """The result as a stored study (`helpers.studies`) has it; records are called race_KEY_ENTRY, with _ for -."""
        better = {"ms": "lower", "cpu_seconds": "lower", "steps": None}
        units = {"ms": "ms", "cpu_seconds": "s", "steps": "steps"}
        by_name = {name: entry["runs"] for name, entry in result["detectors"].items()} | {"null": result["null"]}
        records = {
            f"race_{key}_{name.replace('-', '_')}": {
                "better": better.get(key, "higher"),
                "kind": "time" if key in ("ms", "cpu_seconds") else "result",
                "unit": units.get(key, "%"),
                "values": [run[key] for run in runs],
            }
            for name, runs in by_name.items()
            for key in runs[0]
            if key != "seed"
        }
        by_seed = zip(*(entry["runs"] for entry in result["detectors"].values()), strict=True)
        study = {
            "cpu_seconds": [round(sum(run["cpu_seconds"] for run in runs), 1) for runs in by_seed],
            "date": result["date"],
            "machine": f"{result['machine']['cpu']}, one thread",
            "notebook": f"benchmarks/{self.name}",
            "profile": "study",
            "seeds": [run["seed"] for run in result["null"]],
            "records": dict(sorted(records.items())),
        }
        if "shown" in result:
            answers = {name: entry["answers"] for name, entry in result["detectors"].items()}
            study |= {"shown": result["shown"], "answers": answers}
        return study


def kept(data: Annotated, i: int) -> dict[str, Any]:
    """A picture as a small JPEG, with its truth."""
    file = io.BytesIO()
    Image.fromarray(data.images[i]).save(file, "JPEG", quality=85)
    truth = {"boxes": np.round(data.boxes[i].astype(float), 1).tolist(), "labels": data.labels[i].tolist()}
    return {"name": data.names[i], "jpeg": base64.b64encode(file.getvalue()).decode(), **truth}


def answer(found: Detections, least: float = 0.3) -> dict[str, Any]:
    """What was found with a score of at least `least`."""
    sure = found.scores >= least
    boxes, scores = np.round(found.boxes[sure].astype(float), 1), np.round(found.scores[sure].astype(float), 2)
    return {"boxes": boxes.tolist(), "labels": found.labels[sure].tolist(), "scores": scores.tolist()}


def with_run(runs: list[dict], one: dict) -> list[dict]:
    """The runs with `one` among them, in the place of an older one with its seed, in the seeds' order."""
    return sorted([run for run in runs if run["seed"] != one["seed"]] + [one], key=lambda run: run["seed"])


def write(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def spread(runs: Sequence[dict], key: str) -> str:
    """Mean ± standard deviation over the runs."""
    values = [run[key] for run in runs]
    return f"{statistics.mean(values):.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")
