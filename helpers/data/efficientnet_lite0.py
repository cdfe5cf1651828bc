"""EfficientNet-lite0 pretrained on ImageNet, under timm's names. Normalise its input with mean = std = 0.5."""

from typing import TYPE_CHECKING

from helpers.data import fetch

if TYPE_CHECKING:
    from torch import Tensor

ARCHITECTURE = "tf_efficientnet_lite0"
MEAN = STD = 0.5


def state_dict() -> "dict[str, Tensor]":
    """The weights for `timm.create_model(ARCHITECTURE)`, 1,000 ImageNet classes, input (B, 3, 224, 224).

    The published file names its layers in its own way but lists them in timm's order; every shape is compared.
    Raises ValueError when it and the installed timm disagree.
    """
    import timm
    import torch

    (path,) = fetch("efficientnet-lite0").glob("*.pth")
    published = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        wanted = timm.create_model(ARCHITECTURE).state_dict()
    weights = dict(zip(wanted, published.values(), strict=False))
    kinds = [key.rsplit(".", 1)[-1] for key in published]
    if kinds != [key.rsplit(".", 1)[-1] for key in wanted] or any(
        weights[key].shape != wanted[key].shape for key in wanted
    ):
        raise ValueError(f"the layers of {path.name} are not those of timm {timm.__version__}'s {ARCHITECTURE}")
    return weights
