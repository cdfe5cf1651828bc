"""What crosses between the grader and a student's code: a JSON header and the raw bytes of arrays, never a pickle.

A frame is MAGIC, the header's length, the body's length, header, body. The header is one value as a tree of
`[tag, …]`; arrays and tensors stand in it as dtype, shape and offset of their bytes in the body. What arrives is
checked against `Bounds` before anything of its size is made, for whoever sent it may be hostile.

Read by both sides: this file is also copied into the sandbox, so it imports nothing of the book, and torch only when
a tensor is met.
"""

import importlib
import json
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MAGIC = b"AIBL"
PREFIX = struct.Struct(">4sIQ")
WHOLE = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = frozenset((*WHOLE, "float16", "float32", "float64", "complex64", "complex128"))
DIGITS = 300  # of a whole number


class WireError(Exception):
    """A frame or value that does not cross. `kind` is "type", "size" or "broken", `what` names it in a word or two."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind, self.what = kind, what


@dataclass(frozen=True)
class Bounds:
    """How much one frame may hold."""

    header: int = 4 * 2**20  # bytes
    body: int = 64 * 2**20  # bytes
    depth: int = 12
    values: int = 200_000


@dataclass(frozen=True)
class Handle:
    """An object that stays in the sandbox, by its number there."""

    number: int


def frame(value: Any, bounds: Bounds = Bounds()) -> bytes:
    """A value as one frame. Raises WireError for a type that does not cross, or too much of it."""
    writer = _Writer(bounds)
    tree = writer.tree(value, 0)
    header = json.dumps(tree, ensure_ascii=True, separators=(",", ":")).encode()
    if len(header) > bounds.header:
        raise WireError("size", f"{len(header):,} bytes")
    return b"".join([PREFIX.pack(MAGIC, len(header), writer.size), header, *writer.chunks])


def lengths(prefix: bytes, bounds: Bounds = Bounds()) -> tuple[int, int]:
    """Length of header and body that a frame's first `PREFIX.size` bytes announce. Raises WireError."""
    magic, header, body = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError("broken", "bytes that are no frame")
    if header > bounds.header or body > bounds.body:
        raise WireError("size", f"{header + body:,} bytes")
    return header, body


def value(header: bytes, body: bytes, bounds: Bounds = Bounds()) -> Any:
    """The value of a frame. Raises WireError for whatever is not one, and nothing else."""
    try:
        return _Reader(body, bounds).value(json.loads(header.decode()), 0)
    except WireError:
        raise
    except RecursionError:
        raise WireError("size", "nested too deeply") from None
    except Exception as error:
        raise WireError("broken", f"{type(error).__name__}") from None


def exchange(read: Callable[[int], bytes], bounds: Bounds = Bounds()) -> Any:
    """The next value of a stream whose `read(n)` returns exactly n bytes. Raises EOFError at its end, WireError."""
    prefix = read(PREFIX.size)
    if len(prefix) < PREFIX.size:
        raise EOFError
    header, body = lengths(prefix, bounds)
    return value(read(header), read(body), bounds)


class _Writer:
    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.chunks: list[bytes] = []
        self.size = self.count = 0

    def tree(self, value: Any, depth: int) -> list:
        self.count += 1
        if depth > self.bounds.depth or self.count > self.bounds.values:
            raise WireError("size", "nested too deeply" if depth > self.bounds.depth else "too many values")
        kind = type(value)  # exact: a subclass may pretend anything
        if value is None:
            return ["n"]
        if kind is bool:
            return ["b", value]
        if kind is int:
            if value.bit_length() > 3.3 * DIGITS:
                raise WireError("size", "a whole number of so many digits")
            return ["i", str(value)]
        if kind is float:
            return ["f", value]
        if kind is str:
            return ["s", value]
        if kind in (list, tuple):
            return ["l" if kind is list else "t", [self.tree(item, depth + 1) for item in value]]
        if kind is dict or kind.__name__ == "OrderedDict":
            items = list(value.items())
            return ["d", [[self.tree(key, depth + 1), self.tree(item, depth + 1)] for key, item in items]]
        if isinstance(value, Handle):
            return ["h", value.number]
        if isinstance(value, np.generic):
            return ["g", *self.array(np.asarray(value))]
        if isinstance(value, np.ndarray):
            return ["a", *self.array(np.asarray(value))]
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return self.tensor(torch, value)
        raise WireError("type", kind.__name__)

    def tensor(self, torch: Any, value: Any) -> list:
        value = value.detach().cpu()
        name = str(value.dtype).removeprefix("torch.")
        if value.layout is not torch.strided or value.is_quantized:
            raise WireError("type", f"tensor of layout {value.layout}")
        value = value.to(torch.float32) if name == "bfloat16" else value
        return ["T", *self.array(value.resolve_conj().resolve_neg().numpy()), name]

    def array(self, value: np.ndarray) -> list:
        if value.dtype.name not in DTYPES:
            raise WireError("type", f"array of {value.dtype.name}")
        if self.size + value.nbytes > self.bounds.body:
            raise WireError("size", f"an array of {value.nbytes:,} bytes")
        start = self.size
        data = np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<"), copy=False)).tobytes()
        self.chunks.append(data)
        self.size += len(data)
        return [value.dtype.name, list(value.shape), start]


class _Reader:
    def __init__(self, body: bytes, bounds: Bounds) -> None:
        self.body, self.bounds, self.count = body, bounds, 0

    def value(self, tree: Any, depth: int) -> Any:
        self.count += 1
        if depth > self.bounds.depth or self.count > self.bounds.values:
            raise WireError("size", "nested too deeply" if depth > self.bounds.depth else "too many values")
        if type(tree) is not list or not tree or type(tree[0]) is not str:
            raise WireError("broken", "no value")
        tag, *rest = tree
        if tag == "n" and not rest:
            return None
        if tag in ("a", "g", "T"):
            return self.array(tag, *rest)
        (payload,) = rest
        if tag in ("b", "f", "s") and type(payload) is {"b": bool, "f": float, "s": str}[tag]:
            return payload
        if tag == "i" and type(payload) is str and len(payload) <= DIGITS + 1:
            return int(payload)
        if tag == "h" and type(payload) is int:
            return Handle(payload)
        if tag in ("l", "t") and type(payload) is list:
            items = [self.value(item, depth + 1) for item in payload]
            return items if tag == "l" else tuple(items)
        if tag == "d" and type(payload) is list:
            pairs = [(self.value(key, depth + 1), self.value(item, depth + 1)) for key, item in payload]
            return dict(pairs)
        raise WireError("broken", f"a value of tag {tag[:10]!r}")

    def array(self, tag: str, dtype: str, shape: list, start: int, name: str = "") -> Any:
        whole = type(dtype) is str and type(shape) is list and type(start) is int
        if not whole or dtype not in DTYPES or len(shape) > 16 or any(type(n) is not int or n < 0 for n in shape):
            raise WireError("broken", "an array")
        count = 1
        for length in shape:
            count *= length
        kind = np.dtype(dtype).newbyteorder("<")
        if start < 0 or start + count * kind.itemsize > len(self.body):
            raise WireError("broken", "an array beyond its bytes")
        array = np.frombuffer(self.body, kind, count, start) if count else np.empty(0, kind)
        array = array.reshape(shape).astype(dtype)  # a copy in the machine's own order, which can be written to
        if tag == "a":
            return array
        if tag == "g":
            return array[()]
        tensor = importlib.import_module("torch").from_numpy(np.asarray(array))
        return tensor.bfloat16() if name == "bfloat16" else tensor
