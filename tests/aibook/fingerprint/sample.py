"""Syntax whose trees differ between Python versions; hashed by the tests under each, never imported."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T", bound="Base")
y: int
big = 123_456_789_012_345_678_901_234_567_890
numbers = (1, 1.0, 1e-300, 1j, -0.0, True, None, ..., 0x1F, b"\xff\n")
texts = ("é\u4e2d\U0001fae8\U0001fadf\u0cf3", "\ud800", 'quote"\'', r"\d", u"kind", "a" "b")


class Base(Generic[T], metaclass=type):
    """Docstring."""

    x: int = 0
    """Attribute docstring."""

    def method(self, a, /, b: "T" = 1, *args: int, c=None, **kwargs) -> "list[T]":
        """Docstring."""
        if (n := len(args)) > 1:
            return [*args, n]
        return {**kwargs, "c": c}


def fstrings(x, width=3):
    nested = f"{x!r:>{width}}" f" and {f'{x:{width}.{width}f}'} {{}} " "tail" f""
    debug = f"{x = } {x=!s:>10} { x  +  1 = }"
    many = f"""
    {
        x
    } {'inner' if x else "other"} {x:} {x:%Y-%m-%d} \N{BULLET} {lambda_(x)}
    """
    return nested, debug, many, f"", f"plain", rf"\d{x}\w", f'{x["key"]}', f"{x:{'>'}{width}}", "%s" f"{x:,}" % x


def lambda_(value):
    return (lambda a, *b, c=1, **d: (a, b, c, d))(value)


def match_(value):
    match value:
        case {"a": [1, *rest], **others} if rest:
            return others
        case Base(x=0) | Base(x=1) as found:
            return found
        case (None, "s", -1, _):
            return None
        case _:
            pass


async def asynchronous(items):
    async with asyncio.Lock() as lock, asyncio.timeout(1):
        values = [item async for item in items if await item]
    async for item in items:
        yield item, lock, values


def errors(a, b):
    global big
    try:
        assert a < b <= 3, "message"
    except* (ValueError, TypeError) as group:
        raise RuntimeError from group
    else:
        del a
    finally:
        big += 1
    with open("f") as f, open("g"):
        x, *y = f
    a[1:2, ::3, ...] = a @ b if not a else ~b
    return {k: v for k, v in zip(x, y)}, {i for i in x}, (i for j in x for i in j if i)
