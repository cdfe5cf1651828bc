"""Cutting, vocabularies, ids."""

import pytest

from helpers.nlp.texts import PAD, UNKNOWN, Vocabulary, characters, encoded, words


def test_words_and_characters():
    assert words("It's 5, OK?") == ["it's", "5", ",", "ok", "?"]
    assert words("Don’t") == ["don't"]
    assert characters(" 好 书！\n") == ["好", "书", "！"]
    assert words("") == characters(" ") == []


def test_a_vocabulary_ranks_by_frequency_and_then_by_the_token():
    vocabulary = Vocabulary([["b", "a", "c"], ["b", "d"]], most=6, extra=("<bos>",))
    assert vocabulary.tokens == ["<pad>", "<unk>", "<bos>", "b", "a", "c"] and len(vocabulary) == 6
    assert vocabulary.encode(["d", "b", "<bos>"]) == [UNKNOWN, 3, 2]
    assert vocabulary.decode([3, PAD]) == ["b", "<pad>"]
    assert Vocabulary([["b", "a"], ["b"]], least=2).tokens == ["<pad>", "<unk>", "b"]


def test_a_special_token_in_a_text_does_not_come_twice():
    assert Vocabulary([["<unk>", "<bos>", "a"]], extra=("<bos>",)).tokens == ["<pad>", "<unk>", "<bos>", "a"]


def test_an_empty_vocabulary_is_refused():
    for documents in ([], [[]], [["a"]]):
        with pytest.raises(ValueError, match="vocabulary would be empty"):
            Vocabulary(documents, least=2)


def test_encoded_cuts_and_never_gives_an_empty_list():
    vocabulary = Vocabulary([["好", "书"]])
    assert encoded(["好书好", "", "龙"], characters, vocabulary, 2) == [vocabulary.encode("好书"), [UNKNOWN], [UNKNOWN]]
    with pytest.raises(ValueError, match="longest"):
        encoded(["好"], characters, vocabulary, 0)
