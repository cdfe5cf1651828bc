"""The baseline that every model of texts has to beat: counts of words or characters, weighted, and a linear classifier.

TF-IDF weighs a term by how often it is in the text and how few texts have it (Spärck Jones 1972); a linear support
vector machine on it is hard to beat with little data (Joachims 1998; Wang & Manning 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC


def tfidf_svm(
    texts: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    terms: Literal["words", "characters"],
    *,
    longest: int | None = None,
    c: float = 1.0,
    seed: int = 0,
) -> Pipeline:
    """TF-IDF of 1- to `longest`-grams and a linear SVM, fitted; its `predict` takes texts.

    terms: "words" with n-grams up to 2 for English, "characters" with n-grams up to 3 for Chinese, unless `longest`
        says otherwise. c: the SVM's inverse regularisation.

    Raises ValueError when there is only one class, since nothing can be learnt from it, or `terms` is another word.
    """
    if terms not in ("words", "characters"):
        raise ValueError(f"terms is 'words' or 'characters', not {terms!r}")
    if len(set(np.asarray(labels).tolist())) < 2:
        raise ValueError("all texts have the same label: a classifier needs at least two classes")
    if terms == "words":
        pattern, options = r"(?u)\b\w+\b|[!?]", {"ngram_range": (1, longest or 2)}
        vectors = TfidfVectorizer(lowercase=True, token_pattern=pattern, sublinear_tf=True, **options)
    else:
        vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, longest or 3), sublinear_tf=True, min_df=2)
    return make_pipeline(vectors, LinearSVC(C=c, random_state=seed)).fit(list(texts), np.asarray(labels))
