"""Pictures that every detector of the book has to learn from in seconds."""

import numpy as np
import pytest

from helpers.data.annotated import Annotated


def _squares(n: int, seed: int, *, empty: int = 0) -> Annotated:
    rng = np.random.default_rng(seed)
    images, rows = rng.normal(128, 8, (n, 64, 64, 3)).clip(0, 255).astype(np.uint8), []
    for i in range(n - empty):
        side, kind = rng.integers(16, 33), int(rng.integers(2))
        x, y = rng.integers(0, 64 - side, 2)
        images[i, y : y + side, x : x + side] = 255 * kind
        rows.append((i, x, y, x + side, y + side, kind))
    return Annotated.from_rows(images, np.array(rows, float), ("dark", "bright"), [f"s{i}" for i in range(n)])


@pytest.fixture(scope="session")
def squares():
    """squares(n, seed, empty=0): n grey pictures of 64 pixels with a bright or dark square each; the last have none."""
    return _squares
