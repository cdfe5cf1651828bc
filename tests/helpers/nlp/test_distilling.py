"""The loop for any loss, and a teacher's states computed once."""

import pytest
import torch
import torch.nn.functional as F
from transformers import BertConfig, BertModel

from helpers.nlp.distilling import fit, last_states
from helpers.nlp.tuning import Classifier, States, split
from helpers.training import NonFiniteLoss, seed_everything


@pytest.fixture
def model():
    seed_everything(0)
    config = BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=16,
    )  # fmt: skip
    return Classifier(split(BertModel(config, add_pooling_layer=False), 0)[1], 2, dropout=0.0)


@pytest.fixture
def states():
    lengths = torch.tensor([3, 5, 4, 2, 5, 3, 6, 4])
    return States(torch.randn(int(lengths.sum()), 16, generator=torch.Generator().manual_seed(0)).half(), lengths)


def test_states_come_in_the_texts_order_and_do_not_see_padding(model, states):
    said = last_states(model.top, states, batch_size=3)
    assert torch.equal(said.lengths, states.lengths)
    for i in range(len(states)):
        x, mask = states.batch([i])
        with torch.inference_mode():
            alone = model.top.eval()(inputs_embeds=x, attention_mask=mask).last_hidden_state[0]
        assert (said.batch([i])[0][0] - alone).abs().max() < 0.03  # half precision, bfloat16 where it is fast


def test_the_loss_falls_and_the_model_is_left_in_evaluation_mode(model, states):
    labels = torch.arange(8) % 2
    seen = []

    def loss(model, x, mask, rows):
        seen.extend(rows)
        return F.cross_entropy(model(x, mask).float(), labels[rows])

    losses, clock = fit(model, states, loss, epochs=20, lr=1e-2, head_lr=3e-2, batch_size=4)
    assert len(losses) == 40 and losses[-1] < 0.5 * losses[0] and clock.cpu > 0 and not model.training
    assert sorted(seen) == sorted(list(range(8)) * 20)


def test_a_part_of_an_epoch_is_at_least_one_step(model, states):
    losses, _ = fit(
        model, states, lambda m, x, mask, rows: m(x, mask).float().square().mean(), epochs=0.1, batch_size=4
    )
    assert len(losses) == 1


def test_a_loss_that_is_no_number_stops_training_and_says_where(model, states):
    with pytest.raises(NonFiniteLoss, match="step 1: try a lower rate"):
        fit(model, states, lambda m, x, mask, rows: m(x, mask).sum() * float("nan"))
