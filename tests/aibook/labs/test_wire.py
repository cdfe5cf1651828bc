"""The wire between grader and student: everything that may cross arrives equal; nothing else arrives at all."""

import io
import json
import math

import numpy as np
import pytest

from aibook.labs import wire
from aibook.labs.wire import Bounds, Handle, WireError


def over(value):
    return wire.exchange(io.BytesIO(wire.frame(value)).read)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 10**200, 1.5, math.inf, "", "Umlaute äöü 中文 \ud800", [], (), {}, [1, (2, [3])],
        {"a": 1, 2: [None]}, Handle(7),
    ],
)  # fmt: skip
def test_plain_values_cross(value):
    arrived = over(value)
    assert arrived == value and type(arrived) is type(value)


def test_nan_crosses():
    assert math.isnan(over(math.nan))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3), np.zeros((0, 4), np.float32), np.array(3.5), np.array([True]),
        np.arange(12.0).reshape(3, 4)[:, ::2], np.arange(3, dtype=">f8"), np.array([1 + 2j], np.complex64),
    ],
)  # fmt: skip
def test_arrays_cross(array):
    arrived = over([array, array])[1]  # the second one begins where the first ended
    np.testing.assert_array_equal(arrived, array)
    assert arrived.dtype == array.dtype.newbyteorder("=") and arrived.flags.writeable


def test_numbers_of_numpy_stay_numbers_of_numpy():
    assert type(over(np.float32(1.5))) is np.float32


def test_tensors_cross():
    torch = pytest.importorskip("torch")
    for tensor in (
        torch.arange(4).view(2, 2).T,
        torch.ones(3, dtype=torch.bfloat16),
        torch.ones(1, requires_grad=True),
    ):
        arrived = over({"x": tensor})["x"]
        assert arrived.dtype == tensor.dtype and torch.equal(arrived, tensor.detach())


class Equal:
    """Claims to be equal to anything, and would run code where it is unpickled."""

    def __eq__(self, other):
        return True

    __hash__ = None

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


class Sly(list):
    def __iter__(self):
        pytest.fail("its own methods were called")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (Equal(), "Equal"), (Sly([1]), "Sly"), (iter([]), "list_iterator"), ({1}, "set"), (print, "builtin"),
        (np.array([None]), "array of object"), ([{"deep": Equal()}], "Equal"),
    ],
)  # fmt: skip
def test_other_types_do_not_cross(value, what):
    with pytest.raises(WireError, match=what) as caught:
        wire.frame(value)
    assert caught.value.kind == "type"


def test_too_much_does_not_leave():
    endless = []
    endless.append(endless)
    small = Bounds(header=100, body=100, depth=3, values=10)
    for value in (endless, [[[[[]]]]], list(range(20)), "x" * 200, np.zeros(1_000), 10**400):
        with pytest.raises(WireError) as caught:
            wire.frame(value, small)
        assert caught.value.kind == "size"


def sent(header, body=b""):
    """A frame as somebody hostile may write it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return wire.PREFIX.pack(wire.MAGIC, len(text), len(body)) + text + body


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP" + bytes(20),
        sent(b"{"),
        sent(b"\xff\xfe"),
        sent(["p", "cos\nsystem\n(S'id'\ntR."]),
        sent(["i", 3]),
        sent(["i", "0x10"]),
        sent(["b", "true"]),
        sent(["l", "not a list"]),
        sent(["d", [[["l", []], ["n"]]]]),  # a key that cannot be one
        sent(["n", 1]),
        sent([]),
        sent(["a", "object", [1], 0], bytes(8)),
        sent(["a", "float64", [2], 0], bytes(8)),
        sent(["a", "float64", [1], 8], bytes(8)),
        sent(["a", "float64", [-1], 0], bytes(8)),
        sent(["a", "float64", [1], -8], bytes(8)),
        sent(["a", "float64", [2**40, 2**40], 0], bytes(8)),
        sent(["a", "float64", [True], 0], bytes(8)),
    ],
)
def test_what_is_no_value_is_refused(data):
    with pytest.raises(WireError) as caught:
        wire.exchange(io.BytesIO(data).read)
    assert caught.value.kind == "broken"


def test_a_frame_that_announces_too_much_is_refused_before_it_is_read():
    read = []

    def stream(n):
        read.append(n)
        return wire.PREFIX.pack(wire.MAGIC, 10, 2**60)

    with pytest.raises(WireError, match="bytes"):
        wire.exchange(stream)
    assert read == [wire.PREFIX.size]


def test_what_is_nested_without_end_is_refused():
    with pytest.raises(WireError) as caught:
        wire.exchange(io.BytesIO(sent(b'["l",[' * 50_000)).read)
    assert caught.value.kind in ("size", "broken")
    with pytest.raises(WireError, match="deeply"):
        wire.exchange(io.BytesIO(sent(b'["l",[' * 50 + b'["n"]' + b"]]" * 50)).read)


def test_the_end_of_a_stream_is_no_error_of_the_wire():
    with pytest.raises(EOFError):
        wire.exchange(io.BytesIO(b"").read)
