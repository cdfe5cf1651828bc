"""Chapter 8's own code, taken from its cells: the cheapest cut, whole-word blanks, what transfers, and the checks."""

import itertools
import math
import random

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizer
from transformers import logging as library_logging

from aibook import recipes
from helpers.nlp.tuning import run, split

library_logging.set_verbosity_error()


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("nlp/08-english-and-chinese")


# ---- Words -------------------------------------------------------------------------------------------------------


def every_cut(text, longest):
    for ends in itertools.product((False, True), repeat=len(text) - 1):
        places = [0, *(i for i, end in enumerate(ends, 1) if end), len(text)]
        cut = [text[a:b] for a, b in itertools.pairwise(places)]
        if max(map(len, cut)) <= longest:
            yield cut


def test_the_cheapest_cut_is_the_cheapest_of_all_cuts(chapter):
    draw = random.Random(0)
    for _ in range(40):
        words = {"".join(draw.choices("abc", k=draw.randrange(1, 5))) for _ in range(12)}
        cost = {word: draw.uniform(1, 9) for word in words}
        price = lambda word, cost=cost: cost.get(word, 16.0 if len(word) == 1 else math.inf)  # noqa: E731
        text = "".join(draw.choices("abcd", k=8))
        cut = chapter.segment(text, cost)
        assert "".join(cut) == text
        assert sum(map(price, cut)) == pytest.approx(min(sum(map(price, one)) for one in every_cut(text, 5)))


def test_the_graduate_student_is_avoided_and_the_longest_match_takes_him(chapter):
    cost = chapter.costs([["研究", "生命", "的", "起源"]] * 20 + [["研究生", "命", "生"]])
    assert chapter.segment("研究生命的起源", cost) == ["研究", "生命", "的", "起源"]
    assert chapter.longest_match("研究生命的起源", cost) == ["研究生", "命", "的", "起源"]
    assert chapter.segment("", cost) == chapter.longest_match("", cost) == []
    assert chapter.segment("甲乙", cost) == ["甲", "乙"]  # on no list: single characters


def test_costs_are_minus_log_frequencies(chapter):
    cost = chapter.costs([["a", "a", "b"], ["a"]])
    assert cost == pytest.approx({"a": -math.log(3 / 4), "b": -math.log(1 / 4)})


def test_f1_counts_words_with_both_ends_right(chapter):
    assert chapter.word_f1([["ab", "c"]], [["ab", "c"]]) == 100
    assert chapter.word_f1([["a", "b", "c"]], [["ab", "c"]]) == pytest.approx(200 * 1 / 5)
    assert chapter.word_f1([["abc"]], [["ab", "c"]]) == 0


# ---- Blanks ------------------------------------------------------------------------------------------------------


def test_whole_words_are_hidden_whole_and_both_rules_hide_as_much(chapter):
    torch.manual_seed(0)
    word = torch.tensor([[*chapter.numbered(["酒店", "的", "服务员", "很", "好"]), 0, 0]]).expand(20_000, -1)
    ids = torch.where(word > 0, 5 + word, 0)
    for whole in (False, True):
        x, targets = chapter.hidden(ids, word, whole)
        blank = targets != -100
        assert torch.equal(x[blank], torch.full_like(x[blank], chapter.MASK)) and torch.equal(x[~blank], ids[~blank])
        assert torch.equal(targets[blank], ids[blank]) and not blank[:, -2:].any()  # never padding
        assert torch.allclose(blank[:, :-2].float().mean(0), torch.tensor(0.25), atol=0.015)
        halves = (blank[:, 0] == blank[:, 1]).float().mean()
        assert halves == 1 if whole else abs(halves - (0.25**2 + 0.75**2)) < 0.02
        apart = (blank[:, 1] & blank[:, 2]).float().mean()  # neighbouring words: independent
        assert abs(apart - 0.25**2) < 0.01


def test_a_text_of_single_character_words_can_be_hidden_too(chapter):
    word = torch.arange(1, 7)[None]
    x, _ = chapter.hidden(word + 4, word, whole=True, rate=1.0)
    assert (x == chapter.MASK).all()


def test_places_are_numbered_by_word_and_cut_off(chapter):
    assert chapter.numbered(["酒店", "很", "好"]) == [1, 1, 2, 3]
    assert chapter.numbered(["酒店", "很", "好"], longest=3) == [1, 1, 2]


def test_pairs_speak_for_their_other_half(chapter):
    log_p, follows = chapter.speak_for([np.array([1, 2, 3] * 50), np.array([1, 3])], 5)
    assert np.exp(log_p).sum() == pytest.approx(1, abs=0.05)
    assert follows[1].argmax() == 2 and follows[2].argmax() == 3 and follows[1, 2] > 0 > follows[2, 2]
    by_hand = (50 + 5 * np.exp(log_p[2])) / (51 + 5)
    assert follows[1, 2] == pytest.approx(np.log(by_hand) - log_p[2], abs=1e-5)


def test_counting_is_asked_what_each_neighbour_gives_away(chapter):
    v = 8
    log_p, follows = np.full(v, -3.0, np.float32), np.zeros((v, v), np.float32)
    log_p[7] = -1.0  # the most frequent
    follows[3, 4] = 5.0  # 3 calls for 4 after it, as do the halves of the word 4 5 for each other
    follows[4, 5] = 5.0
    hits = chapter.by_counting(log_p, follows, [3, 4, 5, 6])  # a word 4 5 between 3 and 6
    assert hits["by frequency alone"] == [False, False]
    assert hits["other half hidden"] == [True, False]  # 3 betrays 4, but 6 says nothing of 5
    assert hits["other half seen"] == [True, True]
    assert chapter.by_counting(log_p, follows, [3, 4, 6]) == {"two other neighbours": [True]}
    assert chapter.by_counting(log_p, follows, [6, 4, 3]) == {"two other neighbours": [False]}


# ---- Transfer ----------------------------------------------------------------------------------------------------


def two_languages(seed=0, n=400):
    rng = np.random.default_rng(seed)
    vectors, labels = {}, {}
    for name, place in (("en", 0.0), ("zh", 6.0)):
        labels[name] = tuple(rng.integers(0, 2, n) for _ in range(2))
        vectors[name] = tuple(rng.normal(size=(n, 8)) + 1.5 * (y[:, None] - 0.5) + place for y in labels[name])
    return vectors, labels


def test_a_shifted_language_is_lost_and_centring_brings_it_back(chapter):
    vectors, labels = two_languages()
    raw, positive = chapter.carried(vectors, labels, "en", "zh", centred=False)
    mended, share = chapter.carried(vectors, labels, "en", "zh", centred=True)
    home, _ = chapter.carried(vectors, labels, "zh", "zh", centred=False)
    assert raw < 60 and positive > 95
    assert mended > 90 and abs(mended - home) < 4 and 40 < share < 60


def test_pooling_a_split_encoder_equals_the_mean_over_the_whole_one(chapter):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
    encoder = BertModel(BertConfig(vocab_size=60, max_position_embeddings=16, **sizes), add_pooling_layer=False).eval()
    bottom, top = split(encoder, 1)
    ids = torch.randint(5, 60, (1, 9))
    with torch.inference_mode():
        states = bottom(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        found = chapter.Pooling(top)(states, torch.ones_like(ids))
        assert (found - encoder(ids).last_hidden_state.mean(1)).abs().max() < 1e-5
    assert len(run(bottom, ids.tolist())) == 1


# ---- Bad input and the hub ---------------------------------------------------------------------------------------

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "这", "家", "酒", "店", "好"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny masked language model with its tokenizer, in a folder as the hub has them."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=16).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(PIECES), max_position_embeddings=16, **sizes)).save_pretrained(folder)
    return folder


def test_models_and_fillings_load_by_the_ordinary_lines(chapter, checkpoint):
    tokenizer, encoder = chapter.load(str(checkpoint))
    assert len(tokenizer) == len(PIECES) and encoder.config.num_hidden_layers == 2
    for sentence in ("这家酒▢好", "这家▢▢好"):
        rows = chapter.fillings(str(checkpoint), sentence, k=2)
        assert len(rows) == sentence.count("▢") and all(len(row) == 2 and set(row) <= set(PIECES) for row in rows)


def test_texts_are_checked_before_they_are_used(chapter, checkpoint):
    tokenizer, _ = chapter.load(str(checkpoint))
    chapter.check_texts(tokenizer, ["good film", "bad film"], longest=8)  # fine
    with pytest.raises(ValueError, match="empty"):
        chapter.check_texts(tokenizer, ["good", " \n"], longest=8)
    with pytest.raises(ValueError, match="unknown: take a model of the language"):
        chapter.check_texts(tokenizer, ["服务员态度", "good"], longest=8)
    with pytest.raises(ValueError, match="split the texts"):
        chapter.check_texts(tokenizer, ["good film " * 20], longest=8)


def test_a_missing_class_is_named(chapter):
    chapter.check_labels([0, 1], ("negative", "positive"))
    with pytest.raises(ValueError, match="'negative'"):
        chapter.check_labels([1, 1], ("negative", "positive"))
    with pytest.raises(ValueError, match="class"):
        chapter.probe(np.ones((3, 4)), [1, 1, 1])


def test_a_tokenizer_of_another_model_is_refused_whether_larger_or_smaller(chapter, checkpoint):
    tokenizer, encoder = chapter.load(str(checkpoint))
    chapter.check_pair(encoder, tokenizer)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    for rows in (len(PIECES) - 1, 10 * len(PIECES)):
        other = BertModel(BertConfig(vocab_size=rows, **sizes))
        with pytest.raises(ValueError, match=r"belong together|load both"):
            chapter.check_pair(other, tokenizer)
