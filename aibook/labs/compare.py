"""Comparing a student's answer with the right one, outside the sandbox: by type, shape, dtype, and tolerance.

Answers are what `wire` reads: plain numbers, strings, lists, dicts, arrays and tensors, never an object of the
student's, so nothing of theirs is executed here. Messages name the first place that differs and what was there; the
right value is not told.
"""

from typing import Any

import numpy as np

from aibook.labs.grading import Wrong
from aibook.labs.student import Text

KINDS = {"float": np.floating, "int": np.integer, "bool": np.bool_, "number": np.number}
KINDS_ZH = {"float": "浮点数", "int": "整数", "bool": "布尔值", "number": "数"}


def array(name: Text, answer: Any, shape: tuple | None = None, dtype: str = "") -> np.ndarray:
    """The answer as an array. Raises Wrong unless it is an array, tensor, number or even list of numbers of this shape.

    dtype: an exact one, such as "float32"; or a kind: "float", "int", "bool", "number".
    """
    if hasattr(answer, "detach"):
        answer = answer.detach().float().numpy() if str(answer.dtype) == "torch.bfloat16" else answer.detach().numpy()
    try:
        found = np.asarray(answer)
    except ValueError:
        found = np.empty(0, object)
    if found.dtype.kind not in "biuf":
        kind = type(answer).__name__
        raise Wrong(f"{name[0]}: expected numbers, got {kind}", f"{name[1]}：应为数值，实际得到 {kind}")
    if shape is not None and found.shape != tuple(shape):
        raise Wrong(
            f"{name[0]}: expected shape {tuple(shape)}, got {found.shape}",
            f"{name[1]}：形状应为 {tuple(shape)}，实际为 {found.shape}",
        )
    if dtype in KINDS and not np.issubdtype(found.dtype, KINDS[dtype]):
        raise Wrong(
            f"{name[0]}: expected {dtype} values, got {found.dtype}",
            f"{name[1]}：应为{KINDS_ZH[dtype]}，实际类型为 {found.dtype}",
        )
    if dtype and dtype not in KINDS and found.dtype != np.dtype(dtype):
        raise Wrong(
            f"{name[0]}: expected dtype {dtype}, got {found.dtype}",
            f"{name[1]}：数据类型应为 {dtype}，实际为 {found.dtype}",
        )
    return found


def close(
    name: Text, answer: Any, expected: Any, *, where: Text = ("", ""), rtol: float = 1e-4, atol: float = 1e-5,
    dtype: str = "",
) -> None:  # fmt: skip
    """Raise Wrong unless the answer has the shape of `expected` and its values within atol + rtol · |expected|.

    where: the case in words, such as ("for two boxes that touch", "两个框恰好相接时").
    """
    right = np.asarray(expected.detach().numpy() if hasattr(expected, "detach") else expected)
    found = array(name, answer, right.shape, dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        same = np.isclose(found.astype(float), right.astype(float), rtol=rtol, atol=atol, equal_nan=True)
    if same.all():
        return
    at, at_zh = (f" {where[0]}", f"{where[1]}，") if where[0] else ("", "")
    if np.isnan(found.astype(float)).any() and not np.isnan(right.astype(float)).any():
        raise Wrong(f"{name[0]}: NaN{at}", f"{at_zh}{name[1]}：出现了 NaN")
    if right.ndim == 0:
        raise Wrong(f"{name[0]}: {found:.6g} is not right{at}", f"{at_zh}{name[1]}：{found:.6g} 不正确")
    first = tuple(int(i) for i in np.argwhere(~same)[0])
    index = ", ".join(map(str, first))
    share = f"{(~same).mean():.0%}"
    raise Wrong(
        f"{name[0]}: {found[first]:.6g} at [{index}] is not right{at} ({share} of the values are wrong)",
        f"{at_zh}{name[1]}：下标 [{index}] 处的 {found[first]:.6g} 不正确（{share} 的值有误）",
    )


def equal(name: Text, answer: Any, expected: Any, *, where: Text = ("", "")) -> None:
    """Raise Wrong unless the answer equals `expected`: numbers of any width, strings, and lists, tuples, dicts of them.

    A list may stand for a tuple and the other way round; an array for a list of numbers.
    """
    if _plain(answer) != _plain(expected):
        at, at_zh = (f" {where[0]}", f"{where[1]}，") if where[0] else ("", "")
        shown = repr(_plain(answer))
        shown = shown if len(shown) <= 80 else f"{shown[:77]}…"
        raise Wrong(f"{name[0]}: {shown} is not right{at}", f"{at_zh}{name[1]}：{shown} 不正确")


def check(condition: Any, english: str, chinese: str) -> None:
    """Raise Wrong with these words unless the condition holds."""
    if not bool(condition):
        raise Wrong(english, chinese)


def _plain(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
