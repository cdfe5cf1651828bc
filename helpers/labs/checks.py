"""The machinery of a lab's visible checks.

    lab = Lab()

    @lab.task("one-cycle", 3, ["one_cycle"], "`one_cycle(step, …)` rises …", "`one_cycle(step, …)` 先上升……")
    def _(one_cycle):
        expect(…)

    check = lab.check  # in the notebook: check("one-cycle")

A check is a plain function that takes what the student wrote and calls `expect` for each property. The first property
that fails stops the cell with a message of two lines, English and Chinese, in place of a traceback.
"""

import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Task:
    """A task: its points, the names that the student writes, what to write in both languages, and its check."""

    points: float
    names: tuple[str, ...]
    todo: tuple[str, str]
    check: Callable


class Lab:
    """The tasks of one lab, in order, and which of them pass their visible checks."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.earned: dict[str, float] = {}

    def task(self, name: str, points: float, names: Sequence[str], todo: str, todo_zh: str) -> Callable:
        """Decorate a check, which gets what the notebook calls `names`; `todo` says what to write.

        The check of a task that asks for a performance returns the share of the points that is reached, 0 to 1.
        """

        def add(check: Callable) -> Callable:
            self.tasks[name] = Task(points, tuple(names), (todo, todo_zh), check)
            return check

        return add

    def check(self, name: str, **given) -> None:
        """Run a task's visible checks on what the calling notebook defines; print the points so far.

        given: what to check instead of the notebook's names.

        Raises LabMessage: what is still wrong, or still to be written.
        """
        if name not in self.tasks:
            near = difflib.get_close_matches(name, self.tasks, 1) or list(self.tasks)
            raise CheckFailed(
                f"There is no task {name!r}. Did you mean {' or '.join(map(repr, near))}?",
                f"没有名为 {name!r} 的任务。你是否要找 {'、'.join(map(repr, near))}？",
            )
        self.earned.pop(name, None)
        task = self.tasks[name]
        share = _run(name, task, {**sys._getframe(1).f_globals, **given})
        self.earned[name] = (1.0 if share is None else min(1.0, max(0.0, float(share)))) * task.points
        if self.earned[name] == task.points:
            print(f"✓ {name}: all visible checks pass.  可见检查全部通过。\n{self.bar()}")
        else:
            points = f"{self.earned[name]:.1f} / {task.points:g}"
            print(f"◐ {name}: {points} points, as far as can be seen here.  目前可得 {points} 分。\n{self.bar()}")

    def bar(self) -> str:
        """The points of the tasks whose visible checks pass, out of all that are checked."""
        earned = sum(self.earned.values())
        possible = sum(task.points for task in self.tasks.values())
        filled = round(20 * earned / possible)
        return f"{'█' * filled}{'░' * (20 - filled)} {round(earned, 1):g} / {possible:g}"


def _run(name: str, task: Task, names: dict) -> float | None:
    """Call the check; whatever goes wrong becomes a message."""
    todo = NotWrittenYet(f"{name} is still to be written: {task.todo[0]}", f"{name} 尚未完成：{task.todo[1]}")
    if missing := [wanted for wanted in task.names if wanted not in names]:
        raise CheckFailed(
            f"{name}: your notebook defines no `{missing[0]}`. Run the cell above; if you renamed it, name it back.",
            f"{name}：笔记本没有定义 `{missing[0]}`。请运行上面的单元；如果改过名字，请改回来。",
        )
    try:
        return task.check(*[names[wanted] for wanted in task.names])
    except LabMessage:
        raise
    except Exception as error:
        if type(error) is NotImplementedError and not error.args:  # the gap; torch raises it too, with a message
            raise todo from None
        raise CheckFailed(
            f"{name}: your code raised {type(error).__name__}: {error}",
            f"{name}：你的代码抛出了异常 {type(error).__name__}（错误信息见上一行）。",
        ) from error
