"""Weights of `transformers`' BERT, RoBERTa, ALBERT and XLNet under the names of the book's own networks.

Ours: `tables.{word,place,segment,norm,widen}`, `blocks.N.{q,k,v,out,norm1,wide,narrow,norm2}`, `pooler`; and for
XLNet `word`, `query`, `blocks.N.{q,k,v,r,out,content_bias,place_bias,segment_bias,segment,norm1,wide,narrow,norm2}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

ENCODER = {
    r"embeddings\.word_embeddings": "tables.word",
    r"embeddings\.position_embeddings": "tables.place",
    r"embeddings\.token_type_embeddings": "tables.segment",
    r"embeddings\.LayerNorm": "tables.norm",
    r"encoder\.embedding_hidden_mapping_in": "tables.widen",
    r"encoder\.layer\.(\d+)\.": r"blocks.\1.",
    r"encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0\.": r"blocks.\1.",
    r"attention\.(?:self\.)?query": "q",
    r"attention\.(?:self\.)?key": "k",
    r"attention\.(?:self\.)?value": "v",
    r"attention\.(?:output\.)?dense": "out",
    r"attention\.(?:output\.)?LayerNorm": "norm1",
    r"intermediate\.dense|ffn(?=\.)": "wide",
    r"(?<=\d\.)output\.dense|ffn_output": "narrow",
    r"(?<=\d\.)output\.LayerNorm|full_layer_layer_norm": "norm2",
    r"pooler\.dense": "pooler",
}
XLNET = {
    r"word_embedding": "word",
    r"mask_emb": "query",
    r"layer\.(\d+)\.": r"blocks.\1.",
    r"rel_attn\.r_w_bias": "content_bias",
    r"rel_attn\.r_r_bias": "place_bias",
    r"rel_attn\.r_s_bias": "segment_bias",
    r"rel_attn\.seg_embed": "segment",
    r"rel_attn\.layer_norm": "norm1",
    r"rel_attn\.([qkvr])$": r"\1.weight",
    r"rel_attn\.o$": "out.weight",
    r"ff\.layer_norm": "norm2",
    r"ff\.layer_1": "wide",
    r"ff\.layer_2": "narrow",
}


def renamed(weights: Mapping[str, Tensor], rules: Mapping[str, str]) -> dict[str, Tensor]:
    """The weights under new names: every rule (pattern, replacement) is applied to each name, in order."""
    out = {}
    for name, value in weights.items():
        for pattern, replacement in rules.items():
            name = re.sub(pattern, replacement, name)
        out[name] = value
    return out


def take(ours: nn.Module, weights: Mapping[str, Tensor], rules: Mapping[str, str]) -> None:
    """Copy weights into `ours` by name.

    XLNet's matrices (d, heads, d/heads) become those of linear layers, (d, d).
    Raises ValueError, naming it, where a weight is missing, left over or of another shape.
    """
    own, given = dict(ours.named_parameters()), renamed(weights, rules)
    if own.keys() != given.keys():
        raise ValueError(f"these weights fit nothing on the other side: {sorted(own.keys() ^ given.keys())[:4]}")
    for name, p in own.items():
        value = given[name]
        if rules is XLNET and value.dim() == 3 and name.endswith(".weight"):
            value = value.flatten(1) if name.endswith("out.weight") else value.flatten(1).T
        if value.numel() != p.numel() or (p.dim() == value.dim() and p.shape != value.shape):
            raise ValueError(f"{name} is {tuple(p.shape)}, the library's is {tuple(value.shape)}")
        p.data.copy_(value.reshape(p.shape))
