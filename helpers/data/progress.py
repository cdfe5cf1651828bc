"""The progress bar of downloads."""

import sys

from tqdm import tqdm


def bar(label: str, size: int) -> tqdm:
    """A bar towards `size` bytes on stderr that is gone when done; only where someone may be looking at it."""
    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(total=size, desc=label, unit="B", unit_scale=True, leave=False, delay=0.5, disable=not seen)
