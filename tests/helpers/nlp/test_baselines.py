"""The linear baseline learns words and characters, and comparisons of classifiers are those of the textbooks."""

import numpy as np
import pytest
from scipy.stats import binom

from helpers.data import chinese_reviews, movie_snippets
from helpers.nlp.baselines import tfidf_svm
from helpers.nlp.compare import paired


@pytest.mark.parametrize(
    ("source", "terms", "least"), [(movie_snippets, "words", 0.64), (chinese_reviews, "characters", 0.74)]
)
def test_a_thousand_labels_are_worth_more_than_a_guess(source, terms, least):
    train, test = source.load("train").few(1_000, seed=0), source.load("test")[:1_000]
    right = tfidf_svm(train.texts, train.labels, terms).predict(test.texts) == test.labels
    assert right.mean() > least


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="same label"):
        tfidf_svm(["good", "fine"], [1, 1], "words")
    with pytest.raises(ValueError, match="'bytes'"):
        tfidf_svm(["good", "bad"], [1, 0], "bytes")


def test_paired_is_mcnemars_exact_test_with_an_interval():
    a, b = np.ones(100, dtype=bool), np.ones(100, dtype=bool)
    a[:4], b[10:25] = False, False  # 15 that only a got right, 4 that only b got right
    result = paired(a, b)
    assert (result.only_a, result.only_b, result.difference) == (15, 4, pytest.approx(0.11))
    assert result.p == pytest.approx(2 * binom.cdf(4, 19, 0.5))
    assert 0.0 < result.low < 0.11 < result.high
    assert paired(a, a).p == 1 and paired(a, a).difference == 0
    with pytest.raises(ValueError, match="same texts"):
        paired(a, b[:50])
