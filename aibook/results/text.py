"""Numbers as text."""

import math

from aibook.recordbook import Value


def number(value: Value) -> str:
    """A number to four digits or more, with thousands separated; a curve by its ends and its length."""
    if isinstance(value, list):
        return f"{number(value[0])} … {number(value[-1])} ({len(value)})"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.5g}" if abs(value) >= 100 else f"{value:.4g}"


def spread(mean: float, sd: float) -> str:
    """`mean ± sd`, both to the deviation's second significant digit."""
    if sd == 0:
        return f"{number(mean)} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(sd)))
    return f"{mean:,.{decimals}f} ± {sd:,.{decimals}f}"
