"""Reviews against the clock: every rival learns and answers, and results are merged."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from benchmarks import nlp
from helpers.data.labelled_texts import LabelledTexts
from helpers.training import seed_everything

FILLER, WORDS = ["the", "film", "was", "very"], ["good", "bad", "dull", "great", *"很好看差坏酒店书"]


class Reviews:
    """As a module of `helpers.data`: a text is positive where it says good or 好."""

    @staticmethod
    def load(part):
        rng = np.random.default_rng({"train": 0, "valid": 1, "test": 2}[part])
        n = {"train": 120, "valid": 40, "test": 60}[part]
        labels = np.arange(n) % 2
        ends = (("bad 差", "good 好")[k] for k in labels)
        return LabelledTexts([" ".join([*rng.choice(FILLER, 5), end]) for end in ends], labels, ("no", "yes"))


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLER, *WORDS]))
    BertTokenizerFast(str(tmp_path / "vocab.txt"), model_max_length=32).save_pretrained(tmp_path)
    seed_everything(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=5 + len(FILLER + WORDS), **sizes)).save_pretrained(tmp_path)
    return str(tmp_path)


def test_a_road_may_read_several_frozen_layers_and_mix_in_what_learns_from_scratch(checkpoint):
    road = nlp.Road(checkpoint, frozen=3, longest=16, epochs=0, layers=(1, 3), scratch_weight=1.0)
    run = nlp.race(nlp.Task(Reviews, "characters", 1.0, None, road), seed=0)
    assert run["road"] >= 90
    assert run["road_wall"] >= run["road_alone_wall"]


def test_the_means_of_the_layers_do_not_depend_on_the_batch(checkpoint):
    encoder = BertModel.from_pretrained(checkpoint).eval()
    ids = [[2, 7, 9, 3], [2, 11, 3], [2, 5, 6, 7, 8, 3]]
    together = nlp.layer_means(encoder, ids, (1, 3))
    assert together.shape == (3, 64)
    for one, row in zip(ids, together, strict=True):
        states = encoder(input_ids=torch.tensor([one]), output_hidden_states=True).hidden_states
        np.testing.assert_allclose(row[:32], states[1].mean(1)[0].detach(), atol=0.03)
        np.testing.assert_allclose(row[32:], states[3].mean(1)[0].detach(), atol=0.03)


@pytest.mark.parametrize("terms", ["words", "characters"])
@pytest.mark.parametrize("labels", [None, 80])
def test_all_rivals_learn_from_the_texts_outside_the_test(terms, labels, checkpoint):
    road = nlp.Road(checkpoint, frozen=1, longest=16, epochs=8, lr=2e-3)
    run = nlp.race(nlp.Task(Reviews, terms, 1.0, labels, road), seed=0)
    rivals = {"svm", "road", "road_alone"} | ({"scratch", "scratch_mixed"} if terms == "characters" else set())
    for name in rivals:
        assert run[name] >= 90, name
    assert run["road_cpu"] > 0 and run["road_wall"] > 0
    assert run["lead"] == pytest.approx(run["road"] - run["svm"], abs=0.02)
    assert run["lead_low"] <= run["lead"] <= run["lead_high"]


def test_labels_are_drawn_evenly_and_never_from_the_test():
    task = nlp.Task(Reviews, "words", 1.0, 50, nlp.MINILM)
    train = nlp.learnt_from(task, seed=3)
    assert len(train) == 50 and train.labels.mean() == 0.5
    assert len(nlp.learnt_from(replace(task, labels=None), seed=3)) == 160


def test_the_reader_learns_and_padding_does_not_change_its_answer():
    seed_everything(0)
    reader = nlp.Reader(12, width=16, heads=2).eval()
    ids = torch.tensor([[3, 4, 5]])
    torch.testing.assert_close(reader(ids), reader(torch.tensor([[3, 4, 5, 0, 0]])))


def test_an_entry_replaces_its_older_runs_and_leaves_the_others(tmp_path):
    path = tmp_path / "nlp.json"
    nlp.store("tokens", [{"seed": 0, "tokens_per_cpu_second": 1}], path)
    nlp.store("english", [{"seed": 0, "road": 80.0}], path)
    nlp.store("tokens", [{"seed": 0, "tokens_per_cpu_second": 2}], path)
    stored = json.loads(path.read_text())
    assert list(stored) == ["english", "tokens"] and stored["english"]["road"]["encoder"] == "minilm"
    assert stored["tokens"]["runs"] == [{"seed": 0, "tokens_per_cpu_second": 2}]
    assert "tokens_per_cpu_second" in nlp.table(stored)


@pytest.mark.parametrize(
    ("entry", "key", "least"),
    [
        ("chinese", "scratch", 85.3),
        ("chinese", "road", 87.0),
        ("chinese-1000", "road", 83.5),
        ("english", "road", 86.5),
        ("english-1000", "road", 80.0),
        ("tokens", "tokens_per_cpu_second", 50_000),
    ],
)
def test_the_stored_results_meet_the_bars(entry, key, least):
    runs = json.loads(nlp.RESULTS.read_text(encoding="utf-8"))[entry]["runs"]
    assert len(runs) >= 3 and np.mean([run[key] for run in runs]) >= least
    if seconds := nlp.TASKS[entry].seconds if entry in nlp.TASKS else None:
        assert max(run["road_wall"] for run in runs) <= seconds
