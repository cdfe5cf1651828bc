"""Corpora and labelled texts, as a reader fetches them: counts, honest splits, plain characters."""

import re

import numpy as np
import pytest

from helpers.data import brown_corpus, chinese_reviews, glove, movie_snippets, peoples_daily, tang_poems
from helpers.data.labelled_texts import LabelledTexts, split

PARTS = ("train", "valid", "test")


@pytest.mark.parametrize(
    ("source", "sizes"), [(movie_snippets, (7_256, 800, 2_014)), (chinese_reviews, (12_891, 1_000, 3_472))]
)
def test_no_text_is_in_two_parts_and_the_classes_are_even(source, sizes):
    parts = [source.load(part) for part in PARTS]
    assert tuple(map(len, parts)) == sizes
    texts = [text for part in parts for text in part.texts]
    assert len(set(texts)) == len(texts) and all(text.strip() for text in texts)
    assert all(0.45 < part.labels.mean() < 0.55 for part in parts)
    with pytest.raises(ValueError, match="'dev'"):
        source.load("dev")


def test_movie_ratings_agree_with_what_is_said():
    texts, ratings = movie_snippets.rated()
    assert len(texts) == 10_605 and np.abs(ratings).max() <= 4
    mean = {word: np.mean([r for t, r in zip(texts, ratings, strict=True) if word in t.lower()]) for word in
            ("wonderful", "dull")}  # fmt: skip
    assert mean["wonderful"] > 1 and mean["dull"] < -0.5


def test_the_published_reviews_repeat_themselves():
    data = chinese_reviews.raw()
    assert len(data) > 2 * len(set(data.texts))
    both = set(np.array(data.texts)[data.labels == 0]) & set(np.array(data.texts)[data.labels == 1])
    assert len(both) == 47
    assert not both & set(chinese_reviews.load("train").texts)


def test_peoples_daily_has_words_with_tags():
    sentences = peoples_daily.sentences()
    assert len(sentences) == 19_484
    tokens = [token for sentence in sentences for token in sentence]
    assert len(tokens) > 1_000_000 and all(word and tag for word, tag in tokens)
    assert ("中国", "ns") in tokens and {tag for word, tag in tokens if word == "。"} == {"w"}


def test_brown_has_its_million_words_in_fifteen_genres():
    counts = {genre: len(brown_corpus.sentences(genre)) for genre in brown_corpus.GENRES.values()}
    assert len(counts) == 15 and counts["humor"] == 1_053 and counts["romance"] == 4_431
    assert sum(counts.values()) == len(brown_corpus.sentences()) == 57_340  # as NLTK counts them
    assert sum(map(len, brown_corpus.sentences())) == 1_161_192
    assert brown_corpus.sentences("news")[0][:2] == [("The", "at"), ("Fulton", "np-tl")]
    with pytest.raises(ValueError, match=r"poetry.*science_fiction"):
        brown_corpus.sentences("poetry")


def test_tang_poems_are_whole_and_simplified():
    poems = tang_poems.load()
    assert len(poems) > 40_000
    assert all(re.fullmatch(r"[\u4e00-\u9fff，。？！；：、]+", "".join(poem.lines)) for poem in poems)
    text = "".join("".join(poem.lines) for poem in poems)
    assert text.count("风") > 10_000 and "風" not in text
    quatrains = tang_poems.regulated(5, 4)
    assert any("疑是地上霜" in "".join(poem.lines) and poem.author == "李白" for poem in quatrains)
    assert all(len("".join(poem.lines)) == 24 for poem in quatrains)


def test_glove_knows_what_belongs_together():
    words, vectors = glove.load()
    assert vectors.shape == (400_000, 50) and vectors.dtype == np.float32
    ids = {word: i for i, word in enumerate(words)}

    def alike(a, b):
        x, y = vectors[ids[a]], vectors[ids[b]]
        return x @ y / np.linalg.norm(x) / np.linalg.norm(y)

    assert alike("cat", "dog") > 0.85 > 0.5 > alike("cat", "parliament")


def test_few_is_balanced_and_the_same_for_the_same_seed():
    data = LabelledTexts([f"text {i}" for i in range(100)], np.repeat([0, 1], [80, 20]), ("a", "b"))
    chosen = data.few(30, seed=3)
    assert np.bincount(chosen.labels).tolist() == [15, 15] and len(set(chosen.texts)) == 30
    assert chosen.texts == data.few(30, seed=3).texts != data.few(30, seed=4).texts
    assert np.bincount(data.few(90, seed=0).labels).tolist() == [70, 20], "the small class is used up"
    for n in (1, 101):
        with pytest.raises(ValueError, match=f"{n} of 100 texts"):
            data.few(n, seed=0)


def test_a_split_refuses_duplicates():
    with pytest.raises(ValueError, match="1 texts are duplicates"):
        split(LabelledTexts(["a", "b", "a"], np.zeros(3, dtype=int), ("x",)), 1, 1)
    with pytest.raises(ValueError, match="3 texts but 2 labels"):
        LabelledTexts(["a", "b", "c"], np.zeros(2, dtype=int), ("x",))
