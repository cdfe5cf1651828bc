"""Lab 6's visible checks: the master's solutions pass, plausible mistakes are caught in telling words."""

import numpy as np
import pytest
import torch

from aibook.labs import grading
from helpers.labs import fine_tuning, small_encoder
from helpers.labs.checks import CheckFailed
from helpers.labs.fine_tuning import lab
from tests.labs.answers import fine_tuning as answers

TASKS = list(lab.tasks)


@pytest.fixture(scope="module")
def solutions():
    return grading.solutions("06-fine-tuning")


def names(source: str, solutions: dict) -> dict:
    found = dict(solutions)
    exec(source, found)
    return found


@pytest.mark.parametrize("task", TASKS)
def test_the_masters_solutions_pass(task, solutions, capsys):
    lab.check(task, **{name: solutions[name] for name in lab.tasks[task].names})
    assert f"✓ {task}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("task", "what", "says"),
    [
        ("pooling", "no mask", "one place of padding"),
        ("pooling", "NaN for a text without words", "0/0 is NaN"),
        ("pooling", "counts in the mask's own type", "True and False"),
        ("freezing", "any beginning of a name", "layers 10 and 11"),
        ("freezing", "no full names", "full name is a prefix"),
        ("freezing", "counts tensors", "weights that learn"),
        ("freezing", "no error for a slip", "slip of the pen"),
        ("parameter-groups", "the first layer fastest", "learning rate should be"),
        ("parameter-groups", "decay for all", "weight decay should be"),
        ("parameter-groups", "the head is left out", "exactly one group"),
        ("schedule", "starts at zero", "factor at step 0"),
        ("schedule", "divides by zero without warm-up", "ZeroDivisionError"),
        ("lora", "the base learns", "Only A and B"),
        ("lora", "A zero, too", "neither ever gets a gradient"),
        ("lora", "B random", "B starts at zero"),
        ("lora", "no scale", "the correction"),
        ("lora", "merging leaves B", "must not add it again"),
        ("lora", "merging does nothing", "`base` alone"),
        ("early-stopping", "a reference, not a copy", "not a reference"),
        ("early-stopping", "the last of equals", "False, False, False, True"),
        ("early-stopping", "restores nothing", "last weights"),
        ("fine-tuner", "changes nothing", "Do the encoder's weights change"),
        ("fine-tuner", "returns the head alone", "every parameter"),
    ],
)
def test_a_mistake_is_named(task, what, says, solutions):
    source = dict(answers.WRONG[task])[what]
    given = names(source, solutions)
    with pytest.raises(CheckFailed, match=says):
        lab.check(task, **{name: given[name] for name in lab.tasks[task].names})


def test_a_fine_tuner_in_between_earns_a_share(solutions, capsys, monkeypatch):
    monkeypatch.setattr(fine_tuning, "FULL", 1.0)
    lab.check("fine-tuner", FineTuner=solutions["FineTuner"])
    assert "◐ fine-tuner" in capsys.readouterr().out


# -- the invented language and its encoder -----------------------------------------------------------------------------
def test_the_label_is_the_mood_or_its_opposite_in_turned_topics():
    language = fine_tuning.Language()
    ids, plain = language.texts(200, np.random.default_rng(0))
    same, turned = language.texts(200, np.random.default_rng(0), turned=(0, 2))
    assert torch.equal(ids, same)
    topics = [{int(t) for t, words in enumerate(language.topical) if np.isin(row, words).any()} for row in ids]
    assert all(len(found) <= 1 for found in topics)
    for found, a, b in zip(topics, plain.tolist(), turned.tolist(), strict=True):
        if found:
            assert (a != b) == (found <= {0, 2})


def test_the_pretrained_encoder_knows_moods_and_topics_but_not_the_turned_label():
    language, model = fine_tuning.Language(), small_encoder.pretrained()
    table = torch.nn.functional.normalize(model.embeddings.word_embeddings.weight.detach())
    kinds = [*language.topical, *language.moody]
    centres = torch.stack([table[members].mean(0) for members in kinds])
    for number, members in enumerate(kinds):
        assert (table[members] @ centres.T).argmax(1).eq(number).float().mean() > 0.9
    assert abs(small_encoder.accuracy(model, *language.texts(500, np.random.default_rng(1), turned=(0, 2))) - 0.5) < 0.1


def test_train_takes_as_many_steps_as_there_are_batches():
    rng, model = np.random.default_rng(0), small_encoder.pretrained()
    data = list(small_encoder.batches(*fine_tuning.Language().texts(40, rng), steps=7, rng=rng))
    assert [len(ids) for ids, _ in data] == [16] * 7
    calls, weights = [], small_encoder.weights_of(model)

    def update(gradients):
        calls.append(set(gradients))
        return weights

    assert len(small_encoder.train(model, update, data)) == len(calls) == 7
    assert calls[0] == set(weights)
