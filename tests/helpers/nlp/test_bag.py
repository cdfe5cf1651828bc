"""The bag of terms: right means, it learns what needs a pair, and it refuses what it cannot learn from."""

import numpy as np
import pytest
import torch

from helpers.nlp.bag import fit_bag, terms
from helpers.nlp.texts import UNKNOWN, words


def test_terms_are_tokens_and_pairs():
    assert terms(["a", "b", "c"]) == ["a", "b", "c", "a b", "b c"]
    assert terms(["a"]) == ["a"] and terms([]) == []


TEXTS = ["good film", "not bad film", "bad film", "not good film"] * 8
LABELS = np.array([1, 1, 0, 0] * 8)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return fit_bag(TEXTS, LABELS, words)


def test_it_learns_what_only_pairs_can_tell(model):
    assert model.predict(TEXTS).tolist() == LABELS.tolist()


def test_its_answer_is_the_head_on_the_mean_of_the_terms_vectors(model):
    ids = model.encode(["not good film"])[0]
    with torch.inference_mode():
        by_hand = model.head(model.vectors.weight[ids].mean(0))
        batch = model(torch.tensor([*ids, *ids[:1]]), torch.tensor([0, len(ids)]))
    assert torch.allclose(batch[0], by_hand, atol=1e-6)
    assert not torch.allclose(batch[1], by_hand, atol=1e-3)


def test_a_text_without_known_terms_has_an_answer(model):
    assert model.encode(["", "unheard"]) == [[UNKNOWN], [UNKNOWN]]
    assert len(model.predict(["", "unheard", "good film"])) == 3


def test_one_class_or_no_repeated_term_is_refused():
    with pytest.raises(ValueError, match="same label"):
        fit_bag(["a b", "b a"], np.array([1, 1]), words)
    with pytest.raises(ValueError, match="empty"):
        fit_bag(["a", "b"], np.array([0, 1]), words)
