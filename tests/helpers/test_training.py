"""Training: batches, clocks and the Trainer that says nothing but stops when it must."""

import time

import pytest
import torch
import torch.nn.functional as F
from pytorch_lightning import LightningModule
from torch import nn

from helpers.training import (
    NonFiniteLoss,
    Stopwatch,
    TensorBatches,
    fast_bf16,
    outputs,
    quiet_trainer,
    seed_everything,
)


class Line(LightningModule):
    """Fits y = 3x; a loss of NaN from step `breaks_at` on, if given."""

    def __init__(self, breaks_at: int | None = None, lr: float = 0.1):
        super().__init__()
        self.net, self.breaks_at, self.lr = nn.Linear(1, 1), breaks_at, lr

    def training_step(self, batch, index):
        x, y = batch
        loss = F.mse_loss(self.net(x)[:, 0], y)
        if self.breaks_at is not None and self.global_step >= self.breaks_at:
            loss = loss * float("nan")
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


@pytest.fixture
def line():
    x = torch.linspace(-1, 1, 64)[:, None]
    return x, 3 * x[:, 0]


def test_every_item_comes_once_a_pass_when_not_shuffled():
    batches = TensorBatches(torch.arange(10)[:, None], torch.arange(10), 4)
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert len(batches) == 3
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(10))


def test_shuffled_batches_are_full_distinct_and_follow_the_seed():
    batches = TensorBatches(torch.arange(10)[:, None], torch.arange(10), 4, shuffle=True)

    def drawn():
        seed_everything(3)
        return torch.cat([labels for _, labels in batches]).tolist()

    first = drawn()
    assert len(batches) == 2 and len(set(first)) == 8
    assert first == drawn() and first != sorted(first)


def test_images_and_labels_stay_together_and_are_augmented():
    batches = TensorBatches(torch.arange(20)[:, None], torch.arange(20), 5, shuffle=True, augment=lambda x: x + 100)
    for images, labels in batches:
        assert (images[:, 0] == labels + 100).all()


def test_batches_that_cannot_be_made_say_why():
    with pytest.raises(ValueError, match="3 images but 2 labels"):
        TensorBatches(torch.zeros(3, 1), torch.zeros(2), 1)
    with pytest.raises(ValueError, match="choose a smaller batch_size"):
        TensorBatches(torch.zeros(3, 1), torch.zeros(3), 4, shuffle=True)


def test_trainer_learns_in_silence_and_keeps_the_curve(line, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seed_everything(0)
    trainer = quiet_trainer(epochs=40)
    model = Line()
    trainer.fit(model, TensorBatches(*line, 16, shuffle=True))
    curve = trainer.logger["loss"]
    assert curve[-1] < 0.01 * curve[0]
    assert trainer.logger.steps("loss") == sorted(trainer.logger.steps("loss"))
    assert model.net.weight.item() == pytest.approx(3, abs=0.1)
    out, err = capfd.readouterr()
    assert out == "" and "GPU" not in err and "epoch" not in err.lower()
    assert list(tmp_path.iterdir()) == []


def test_training_stops_at_the_first_loss_that_is_not_finite(line):
    trainer = quiet_trainer(epochs=40)
    with pytest.raises(NonFiniteLoss, match=r"loss is nan at step 8"):
        trainer.fit(Line(breaks_at=7), TensorBatches(*line, 16, shuffle=True))


def test_a_learning_rate_that_explodes_is_caught(line):
    with pytest.raises(NonFiniteLoss, match="lower learning rate"):
        quiet_trainer(steps=2000).fit(Line(lr=1e6), TensorBatches(*line, 16, shuffle=True))


def test_bf16_is_fast_only_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert fast_bf16()
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not fast_bf16()


def test_training_in_bf16_keeps_the_weights_in_float32(line):
    model = Line()
    quiet_trainer(epochs=2, bf16=True).fit(model, TensorBatches(*line, 16, shuffle=True))
    assert model.net.weight.dtype == torch.float32


def test_outputs_are_those_of_the_evaluating_network_batch_by_batch():
    network = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    inputs = torch.randn(23, 4)
    together = outputs(network, inputs, batch_size=7).to("cpu")
    assert torch.allclose(together, network.cpu().eval()(inputs))
    assert together.dtype == torch.float32 and not together.requires_grad


def test_the_stopwatch_counts_work_but_not_sleep():
    with Stopwatch() as asleep:
        time.sleep(0.2)
    with Stopwatch() as busy:
        while time.process_time() - busy._cpu < 0.2:
            pass
    assert asleep.wall >= 0.2 and asleep.cpu < 0.1
    assert busy.cpu >= 0.2
