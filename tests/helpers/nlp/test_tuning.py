"""A frozen bottom run once and a trained top are the whole model; bad input is named."""

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from helpers.nlp import tuning
from helpers.training import NonFiniteLoss, seed_everything


@pytest.fixture(scope="module")
def encoder():
    seed_everything(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    return BertModel(BertConfig(vocab_size=40, max_position_embeddings=32, **sizes)).eval()


def texts(n, seed=0):
    """Ids of different lengths; label 1 where token 7 is in the text, 0 where token 8 is."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    ids = [[2, *torch.randint(10, 40, (int(torch.randint(2, 9, (1,), generator=g)),), generator=g).tolist(), 3]
           for _ in range(n)]  # fmt: skip
    for one, label in zip(ids, labels.tolist(), strict=True):
        one[1] = 7 if label else 8
    return ids, labels


@pytest.mark.parametrize("k", [0, 1, 3])
def test_top_after_bottom_is_the_whole_model_whatever_the_batch(encoder, k):
    ids, _ = texts(11)
    bottom, top = tuning.split(encoder, k)
    model = tuning.Classifier(top, 5).eval()
    found = tuning.answers(model, tuning.run(bottom, ids, batch_size=4), batch_size=3)
    with torch.inference_mode():
        for one, answer in zip(ids, found, strict=True):
            whole = encoder(torch.tensor([one])).last_hidden_state[0].mean(0)
            assert torch.allclose(answer, model.head(whole), atol=2e-3)  # states are kept in half precision


def test_training_a_top_leaves_the_encoder_as_it_was(encoder):
    ids, labels = texts(24)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    bottom, top = tuning.split(encoder, 1)
    model = tuning.Classifier(top, 2)
    tuning.tune(model, tuning.run(bottom, ids), labels, epochs=1, lr=1e-2)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert not torch.equal(top.encoder.layer[0].output.dense.weight, encoder.encoder.layer[1].output.dense.weight)


def test_it_learns_a_seed_repeats_it_and_the_rates_are_discriminative(encoder):
    ids, labels = texts(64)
    bottom, _ = tuning.split(encoder, 1)
    states, curves, seen = tuning.run(bottom, ids), [], []
    for _ in range(2):
        seed_everything(1)
        model = tuning.Classifier(tuning.split(encoder, 1)[1], 2)
        losses, clock = tuning.tune(model, states, labels, epochs=12, lr=3e-3, watch_steps=8, watch=seen.append)
        curves.append(losses)
    assert curves[0] == curves[1] and len(losses) == 48 and len(seen) == 12 and clock.cpu > 0
    assert (tuning.answers(model, states).argmax(1) == labels).float().mean() > 0.95
    rates = [group["lr"] for group in tuning.groups(model, 1.0, 10.0, 0.5)]
    assert rates[0] == 10 and set(rates[1:]) == {1.0, 0.5}


@pytest.mark.parametrize("classes", [2, 3])
def test_a_head_that_starts_from_a_regression_knows_the_classes_already(encoder, classes):
    ids, _ = texts(90)
    labels = torch.arange(90) % classes
    for one, label in zip(ids, labels.tolist(), strict=True):
        one[1] = 7 + label
    bottom, top = tuning.split(encoder, 2)
    states = tuning.run(bottom, ids)
    model = tuning.Classifier(top, classes)
    tuning.start(model, states, labels, c=1.0)
    assert (tuning.answers(model, states).argmax(1) == labels).float().mean() > 0.9
    with pytest.raises(ValueError, match=f"{classes} classes, the head 5"):
        tuning.start(tuning.Classifier(top, 5), states, labels)


def test_training_stops_when_the_watcher_says_so(encoder):
    ids, labels = texts(32)
    states = tuning.run(tuning.split(encoder, 3)[0], ids)

    def enough(model):
        assert not model.training
        raise StopIteration

    losses, _ = tuning.tune(tuning.Classifier(tuning.split(encoder, 3)[1], 2), states, labels, epochs=9, watch_steps=2,
                            watch=enough)  # fmt: skip
    assert len(losses) == 2


def test_a_part_of_the_states_is_the_states_of_that_part(encoder):
    ids, _ = texts(9)
    states = tuning.run(tuning.split(encoder, 2)[0], ids)
    part = states[[5, 2]]
    direct = tuning.run(tuning.split(encoder, 2)[0], [ids[5], ids[2]])
    assert torch.equal(part.lengths, direct.lengths) and torch.allclose(
        part.flat.float(), direct.flat.float(), atol=2e-3
    )
    x, mask = states.batch([0, 4])
    assert mask.sum(1).tolist() == [len(ids[0]), len(ids[4])] and not x[mask == 0].any()


def test_pooling_leaves_the_padding_out():
    states, mask = torch.randn(2, 4, 3), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    assert torch.allclose(tuning.pooled(states, mask)[0], states[0, :2].mean(0))
    assert torch.equal(tuning.pooled(states, mask, "first"), states[:, 0])


def test_every_batch_of_rows_comes_once_a_pass_and_texts_of_a_length_meet():
    lengths = torch.randint(3, 60, (203,), generator=torch.Generator().manual_seed(0))
    seed_everything(0)
    batches = list(tuning.Rows(lengths, 8))
    assert sorted(i for rows in batches for i in rows) == list(range(203)) and len(batches) == 26
    padding = sum(len(rows) * max(lengths[rows]) - lengths[rows].sum() for rows in batches)
    assert padding < 0.2 * lengths.sum()
    assert len(list(tuning.Rows(lengths, 8).forever(60))) == 60


class Words:
    """A tokenizer of the plainest sort."""

    model_max_length = 8

    def __call__(self, *parts, truncation, max_length):
        return {
            "input_ids": [
                [2, *(len(w) for t in both for w in t.split()), 3][:max_length] for both in zip(*parts, strict=True)
            ]
        }

    def __len__(self):
        return 41


def test_bad_texts_and_foreign_tokenizers_are_refused_with_their_reason(encoder):
    assert tuning.token_ids(Words(), ["a bb"], ["ccc"], longest=8) == [[2, 1, 2, 3, 3]]
    assert tuning.token_ids(Words(), ["a " * 50], longest=6) == [[2, 1, 1, 1, 1, 1]]
    with pytest.raises(ValueError, match="text 1 is empty"):
        tuning.token_ids(Words(), ["a", " \n"], longest=8)
    with pytest.raises(ValueError, match="3 to 8 tokens"):
        tuning.token_ids(Words(), ["a"], longest=9)
    with pytest.raises(ValueError, match="41 tokens, the model 40"):
        tuning.check_match(encoder, Words())
    with pytest.raises(ValueError, match="cut after 4"):
        tuning.split(encoder, 4)


def test_bad_labels_and_bad_losses_stop_the_training(encoder):
    ids, labels = texts(8)
    states = tuning.run(tuning.split(encoder, 3)[0], ids)
    model = tuning.Classifier(tuning.split(encoder, 3)[1], 2)
    with pytest.raises(ValueError, match="8 texts but 3 labels"):
        tuning.tune(model, states, labels[:3])
    with pytest.raises(ValueError, match="two classes"):
        tuning.tune(model, states, torch.ones(8))
    nn.init.constant_(model.head.weight, float("nan"))
    with pytest.raises(NonFiniteLoss, match="step 1"):
        tuning.tune(model, states, labels)
