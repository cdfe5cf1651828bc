"""Batches by length: every text once, its own label, little padding, and an order that can be undone."""

import pytest
import torch

from helpers.nlp.batches import Bucketed, padded

LENGTHS = torch.randint(1, 60, (500,), generator=torch.Generator().manual_seed(0)).tolist()
TEXTS = [[i + 1] * n for i, n in enumerate(LENGTHS)]  # text i consists of the id i + 1


def share_of_padding(loader):
    batches = [ids for ids, _ in loader]
    return 1 - sum(LENGTHS) / sum(ids.numel() for ids in batches)


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_text_comes_once_with_its_label(shuffle):
    loader = Bucketed(TEXTS, list(range(500)), 32, shuffle=shuffle, pool=4)
    seen = [(int(row[0]) - 1, int(label), int((row > 0).sum())) for ids, labels in loader
            for row, label in zip(ids, labels, strict=True)]  # fmt: skip
    assert sorted(i for i, _, _ in seen) == list(range(500))
    assert all(i == label and n == LENGTHS[i] for i, label, n in seen)
    assert len(loader) == len(list(loader)) == 16


def test_buckets_save_most_of_the_padding_and_still_shuffle():
    torch.manual_seed(0)
    plain, bucketed = Bucketed(TEXTS, None, 32, shuffle=True, pool=1), Bucketed(TEXTS, None, 32, shuffle=True)
    assert share_of_padding(plain) > 0.4 > 0.1 > share_of_padding(bucketed)
    first, second = ([ids[0, 0].item() for ids, _ in bucketed] for _ in range(2))
    assert first != second


def test_answers_come_back_in_the_texts_order():
    loader = Bucketed(TEXTS, None, 7)
    answers = torch.cat([ids[:, 0] for ids, _ in loader])
    assert (answers[loader.order.argsort()] == torch.arange(1, 501)).all()


def test_bad_input_is_refused():
    assert padded([[5], [6, 7]], pad=9).tolist() == [[5, 9], [6, 7]]
    for sequences in ([], [[1], []]):
        with pytest.raises(ValueError, match="at least one"):
            padded(sequences)
        with pytest.raises(ValueError, match="at least one"):
            Bucketed(sequences, None, 2)
    with pytest.raises(ValueError, match="2 texts but 1 labels"):
        Bucketed([[1], [2]], [0], 2)
