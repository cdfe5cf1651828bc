"""English product sentences: labels as the ratings say, and no review in two parts."""

import numpy as np
import pytest

from helpers.nlp import product_snippets


def test_sentences_come_with_their_ratings_sign_and_no_review_is_in_two_parts():
    texts, ratings, reviews = product_snippets.rated()
    assert len(texts) == len(ratings) == len(reviews) == 3_708
    assert ratings.min() >= -4 and ratings.max() <= 4
    of = {}
    for text, rating, review in zip(texts, ratings, reviews, strict=True):
        if abs(rating) >= product_snippets.CLEAR:
            of.setdefault(text, (int(rating > 0), int(review)))
    parts = {part: product_snippets.load(part) for part in ("train", "test")}
    seen = {part: {of[text][1] for text in data.texts} for part, data in parts.items()}
    assert not seen["train"] & seen["test"]
    for data in parts.values():
        assert [of[text][0] for text in data.texts] == data.labels.tolist()
        assert len(set(data.texts)) == len(data) > 1_000
        assert 0.4 < np.mean(data.labels) < 0.7
    assert sum(map(len, parts.values())) == len(of)


def test_another_part_is_refused():
    with pytest.raises(ValueError, match="'train' or 'test'"):
        product_snippets.load("valid")
