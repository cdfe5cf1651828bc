"""The library's weights under our names: complete, or a clear message. (The chapter's test has the parity.)"""

import pytest
import torch
from torch import nn
from transformers import AlbertConfig, AlbertModel, BertConfig, BertModel, XLNetConfig, XLNetModel

from helpers.nlp.from_library import ENCODER, XLNET, renamed, take

SIZES = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "vocab_size": 30}


def test_every_name_of_the_library_gets_one_of_ours():
    tables = {f"tables.{n}.weight" for n in ("word", "place", "segment", "norm")} | {"tables.norm.bias"}
    layer = {f"{n}.{w}" for n in ["q", "k", "v", "out", "norm1", "wide", "narrow", "norm2"] for w in ("weight", "bias")}
    pooler = {"pooler.weight", "pooler.bias"}
    bert = renamed(dict(BertModel(BertConfig(**SIZES)).named_parameters()), ENCODER)
    assert set(bert) == tables | {f"blocks.{i}.{n}" for i in range(2) for n in layer} | pooler
    albert = renamed(dict(AlbertModel(AlbertConfig(embedding_size=4, **SIZES)).named_parameters()), ENCODER)
    widen = {"tables.widen.weight", "tables.widen.bias"}
    assert set(albert) == tables | widen | {f"blocks.0.{n}" for n in layer} | pooler
    config = XLNetConfig(vocab_size=30, d_model=8, n_layer=1, n_head=2, d_inner=12)
    xlnet = renamed(dict(XLNetModel(config).named_parameters()), XLNET)
    assert {"word.weight", "query", "blocks.0.q.weight", "blocks.0.segment", "blocks.0.narrow.bias"} <= set(xlnet)


def test_missing_weights_and_other_shapes_are_named():
    ours = nn.ModuleDict({"pooler": nn.Linear(3, 3)})
    with pytest.raises(ValueError, match=r"pooler\.bias"):
        take(ours, {"pooler.dense.weight": torch.zeros(3, 3)}, ENCODER)
    with pytest.raises(ValueError, match=r"pooler\.weight is \(3, 3\), the library's is \(4, 3\)"):
        take(ours, {"pooler.dense.weight": torch.zeros(4, 3), "pooler.dense.bias": torch.zeros(3)}, ENCODER)
