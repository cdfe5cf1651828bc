"""Chapter 4's own code, taken from its cells: equal to peft, heads that learn, labels on the right piece."""

import copy
import tempfile

import numpy as np
import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForSequenceClassification, BertConfig, BertModel

from aibook import recipes
from helpers import studies
from helpers.data.labelled_texts import LabelledTexts
from helpers.training import NonFiniteLoss, seed_everything

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a", "very", "fine", "dull", "the", "##s"]


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return recipes.load("nlp/04-task-heads")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny BERT with a vocabulary of fourteen pieces, saved as the hub would have it."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    seed_everything(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt"), model_max_length=16).save_pretrained(folder)
    return str(folder)


def reviews(n):
    """Texts of which "good" or "fine" says that they are positive, "bad" or "dull" that they are not."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    said = [("bad", "dull"), ("good", "fine")]
    texts = [f"the {'very ' * rng.integers(4)}{said[k][rng.integers(2)]} film" for k in labels]
    return LabelledTexts(texts, labels, ("negative", "positive"))


def test_lora_equals_pefts_in_values_and_gradients_and_when_merged(chapter):
    seed_everything(0)

    class Holder(nn.Module):
        def __init__(self, query):
            super().__init__()
            self.query = query

        def forward(self, x):
            return self.query(x)

    base = nn.Linear(12, 7)
    theirs = get_peft_model(Holder(copy.deepcopy(base)), LoraConfig(r=3, lora_alpha=5, target_modules=["query"]))
    ours = chapter.LoRALinear(base, r=3, alpha=5)
    nn.init.normal_(ours.B)
    query = theirs.base_model.model.query
    query.lora_A["default"].weight.data, query.lora_B["default"].weight.data = ours.A.data.clone(), ours.B.data.clone()
    x = torch.randn(4, 12)
    a, b = ours(x), theirs(x)
    assert torch.allclose(a, b, atol=1e-5) and (a - ours.base(x)).abs().max() > 0.1
    a.square().sum().backward()
    b.square().sum().backward()
    assert torch.allclose(ours.A.grad, query.lora_A["default"].weight.grad, atol=1e-4)
    assert torch.allclose(ours.B.grad, query.lora_B["default"].weight.grad, atol=1e-4)
    assert ours.base.weight.grad is None
    assert torch.allclose(ours.merged()(x), a, atol=1e-5)
    theirs.merge_adapter()
    assert torch.allclose(ours.merged().weight, query.weight, atol=1e-6)


def test_lora_starts_from_the_pretrained_layer_exactly(chapter):
    layer = chapter.LoRALinear(nn.Linear(6, 4))
    x = torch.randn(3, 6)
    assert torch.equal(layer(x), layer.base(x))


def test_pefts_adapters_sit_on_queries_and_values_alone(chapter, checkpoint):
    _, encoder = chapter.load(checkpoint)
    top = chapter.with_lora(chapter.split(encoder, 0)[1], r=4)
    trained = [name for name, p in top.named_parameters() if p.requires_grad]
    assert len(trained) == 8 and all(".query." in name or ".value." in name for name in trained)
    assert chapter.weights_trained(top) == 2 * 2 * 2 * 4 * 32
    assert all(p.requires_grad for p in encoder.parameters())  # the encoder itself is left as it was


def test_a_table_is_cut_but_not_padded_and_its_collator_pads_by_the_batch(chapter, checkpoint):
    tokenizer, _ = chapter.load(checkpoint)
    rows = chapter.table(LabelledTexts(["good", "the very very fine film"], np.array([1, 1]), ("n", "p")), tokenizer, 5)
    assert [len(ids) for ids in rows["input_ids"]] == [3, 5]
    batch = chapter.DataCollatorWithPadding(tokenizer)([rows[0], rows[1]])
    assert batch["input_ids"].shape == (2, 5) and batch["attention_mask"].sum(1).tolist() == [3, 5]


def test_the_trainer_learns_and_what_is_saved_answers_the_same(chapter, checkpoint):
    seed_everything(0)
    tokenizer, _ = chapter.load(checkpoint)
    rows = chapter.table(reviews(96), tokenizer, 12)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2)
    with tempfile.TemporaryDirectory() as folder:
        trainer = chapter.trainer_for(model, tokenizer, rows, rows, folder, epochs=6, lr=3e-3)
        before = trainer.evaluate()["eval_accuracy"]
        trainer.train()
        assert before < 0.8 and trainer.evaluate()["eval_accuracy"] > 0.95
        model.save_pretrained(folder)
        again = AutoModelForSequenceClassification.from_pretrained(folder)
    batch = tokenizer(["good film", "dull"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        assert torch.equal(again.eval()(**batch).logits, model.eval()(**batch).logits)


def test_the_trainer_stops_at_a_loss_that_is_not_a_number(chapter, checkpoint):
    tokenizer, _ = chapter.load(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2)
    model.classifier.weight.data.fill_(float("nan"))
    rows = chapter.table(reviews(32), tokenizer, 12)
    with tempfile.TemporaryDirectory() as folder, pytest.raises(NonFiniteLoss, match="lower rate"):
        chapter.trainer_for(model, tokenizer, rows, rows, folder).train()


def test_a_data_set_from_the_hub_or_a_folder_is_read_by_its_columns(chapter, tmp_path):
    (tmp_path / "train.csv").write_text("sentence,label\ngood,1\nbad,0\n", encoding="utf-8")
    data = chapter.from_hub(str(tmp_path), "train")
    assert data.texts == ["good", "bad"] and data.labels.tolist() == [1, 0]
    with pytest.raises(ValueError, match="no column text"):
        chapter.from_hub(str(tmp_path), "train", "text")


def test_a_probe_learns_and_refuses_a_single_class(chapter):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = rng.normal(size=(200, 20)) + 2 * y[:, None] * (np.arange(20) < 3)
    assert (chapter.probe(x[:100], y[:100]).predict(x[100:]) == y[100:]).mean() > 0.85
    with pytest.raises(ValueError, match="two classes"):
        chapter.probe(x[:10], np.ones(10))


@pytest.mark.parametrize(
    ("which", "expected"), [("first", [-100, 4, -100, 7, 5, -100]), ("last", [-100, -100, 4, 7, 5, -100])]
)
def test_a_words_tag_sits_on_its_first_or_its_last_piece(chapter, which, expected):
    assert chapter.align([None, 0, 0, 1, 2, None], [4, 7, 5], which) == expected
    assert sum(label != -100 for label in chapter.align([None, 0, 0, 1, 2, None], [4, 7, 5], which)) == 3


def test_tags_for_fewer_words_than_there_are_are_refused(chapter):
    with pytest.raises(ValueError, match="1 that have a tag"):
        chapter.align([None, 0, 1, None], [3])


def test_picked_states_are_those_of_the_words_pieces(chapter, checkpoint):
    tokenizer, encoder = chapter.load(checkpoint)
    lines = [[("films", "n"), ("good", "a")], [("the", "d"), ("unheard", "n"), ("film", "n")]]
    number = {"n": 0, "a": 1}
    found = chapter.states_by_layer(encoder, tokenizer, lines, (0, 2))
    x, y = chapter.picked(found, lines, number, "last")
    assert x.shape == (2, 5, 32) and y.tolist() == [0, 1, -1, 0, 0]
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(["[CLS]", "film", "##s", "good", "[SEP]"])])
    with torch.inference_mode():
        alone = encoder(ids).last_hidden_state[0]
    assert torch.allclose(x[1, 0], alone[2], atol=5e-3) and torch.allclose(x[1, 1], alone[3], atol=5e-3)
    shifted = chapter.picked(found, lines, number, "last", shift=1)[1]
    assert shifted.tolist() == [1, 0, 0, -1, 0]


def test_a_token_head_learns_and_the_baseline_counts(chapter):
    seed_everything(0)
    y = torch.arange(300) % 3
    x = torch.randn(300, 10) + 3 * torch.eye(3, 10)[y]
    assert (chapter.token_head(x[:200], y[:200], 3)(x[200:]).argmax(1) == y[200:]).float().mean() > 0.75
    tagger = chapter.most_frequent([[("a", "x"), ("a", "x"), ("a", "y"), ("b", "y"), ("c", "y")]])
    assert [tagger(word) for word in ("a", "b", "never seen")] == ["x", "y", "y"]


def test_halves_are_exchanged_among_themselves_so_that_no_half_alone_tells(chapter):
    sentences = [[(f"w{i}_{j}", "t") for j in range(12)] + [(".", ".")] for i in range(20)]
    first, second = chapter.halves(sentences, 12, 0)
    assert all(a.split()[0].split("_")[0] == b.split()[0].split("_")[0] for a, b in zip(first, second, strict=True))
    tasks = chapter.questions(first, second)
    a, b, y = tasks["belong"]
    together = [p.split("_")[0] == q.split("_")[0] for p, q in zip(a, b, strict=True)]
    assert together == (y == 1).tolist() and sorted(b) == sorted(second)
    one, two, y = tasks["order"]
    assert [p.split()[0].endswith("_0") for p in one] == (y == 1).tolist() == [q.split()[0][-2:] != "_0" for q in two]


@pytest.mark.parametrize("longest", [1, 3, 9])
def test_the_best_span_is_that_of_trying_all(chapter, longest):
    rng = np.random.default_rng(longest)
    for _ in range(30):
        start, end = (torch.tensor(rng.normal(size=9)) for _ in range(2))
        spans = [(i, j) for i in range(9) for j in range(i, min(9, i + longest))]
        assert chapter.best_span(start, end, longest) == max(spans, key=lambda s: start[s[0]] + end[s[1]])


def test_a_span_of_no_tokens_is_refused(chapter):
    with pytest.raises(ValueError, match="no span"):
        chapter.best_span(torch.zeros(3), torch.zeros(3), 0)
    with pytest.raises(ValueError, match="3 starts, 2 ends"):
        chapter.best_span(torch.zeros(3), torch.zeros(2), 2)


def test_a_tokenizer_of_another_model_is_refused(chapter, checkpoint, tmp_path):
    other = BertModel(
        BertConfig(vocab_size=5, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    )
    tokenizer, _ = chapter.load(checkpoint)
    other.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="do not belong together"):
        chapter.load(str(tmp_path))


# ---- What the chapter claims of its study ------------------------------------------------------------------------


def test_the_stored_study_says_what_the_text_says():
    study = studies.load("nlp/04-task-heads")
    assert len(study.seeds) >= 3
    for n in (100, 300, 1000, 2000):
        assert min(study.values(f"lead_probe_{n}")) > 0  # frozen beats counting words at every number of labels
    assert study.mean("lead_probe_100") > study.mean("lead_probe_2000")
    assert study.mean("lead_tuned_2000") > study.mean("lead_tuned_100")
    assert study.sd("lead_tuned_100") > study.mean("lead_tuned_100")
    assert min(study.values("lead_tuned_1000") + study.values("lead_tuned_2000")) > 0
    assert min(study.values("gain_lora_top")) > 0 and study.mean("gain_lora_top") < 2  # one standard error, a hint
    assert min(study.values("gain_all_top")) > 1.5 * study.mean("gain_lora_top")
    assert -1.5 < study.mean("gain_start") < 0 and study.mean("gain_start") + study.sd("gain_start") < 0
    assert abs(study.mean("trainer_accuracy") - study.mean("road_all")) < study.sd("trainer_accuracy")
    assert study.sd("trainer_accuracy") > study.sd("road_all")
    assert abs(study.mean("rate_valid_low") - study.mean("rate_valid_good")) < 1
    assert study.sd("rate_high") > 3 * study.sd("rate_good") and study.mean("rate_high") < study.mean("rate_low") - 2
    assert study.sd("rate_chosen") > study.sd("rate_good")
    assert study.mean("pool_mean") > study.mean("pool_first")
    assert min(study.values("belong_cosine")) > max(study.values("belong_cross"))
    assert max(study.values("order_cosine")) < 55 < min(study.values("order_cross"))
    assert all(45 < value < 55 for value in study.values("belong_half"))
    assert min(study.values("order_half")) > 55 and max(study.values("order_half")) < min(study.values("order_linear"))
    assert study.mean("order_linear") > study.mean("order_cross") and study.sd("order_cross") > 5
    assert abs(study.mean("belong_linear") - study.mean("belong_cross")) < 2
    assert min(study.values("tag_last")) > max(study.values("tag_baseline"))
    assert min(study.values("tag_last")) > max(study.values("tag_first")) > max(study.values("tag_shifted"))
    assert len(set(study.values("tag_layer"))) == 1  # the validation lines of every seed choose the same layer
    assert max(study.values("tag_shifted")) < min(study.values("tag_null"))
    assert min(study.values("tag_embeddings")) > max(study.values("tag_baseline"))
    assert min(study.values("tag_last")) > max(study.values("tag_top_layer"))
    assert min(study.values("peek_gain")) >= 0
    assert min(study.values("road_cpu_all")) > max(study.values("road_cpu_top"))
    assert min(study.values("road_cpu_lora")) > max(study.values("road_cpu_top"))
    assert min(study.values("translations_found")) >= 7


def test_after_one_pass_the_head_start_is_worth_something_with_each_seed():
    short = studies.load("nlp/04-task-heads", "laptop")
    assert len(short.seeds) == 5 and min(short.values("gain_start")) > 0
