"""Reviews in English and Chinese against the clock: TF-IDF, networks from scratch, and pretrained encoders tuned.

    python benchmarks/nlp.py                          # all entries, three seeds: about an hour on two cores
    python benchmarks/nlp.py --only english --seeds 1

An entry is a task and a number of labels. It has three rivals, all scored on the same test texts: TF-IDF with a linear
SVM; for Chinese, chapter 1's mean over characters and pairs of them, from scratch, four networks whose margins are
averaged (`scratch`; `scratch_mixed`: with the SVM's); and the pretrained road: the lower layers of an encoder are run
once and stay frozen, its upper layers are tuned on what came out, and the margins of what learns from scratch are
added to theirs. (For Chinese nothing is tuned in the end: a logistic regression on the frozen layers, with the rest
added, was best on `valid`.) A run's clock covers all of that road: loading, tokenising, tuning, what is added, and the
answers to the test texts. `tokens` is the speed of training a small Transformer. Every setting was chosen on the
data's `valid` texts, which are then learnt from like the rest. Results: `benchmarks/results/nlp.json`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from aibook import recipes
from benchmarks._machine import machine
from helpers.data import chinese_reviews, movie_snippets
from helpers.data.labelled_texts import LabelledTexts
from helpers.nlp import tuning
from helpers.nlp.baselines import tfidf_svm
from helpers.nlp.batches import Bucketed
from helpers.nlp.compare import paired
from helpers.nlp.pretrained import pretrained
from helpers.nlp.texts import Vocabulary, characters, encoded
from helpers.training import NonFiniteLoss, Stopwatch, fast_bf16, seed_everything

SVM_IN_SCRATCH = 3.0  # weight of its margins beside those of the networks
RESULTS = Path(__file__).resolve().parent / "results" / "nlp.json"


@dataclass(frozen=True)
class Road:
    """How an encoder is tuned: what stays frozen, how long and how fast the rest learns, and what is added to it."""

    encoder: str
    frozen: int  # layers, from below
    longest: int  # tokens of a text
    epochs: float  # 0: nothing is tuned, see `layers`
    lr: float = 2e-4  # of the uppermost layer
    decay: float = 0.8  # the rate's factor from a layer to the one below
    batch: int = 16
    prefix: str = ""
    layers: tuple[int, ...] = ()  # where nothing is tuned: those that a logistic regression reads; () for the last
    svm_weight: float = 1.0  # of the SVM's margin, beside the difference of the two logits
    scratch_weight: float = 0.0  # of the margin of the networks from scratch


@dataclass(frozen=True)
class Task:
    data: Any  # a module of `helpers.data` with `load`
    terms: str  # the SVM's
    c: float
    labels: int | None  # None for all
    road: Road
    seconds: float | None = None  # the bar on the clock


E5 = Road("e5", frozen=12, longest=128, epochs=0, prefix="query: ", svm_weight=2.0)  # all of its layers
LAYERS = replace(E5, longest=96, layers=(6, 9, 11, 12), svm_weight=1.0, scratch_weight=0.6)
MINILM = Road("minilm", frozen=2, longest=64, epochs=2, svm_weight=1.5)
TASKS = {
    "chinese": Task(chinese_reviews, "characters", 0.25, None, LAYERS, 240),
    "chinese-1000": Task(chinese_reviews, "characters", 0.25, 1_000, E5, 240),
    "english": Task(movie_snippets, "words", 0.5, None, MINILM, 120),
    "english-1000": Task(
        movie_snippets, "words", 0.5, 1_000, replace(MINILM, epochs=4, decay=1.0, svm_weight=2.0), 120
    ),
}


# --------------------------------------------------------------------------------------------------------- the rivals
def learnt_from(task: Task, seed: int) -> LabelledTexts:
    """All labelled texts outside the test, or as many of them as the task has labels for, drawn by `seed`."""
    train, valid = task.data.load("train"), task.data.load("valid")
    both = LabelledTexts(train.texts + valid.texts, np.concatenate([train.labels, valid.labels]), train.classes)
    return both if task.labels is None else both.few(task.labels, seed)


def svm(task: Task, train: LabelledTexts, test: LabelledTexts) -> np.ndarray:
    """The margins of TF-IDF + SVM on the test texts, (N,); positive above zero."""
    return tfidf_svm(train.texts, train.labels, task.terms, c=task.c).decision_function(test.texts)


def from_scratch(train: LabelledTexts, test: LabelledTexts, networks: int = 4) -> np.ndarray:
    """Chapter 1's mean over characters and pairs of neighbouring characters; margins (N,), averaged over networks.

    Three passes, and with few texts as many as it takes for two hundred steps.
    """
    epochs = max(3, 200 * 32 // len(train))
    chapter = recipes.load("nlp/01-word-embeddings")
    pieces = Vocabulary([chapter.with_pairs(text) for text in train.texts], least=3)
    rows = [encoded(data.texts, chapter.with_pairs, pieces, 320) for data in (train, test)]
    found = []
    for _ in range(networks):
        network = chapter.Mean(0.1 * torch.randn(len(pieces), 16))
        chapter.fit(network, Bucketed(rows[0], train.labels, 32, shuffle=True), epochs, 2e-2)
        found.append(chapter.margins(network, rows[1]))
    return np.mean(found, axis=0)


def tuned(road: Road, train: LabelledTexts, test: LabelledTexts) -> np.ndarray:
    """The pretrained road without the SVM: margins (N,)."""
    folder = pretrained(road.encoder)
    tokenizer, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).float()
    if road.layers:
        return probed(road, tokenizer, encoder, train, test)
    bottom, top = tuning.split(encoder, road.frozen)
    rows = [tuning.token_ids(tokenizer, d.texts, longest=road.longest, prefix=road.prefix) for d in (train, test)]
    states = [tuning.run(bottom, ids) for ids in rows]
    model = tuning.Classifier(top, 2)
    tuning.start(model, states[0], train.labels)
    options = {"epochs": road.epochs, "lr": road.lr, "decay": road.decay, "batch_size": road.batch}
    if road.epochs:
        tuning.tune(model, states[0], train.labels, **options)
    logits = tuning.answers(model, states[1])  # (N, 2)
    return (logits[:, 1] - logits[:, 0]).numpy()


def probed(road: Road, tokenizer: Any, encoder: nn.Module, train: LabelledTexts, test: LabelledTexts) -> np.ndarray:
    """A logistic regression on the means over the tokens of several layers' states: margins (N,)."""
    x = []
    for data in (train, test):
        ids = tuning.token_ids(tokenizer, data.texts, longest=road.longest, prefix=road.prefix)
        x.append(layer_means(encoder, ids, road.layers))
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300))
    return regression.fit(x[0], train.labels).decision_function(x[1])


@torch.inference_mode()
def layer_means(encoder: nn.Module, ids: Sequence[Sequence[int]], layers: Sequence[int], batch: int = 64) -> np.ndarray:
    """The means (N, layers · d) over each text's tokens of the states after these layers, counted from 1."""
    lengths = torch.tensor([len(one) for one in ids])
    order = lengths.argsort(stable=True)
    found = []
    for rows, (tokens, _) in zip(order.split(batch), Bucketed(ids, None, batch), strict=True):
        mask = (torch.arange(tokens.shape[1]) < lengths[rows, None]).long()
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_bf16()):
            states = encoder(input_ids=tokens, attention_mask=mask, output_hidden_states=True).hidden_states
        found.append(torch.cat([tuning.pooled(states[k].float(), mask) for k in layers], dim=1))
    return torch.cat(found)[order.argsort()].numpy()


def race(task: Task, seed: int) -> dict[str, float]:
    """One run of all rivals on a task: accuracies in %, seconds, and the paired test of the road against the SVM."""
    train, test = learnt_from(task, seed), task.data.load("test")
    hits: dict[str, np.ndarray] = {}
    said: dict[str, float] = {"seed": seed}

    def score(name: str, margins: np.ndarray, *watches: Stopwatch) -> None:
        hits[name] = (margins > 0) == (test.labels == 1)
        said[name] = round(100 * float(hits[name].mean()), 2)
        said[f"{name}_wall"] = round(sum(watch.wall for watch in watches), 1)
        said[f"{name}_cpu"] = round(sum(watch.cpu for watch in watches), 1)
        seconds = f"{said[f'{name}_wall']:6.1f} s wall {said[f'{name}_cpu']:6.1f} CPU-s"
        print(f"  {name:13} {said[name]:6.2f} %  {seconds}", flush=True)

    seed_everything(seed)
    with Stopwatch() as counting:
        counted = svm(task, train, test)
    score("svm", counted, counting)
    added, clocks = task.road.svm_weight * counted, [counting]
    if task.terms == "characters":
        with Stopwatch() as learning:
            networks = from_scratch(train, test)
        score("scratch", networks, learning)
        score("scratch_mixed", networks + SVM_IN_SCRATCH * counted, counting, learning)
        if task.road.scratch_weight:
            added, clocks = added + task.road.scratch_weight * networks, [counting, learning]
    seed_everything(seed)
    with Stopwatch() as tuning_it:
        alone = tuned(task.road, train, test)
    score("road_alone", alone, tuning_it)
    score("road", alone + added, tuning_it, *clocks)
    test_of = paired(hits["road"], hits["svm"])
    said |= {"lead": round(100 * test_of.difference, 2), "lead_low": round(100 * test_of.low, 2)}
    return said | {"lead_high": round(100 * test_of.high, 2), "p": float(f"{test_of.p:.2g}")}


# ---------------------------------------------------------------------------------------------------------- the speed
class Reader(nn.Module):
    """Chapter 2's encoder, rotary positions and all, with a mean over the tokens and a linear head."""

    def __init__(self, tokens: int, width: int = 128, layers: int = 2, heads: int = 4):
        super().__init__()
        self.chapter = recipes.load("nlp/02-transformer")
        self.embedding = self.chapter.Embedding(tokens, width, "rotary")
        self.stack, self.head = self.chapter.Stack(layers, width, heads, rotary=True), nn.Linear(width, 2)

    def forward(self, ids: Tensor) -> Tensor:  # (B, T) → logits (B, 2)
        mask = self.chapter.real(ids)
        x = self.stack(self.embedding(ids), mask)  # (B, T, width)
        return self.head(tuning.pooled(x, mask[:, 0, 0]))


def speed(seed: int, batch: int = 64, longest: int = 64) -> dict[str, float]:
    """Tokens (padding does not count) that one thread learns from in a CPU-second, in an epoch over Chinese reviews."""
    seed_everything(seed)
    train = chinese_reviews.load("train")
    vocabulary = Vocabulary([characters(text) for text in train.texts], most=3_000)
    rows = encoded(train.texts, characters, vocabulary, longest)
    network = Reader(len(vocabulary))
    adam = torch.optim.AdamW(network.parameters(), 1e-3)
    tokens, said = 0, {"seed": seed}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with Stopwatch() as watch:
            for ids, labels in Bucketed(rows, train.labels, batch, shuffle=True):
                with torch.autocast("cpu", torch.bfloat16, enabled=fast_bf16()):
                    logits = network(ids)
                loss = F.cross_entropy(logits.float(), labels)
                if not torch.isfinite(loss):
                    raise NonFiniteLoss(f"the loss is {loss.item()}: try a lower rate")
                adam.zero_grad()
                loss.backward()
                adam.step()
                tokens += int((ids > 0).sum())
    finally:
        torch.set_num_threads(threads)
    said |= {"tokens_per_cpu_second": round(tokens / watch.cpu), "loss_end": round(loss.item(), 3)}
    print(f"  {said['tokens_per_cpu_second']:,} tokens per CPU-second")
    return said


# --------------------------------------------------------------------------------------------------------- the record
ENTRIES: dict[str, Callable[[int], dict[str, float]]] = {
    **{name: (lambda seed, task=task: race(task, seed)) for name, task in TASKS.items()},
    "tokens": speed,
}


def settings(name: str) -> dict[str, Any]:
    """What an entry's result depends on, besides the code."""
    if name not in TASKS:
        return {}
    task = TASKS[name]
    return {"labels": task.labels, "c": task.c, "road": vars(task.road)}


def store(name: str, runs: Sequence[dict[str, float]], path: Path = RESULTS) -> None:
    """Put an entry's runs in the place of its older ones; the other entries stay."""
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stored[name] = {"date": datetime.date.today().isoformat(), "machine": machine(), **settings(name), "runs": runs}
    path.parent.mkdir(exist_ok=True)
    ordered = {key: stored[key] for key in ENTRIES if key in stored}
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def table(stored: dict[str, Any]) -> str:
    """What is stored, mean ± standard deviation over the seeds."""
    lines = []
    for name, entry in stored.items():
        lines.append(f"{name} ({len(entry['runs'])} seeds, {entry['machine']['cpu']})")
        for key in (key for key in entry["runs"][0] if key != "seed"):
            values = [run[key] for run in entry["runs"]]
            lines.append(f"  {key:22} {np.mean(values):10.2f} ± {np.std(values, ddof=min(1, len(values) - 1)):.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=ENTRIES, nargs="+", default=list(ENTRIES), help="entries to run")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(os.cpu_count() or 1)
    for name in arguments.only:
        runs = []
        for seed in range(arguments.seeds):
            print(f"{name}, seed {seed}", flush=True)
            runs.append(ENTRIES[name](seed))
        store(name, runs)
    print("\n" + table(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
