"""Data sets and pretrained weights: fetched once, verified, cached. `fetch` and the registry need no numpy or torch.

The loaders have modules of their own. Pictures: `fashion_mnist`, `fashion_scenes`, `elpv`, `bccd`, `cifar10`. Texts:
`movie_snippets`, `chinese_reviews`, `peoples_daily`, `brown_corpus`, `tang_poems`. Pretrained: `efficientnet_lite0`,
`glove`, `e5_small`, `smollm2`.
"""

from helpers.data.errors import DataError, NoSpaceError, UnavailableError
from helpers.data.fetching import fetch
from helpers.data.registry import entries, entry

__all__ = ["DataError", "NoSpaceError", "UnavailableError", "entries", "entry", "fetch"]
