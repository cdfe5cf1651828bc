"""Data sets and pretrained weights: fetched once, verified, cached. `fetch` and the registry need no numpy or torch.

The loaders have modules of their own (`fashion_mnist`, `fashion_scenes`, `elpv`, `bccd`, `cifar10`,
`efficientnet_lite0`).
"""

from helpers.data.errors import DataError, NoSpaceError, UnavailableError
from helpers.data.fetching import fetch
from helpers.data.registry import entries, entry

__all__ = ["DataError", "NoSpaceError", "UnavailableError", "entries", "entry", "fetch"]
