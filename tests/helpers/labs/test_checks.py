"""The machinery of the visible checks: the notebook's names, a bar of points, a message for whatever goes wrong."""

import numpy as np
import pytest
import torch

from helpers.labs.checks import CheckFailed, Lab, LabMessage, NotWrittenYet, expect, expect_array, expect_close


@pytest.fixture
def lab():
    made = Lab()

    @made.task("double", 3, ["double"], "`double(x)` returns 2x.", "`double(x)` 返回 2x。")
    def _(double):
        expect(double(2) == 4, "Twice 2 is 4.", "2 的两倍是 4。")

    @made.task("return", 5, ["act", "plan"], "`act` and `plan`.", "`act` 与 `plan`。")
    def _(act, plan):
        return act() / plan()

    return made


def double(x):
    return 2 * x


def unwritten(*_):
    raise NotImplementedError


def test_a_check_takes_the_names_of_the_notebook_that_calls_it(lab, capsys):
    lab.check("double")
    assert capsys.readouterr().out.splitlines()[0].startswith("✓ double: all visible checks pass.")

    namespace = {"check": lab.check, "double": lambda x: 5}
    with pytest.raises(CheckFailed, match="Twice 2 is 4"):
        exec('check("double")', namespace)


def test_torchs_not_implemented_error_is_no_gap(lab):
    def unable(x):
        raise NotImplementedError("no subtraction of truth values")

    with pytest.raises(CheckFailed, match="raised NotImplementedError: no subtraction"):
        lab.check("double", double=unable)
    with pytest.raises(NotWrittenYet):
        lab.check("double", double=unwritten)


def test_the_bar_counts_what_passes_now(lab, capsys):
    assert lab.bar() == "░" * 20 + " 0 / 8"
    lab.check("double", double=double)
    assert capsys.readouterr().out.splitlines()[1] == lab.bar() == "█" * 8 + "░" * 12 + " 3 / 8"
    lab.check("return", act=lambda: 1, plan=lambda: 1)
    assert lab.bar() == "█" * 20 + " 8 / 8"
    with pytest.raises(CheckFailed):
        lab.check("double", double=lambda x: 0)
    assert lab.bar() == "█" * 12 + "░" * 8 + " 5 / 8"


@pytest.mark.parametrize(("share", "points"), [(0.5, 2.5), (1, 5), (1.7, 5), (-1, 0)])
def test_a_performance_earns_its_share(lab, capsys, share, points):
    lab.check("return", act=lambda: share, plan=lambda: 1)
    assert lab.earned == {"return": points}
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("✓ return" if points == 5 else f"◐ return: {points:.1f} / 5 points")


def test_an_unknown_task_is_answered_with_the_nearest(lab):
    with pytest.raises(CheckFailed, match=r"no task 'dubble'. Did you mean 'double'"):
        lab.check("dubble")
    with pytest.raises(CheckFailed, match="'double' or 'return'"):
        lab.check("")


def test_a_name_that_the_notebook_lacks_is_told(lab):
    with pytest.raises(CheckFailed, match="defines no `plan`") as stop:
        lab.check("return", act=double)
    assert "没有定义 `plan`" in str(stop.value)


def test_a_gap_says_what_to_write_in_both_languages_and_hides_the_traceback(lab):
    with pytest.raises(NotWrittenYet) as stop:
        lab.check("double", double=unwritten)
    assert "double is still to be written: `double(x)` returns 2x." in str(stop.value)
    assert "double 尚未完成：`double(x)` 返回 2x。" in str(stop.value)
    assert stop.value._render_traceback_() == [str(stop.value)]
    assert stop.value.__suppress_context__


def test_the_students_own_exception_is_named(lab):
    with pytest.raises(LabMessage, match="your code raised ZeroDivisionError") as stop:
        lab.check("return", act=lambda: 1, plan=lambda: 0)
    assert isinstance(stop.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([1.0, 2.0], "should be an array or a tensor; it is list"),
        (np.zeros((1, 2), np.float32), r"should have shape \(2,\); it has \(1, 2\)"),
        (np.zeros(2), "should have dtype float32; it has float64"),
        (torch.tensor([1.0, float("nan")]), "contains NaN"),
    ],
)
def test_an_array_is_checked_by_type_shape_dtype_and_values(value, says):
    with pytest.raises(CheckFailed, match=says):
        expect_array("x", value, (2,), "float32")
    assert expect_array("x", torch.ones(2), (2,), "float32").sum() == 2


def test_a_number_is_checked_within_its_tolerance():
    name, where = ("the rate", "学习率"), ("at step 0", "第 0 步")
    expect_close(name, torch.tensor(0.50001), 0.5, where)
    with pytest.raises(CheckFailed, match=r"the rate should be 0\.5 at step 0; you return 0\.6"):
        expect_close(name, 0.6, 0.5, where)
    with pytest.raises(CheckFailed, match="should be one number; it is str"):
        expect_close(name, "low", 0.5, where)
