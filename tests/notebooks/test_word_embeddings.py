"""The chapter's own code, taken from its cells: equal to the libraries, indifferent to padding, and it learns."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import nn

from aibook import recipes
from helpers import studies
from helpers.nlp.batches import Bucketed, padded
from helpers.nlp.texts import PAD, UNKNOWN, Vocabulary, encoded, words
from helpers.training import NonFiniteLoss, seed_everything


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("nlp/01-word-embeddings")


@pytest.fixture
def vectors():
    return torch.randn(30, 12, generator=torch.Generator().manual_seed(0))


SENTENCES = [[2, 3, 4, 5, 6, 7, 8], [9, 3], [4], [11, 12, 13, 2, 5]]

# ---- Counting ----------------------------------------------------------------------------------------------------


def test_tfidf_equals_scikit_learns(chapter):
    texts = ["a good, good film", "a bad film", "good", "the film is the film", "a dull cast"]
    theirs = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b|,", sublinear_tf=True)
    expected = theirs.fit_transform(texts).toarray()
    vocabulary = Vocabulary([words(text) for text in texts])
    ours = chapter.tfidf(chapter.counts_of(texts, vocabulary))
    columns = [vocabulary.ids[term] for term in theirs.get_feature_names_out()]
    assert len(columns) == len(vocabulary) - 2
    assert np.allclose(ours[:, columns], expected, atol=1e-6)
    assert not ours[:, [PAD, UNKNOWN]].any()


def test_a_text_without_words_has_a_vector_of_zeros_and_no_nan(chapter):
    vocabulary = Vocabulary([["film", "good"]])
    assert not chapter.tfidf(chapter.counts_of(["", "good film"], vocabulary))[0].any()
    assert chapter.counts_of(["unheard of"], vocabulary)[0].tolist() == [0, 2, 0, 0]


def test_known_finds_copies_and_nothing_else(chapter):
    assert chapter.known(["a", "b", "a ", "c"], ["c", "a"]).tolist() == [True, False, False, True]


# ---- Skip-gram ---------------------------------------------------------------------------------------------------


def test_the_skipgram_loss_is_that_of_a_classifier_of_pairs(chapter):
    seed_everything(0)
    network = chapter.SkipGram(9, 4)
    nn.init.normal_(network.context)
    nn.init.normal_(network.word)
    w, c, noise = torch.tensor([2, 3, 2]), torch.tensor([4, 5, 8]), torch.tensor([6, 7, 7, 2])
    near = (network.word[w] * network.context[c]).sum(1)
    far = network.word[w] @ network.context[noise].T
    expected = F.binary_cross_entropy_with_logits(near, torch.ones(3))
    expected = expected + 5 * F.binary_cross_entropy_with_logits(far, torch.zeros(3, 4))
    assert network(w, c, noise, k=5).item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_skipgram_gradient_equals_the_one_by_hand(chapter):
    seed_everything(1)
    network = chapter.SkipGram(6, 4)
    nn.init.normal_(network.context)
    w, c, noise = torch.tensor([2]), torch.tensor([3]), torch.tensor([4, 5])
    network(w, c, noise, k=3).backward()
    u, v = network.word.detach(), network.context.detach()
    by_hand = (torch.sigmoid(u[2] @ v[3]) - 1) * v[3]
    by_hand = by_hand + 3 * (torch.sigmoid(v[[4, 5]] @ u[2])[:, None] * v[[4, 5]]).mean(0)
    assert torch.allclose(network.word.grad[2], by_hand, atol=1e-6)
    assert torch.allclose(network.context.grad[3], (torch.sigmoid(u[2] @ v[3]) - 1) * u[2], atol=1e-6)
    assert not network.word.grad[[0, 1, 3, 4, 5]].any()


def test_pairs_stand_near_each_other_in_one_sentence_and_both_ways(chapter):
    sentences = [[2, 3, 4, 5], [6, 7], [8, UNKNOWN, 9]]
    counts = np.array([0, 1, *[1] * 8], float)
    pairs = chapter.skip_pairs(sentences, counts, 2, np.random.default_rng(0), threshold=1e9)
    found = {tuple(pair) for pair in pairs.tolist()}
    allowed = {(2, 3), (3, 4), (4, 5), (2, 4), (3, 5), (6, 7), (8, 9)}
    allowed |= {(b, a) for a, b in allowed}
    direct = {(a, b) for a, b in allowed if abs(a - b) == 1}  # the unknown word is skipped: 8 and 9 become neighbours
    assert direct <= found <= allowed


def test_frequent_words_are_thinned_out(chapter):
    rng = np.random.default_rng(0)
    sentences = [[2, int(rng.integers(3, 200))] for _ in range(4000)]
    counts = np.bincount(np.concatenate(sentences), minlength=200).astype(float)
    thinned = chapter.skip_pairs(sentences, counts, 2, rng, threshold=1e-2)
    assert 0.08 < len(thinned) / (2 * len(sentences)) < 0.25  # the square root of 0.01 / 0.5 is 0.14


def test_skipgram_learns_who_keeps_company_with_whom(chapter):
    rng = np.random.default_rng(0)
    sentences = [(rng.integers(0, 8, 6) + (2 if i % 2 else 10)).tolist() for i in range(600)]  # two worlds of 8 words
    counts = np.bincount(np.concatenate(sentences), minlength=18).astype(float)
    pairs = chapter.skip_pairs(sentences, counts, 3, rng, threshold=1e9)
    seed_everything(0)
    network, losses = chapter.train_skipgram(pairs, counts, d=8, batch=128, epochs=3)
    assert np.mean(losses[-10:]) < 0.9 * losses[0] == pytest.approx(0.9 * 6 * np.log(2), rel=1e-3)
    unit = F.normalize(network.word.detach(), dim=1)
    for word in range(2, 18):
        near = chapter.nearest(unit, unit[word], 4, (PAD, UNKNOWN, word))
        assert sum((other < 10) == (word < 10) for other in near) >= 3


def test_a_skipgram_that_diverges_stops_with_a_clear_error(chapter):
    network = chapter.SkipGram(4, 2)
    network.word.data.fill_(float("nan"))
    adam = torch.optim.Adam(network.parameters())
    loss = network(torch.tensor([2]), torch.tensor([3]), torch.tensor([2]))
    with pytest.raises(NonFiniteLoss, match=r"nan at step 7: try a lower learning rate"):
        chapter.descend(loss, adam, 7)


def test_nearest_leaves_out_what_it_is_told_to(chapter):
    unit = torch.eye(4)
    query = torch.tensor([0.9, 0.5, 0.3, 0.1])
    assert chapter.nearest(unit, query, 2) == [0, 1]
    assert chapter.nearest(unit, query, 2, (0, 2)) == [1, 3]


def test_analogies_on_a_plane_made_for_them(chapter):
    """Two exact parallelograms: with the rule all right; without it too, since the step is long."""
    points = {"man": (1, 0), "woman": (1, 3), "king": (2.0, 0), "queen": (2.0, 3), "apple": (-5, -5)}
    place = {word: i for i, word in enumerate(points)}
    unit = torch.tensor(list(points.values()), dtype=torch.float)
    pairs = [("man", "woman"), ("king", "queen")]
    hit, itself = chapter.analogies(pairs, unit, place)
    assert hit.shape == (2,) and not itself.any()
    # Without the step the question's own word, or a longer one in its direction, is the answer.
    hit, itself = chapter.analogies(pairs, F.normalize(unit, dim=1), place, excluded=False, arithmetic=False)
    assert itself.any() and not hit.any()


def test_an_analogy_with_an_unknown_word_is_refused_by_name(chapter):
    with pytest.raises(ValueError, match="florin"):
        chapter.analogies([("a", "florin"), ("a", "a")], torch.eye(2), {"a": 0})


# ---- Networks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (3, 9)])
def test_our_lstm_equals_pytorchs_in_values_and_gradients(chapter, shape):
    seed_everything(0)
    theirs = nn.LSTM(6, 10, batch_first=True)
    x = torch.randn(*shape, 6, requires_grad=True)
    ours, expected = chapter.lstm(x, *theirs.parameters()), theirs(x)[0]
    assert torch.allclose(ours, expected, atol=1e-5)
    for a, b in zip(
        torch.autograd.grad(ours.square().sum(), [x, *theirs.parameters()]),
        torch.autograd.grad(expected.square().sum(), [x, *theirs.parameters()]),
        strict=True,
    ):
        assert torch.allclose(a, b, atol=1e-5)
        assert shape[1] == 1 or b.abs().max() > 1e-4  # after one word U has had no say


def test_the_bidirectional_lstm_is_two_of_ours(chapter, vectors):
    network = chapter.BiLSTM(vectors, 5).eval()
    ids = torch.tensor([SENTENCES[0]])
    x, weights = network.embed(ids), list(network.lstm.parameters())
    forth, back = chapter.lstm(x, *weights[:4])[:, -1], chapter.lstm(x.flip(1), *weights[4:])[:, -1]
    assert torch.allclose(network(ids), network.head(torch.cat([forth, back], 1)), atol=1e-5)


def test_textcnn_equals_windows_times_weights_by_hand(chapter, vectors):
    network = chapter.TextCNN(vectors, filters=7).eval()
    ids = torch.tensor([SENTENCES[0]])
    found = []
    for conv in network.convs:
        w = conv.weight.shape[2]
        x = F.pad(network.embed(ids)[0], (0, 0, w // 2, w // 2))  # (T + 2 (w // 2), d)
        places = [(x[i : i + w].T * conv.weight).sum((1, 2)) + conv.bias for i in range(ids.shape[1])]
        found.append(torch.stack(places).relu().amax(0))
    assert torch.allclose(network(ids)[0], network.head(torch.cat(found)), atol=1e-5)


@pytest.mark.parametrize("name", ["Mean", "TextCNN", "BiLSTM"])
def test_a_text_gets_the_same_answer_alone_and_in_company(chapter, vectors, name):
    seed_everything(0)
    network = getattr(chapter, name)(vectors).eval()
    with torch.no_grad():
        for p in network.parameters():  # biases large enough that an answer to padding would show
            if p.dim() == 1:
                p.add_(0.5)
        together = network(padded([*SENTENCES, list(range(2, 22))]))
        for sentence, expected in zip(SENTENCES, together, strict=False):
            assert torch.allclose(network(torch.tensor([sentence])), expected, atol=1e-5)


def test_without_packing_the_lstms_answer_depends_on_the_padding(chapter, vectors):
    network = chapter.BiLSTM(vectors).eval()
    network.packing = False
    alone, filled = torch.tensor([[2, 3]]), torch.tensor([[2, 3, PAD, PAD, PAD]])
    assert (network(alone) - network(filled)).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["lstm", "lstm_shortcut", "cnn", "cnn_shortcut", "transformer"])
def test_a_stack_ignores_padding_too_and_has_the_depth_it_is_given(chapter, vectors, kind):
    seed_everything(0)
    network = chapter.Deep(vectors, kind, 3, d=16).eval()
    assert len(network.layers) == 3 and len(network.states(padded(SENTENCES))) == 3
    with torch.no_grad():
        together = network(padded(SENTENCES))
        for sentence, expected in zip(SENTENCES, together, strict=True):
            assert torch.allclose(network(torch.tensor([sentence])), expected, atol=1e-4)


def test_gradients_vanish_in_plain_stacks_and_not_with_shortcuts(chapter, vectors):
    ratio = {}
    for kind in chapter.STACKS:
        seed_everything(0)
        found = chapter.slopes(chapter.Deep(vectors, kind, 8).eval(), padded(SENTENCES), torch.tensor([0, 1, 0, 1]))
        assert len(found) == 8
        ratio[kind] = found[-1] / found[0]
    assert min(ratio["lstm"], ratio["cnn"]) > 50
    assert max(ratio["lstm_shortcut"], ratio["cnn_shortcut"], ratio["transformer"]) < 5


def test_slopes_are_the_gradients_at_the_layers_outputs(chapter, vectors):
    seed_everything(0)
    network, t = chapter.Deep(vectors, "cnn", 2, d=8).eval(), torch.tensor([0, 1, 0, 1])
    ids = padded(SENTENCES)
    last = network.states(ids)[-1].detach().requires_grad_()
    F.cross_entropy(network.vote(last, ids), t).backward()
    assert chapter.slopes(network, ids, t)[-1] == pytest.approx(last.grad.norm().item(), rel=1e-5)


def test_the_embedding_keeps_padding_at_zero_and_leaves_the_given_vectors_alone(chapter, vectors):
    before = vectors.clone()
    network = chapter.Mean(vectors)
    batches = Bucketed(SENTENCES, [0, 1, 0, 1], 4, shuffle=True)
    chapter.fit(network, batches, 2, 0.1)
    assert torch.equal(vectors, before)
    assert not network.embed.weight[PAD].any()
    assert not torch.equal(network.embed.weight[2], before[2])


# ---- Learning ----------------------------------------------------------------------------------------------------


def ordered(n, seed=0):
    """Texts of other words in which 2 comes before 3 (label 1) or after it (label 0): order alone tells them apart."""
    rng, texts = np.random.default_rng(seed), []
    labels = np.arange(n) % 2
    for label in labels:
        text = rng.integers(4, 30, rng.integers(4, 9)).tolist()
        at = int(rng.integers(0, len(text)))
        texts.append([*text[:at], *((2, 3) if label else (3, 2)), *text[at:]])
    return texts, labels


@pytest.mark.parametrize(("name", "lr"), [("TextCNN", 5e-3), ("BiLSTM", 2e-2)])
def test_networks_that_read_learn_order_and_a_seed_repeats_it(chapter, vectors, name, lr):
    texts, labels = ordered(256)
    curves = []
    for _ in range(2):
        seed_everything(0)
        network = getattr(chapter, name)(vectors)
        losses, watch = chapter.fit(network, Bucketed(texts, labels, 32, shuffle=True), 8, lr)
        curves.append(losses)
    assert curves[0] == curves[1] and len(losses) == 64 and watch.cpu > 0
    new, truth = ordered(200, seed=1)
    assert ((chapter.margins(network, new) > 0) == truth).mean() > 0.85


def test_a_mean_cannot_learn_order(chapter, vectors):
    texts, labels = ordered(256)
    seed_everything(0)
    network = chapter.Mean(vectors)
    chapter.fit(network, Bucketed(texts, labels, 32, shuffle=True), 8, 1e-2)
    assert chapter.margins(network, [[5, 2, 3, 8]]) == pytest.approx(chapter.margins(network, [[5, 3, 2, 8]]), abs=1e-5)


def test_margins_come_in_the_order_of_the_texts(chapter, vectors):
    seed_everything(0)
    network = chapter.TextCNN(vectors)
    together = chapter.margins(network, SENTENCES)
    alone = [chapter.margins(network, [sentence])[0] for sentence in SENTENCES]
    assert together == pytest.approx(alone, abs=1e-5) and np.ptp(alone) > 0


def test_a_loss_that_is_not_a_number_stops_training_with_a_clear_error(chapter, vectors):
    network = chapter.Mean(vectors)
    network.head.weight.data.fill_(float("nan"))
    with pytest.raises(NonFiniteLoss, match="step 0"):
        chapter.fit(network, Bucketed(SENTENCES, [0, 1, 0, 1], 2, shuffle=True), 1, 1e-2)


@pytest.mark.parametrize("name", ["Mean", "TextCNN", "BiLSTM"])
def test_empty_long_and_unknown_texts_get_an_answer_and_an_empty_list_an_error(chapter, vectors, name):
    network, vocabulary = getattr(chapter, name)(vectors), Vocabulary([["good", "film"]])
    ids = encoded(["", "good film " * 500, "unheard of", "好"], words, vocabulary, 64)
    found = chapter.margins(network, ids)
    assert found.shape == (4,) and np.isfinite(found).all()
    assert found[0] == pytest.approx(found[3], abs=1e-6)  # an empty text is one unknown word
    with pytest.raises(ValueError, match="at least one token"):
        chapter.margins(network, [[2], []])


def test_one_class_alone_is_refused(chapter):
    with pytest.raises(ValueError, match="same label"):
        chapter.tfidf_svm(["good", "fine"], [1, 1], "words")


def test_chinese_pairs_and_texts_too_short_for_them(chapter):
    assert chapter.with_pairs("很好 看") == ["很", "好", "看", "很好", "好看"]
    assert chapter.with_pairs("好") == ["好"] and chapter.with_pairs(" ") == []
    assert len(chapter.with_pairs("好" * 500)) == 160 + 159


# ---- What the chapter claims of its study ------------------------------------------------------------------------


def test_the_stored_study_says_what_the_text_says():
    study = studies.load("nlp/01-word-embeddings")
    assert len(study.seeds) >= 3
    # A leak of ten points, and the truth from new lines near the honest split's.
    assert study.mean("leak_accuracy") - study.mean("honest_accuracy") > 7
    assert abs(study.mean("leak_accuracy_new") - study.mean("honest_accuracy")) < 4
    # The arithmetic is worth something, and a good part of the accuracy is the rule's.
    assert study.mean("analogy_all_usual") > study.mean("analogy_all_null") + 10
    assert study.mean("analogy_all_usual") > study.mean("analogy_all_not_excluded") + 15
    assert min(study.values("tag_agreement")) > max(study.values("tag_agreement_null")) + 20
    assert min(study.values("alike_0")) > 0.8 > 0.5 > max(study.values("alike_5"))
    # Bags cannot order the pairs.
    assert set(study.values("trap_bag")) == set(study.values("trap_mean")) == {50}
    assert max(map(abs, study.values("shuffled_mean"))) == 0
    # No network leaves TF-IDF + SVM behind; of the Chinese ones, pairs in the bag lead and cost seconds.
    for name in ("mean", "cnn", "lstm"):
        assert study.mean(f"gap_{name}_glove") < 2.5
    assert min(study.values("zh_pairs")) > max(
        study.values("zh_mean") + study.values("zh_cnn") + study.values("zh_lstm")
    )
    # Depth: plain stacks starve, shortcuts heal, seconds are paid for, and nobody comes near counting.
    for kind in ("lstm", "cnn"):
        assert min(study.values(f"gradient_ratio_{kind}")) > 50
        assert max(study.values(f"gradient_ratio_{kind}_shortcut")) < 5
    assert study.mean("deepest_lstm") < study.mean("deepest_lstm_shortcut") - 5
    assert study.mean("deepest_cnn") < study.mean("deepest_cnn_shortcut") - 5
    for kind in ("lstm_shortcut", "cnn_shortcut", "transformer"):
        assert max(study.values(f"deepest_{kind}")) < min(study.values("svm_en"))
        assert study.mean(f"depth_price_{kind}") > 2
    assert study.mean("lstm_longer_cpu") == pytest.approx(study.mean("lstm_deep_cpu"), rel=0.4)
