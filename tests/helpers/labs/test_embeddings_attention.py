"""Lab 4's visible checks: the master's solutions pass, gaps and mistakes stop with a message that names them."""

import numpy as np
import pytest

from aibook.labs.grading import solutions
from helpers.labs import opinions
from helpers.labs.checks import CheckFailed, NotWrittenYet
from helpers.labs.embeddings_attention import lab
from tests.labs.answers import embeddings_attention as answers


@pytest.fixture(scope="module")
def names():
    return solutions("04-embeddings-attention")


def written(source, names):
    """The names as they are where `source` has been run after the solutions."""
    found = dict(names)
    exec(compile(source, "<answer>", "exec"), found)
    return found


def test_the_masters_solutions_earn_all_points(names, capsys):
    for task in lab.tasks:
        lab.check(task, **names)
    assert "28 / 28" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("task", "wrong", "says"),
    [
        ("pairs", "the right neighbours only", "shape"),
        ("pairs", "a word that stands twice is left out", "shape"),
        ("negative-sampling", "plain frequencies", "first word"),
        ("negative-sampling", "the logarithm of the sigmoid", "logsigmoid"),
        ("nearest", "products, not cosines", "lengths"),
        ("nearest", "excludes nothing", "Without row 1"),
        ("nearest", "in place", "in place"),
        ("attention", "no root", "d = 4"),
        ("attention", "softmax over the queries", "last axis"),
        ("attention", "the mask turned round", "True means"),
        ("attention", "masked after the softmax", "before the softmax"),
        ("attention", "causal hides the place itself", "itself included"),
        ("heads", "the mask forgotten", "hand the mask on"),
        ("heads", "heads take every h-th number", "neighbouring"),
        ("positions", "sines first, then cosines", "even columns"),
        ("positions", "no rotation", "sin 1"),
        ("train", "untrained", "bar begins"),
    ],
)
def test_a_mistake_is_named(task, wrong, says, names):
    source = dict(answers.WRONG[task])[wrong]
    with pytest.raises(CheckFailed, match=says):
        lab.check(task, **written(source, names))


def test_other_right_answers_pass(names, capsys):
    for task, others in answers.ALSO_RIGHT.items():
        for _, source in others if task != "train" else []:
            lab.check(task, **written(source, names))
    assert "✓" in capsys.readouterr().out


def test_heads_that_keep_no_shares_are_told_so(names):
    source = dict(answers.ALSO_RIGHT["heads"])["a loop over the heads"].replace("self.shares = ", "_ = ")
    with pytest.raises(CheckFailed, match=r"heads\.shares"):
        lab.check("heads", **written(source, names))


def test_a_gap_says_what_to_write(names):
    def unwritten(*_):
        raise NotImplementedError

    with pytest.raises(NotWrittenYet, match=r"√d"):
        lab.check("attention", **{**names, "attention": unwritten})


def test_each_thing_stands_beside_its_opinion():
    rng = np.random.default_rng(0)
    language = opinions.Language(rng)
    for _ in range(50):
        words, labels = language.text(rng)
        assert len(words) == len(labels) <= opinions.LONGEST
        clauses = " ".join(words).split(" ;")[:-1]
        judged = [label for label in labels if label != opinions.NOTHING]
        assert 2 <= len(clauses) == len(judged) <= opinions.CLAUSES
        for clause, praised in zip(clauses, judged, strict=True):
            assert any(word in opinions.PRAISE for word in clause.split()) == bool(praised)


def test_ids_are_drawn_anew_and_padding_is_apart():
    first, second = (opinions.Language(np.random.default_rng(seed)) for seed in (0, 1))
    assert first.ids != second.ids
    assert sorted(first.ids.values()) == list(range(1, opinions.PIECES))
