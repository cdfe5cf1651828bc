"""The machinery of a lab's visible checks.

A check is a plain function that takes what the student wrote and calls `expect` for each property. The first property
that fails stops the cell with a message of two lines, English and Chinese, in place of a traceback.
"""

from collections.abc import Callable
from functools import wraps

import numpy as np


class LabMessage(Exception):
    """Stops a cell and shows its message alone; IPython asks an exception for `_render_traceback_`."""

    mark = "✗"

    def __init__(self, english: str, chinese: str):
        super().__init__(f"{self.mark} {english}\n  {chinese}")

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class NotWrittenYet(LabMessage):
    """The student has not written this task yet."""

    mark = "✎"


class CheckFailed(LabMessage):
    """A property that the task asks for does not hold."""


def expect(condition: bool, english: str, chinese: str) -> None:
    """Raise CheckFailed with the message in both languages unless `condition` holds."""
    if not bool(condition):
        raise CheckFailed(english, chinese)


def expect_array(name: str, value, shape: tuple, dtype: str | None = None) -> np.ndarray:
    """`value` as a NumPy array, after checking that it is an array or tensor of this shape (and dtype)."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    expect(
        isinstance(value, np.ndarray),
        f"{name} should be an array or a tensor; it is {type(value).__name__}.",
        f"{name} 应为数组或张量，实际类型为 {type(value).__name__}。",
    )
    expect(
        value.shape == tuple(shape),
        f"{name} should have shape {tuple(shape)}; it has {value.shape}.",
        f"{name} 的形状应为 {tuple(shape)}，实际为 {value.shape}。",
    )
    if dtype is not None:
        expect(
            value.dtype == np.dtype(dtype),
            f"{name} should have dtype {dtype}; it has {value.dtype}.",
            f"{name} 的数据类型应为 {dtype}，实际为 {value.dtype}。",
        )
    expect(np.isfinite(value).all(), f"{name} contains NaN or infinity.", f"{name} 含有 NaN 或无穷大。")
    return value


def expect_close(
    name: tuple[str, str], value, expected: float, where: tuple[str, str], tolerance: float = 1e-4
) -> None:
    """Check one number of a worked example.

    `name` says what the number is, `where` which example it belongs to, so that the student can redo it by hand; each
    is a pair, English and Chinese.
    """
    (name, name_zh), (where, where_zh) = name, where
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = None
    expect(
        number is not None,
        f"{name} should be one number; it is {type(value).__name__}.",
        f"{name_zh}应为一个数，实际类型为 {type(value).__name__}。",
    )
    expect(
        abs(number - expected) <= tolerance,
        f"{name} should be {expected:.4g} {where}; you return {number:.4g}.",
        f"{where_zh}，{name_zh}应为 {expected:.4g}，你返回的是 {number:.4g}。",
    )


def task(number: int, todo: str, todo_zh: str) -> Callable:
    """Decorate a check: unwritten solutions get `todo`, the student's own exceptions a hint, success a line.

    `todo` says what to write, in English; `todo_zh` the same in Chinese.
    """

    def decorate(check: Callable) -> Callable:
        @wraps(check)
        def run(*solutions) -> None:
            try:
                check(*solutions)
            except NotImplementedError:
                raise NotWrittenYet(
                    f"Task {number} is still to be written: {todo}", f"任务 {number} 尚未完成：{todo_zh}"
                ) from None
            except LabMessage:
                raise
            except Exception as error:
                raise CheckFailed(
                    f"Task {number}: your code raised {type(error).__name__}: {error}",
                    f"任务 {number}：你的代码抛出了异常 {type(error).__name__}（错误信息见上一行）。",
                ) from error
            print(f"✓ Task {number}: all visible checks pass.  任务 {number}：可见检查全部通过。")

        return run

    return decorate
