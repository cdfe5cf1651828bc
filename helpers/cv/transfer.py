"""Networks trained on ImageNet, ready for another task: the photograph goes in, a description (a feature vector) comes
out.

EfficientNet-lite0 (Tan & Le 2019) comes from a package registry, so it needs no model hub; ResNet-50 is torchvision's
own download.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pretrained(nn.Module):
    """A backbone with the preparation that its weights expect: grey becomes RGB, resized, normalised.

    `forward` takes `uint8` images (B, 1 or 3, H, W) and returns features (B, `width`).
    """

    def __init__(
        self, backbone: nn.Module, width: int, size: int, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.backbone, self.width, self.size = backbone, width, size
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        x = images.expand(-1, 3, -1, -1).float() / 255  # (B, 3, H, W)
        if x.shape[-1] != self.size:
            x = F.interpolate(x, size=(self.size, self.size), mode="bilinear", antialias=True)
        x = ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        return self.backbone(x)


def efficientnet_lite0(size: int = 224) -> Pretrained:
    """EfficientNet-lite0 with its ImageNet weights, as a map from images to 1,280 features."""
    import timm

    from helpers.data import efficientnet_lite0

    network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(efficientnet_lite0.state_dict())
    network.reset_classifier(0)
    half = (0.5, 0.5, 0.5)
    return Pretrained(network.to(memory_format=torch.channels_last), 1280, size, half, half)


def resnet50(size: int = 224) -> Pretrained:
    """torchvision's ResNet-50 with its second ImageNet weights (downloaded on first use), as 2,048 features."""
    from torchvision.models import ResNet50_Weights
    from torchvision.models import resnet50 as build

    network = build(weights=ResNet50_Weights.IMAGENET1K_V2)
    network.fc = nn.Identity()
    network = network.to(memory_format=torch.channels_last)
    return Pretrained(network, 2048, size, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
