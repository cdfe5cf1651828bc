"""Lab 5's visible checks: the master's solutions pass, gaps and mistakes stop with a message that names them."""

import numpy as np
import pytest
import torch

from aibook.labs.grading import solutions
from helpers.labs import animals
from helpers.labs.bert_input import lab
from helpers.labs.checks import CheckFailed, NotWrittenYet
from tests.labs.answers import bert_input as answers


@pytest.fixture(scope="module")
def names():
    return solutions("05-bert-input")


def written(source, names):
    """The names as they are where `source` has been run after the solutions."""
    found = dict(names)
    exec(compile(source, "<answer>", "exec"), found)
    return found


def test_the_masters_solutions_earn_all_points(names, capsys):
    for task in lab.tasks:
        lab.check(task, **names)
    assert "24 / 24" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("task", "wrong", "says"),
    [
        ("pieces", "no mark inside words", "mark ##"),
        ("pieces", "only the rest is unknown", "whole word is one"),
        ("pieces", "shortest match first", "Longest first"),
        ("pieces", "upper case stays", "Lower-case"),
        ("pieces", "punctuation stays on the word", "punctuation"),
        ("pieces", "Chinese is not set apart", "Chinese character"),
        ("inputs", "the first [SEP] in segment 1", "segment 0"),
        ("inputs", "[SEP] even without b", "single text"),
        ("inputs", "the second text is cut first", "Whichever text is longer"),
        ("inputs", "the second text is cut where they are equal", "of one length"),
        ("inputs", "the lists themselves are cut", "copy them"),
        ("inputs", "padding in front", "shorter row"),
        ("inputs", "the mask turned round", "mask of the shorter"),
        ("masking", "special pieces may be chosen", "never chosen"),
        ("masking", "labels only where [MASK] stands", "whatever is done"),
        ("masking", "a fifth random", "0.95 changes nothing"),
        ("masking", "in place", "in place"),
        ("whole-words", "each piece a word", "two words"),
        ("whole-words", "stops at the first that does not fit", "smaller ones"),
        ("mlm-loss", "padding counted", "ln 4"),
        ("mlm-loss", "gradient without the label", "minus 1"),
        ("mlm-loss", "exp without care", "largest logit"),
        ("mlm-loss", "0/0 without labels", "Without any label|NaN"),
        ("train", "untrained", "bar begins"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_mistake_is_named(task, wrong, says, names):
    source = dict(answers.WRONG[task])[wrong]
    with pytest.raises(CheckFailed, match=says):
        lab.check(task, **written(source, names))


def test_other_right_answers_pass(names, capsys):
    for task, others in answers.ALSO_RIGHT.items():
        for _, source in others if task != "train" else []:
            lab.check(task, **written(source, names))
    assert "✓" in capsys.readouterr().out


def test_a_gap_says_what_to_write(names):
    def unwritten(*_):
        raise NotImplementedError

    with pytest.raises(NotWrittenYet, match="longest match"):
        lab.check("pieces", **{**names, "cut": unwritten})


def test_each_verb_follows_from_its_noun_and_number():
    rng = np.random.default_rng(0)
    language = animals.Language(rng)
    for _ in range(50):
        clauses = " ".join(language.text(rng)).split(" ;")[:-1]
        assert 2 <= len(clauses) <= 3
        for number, noun, *_, verb in map(str.split, clauses):
            assert verb == animals.ANIMALS[noun] + {"one": "s", "two": ""}[number]


def test_all_verbs_are_blank_and_ids_are_drawn_anew():
    rng = np.random.default_rng(0)
    language = animals.Language(rng)
    ids, labels = language.blanks(20, rng)
    asked = labels != animals.IGNORE
    assert torch.equal(ids == animals.MASK, asked)
    assert torch.isin(labels[asked], language.verbs).all() and not torch.isin(ids, language.verbs).any()
    assert language.ids != animals.Language(np.random.default_rng(1)).ids
    assert sorted(language.ids.values()) == list(range(animals.PIECES))
    perfect = torch.nn.functional.one_hot(labels.clamp(min=0), animals.PIECES).float()
    assert animals.accuracy(perfect, labels) == 1
