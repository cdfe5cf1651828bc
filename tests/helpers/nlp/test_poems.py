"""Poems of the strict forms, split by poem, and the ruler that measures new ones."""

import pytest

from helpers.nlp import poems

QUIET_NIGHT = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"


def test_train_and_valid_share_no_poem_and_have_the_four_forms():
    train, valid = poems.load(300)
    assert len(valid) == 300 and len(train) > 10_000
    assert not set(train) & set(valid)
    assert {poems.form(poem) for poem in train} == set(poems.FORMS)
    assert (train, valid) == poems.load(300)


def test_variants_of_validation_poems_are_not_trained_on():
    train, valid = poems.load(300)
    seen = {verse for poem in valid for verse in poems.verses(poem)}
    assert max(poems.copied([poem], seen) for poem in train) < 0.5
    assert poems.copied(train, seen) > 0  # a single verse may well recur


@pytest.mark.parametrize("valid", [0, 10**7])
def test_a_split_without_one_of_its_parts_is_refused(valid):
    with pytest.raises(ValueError, match="cannot be kept"):
        poems.load(valid)


def test_a_form_is_strict():
    assert poems.form(QUIET_NIGHT) == (5, 4)
    assert poems.form(QUIET_NIGHT[:-1]) is None  # the end is missing
    assert poems.form(QUIET_NIGHT[1:]) is None  # a verse is too short
    assert poems.form(QUIET_NIGHT[:12]) is None  # only two verses
    assert poems.form("") is None


def test_copied_verses_are_counted():
    known = set(poems.verses(QUIET_NIGHT))
    assert poems.copied([QUIET_NIGHT], known) == 1
    assert poems.copied(["床前明月光，春来江水绿。"], known) == 0.5
    assert poems.copied([""], known) == 0
